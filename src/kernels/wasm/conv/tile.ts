/**
 * Register tiles: P vectors of 4 pixels × Q outputs, held in P·Q vector registers while the sum runs.
 *
 *              x: P vectors of 4 neighbouring pixels
 *            ┌────────┬────────┐
 *   w splat  │ acc 00 │ acc 10 │   each step: P loads of x, Q splat loads of w, P·Q multiply-adds
 *   Q of     ├────────┼────────┤
 *   them     │ acc 01 │ acc 11 │
 *            └────────┴────────┘
 *
 * V8 has 15 vector registers to give on x64 (the 16th is its scratch): min(P, Q) operands are held, one more is in
 * flight, and without a fused multiply-add one holds the product. Measured there, in percent of the 6×2 tile with
 * `f32x4.relaxed_madd`: 6×2 100, 2×6 99, 5×2 96, 2×5 95, 3×3 93, 2×4 92, 12×1 86; with mul and add 5×2 71, 2×5 68;
 * tiles that do not fit (4×3 fused, 2×6 unfused) fall to 47 to 51.
 */
import { type Expr, type FunctionBuilder, f32x4, type Local, load, op } from '../assembler/assembler.ts';

/** a·b + c, fused where `fma` says that the engine can. */
export function multiplyAdd(fma: boolean, a: Expr<'v128'>, b: Expr<'v128'>, c: Expr<'v128'>): Expr<'v128'> {
  return fma ? op('f32x4.relaxed_madd', a, b, c) : op('f32x4.add', c, op('f32x4.mul', a, b));
}

/** max(x, 0), where NaN stays NaN and -0 becomes 0: `pmax` lets NaN through, and keeps -0 until 0 is added. */
export function positivePart(x: Expr<'v128'>): Expr<'v128'> {
  return op('f32x4.add', op('f32x4.pmax', x, f32x4(0)), f32x4(0));
}

/** The most vectors of pixels that a tile with this many outputs keeps in registers. */
export function tileVectors(outputs: number, fma: boolean): number {
  const most = fma ? [12, 6, 3, 2, 2, 2] : [10, 5, 3, 2, 2];
  return most[outputs - 1] as number;
}

/**
 * Splits a number of outputs into tiles' outputs: mostly the widest tile, and the rest by the efficiencies above: no
 * tile of one beside others, and two of five rather than six and four.
 */
export function splitOutputs(outputs: number, fma: boolean): number[] {
  const widest = fma ? 6 : 5;
  const full = Math.floor(outputs / widest);
  const rest = outputs % widest;
  const blocks: number[] = new Array<number>(full).fill(widest);
  if (rest === 0) return blocks;
  if (fma && rest === 4 && full > 0) blocks.splice(-1, 1, 5, 5);
  else if (fma && rest === 3 && full > 1) blocks.splice(-2, 2, 5, 5, 5);
  else if (rest === 1 && full > 0) blocks.splice(-1, 1, widest - 1, 2);
  else blocks.push(rest);
  return blocks;
}

/** How a row of vectors is covered: `count` tiles of `vectors`, then one of `tail` vectors (0: none). */
export interface Coverage {
  readonly vectors: number;
  readonly count: number;
  readonly tail: number;
}

/**
 * Covers `vectors` with near-equal tiles of at most `most`. In a long row the last tile runs over the end, which
 * costs less than the code of a smaller tile does: the bound is one part in 32.
 */
export function cover(vectors: number, most: number): Coverage {
  const tiles = Math.ceil(vectors / most);
  const each = Math.ceil(vectors / tiles);
  const tail = vectors % each;
  if (tail === 0 || (each - tail) * 32 <= vectors) return { vectors: each, count: Math.ceil(vectors / each), tail: 0 };
  return { vectors: each, count: Math.floor(vectors / each), tail };
}

/** The vectors that a coverage computes, at least as many as asked for. */
export function covered({ vectors, count, tail }: Coverage): number {
  return vectors * count + tail;
}

/** Emits the steps of one tile; accumulators are indexed [q · P + p]. */
export class Tile {
  readonly vectors: number;
  readonly outputs: number;
  readonly accumulators: readonly Local<'v128'>[];
  readonly #f: FunctionBuilder;
  readonly #fma: boolean;
  readonly #held: readonly Local<'v128'>[];
  readonly #moving: Local<'v128'>;

  constructor(f: FunctionBuilder, vectors: number, outputs: number, fma: boolean) {
    this.vectors = vectors;
    this.outputs = outputs;
    this.#f = f;
    this.#fma = fma;
    this.accumulators = Array.from({ length: vectors * outputs }, () => f.local('v128', 'acc'));
    this.#held = Array.from({ length: Math.min(vectors, outputs) }, () => f.local('v128', 'held'));
    this.#moving = f.local('v128', 'moving');
  }

  #add(p: number, q: number, x: Expr<'v128'>, w: Expr<'v128'>): void {
    const acc = this.accumulators[q * this.vectors + p] as Local<'v128'>;
    this.#f.set(acc, multiplyAdd(this.#fma, x, w, acc));
  }

  /** acc[q][p] += x[p] · w[q]. The smaller side is held in registers, the other passes through one. */
  step(x: (p: number) => Expr<'v128'>, w: (q: number) => Expr<'v128'>): void {
    const holdX = this.vectors <= this.outputs;
    this.#held.forEach((held, i) => this.#f.set(held, holdX ? x(i) : w(i)));
    for (let j = 0; j < Math.max(this.vectors, this.outputs); j++) {
      this.#f.set(this.#moving, holdX ? w(j) : x(j));
      this.#held.forEach((held, i) => {
        if (holdX) this.#add(i, j, held, this.#moving);
        else this.#add(j, i, this.#moving, held);
      });
    }
  }
}

/** A vector load, and a load of one float into all four lanes, at a constant number of floats from a base. */
export const vectorAt = (base: Expr<'i32'>, floats: number): Expr<'v128'> => load('v128.load', base, 4 * floats);
export const splatAt = (base: Expr<'i32'>, floats: number): Expr<'v128'> => load('v128.load32_splat', base, 4 * floats);
