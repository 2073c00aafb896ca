/**
 * Max pooling of planes whose rows may lie apart, and its ways back. Windows lie within the plane: no padding, no
 * dilation, none that hangs over. Sizes and strides are in elements.
 *
 *   pool     y[c][p] = max over the window of x[c],  taps[c][p] = its number in the window: that of the first NaN, else
 *            of the first of the largest
 *   unpool   x[c][the tap of p] = g[c][p] for windows that do not overlap, 0 elsewhere in them
 *   pick     y[c][p] = x[c][the tap of p]
 *
 * Four neighbouring windows of a row are handled at once. The numbers of taps are bytes, or floats where there are too many
 * of them. Exported: `run(x, y, taps)`, `run(g, taps, x)` and `run(x, y, taps)`, addresses in bytes.
 */
import {
  type Expr,
  FunctionBuilder,
  f32x4,
  i32x4,
  type Local,
  load,
  loadLane,
  op,
  shuffle,
  shuffleBytes,
} from '../assembler/assembler.ts';
import { positivePart } from '../conv/tile.ts';

type V = Expr<'v128'>;
type Three = readonly [number, number, number];

export type TapBytes = 0 | 1 | 4;

export interface PoolKernel {
  /** Images and the planes (channels) of each. */
  readonly images: number;
  readonly planes: number;
  /** Windows along each axis, elements of a window, elements from window to window. */
  readonly counts: Three;
  readonly kernel: Three;
  readonly stride: Three;
  /** Of x: floats from image to image, plane to plane, and along D and H. */
  readonly imageStride: number;
  readonly planeStride: number;
  readonly rowStrides: readonly [number, number];
  /** Elements from image to image of the pooled arrays, whose planes are dense. */
  readonly pooledImage: number;
  /** Bytes of a tap's number: 1 for integers, 4 for floats, 0 if they are not wanted. */
  readonly tapBytes: TapBytes;
  /** Whether only the positive part of a maximum is kept. */
  readonly relu?: boolean;
}

/** The taps of a window: distances in x, in floats, and columns. */
function tapsOf(k: PoolKernel): { x: number; column: number }[] {
  const [kd, kh, kw] = k.kernel;
  const taps: { x: number; column: number }[] = [];
  for (let a = 0; a < kd; a++) {
    for (let b = 0; b < kh; b++) {
      for (let c = 0; c < kw; c++) taps.push({ x: a * k.rowStrides[0] + b * k.rowStrides[1] + c, column: c });
    }
  }
  return taps;
}

/** Pointers into the pooled arrays: floats, and the numbers of taps. */
interface Pooled {
  readonly values: Local<'i32'>;
  readonly taps: Local<'i32'>;
}

/** Moves them on by so many windows. */
function advance(f: FunctionBuilder, k: PoolKernel, { values, taps }: Pooled, windows: number): void {
  f.advance(values, 4 * windows);
  if (k.tapBytes > 0) f.advance(taps, k.tapBytes * windows);
}

function copied(f: FunctionBuilder, { values, taps }: Pooled): Pooled {
  return { values: f.let(values, 'values'), taps: f.let(taps, 'taps') };
}

/** Walks images, planes and rows of windows, four windows at a time; `each` gets the number of those that count. */
function walk(
  f: FunctionBuilder,
  k: PoolKernel,
  x: Local<'i32'>,
  pooled: Pooled,
  each: (x: Local<'i32'>, pooled: Pooled, count: number) => void,
): void {
  const [pd, ph, pw] = k.counts;
  const [sd, sh, sw] = k.stride;
  f.repeat(k.images, () => {
    const [image, rows] = [f.let(x, 'image'), copied(f, pooled)];
    f.repeat(k.planes, () => {
      const plane = f.let(image, 'plane');
      f.repeat(pd, () => {
        const row = f.let(plane, 'row');
        f.repeat(ph, () => {
          const [at, out] = [f.let(row, 'x'), copied(f, rows)];
          f.repeat(pw >> 2, () => {
            each(at, out, 4);
            f.advance(at, 16 * sw);
            advance(f, k, out, 4);
          });
          if (pw % 4 > 0) each(at, out, pw % 4);
          f.advance(row, 4 * sh * k.rowStrides[1]);
          advance(f, k, rows, pw);
        });
        f.advance(plane, 4 * sd * k.rowStrides[0]);
      });
      f.advance(image, 4 * k.planeStride);
    });
    f.advance(x, 4 * k.imageStride);
    advance(f, k, pooled, k.pooledImage);
  });
}

/** A tap's number in four lanes. */
function numbered(k: PoolKernel, tap: number): V {
  return k.tapBytes === 1 ? i32x4(tap) : f32x4(tap);
}

/** Stores the first `count` numbers of taps. */
function storeTaps(f: FunctionBuilder, k: PoolKernel, at: Local<'i32'>, where: Local<'v128'>, count: number): void {
  if (k.tapBytes !== 1) storeLanes(f, at, where, count);
  else storeBytes(f, at, where, count);
}

/** Stores the lowest bytes of the first `count` lanes. */
export function storeBytes(f: FunctionBuilder, at: Local<'i32'>, value: Local<'v128'>, count = 4, offset = 0): void {
  f.set(value, shuffleBytes(value, value, [0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
  if (count === 4) f.storeLane('v128.store32_lane', 0, at, value, offset);
  else for (let l = 0; l < count; l++) f.storeLane('v128.store8_lane', l, at, value, offset + l);
}

/** Four numbers of taps. */
function loadTaps(k: PoolKernel, at: Local<'i32'>): V {
  if (k.tapBytes !== 1) return load('v128.load', at);
  return op('i32x4.extend_low_i16x8_u', op('i16x8.extend_low_i8x16_u', load('v128.load32_zero', at)));
}

function isTap(k: PoolKernel, taps: Local<'v128'>, tap: number): V {
  return op(k.tapBytes === 1 ? 'i32x4.eq' : 'f32x4.eq', taps, numbered(k, tap));
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

/** Pooling. */
export function poolFunctions(k: PoolKernel): FunctionBuilder[] {
  const f = new FunctionBuilder('run');
  const [x, values, taps] = [f.param('i32', 'x'), f.param('i32', 'y'), f.param('i32', 'taps')];
  const best = f.local('v128', 'best');
  const where = f.local('v128', 'where');
  const next = f.local('v128', 'next');
  const isBetter = f.local('v128', 'better');
  walk(f, k, x, { values, taps }, (at, pooled, count) => {
    tapsOf(k).forEach((tap, t) => {
      const value = gatherWindows(at, tap.x, k.stride[2]);
      if (t === 0) {
        f.set(best, value);
        if (k.tapBytes > 0) f.set(where, numbered(k, 0));
        return;
      }
      if (k.tapBytes === 0) {
        f.set(best, op('f32x4.max', best, value));
        return;
      }
      f.set(next, value);
      // Larger, or NaN where there was none yet: neither is ≤, and what was best is a number.
      const notBelow = op('v128.not', op('f32x4.le', next, best));
      f.set(isBetter, op('v128.and', notBelow, op('f32x4.eq', best, best)));
      f.set(best, op('v128.bitselect', next, best, isBetter));
      f.set(where, op('v128.bitselect', numbered(k, t), where, isBetter));
    });
    if (k.relu) f.set(best, positivePart(best));
    storeLanes(f, pooled.values, best, count);
    if (k.tapBytes > 0) storeTaps(f, k, pooled.taps, where, count);
  });
  return [f];
}

/** The way back: every element of every window is written. */
export function unpoolFunctions(k: PoolKernel): FunctionBuilder[] {
  const f = new FunctionBuilder('run');
  const [values, taps, x] = [f.param('i32', 'g'), f.param('i32', 'taps'), f.param('i32', 'x')];
  const [gradient, where] = [f.local('v128', 'gradient'), f.local('v128', 'where')];
  const [even, odd, mixed] = [f.local('v128', 'even'), f.local('v128', 'odd'), f.local('v128', 'mixed')];
  const part = (tap: number): V => op('v128.and', gradient, isTap(k, where, tap));
  const isPaired = k.stride[2] === 2 && k.kernel[2] === 2;
  walk(f, k, x, { values, taps }, (at, pooled, count) => {
    // Added to nothing, -0 is 0.
    f.set(gradient, op('f32x4.add', load('v128.load', pooled.values), f32x4(0)));
    f.set(where, loadTaps(k, pooled.taps));
    for (const [t, tap] of tapsOf(k).entries()) {
      if (!isPaired) {
        f.set(even, part(t));
        for (let l = 0; l < count; l++) f.storeLane('v128.store32_lane', l, at, even, 4 * (tap.x + l * k.stride[2]));
      } else if (tap.column === 0) {
        f.set(even, part(t));
        f.set(odd, part(t + 1));
        f.set(mixed, shuffle(even, odd, [0, 4, 1, 5]));
        storeLanes(f, at, mixed, Math.min(4, 2 * count), tap.x);
        f.set(mixed, shuffle(even, odd, [2, 6, 3, 7]));
        storeLanes(f, at, mixed, 2 * count - 4, tap.x + 4);
      }
    }
  });
  return [f];
}

/** The elements at the taps. */
export function pickFunctions(k: PoolKernel): FunctionBuilder[] {
  const f = new FunctionBuilder('run');
  const [x, values, taps] = [f.param('i32', 'x'), f.param('i32', 'y'), f.param('i32', 'taps')];
  const [picked, where] = [f.local('v128', 'picked'), f.local('v128', 'where')];
  walk(f, k, x, { values, taps }, (at, pooled, count) => {
    f.set(where, loadTaps(k, pooled.taps));
    for (const [t, tap] of tapsOf(k).entries()) {
      const value = gatherWindows(at, tap.x, k.stride[2]);
      f.set(picked, t === 0 ? value : op('v128.bitselect', value, picked, isTap(k, where, t)));
    }
    storeLanes(f, pooled.values, picked, count);
  });
  return [f];
}

/** Everything that the code depends on, as the cache's key. */
export function poolKey(kind: 'pool' | 'unpool' | 'pick', k: PoolKernel): string {
  return `${kind} ${Object.values(k).flat().join(',')}`;
}
