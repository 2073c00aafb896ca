/**
 * Sums over tiles of products of rows, for one position of the transformed domain:
 *
 *   S[o][c][t] += Σ_i W[o·channel + i] · V[c·channel + t·tap + i]      for i = 0 … length - 1
 *
 *           V: P rows                 each step: a vector of every row, P·Q multiply-adds
 *         ┌────────┬────────┐
 *   W: Q  │ acc 00 │ acc 10 │         at the end the four lanes of each sum are added up
 *   rows  ├────────┼────────┤
 *         │ acc 01 │ acc 11 │
 *
 * Unlike in the direct weight gradient (../dots.ts) no row is another one shifted, so rows of V are as much to read as rows
 * of W: the Q rows of a tile stay in the first-level cache while those of V pass by.
 */
import { type Expr, FunctionBuilder, f32x4, i32, type Local, load, loadLane, op } from '../../assembler/assembler.ts';
import { transpose4 } from '../../memory/transpose.ts';
import { splitOutputs, Tile, tileVectors, vectorAt } from '../tile.ts';

type I = Local<'i32'>;

export interface Products {
  readonly channels: number;
  readonly outputs: number;
  /** Taps along the depth, and floats from one's row to the next's. */
  readonly taps: number;
  readonly tap: number;
  /** Floats from channel to channel, of V and of W. */
  readonly channel: number;
  /** Floats of a row, a multiple of 4. */
  readonly length: number;
  readonly fma: boolean;
}

/** Floats of the blocks into which long rows are cut: six of W and two of V are 20 KB then. */
const BLOCK = 640;

const greatest = (a: number, b: number): number => (b === 0 ? a : greatest(b, a % b));

/** Adds the lanes of each accumulator to its float of S. */
function addLanes(f: FunctionBuilder, tile: Tile, sums: I, outputStep: number): void {
  const { vectors: P, accumulators } = tile;
  const place = (i: number): number => 4 * (Math.floor(i / P) * outputStep + (i % P));
  const width = P % 4 === 0 ? 4 : P % 2 === 0 ? 2 : 1;
  for (let first = 0; first < accumulators.length; first += 4) {
    const own = accumulators.slice(first, first + 4);
    const four = [0, 1, 2, 3].map((i) => own[Math.min(i, own.length - 1)] as Local<'v128'>);
    const [a, b, c, d] = transpose4(f, four) as [Expr<'v128'>, Expr<'v128'>, Expr<'v128'>, Expr<'v128'>];
    const sum = op('f32x4.add', op('f32x4.add', a, b), op('f32x4.add', c, d));
    if (width === 4) {
      f.store('v128.store', sums, op('f32x4.add', sum, load('v128.load', sums, place(first))), place(first));
      continue;
    }
    let before: Expr<'v128'> = f32x4(0);
    for (let l = 0; l < own.length; l += width) {
      const name = width === 2 ? 'v128.load64_lane' : 'v128.load32_lane';
      before = loadLane(name, l / width, sums, before, place(first + l));
    }
    const total = f.let(op('f32x4.add', sum, before), 'total');
    for (let l = 0; l < own.length; l += width) {
      f.storeLane(width === 2 ? 'v128.store64_lane' : 'v128.store32_lane', l / width, sums, total, place(first + l));
    }
  }
}

/** tile(v, w, sums): `outputs` rows of W and the items (channel and tap) `first` … of a group of channels. */
function tileFunction(k: Products, length: number, outputs: number, first: number, items: number): FunctionBuilder {
  const f = new FunctionBuilder(`tile_${length}_${outputs}_${first}_${items}`, { exported: false });
  const [v, w, sums] = [f.param('i32', 'v'), f.param('i32', 'w'), f.param('i32', 'sums')];
  const tile = new Tile(f, items, outputs, k.fma);
  const row = (p: number): number => Math.floor((first + p) / k.taps) * k.channel + ((first + p) % k.taps) * k.tap;
  for (const acc of tile.accumulators) f.set(acc, f32x4(0));
  const steps = (count: number): void => {
    for (let u = 0; u < count; u++) {
      tile.step(
        (p) => vectorAt(v, row(p) + 4 * u),
        (q) => vectorAt(w, q * k.channel + 4 * u),
      );
    }
  };
  f.repeat(Math.floor(length / 16), () => {
    steps(4);
    f.advance(v, 64);
    f.advance(w, 64);
  });
  steps((length % 16) / 4);
  addLanes(f, tile, sums, k.channels * k.taps);
  return f;
}

/** The module's functions; the last is `multiply(v, w, sums)`. */
export function productFunctions(k: Products): FunctionBuilder[] {
  const made = new Map<string, FunctionBuilder>();
  const tile = (...args: [length: number, outputs: number, first: number, items: number]): FunctionBuilder => {
    const key = args.join();
    if (!made.has(key)) made.set(key, tileFunction(k, ...args));
    return made.get(key) as FunctionBuilder;
  };
  const multiply = new FunctionBuilder('multiply', { exported: false });
  const [v, w, sums] = ['v', 'w', 'sums'].map((n) => multiply.param('i32', n)) as [I, I, I];
  const f = multiply;
  const rows = (length: number): void => {
    const [wo, so] = [f.let(w, 'wo'), f.let(sums, 'so')];
    const blocks = splitOutputs(k.outputs, k.fma);
    for (const q of new Set(blocks)) {
      const most = tileVectors(q, k.fma);
      // Channels whose items fill whole tiles, and what is left.
      const group = most / greatest(most, k.taps);
      const channels = (count: number, from: I, to: I): void => {
        const total = count * k.taps;
        const tiles = Math.ceil(total / most);
        for (let i = 0; i < tiles; i++) {
          const [a, b] = [Math.floor((i * total) / tiles), Math.floor(((i + 1) * total) / tiles)];
          f.call(tile(length, q, a, b - a), from, wo, op('i32.add', to, i32(4 * a)));
        }
        f.advance(from, 4 * count * k.channel);
        f.advance(to, 4 * total);
      };
      f.repeat(blocks.filter((b) => b === q).length, () => {
        const [from, to] = [f.let(v, 'from'), f.let(so, 'to')];
        f.repeat(Math.floor(k.channels / group), () => channels(group, from, to));
        if (k.channels % group > 0) channels(k.channels % group, from, to);
        f.advance(wo, 4 * q * k.channel);
        f.advance(so, 4 * q * k.channels * k.taps);
      });
    }
    f.advance(v, 4 * length);
    f.advance(w, 4 * length);
  };
  const count = Math.ceil(k.length / BLOCK);
  const each = 4 * Math.ceil(k.length / 4 / count);
  f.repeat(Math.floor(k.length / each), () => rows(each));
  if (k.length % each > 0) rows(k.length % each);
  return [...made.values(), multiply];
}
