/**
 * Max pooling of planes whose rows may lie apart, and its way back. Windows lie within the plane: no padding, no
 * dilation, none that hangs over. All sizes and strides are in floats.
 *
 *   y[c][p] = max over the window of x[c],  index[c][p] = where, counted in the dense plane; the first NaN wins, else
 *   the first of the largest. Back: x[c][index] = g for windows that do not overlap, 0 elsewhere in them.
 *
 * Four neighbouring windows of a row are handled at once. Exported: `run(x, y, index)` and `run(g, index, x)`, addresses
 * in bytes.
 */
import { type Expr, FunctionBuilder, f32x4, type Local, load, loadLane, op, shuffle } from './assembler.ts';
import { positivePart } from './tile.ts';

type V = Expr<'v128'>;
type Three = readonly [number, number, number];

export interface PoolKernel {
  /** Images and the planes (channels) of each. */
  readonly images: number;
  readonly planes: number;
  /** Sizes of the dense plane D, H, W, by which indices count. */
  readonly size: Three;
  /** Windows along each axis, elements of a window, elements from window to window. */
  readonly counts: Three;
  readonly kernel: Three;
  readonly stride: Three;
  /** Of x: floats from image to image, plane to plane, and along D and H. */
  readonly imageStride: number;
  readonly planeStride: number;
  readonly rowStrides: readonly [number, number];
  /** Floats from image to image of the pooled arrays, whose planes are dense. */
  readonly pooledImage: number;
  /** Whether positions are wanted. */
  readonly indexed: boolean;
  /** Whether only the positive part of a maximum is kept. */
  readonly relu?: boolean;
}

/** The taps of a window: distances in x, and in the dense plane. */
function tapsOf(k: PoolKernel): { x: number; index: number; column: number }[] {
  const [kd, kh, kw] = k.kernel;
  const [, h, w] = k.size;
  const taps: { x: number; index: number; column: number }[] = [];
  for (let a = 0; a < kd; a++) {
    for (let b = 0; b < kh; b++) {
      for (let c = 0; c < kw; c++) {
        taps.push({ x: a * k.rowStrides[0] + b * k.rowStrides[1] + c, index: (a * h + b) * w + c, column: c });
      }
    }
  }
  return taps;
}

/** Walks images, planes and rows of windows; `body` handles the row that starts at the pointers. */
function walk(
  f: FunctionBuilder,
  k: PoolKernel,
  x: Local<'i32'>,
  pooled: readonly Local<'i32'>[],
  body: (x: Local<'i32'>, pooled: readonly Local<'i32'>[], index: Local<'v128'>) => void,
): void {
  const [pd, ph, pw] = k.counts;
  const [sd, sh, sw] = k.stride;
  const [, h, w] = k.size;
  f.repeat(k.images, () => {
    const [image, rows] = [f.let(x, 'image'), pooled.map((p) => f.let(p, 'pooled'))];
    f.repeat(k.planes, () => {
      const plane = f.let(image, 'plane');
      const start = f.let(f32x4(0, sw, 2 * sw, 3 * sw), 'start');
      f.repeat(pd, () => {
        const [row, index] = [f.let(plane, 'row'), f.let(start, 'index')];
        f.repeat(ph, () => {
          body(row, rows, index);
          f.advance(row, 4 * sh * k.rowStrides[1]);
          f.set(index, op('f32x4.add', index, f32x4(sh * w)));
          for (const p of rows) f.advance(p, 4 * pw);
        });
        f.advance(plane, 4 * sd * k.rowStrides[0]);
        f.set(start, op('f32x4.add', start, f32x4(sd * h * w)));
      });
      f.advance(image, 4 * k.planeStride);
    });
    f.advance(x, 4 * k.imageStride);
    for (const p of pooled) f.advance(p, 4 * k.pooledImage);
  });
}

/** x at `floats`, and at each of the next three windows. */
function gatherWindows(at: Local<'i32'>, floats: number, stride: number): V {
  if (stride === 1) return load('v128.load', at, 4 * floats);
  if (stride === 2) {
    return shuffle(load('v128.load', at, 4 * floats), load('v128.load', at, 4 * (floats + 4)), [0, 2, 4, 6]);
  }
  let vector: V = load('v128.load32_zero', at, 4 * floats);
  for (let l = 1; l < 4; l++) vector = loadLane('v128.load32_lane', l, at, vector, 4 * (floats + l * stride));
  return vector;
}

/** Stores the first `count` lanes. */
function storeLanes(f: FunctionBuilder, at: Local<'i32'>, value: Local<'v128'>, count: number, floats = 0): void {
  if (count >= 4) f.store('v128.store', at, value, 4 * floats);
  else for (let l = 0; l < count; l++) f.storeLane('v128.store32_lane', l, at, value, 4 * (floats + l));
}

/** A row of windows, four at a time; `each` gets the number of windows that count. */
function acrossRow(
  f: FunctionBuilder,
  k: PoolKernel,
  row: Local<'i32'>,
  pooled: readonly Local<'i32'>[],
  rowIndex: Local<'v128'>,
  each: (x: Local<'i32'>, pooled: readonly Local<'i32'>[], index: Local<'v128'>, count: number) => void,
): void {
  const windows = k.counts[2];
  const sw = k.stride[2];
  const [x, out, index] = [f.let(row, 'x'), pooled.map((p) => f.let(p, 'p')), f.let(rowIndex, 'i')];
  f.repeat(windows >> 2, () => {
    each(x, out, index, 4);
    f.advance(x, 16 * sw);
    for (const p of out) f.advance(p, 16);
    f.set(index, op('f32x4.add', index, f32x4(4 * sw)));
  });
  if (windows % 4 > 0) each(x, out, index, windows % 4);
}

/** Pooling. */
export function poolFunctions(k: PoolKernel): FunctionBuilder[] {
  const f = new FunctionBuilder('run');
  const [x, y, indices] = [f.param('i32', 'x'), f.param('i32', 'y'), f.param('i32', 'index')];
  const taps = tapsOf(k);
  const best = f.local('v128', 'best');
  const where = f.local('v128', 'where');
  const next = f.local('v128', 'next');
  const isBetter = f.local('v128', 'better');
  walk(f, k, x, [y, indices], (row, pooled, rowIndex) =>
    acrossRow(f, k, row, pooled, rowIndex, (at, [yAt, indexAt], index, count) => {
      taps.forEach((tap, t) => {
        const value = gatherWindows(at, tap.x, k.stride[2]);
        if (t === 0) {
          f.set(best, value);
          f.set(where, index);
          return;
        }
        if (!k.indexed) {
          f.set(best, op('f32x4.max', best, value));
          return;
        }
        f.set(next, value);
        // Larger, or NaN where there was none yet: neither is ≤, and what was best is a number.
        const notBelow = op('v128.not', op('f32x4.le', next, best));
        f.set(isBetter, op('v128.and', notBelow, op('f32x4.eq', best, best)));
        f.set(best, op('v128.bitselect', next, best, isBetter));
        f.set(where, op('v128.bitselect', op('f32x4.add', index, f32x4(tap.index)), where, isBetter));
      });
      if (k.relu) f.set(best, positivePart(best));
      storeLanes(f, yAt as Local<'i32'>, best, count);
      if (k.indexed) storeLanes(f, indexAt as Local<'i32'>, where, count);
    }),
  );
  return [f];
}

/** The way back: every element of every window is written. */
export function unpoolFunctions(k: PoolKernel): FunctionBuilder[] {
  const f = new FunctionBuilder('run');
  const [g, indices, x] = [f.param('i32', 'g'), f.param('i32', 'index'), f.param('i32', 'x')];
  const taps = tapsOf(k);
  const [gradient, where] = [f.local('v128', 'gradient'), f.local('v128', 'where')];
  const [even, odd, mixed] = [f.local('v128', 'even'), f.local('v128', 'odd'), f.local('v128', 'mixed')];
  const part = (index: Local<'v128'>, tap: number): V =>
    op('v128.and', gradient, op('f32x4.eq', where, op('f32x4.add', index, f32x4(tap))));
  const isPaired = k.stride[2] === 2 && k.kernel[2] === 2;
  walk(f, k, x, [g, indices], (row, pooled, rowIndex) =>
    acrossRow(f, k, row, pooled, rowIndex, (at, [gAt, indexAt], index, count) => {
      f.set(gradient, load('v128.load', gAt as Local<'i32'>));
      f.set(where, load('v128.load', indexAt as Local<'i32'>));
      for (const tap of taps) {
        if (!isPaired) {
          f.set(even, part(index, tap.index));
          for (let l = 0; l < count; l++) f.storeLane('v128.store32_lane', l, at, even, 4 * (tap.x + l * k.stride[2]));
        } else if (tap.column === 0) {
          f.set(even, part(index, tap.index));
          f.set(odd, part(index, tap.index + 1));
          f.set(mixed, shuffle(even, odd, [0, 4, 1, 5]));
          storeLanes(f, at, mixed, Math.min(4, 2 * count), tap.x);
          f.set(mixed, shuffle(even, odd, [2, 6, 3, 7]));
          storeLanes(f, at, mixed, 2 * count - 4, tap.x + 4);
        }
      }
    }),
  );
  return [f];
}

/** Everything that the code depends on, as the cache's key. */
export function poolKey(kind: 'pool' | 'unpool', k: PoolKernel): string {
  return `${kind} ${Object.values(k).flat().join(',')}`;
}
