/**
 * The register tile of a matrix product, and how packing and tiles move vectors in and out.
 *
 *   y[q][0 … 4P) (+)= Σ_k w[q·wRow + k·wStep] · x[k·xStep … + 4P)        for q = 0 … Q - 1
 *
 * x is read in vectors, so its columns are neighbours; w is read by single floats, wherever they lie. What is stored is
 * exact: of the last vector only the lanes that y has, so that y may be a tensor's own memory. Distances are in floats.
 */
import { type Expr, FunctionBuilder, f32x4, i32, type Local, op, plus, shuffle } from '../assembler/assembler.ts';
import { positivePart, splatAt, Tile, vectorAt } from '../conv/tile.ts';
import { transpose4 } from '../memory/transpose.ts';

/** Steps of the sum per round of its loop: enough to hide the counter. */
export const ROUND = 8;
/** Bits of `state`: the sum begins here; it ends here. */
export const FIRST = 1;
export const LAST = 2;

/** What happens to a finished sum before it is stored. */
export interface MatmulEpilogue {
  /** y + bias[column]. */
  readonly bias?: boolean;
  /** max(y, 0); NaN stays NaN. */
  readonly relu?: boolean;
}

export interface ProductTile {
  /** Q. */
  readonly outputs: number;
  /** P. */
  readonly vectors: number;
  /** Floats of the last vector that are stored, 1 to 4. */
  readonly lanes: number;
  /** The length of the sum; of its blocks, all but the last are whole rounds. */
  readonly depth: number;
  /** Is the sum split over several calls, with y holding what there is of it? */
  readonly blocked: boolean;
  readonly xStep: number;
  readonly wStep: number;
  readonly wRow: number;
  readonly yRow: number;
  /** Are rows of the tile columns of y? Its vectors are then stored lane by lane. */
  readonly turned: boolean;
  readonly fma: boolean;
  readonly epilogue: MatmulEpilogue;
}

/** Functions of a module by name, each made once. */
export class Functions {
  readonly list: FunctionBuilder[] = [];

  get(name: string, build: (f: FunctionBuilder) => void): FunctionBuilder {
    const known = this.list.find((f) => f.name === name);
    if (known !== undefined) return known;
    const f = new FunctionBuilder(name, { exported: false });
    build(f);
    this.list.push(f);
    return f;
  }
}

/** Stores the first `lanes` floats of a vector. */
export function storeLanes(f: FunctionBuilder, base: Expr<'i32'>, value: Expr<'v128'>, floats: number, lanes: number) {
  if (lanes === 4) {
    f.store('v128.store', base, value, 4 * floats);
    return;
  }
  const kept = f.let(value, 'kept');
  if (lanes >= 2) f.storeLane('v128.store64_lane', 0, base, kept, 4 * floats);
  if (lanes % 2 === 1) f.storeLane('v128.store32_lane', lanes - 1, base, kept, 4 * (floats + lanes - 1));
}

/**
 * Stores vectors as columns: lane l of vector i goes to base + l·pitch + i. Four vectors are transposed in registers,
 * a pair is interleaved, a single one is stored lane by lane.
 */
export function storeColumns(
  f: FunctionBuilder,
  base: Expr<'i32'>,
  vectors: readonly Expr<'v128'>[],
  pitch: number,
  lanes: number = 4,
): void {
  let at = 0;
  for (; vectors.length - at >= 4; at += 4) {
    const rows = transpose4(f, vectors.slice(at, at + 4));
    for (let l = 0; l < lanes; l++) f.store('v128.store', base, rows[l] as Expr<'v128'>, 4 * (l * pitch + at));
  }
  if (vectors.length - at >= 2) {
    const [a, b] = [f.let(vectors[at] as Expr<'v128'>), f.let(vectors[at + 1] as Expr<'v128'>)];
    const halves = [f.let(shuffle(a, b, [0, 4, 1, 5])), f.let(shuffle(a, b, [2, 6, 3, 7]))];
    for (let l = 0; l < lanes; l++) {
      f.storeLane('v128.store64_lane', l % 2, base, halves[l >> 1] as Local<'v128'>, 4 * (l * pitch + at));
    }
    at += 2;
  }
  if (at < vectors.length) {
    const last = f.let(vectors[at] as Expr<'v128'>);
    for (let l = 0; l < lanes; l++) f.storeLane('v128.store32_lane', l, base, last, 4 * (l * pitch + at));
  }
}

/** A sum as it is stored. */
export function finished(value: Expr<'v128'>, { relu }: MatmulEpilogue): Expr<'v128'> {
  return relu === true ? positivePart(value) : value;
}

/** tile(x, w, y, bias, rounds, state): `rounds` rounds, and the rest of the sum where `state` says that it ends. */
export function productTile(functions: Functions, t: ProductTile): FunctionBuilder {
  const name = `tile_${t.outputs}x${t.vectors}_${t.lanes}`;
  return functions.get(name, (f) => {
    const [x, w, y, bias, rounds, state] = ['x', 'w', 'y', 'bias', 'rounds', 'state'].map((n) => f.param('i32', n)) as [
      Local<'i32'>,
      Local<'i32'>,
      Local<'i32'>,
      Local<'i32'>,
      Local<'i32'>,
      Local<'i32'>,
    ];
    const tile = new Tile(f, t.vectors, t.outputs, t.fma);
    const each = (visit: (acc: Local<'v128'>, p: number, q: number) => void): void =>
      tile.accumulators.forEach((acc, i) => visit(acc, i % t.vectors, Math.floor(i / t.vectors)));
    const begin = (): void =>
      each((acc, p, q) => {
        const start = t.turned ? splatAt(bias, q) : vectorAt(bias, 4 * p);
        f.set(acc, t.epilogue.bias === true ? start : f32x4(0));
      });
    const store = (): void => {
      const value = (p: number, q: number): Expr<'v128'> =>
        finished(tile.accumulators[q * t.vectors + p] as Local<'v128'>, t.epilogue);
      if (t.turned) storeTurned(f, t, y, value);
      else each((_, p, q) => storeLanes(f, y, value(p, q), q * t.yRow + 4 * p, p === t.vectors - 1 ? t.lanes : 4));
    };
    if (!t.blocked) begin();
    else
      f.if(op('i32.and', state, i32(FIRST)), begin, () =>
        each((acc, p, q) => f.set(acc, vectorAt(y, q * t.yRow + 4 * p))),
      );
    const steps = (count: number): void => {
      for (let s = 0; s < count; s++) {
        tile.step(
          (p) => vectorAt(x, s * t.xStep + 4 * p),
          (q) => splatAt(w, s * t.wStep + q * t.wRow),
        );
      }
    };
    f.if(rounds, () =>
      f.loop((again) => {
        steps(ROUND);
        f.advance(x, 4 * ROUND * t.xStep);
        f.advance(w, 4 * ROUND * t.wStep);
        f.set(rounds, op('i32.sub', rounds, i32(1)));
        again(rounds);
      }),
    );
    const end = (): void => {
      steps(t.depth % ROUND);
      store();
    };
    if (!t.blocked) end();
    else
      f.if(op('i32.and', state, i32(LAST)), end, () =>
        each((acc, p, q) => storeLanes(f, y, acc, q * t.yRow + 4 * p, p === t.vectors - 1 ? t.lanes : 4)),
      );
  });
}

/** Column p·4 + l of the tile is row p·4 + l of y, and its rows q are neighbours there. */
function storeTurned(
  f: FunctionBuilder,
  t: ProductTile,
  y: Local<'i32'>,
  value: (p: number, q: number) => Expr<'v128'>,
): void {
  for (let p = 0; p < t.vectors; p++) {
    const vectors = Array.from({ length: t.outputs }, (_, q) => value(p, q));
    storeColumns(f, plus(y, 16 * p * t.yRow), vectors, t.yRow, p === t.vectors - 1 ? t.lanes : 4);
  }
}

/** A block of tiles: how many of which width cover a number of vectors, and what the last one stores. */
export interface Cover {
  readonly vectors: number;
  readonly count: number;
  /** The last tile, if it differs from the others. */
  readonly tail: { readonly vectors: number; readonly lanes: number } | null;
}

/** Covers `floats` columns with near-equal tiles of at most `most` vectors. */
export function coverExactly(floats: number, most: number): Cover {
  const total = Math.ceil(floats / 4);
  const lanes = floats - 4 * (total - 1);
  const vectors = Math.ceil(total / Math.ceil(total / most));
  const rest = total % vectors;
  const count = Math.floor(total / vectors);
  if (rest > 0) return { vectors, count, tail: { vectors: rest, lanes } };
  return lanes === 4 ? { vectors, count, tail: null } : { vectors, count: count - 1, tail: { vectors, lanes } };
}
