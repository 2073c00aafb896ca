// biome-ignore-all lint/style/noParameterAssign: in row loops the places of operands are counters
/** Reductions and running sums along axes, and gather and scatter along an axis. */
import type { FloatArray, Strided } from '../types.ts';
import { dense, denseStrides, walk, without } from './walk.ts';

/**
 * y[kept] = Σ_{axes} x. One walk over x, the sums having stride 0 along the axes that vanish, so that a row either
 * runs into one sum or is added to a row of sums, and x is read in its own order in both cases.
 */
export function sum(x: Strided, axes: readonly number[], y: FloatArray): void {
  const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const strides = denseStrides(kept).map((stride, axis) => (axes.includes(axis) ? 0 : stride));
  const sums = doubles(y);
  walk(x.shape, [{ offset: 0, strides }, x], (n, at, step) => {
    if (step[0] === 0) sums[at[0]!]! += rowSum(n, x.data, at[1]!, step[1]!);
    else addRow(n, sums, at[0]!, step[0]!, x.data, at[1]!, step[1]!);
  });
  if (sums !== y) y.set(sums);
}

/** y itself where it is in double precision already, or else a copy that is: sums are rounded once, at the end. */
function doubles(y: FloatArray): Float64Array {
  return y instanceof Float64Array ? y : Float64Array.from(y);
}

function rowSum(n: number, x: FloatArray, ox: number, sx: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++, ox += sx) sum += x[ox]!;
  return sum;
}

function addRow(n: number, y: Float64Array, oy: number, sy: number, x: FloatArray, ox: number, sx: number): void {
  for (let i = 0; i < n; i++, oy += sy, ox += sx) y[oy]! += x[ox]!;
}

/** A view's operand without one axis: where the lines along that axis begin. */
function lines(x: Strided, axis: number): { offset: number; strides: number[] } {
  return { offset: x.offset, strides: without(x.strides, axis) };
}

export function argExtreme(name: 'argMax' | 'argMin', x: Strided, axis: number, y: FloatArray): void {
  const shape = without(x.shape, axis);
  const size = x.shape[axis]!;
  const stride = x.strides[axis]!;
  const sign = name === 'argMax' ? 1 : -1;
  walk(shape, [dense(shape), lines(x, axis)], (n, at, step) => {
    for (let i = 0; i < n; i++) y[at[0]! + i] = argMaxOfLine(sign, size, x.data, at[1]! + i * step[1]!, stride);
  });
}

/** Index of the first largest of sign·x along one line, or of the first NaN. */
function argMaxOfLine(sign: number, size: number, x: FloatArray, ox: number, sx: number): number {
  let best = sign * x[ox]!;
  let index = 0;
  for (let i = 1; i < size && !Number.isNaN(best); i++) {
    const value = sign * x[ox + i * sx]!;
    if (value > best || Number.isNaN(value)) {
      best = value;
      index = i;
    }
  }
  return index;
}

export function cumsum(x: Strided, axis: number, y: FloatArray): void {
  const shape = without(x.shape, axis);
  const size = x.shape[axis]!;
  const stride = x.strides[axis]!;
  const out = denseStrides(x.shape);
  walk(shape, [{ offset: 0, strides: without(out, axis) }, lines(x, axis)], (n, at, step) => {
    for (let i = 0; i < n; i++) {
      runningSum(size, y, at[0]! + i * step[0]!, out[axis]!, x.data, at[1]! + i * step[1]!, stride);
    }
  });
}

function runningSum(n: number, y: FloatArray, oy: number, sy: number, x: FloatArray, ox: number, sx: number): void {
  let sum = 0;
  for (let i = 0; i < n; i++, oy += sy, ox += sx) {
    sum += x[ox]!;
    y[oy] = sum;
  }
}

export function gather(x: Strided, axis: number, index: Strided, y: FloatArray): void {
  const along = x.strides[axis]!;
  const strides = x.strides.map((stride, k) => (k === axis ? 0 : stride));
  walk(index.shape, [dense(index.shape), index, { offset: x.offset, strides }], (n, at, step) => {
    gatherRow(n, y, at[0]!, index.data, at[1]!, step[1]!, x.data, at[2]!, step[2]!, along);
  });
}

// biome-ignore format: operands side by side
function gatherRow(
  n: number, y: FloatArray, oy: number, index: FloatArray, oi: number, si: number,
  x: FloatArray, ox: number, sx: number, along: number,
): void {
  for (let i = 0; i < n; i++, oi += si, ox += sx) y[oy + i] = x[ox + index[oi]! * along]!;
}

export function scatterAdd(src: Strided, axis: number, index: Strided, shape: readonly number[], y: FloatArray): void {
  const out = denseStrides(shape);
  const strides = out.map((stride, k) => (k === axis ? 0 : stride));
  const sums = doubles(y);
  walk(index.shape, [{ offset: 0, strides }, index, src], (n, at, step) => {
    scatterRow(n, sums, at[0]!, step[0]!, out[axis]!, index.data, at[1]!, step[1]!, src.data, at[2]!, step[2]!);
  });
  if (sums !== y) y.set(sums);
}

// biome-ignore format: operands side by side
function scatterRow(
  n: number, y: Float64Array, oy: number, sy: number, along: number, index: FloatArray, oi: number, si: number,
  x: FloatArray, ox: number, sx: number,
): void {
  for (let i = 0; i < n; i++, oy += sy, oi += si, ox += sx) y[oy + index[oi]! * along]! += x[ox]!;
}
