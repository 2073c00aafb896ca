/**
 * The filters' side: 3 × 3 weights to 16 numbers, and 16 sums back to the gradient of 3 × 3 weights;
 *
 *   U = 4 · G w Gᵀ     2G = │2  0  0│       dw = Gᵀ S G = ¼ (2G)ᵀ S (2G)
 *                           │1  1  1│
 *                           │1 -1  1│
 *                           │0  0  2│
 *
 * and along the depth, too, where tiles are two planes deep: 27 weights to 64 numbers, by 8 and by ⅛.
 *
 * U is kept as [position][outer][tap][inner]: `inner` is what the product sums over, `outer` its results, `tap` the place
 * along the depth where that is not transformed. Four inner channels at once.
 */
import { type Expr, FunctionBuilder, f32x4, i32, type Local, load, loadLane, op } from '../../assembler/assembler.ts';
import { vectorAt } from '../tile.ts';
import { oddLines, positionsOf, type TileDepth } from './geometry.ts';
import { rowFilterFloats, rowFilterFunction, rowFilterGradientFunction, rowOuterPitch } from './row/filters.ts';
import { PANEL } from './row/geometry.ts';

type V = Expr<'v128'>;
type I = Local<'i32'>;
type Quad = [V, V, V, V];

export interface Filters {
  /** Results of the product, and what it sums over. */
  readonly outer: number;
  readonly inner: number;
  readonly taps: number;
  /** Taps of a filter that lies along the rows. */
  readonly row?: number;
  readonly tileDepth: TileDepth;
  /** The input gradient's: weights [inner, outer, …], every axis of the filter reversed. */
  readonly adjoint: boolean;
}

const isRow = (w: Filters): w is Filters & { readonly row: number } => w.row !== undefined;
const round4 = (n: number): number => 4 * Math.ceil(n / 4);
/** Floats of U from tap to tap, outer to outer, position to position, and of all of it. */
export const innerPitch = (w: Filters): number => round4(w.inner);
export const outerPitch = (w: Filters): number => (isRow(w) ? rowOuterPitch(w) : w.taps * innerPitch(w));
export const filterPosition = (w: Filters): number => oddLines(w.outer * outerPitch(w));
export const filterFloats = (w: Filters): number =>
  isRow(w) ? rowFilterFloats(w) : positionsOf(w.tileDepth) * filterPosition(w);
/** Weights that become the positions of one tap: 3 × 3, or 3 × 3 × 3. */
export const weightsOf = (tileDepth: TileDepth): number => (tileDepth === 2 ? 27 : 9);

/** Results whose filters are transformed together. */
export const filterStep = (w: Filters): number => (isRow(w) ? 4 * PANEL : 1);

export const filterKey = (w: Filters): string => `winogradFilters ${Object.entries(w).join()}`;

/** 2G times three numbers. */
function spread(f: FunctionBuilder, w0: V, w1: V, w2: V): Quad {
  const ends = f.let(op('f32x4.add', w0, w2), 'ends');
  return [
    f.let(op('f32x4.add', w0, w0), 'u'),
    f.let(op('f32x4.add', ends, w1), 'u'),
    f.let(op('f32x4.sub', ends, w1), 'u'),
    f.let(op('f32x4.add', w2, w2), 'u'),
  ];
}

/** One weight of `lanes` channels that lie `step` floats apart. */
function gather(f: FunctionBuilder, at: I, floats: number, step: number, lanes: number): V {
  let vector: V = load('v128.load32_splat', at, 4 * floats);
  for (let l = 1; l < lanes; l++) vector = loadLane('v128.load32_lane', l, at, vector, 4 * (floats + l * step));
  return f.let(vector, 'w');
}

/** A plane of 3 × 3 numbers, in the order of the filter, to 16. */
function spreadPlane(f: FunctionBuilder, plane: readonly V[], store: (position: number, value: V) => void): void {
  const columns = [0, 1, 2].map((kw) => spread(f, plane[kw] as V, plane[3 + kw] as V, plane[6 + kw] as V)) as Quad[];
  for (let i = 0; i < 4; i++) {
    const [a, b, c] = columns.map((column) => column[i]) as [V, V, V];
    spread(f, a, b, c).forEach((v, j) => store(4 * i + j, v));
  }
}

/** `filters(w, u, first, count)`: the weights of some of a group's results. */
export function filterFunction(w: Filters): FunctionBuilder {
  if (isRow(w)) return rowFilterFunction(w);
  const f = new FunctionBuilder('filters');
  const [from, to, first, count] = ['w', 'u', 'first', 'count'].map((n) => f.param('i32', n)) as [I, I, I, I];
  const size = w.taps * weightsOf(w.tileDepth);
  const [innerStep, outerStep] = w.adjoint ? [w.outer * size, size] : [size, w.inner * size];
  const nine = Array.from({ length: 9 }, (_, i) => i);
  const group = (at: I, target: I, lanes: number): void => {
    const weight = (i: number): V => gather(f, at, w.adjoint ? size - 1 - i : i, innerStep, lanes);
    const store = (position: number, tap: number, v: V): void =>
      f.store('v128.store', target, v, 4 * (position * filterPosition(w) + tap * innerPitch(w)));
    if (w.tileDepth === 1) {
      for (let tap = 0; tap < w.taps; tap++) {
        const plane = nine.map((i) => weight(9 * tap + i));
        spreadPlane(f, plane, (position, v) => store(position, tap, v));
      }
      return;
    }
    const along = nine.map((i) => spread(f, weight(i), weight(9 + i), weight(18 + i)));
    for (let k = 0; k < 4; k++) {
      const plane = along.map((quad) => quad[k] as V);
      spreadPlane(f, plane, (position, v) => store(16 * k + position, 0, v));
    }
  };
  f.advance(from, op('i32.mul', first, i32(4 * outerStep)));
  f.advance(to, op('i32.mul', first, i32(4 * outerPitch(w))));
  const done = f.let(i32(0), 'done');
  f.while(done, count, 1, () => {
    const [at, target] = [f.let(from, 'at'), f.let(to, 'target')];
    if (w.inner < 4) group(at, target, w.inner);
    else {
      f.repeat(Math.floor(w.inner / 4), () => {
        group(at, target, 4);
        f.advance(at, 16 * innerStep);
        f.advance(target, 16);
      });
      if (w.inner % 4 > 0) {
        // The last four overlap those before.
        const back = 4 - (w.inner % 4);
        f.advance(at, -4 * back * innerStep);
        f.advance(target, -4 * back);
        group(at, target, 4);
      }
    }
    f.advance(from, 4 * outerStep);
    f.advance(to, 4 * outerPitch(w));
  });
  return f;
}

/** The transpose of `spread`. */
function gatherBack(f: FunctionBuilder, s0: V, s1: V, s2: V, s3: V): [V, V, V] {
  const sum = f.let(op('f32x4.add', s1, s2), 'sum');
  return [
    f.let(op('f32x4.add', op('f32x4.add', s0, s0), sum), 't'),
    f.let(op('f32x4.sub', s1, s2), 't'),
    f.let(op('f32x4.add', sum, op('f32x4.add', s3, s3)), 't'),
  ];
}

export interface FilterGradient {
  /** Pairs of output and channel, times taps along the depth that are not transformed. */
  readonly items: number;
  readonly tileDepth: TileDepth;
  /** Floats from position to position of the sums. */
  readonly position: number;
  /** Sums of all weights that are added up, and floats from one to the next. */
  readonly parts: number;
  readonly distance: number;
  /** Of filters along rows: taps, channels, and where the sums of each product are. */
  readonly row?: { readonly taps: number; readonly channels: number; readonly places: readonly number[] };
}

export const filterGradientKey = ({ row, ...g }: FilterGradient): string =>
  `winogradBack ${Object.values(g).join()} ${row ? [row.taps, row.channels, ...row.places].join() : ''}`;

/** 16 sums of positions to a plane of 3 × 3. */
function gatherPlane(f: FunctionBuilder, sumAt: (position: number) => V): V[] {
  const columns = [0, 1, 2, 3].map((j) => {
    const [a, b, c, d] = [0, 1, 2, 3].map((i) => sumAt(4 * i + j)) as Quad;
    return gatherBack(f, a, b, c, d);
  });
  return [0, 1, 2].flatMap((kh) => {
    const [a, b, c, d] = columns.map((column) => column[kh]) as Quad;
    return gatherBack(f, a, b, c, d);
  });
}

/**
 * `back(sums, dw, first, count)`: sums [position][items] to weights [items][3][3] or [items][3][3][3], for a range of items
 * that begins and ends with a multiple of four, or with the last item.
 */
export function filterGradientFunction(g: FilterGradient): FunctionBuilder {
  if (g.row !== undefined) return rowFilterGradientFunction({ ...g, ...g.row });
  const f = new FunctionBuilder('back');
  const weights = weightsOf(g.tileDepth);
  const [from, to, first, count] = ['sums', 'dw', 'first', 'count'].map((n) => f.param('i32', n)) as [I, I, I, I];
  const sumAt = (floats: number): V => {
    let sum: V = vectorAt(from, floats);
    for (let p = 1; p < g.parts; p++) sum = op('f32x4.add', sum, vectorAt(from, floats + p * g.distance));
    return f.let(sum, 's');
  };
  const group = (lanes: number): void => {
    const store = (v: V, i: number): void => {
      const value = f.let(op('f32x4.mul', v, f32x4(g.tileDepth === 2 ? 0.125 : 0.25)), 'dw');
      for (let l = 0; l < lanes; l++) f.storeLane('v128.store32_lane', l, to, value, 4 * (weights * l + i));
    };
    const plane = (k: number): V[] => gatherPlane(f, (position) => sumAt((16 * k + position) * g.position));
    if (g.tileDepth === 1) {
      plane(0).forEach(store);
      return;
    }
    const [a, b, c, d] = [plane(0), plane(1), plane(2), plane(3)] as [V[], V[], V[], V[]];
    a.forEach((v, i) => {
      gatherBack(f, v, b[i] as V, c[i] as V, d[i] as V).forEach((back, kd) => store(back, 9 * kd + i));
    });
  };
  f.advance(from, op('i32.shl', first, i32(2)));
  f.advance(to, op('i32.mul', first, i32(4 * weights)));
  const [i, whole] = [f.let(i32(0), 'i'), f.let(op('i32.and', count, i32(-4)), 'whole')];
  f.while(i, whole, 4, () => {
    group(4);
    f.advance(from, 16);
    f.advance(to, 16 * weights);
  });
  if (g.items % 4 > 0) f.if(op('i32.and', count, i32(3)), () => group(g.items % 4));
  return f;
}
