/**
 * The filters' side: 3 × 3 weights to 16 numbers, and 16 sums back to the gradient of 3 × 3 weights.
 *
 *   U = 4 · G w Gᵀ     2G = │2  0  0│       dw = Gᵀ S G = ¼ (2G)ᵀ S (2G)
 *                           │1  1  1│
 *                           │1 -1  1│
 *                           │0  0  2│
 *
 * U is kept as [position][outer][tap][inner]: `inner` is what the product sums over, `outer` its results, `tap` the place
 * along the depth. Four inner channels at once.
 */
import { type Expr, FunctionBuilder, f32x4, i32, type Local, load, loadLane, op } from '../assembler.ts';
import { vectorAt } from '../tile.ts';
import { oddLines } from './geometry.ts';
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
  /** The input gradient's: weights [inner, outer, …], every axis of the filter reversed. */
  readonly adjoint: boolean;
}

const isRow = (w: Filters): w is Filters & { readonly row: number } => w.row !== undefined;
const round4 = (n: number): number => 4 * Math.ceil(n / 4);
/** Floats of U from tap to tap, outer to outer, position to position, and of all of it. */
export const innerPitch = (w: Filters): number => round4(w.inner);
export const outerPitch = (w: Filters): number => (isRow(w) ? rowOuterPitch(w) : w.taps * innerPitch(w));
export const filterPosition = (w: Filters): number => oddLines(w.outer * outerPitch(w));
export const filterFloats = (w: Filters): number => (isRow(w) ? rowFilterFloats(w) : 16 * filterPosition(w));

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

/** `filters(w, u, first, count)`: the weights of some of a group's results. */
export function filterFunction(w: Filters): FunctionBuilder {
  if (isRow(w)) return rowFilterFunction(w);
  const f = new FunctionBuilder('filters');
  const [from, to, first, count] = ['w', 'u', 'first', 'count'].map((n) => f.param('i32', n)) as [I, I, I, I];
  const size = 9 * w.taps;
  const [innerStep, outerStep] = w.adjoint ? [w.outer * size, size] : [size, w.inner * size];
  const group = (at: I, target: I, lanes: number): void => {
    for (let tap = 0; tap < w.taps; tap++) {
      const place = (kh: number, kw: number): number => {
        const i = 9 * tap + 3 * kh + kw;
        return w.adjoint ? size - 1 - i : i;
      };
      const columns = [0, 1, 2].map((kw) => {
        const [a, b, c] = [0, 1, 2].map((kh) => gather(f, at, place(kh, kw), innerStep, lanes)) as [V, V, V];
        return spread(f, a, b, c);
      }) as [Quad, Quad, Quad];
      for (let i = 0; i < 4; i++) {
        const results = spread(f, columns[0][i] as V, columns[1][i] as V, columns[2][i] as V);
        results.forEach((v, j) =>
          f.store('v128.store', target, v, 4 * ((4 * i + j) * filterPosition(w) + tap * innerPitch(w))),
        );
      }
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
  /** Pairs of output and channel, times taps along the depth. */
  readonly items: number;
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

/**
 * `back(sums, dw, first, count)`: sums [position][items] to weights [items][3][3], for a range of items that begins and
 * ends with a multiple of four, or with the last item.
 */
export function filterGradientFunction(g: FilterGradient): FunctionBuilder {
  if (g.row !== undefined) return rowFilterGradientFunction({ ...g, ...g.row });
  const f = new FunctionBuilder('back');
  const [from, to, first, count] = ['sums', 'dw', 'first', 'count'].map((n) => f.param('i32', n)) as [I, I, I, I];
  const sumAt = (floats: number): V => {
    let sum: V = vectorAt(from, floats);
    for (let p = 1; p < g.parts; p++) sum = op('f32x4.add', sum, vectorAt(from, floats + p * g.distance));
    return f.let(sum, 's');
  };
  const group = (lanes: number): void => {
    const columns = [0, 1, 2, 3].map((j) => {
      const [a, b, c, d] = [0, 1, 2, 3].map((i) => sumAt((4 * i + j) * g.position)) as Quad;
      return gatherBack(f, a, b, c, d);
    });
    for (let kh = 0; kh < 3; kh++) {
      const [a, b, c, d] = columns.map((column) => column[kh]) as Quad;
      gatherBack(f, a, b, c, d).forEach((v, kw) => {
        const value = f.let(op('f32x4.mul', v, f32x4(0.25)), 'dw');
        for (let l = 0; l < lanes; l++) f.storeLane('v128.store32_lane', l, to, value, 4 * (9 * l + 3 * kh + kw));
      });
    }
  };
  f.advance(from, op('i32.shl', first, i32(2)));
  f.advance(to, op('i32.mul', first, i32(36)));
  const [i, whole] = [f.let(i32(0), 'i'), f.let(op('i32.and', count, i32(-4)), 'whole')];
  f.while(i, whole, 4, () => {
    group(4);
    f.advance(from, 16);
    f.advance(to, 144);
  });
  if (g.items % 4 > 0) f.if(op('i32.and', count, i32(3)), () => group(g.items % 4));
  return f;
}
