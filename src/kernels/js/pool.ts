// biome-ignore-all lint/style/noParameterAssign: in row loops the places of operands are counters
/**
 * Windows over spatial axes: the largest element and where it is, the sum, and their adjoints.
 *
 * As in convolution, a row of output is built tap by tap over the run of positions where the tap stays inside of the input.
 */
import type { FloatArray, PoolGeometry, Strided } from '../types.ts';
import { copy } from './elementwise.ts';
import { meetings, type Reach, reaches, spatial } from './window.ts';

/** Adds tap by tap to one row of output: n positions from y with step sy, and x from `at` with step sx. */
type Tap = (n: number, y: number, sy: number, at: number, sx: number, index: number, indexStep: number) => void;

type Reaches = readonly [Reach, Reach, Reach];

export function maxPool(x: Strided, geometry: PoolGeometry, shape: readonly number[], y: FloatArray): void {
  const reach = reaches(shape.slice(2), x.shape.slice(2), geometry.kernel, geometry, false);
  const best = new Float64Array(reach[2].size).fill(Number.NEGATIVE_INFINITY);
  const tap: Tap = (n, at, _, from, sx) => largest(n, best, at, x.data, from, sx);
  eachRow(x, reach, tap, (at) => {
    y.set(best, at);
    best.fill(Number.NEGATIVE_INFINITY);
  });
}

function largest(n: number, best: Float64Array, at: number, x: FloatArray, ox: number, sx: number): void {
  for (let i = at; i < at + n; i++, ox += sx) best[i] = Math.max(best[i]!, x[ox]!);
}

/** Positions, exact for any size, and the elements of `other` in row-major order. */
function positions(
  x: Strided,
  geometry: PoolGeometry,
  shape: readonly number[],
  other: Strided,
): [Float64Array, FloatArray] {
  const found = new Float64Array(shape.reduce((a, b) => a * b, 1));
  maxPoolIndices(x, geometry, shape, found);
  const elements = new Float64Array(other.shape.reduce((a, b) => a * b, 1));
  copy(other, elements);
  return [found, elements];
}

// biome-ignore format: one line per operand would be longer than the function
export function maxPoolSpread(g: Strided, x: Strided, geometry: PoolGeometry, shape: readonly number[], y: FloatArray): void {
  const [found, gradient] = positions(x, geometry, g.shape, g);
  const sums = new Float64Array(y.length);
  const [windows, size] = [volume(g.shape), volume(shape)];
  for (let i = 0; i < found.length; i++) {
    if (found[i]! >= 0) sums[Math.floor(i / windows) * size + found[i]!]! += gradient[i]!;
  }
  y.set(sums);
}

// biome-ignore format: as above
export function maxPoolPick(v: Strided, x: Strided, geometry: PoolGeometry, shape: readonly number[], y: FloatArray): void {
  const [found, values] = positions(x, geometry, shape, v);
  const [windows, size] = [volume(shape), volume(v.shape)];
  for (let i = 0; i < found.length; i++) {
    y[i] = found[i]! < 0 ? 0 : values[Math.floor(i / windows) * size + found[i]!]!;
  }
}

/** Elements of one plane. */
function volume(shape: readonly number[]): number {
  return shape.slice(2).reduce((a, b) => a * b, 1);
}

export function maxPoolIndices(x: Strided, geometry: PoolGeometry, shape: readonly number[], y: FloatArray): void {
  const reach = reaches(shape.slice(2), x.shape.slice(2), geometry.kernel, geometry, false);
  const width = reach[2].size;
  const best = new Float64Array(width);
  const indices = new Float64Array(width).fill(-1);
  const tap: Tap = (n, at, _, from, sx, index, indexStep) => {
    largerRow(n, best, indices, at, x.data, from, sx, index, indexStep);
  };
  eachRow(x, reach, tap, (at) => {
    y.set(indices, at);
    indices.fill(-1);
  });
}

/** Puts x where it beats the best so far: nothing yet, or less, or x is NaN and the best is not. */
// biome-ignore format: operands side by side
function largerRow(
  n: number, best: Float64Array, indices: Float64Array, at: number,
  x: FloatArray, ox: number, sx: number, index: number, indexStep: number,
): void {
  for (let i = at; i < at + n; i++, ox += sx, index += indexStep) {
    const value = x[ox]!;
    if (indices[i]! < 0 || value > best[i]! || (Number.isNaN(value) && !Number.isNaN(best[i]!))) {
      best[i] = value;
      indices[i] = index;
    }
  }
}

export function windowSum(x: Strided, geometry: PoolGeometry, shape: readonly number[], y: FloatArray): void {
  sumRows(x, reaches(shape.slice(2), x.shape.slice(2), geometry.kernel, geometry, false), y);
}

export function windowSpread(g: Strided, geometry: PoolGeometry, shape: readonly number[], y: FloatArray): void {
  sumRows(g, reaches(shape.slice(2), g.shape.slice(2), geometry.kernel, geometry, true), y);
}

function sumRows(x: Strided, reach: Reaches, y: FloatArray): void {
  const sums = new Float64Array(reach[2].size);
  const tap: Tap = (n, at, sy, from, sx) => addRow(n, sums, at, sy, x.data, from, sx);
  eachRow(x, reach, tap, (at) => {
    y.set(sums, at);
    sums.fill(0);
  });
}

function addRow(n: number, y: Float64Array, oy: number, sy: number, x: FloatArray, ox: number, sx: number): void {
  for (let i = 0; i < n; i++, oy += sy, ox += sx) y[oy]! += x[ox]!;
}

/** For each row of output, calls `tap` for every tap that reaches x, in ascending order, then `finish` with the row's place in y. */
function eachRow(x: Strided, reach: Reaches, tap: Tap, finish: (at: number) => void): void {
  const deep = meetings(reach[0]);
  const high = meetings(reach[1]);
  const [sd, sh, sw] = spatial(x.strides, 0);
  const [, height, width] = spatial(x.shape, 1);
  const { runs, yStep, xStep, size } = reach[2];
  let at = 0;
  for (let n = 0; n < x.shape[0]!; n++) {
    for (let c = 0; c < x.shape[1]!; c++) {
      const plane = x.offset + n * x.strides[0]! + c * x.strides[1]!;
      for (const fromDeep of deep) {
        for (const fromHigh of high) {
          for (const d of fromDeep) {
            for (const h of fromHigh) {
              const start = plane + d.x * sd + h.x * sh;
              const index = (d.x * height + h.x) * width;
              for (const run of runs)
                tap(run.count, run.y, yStep, start + run.x * sw, xStep * sw, index + run.x, xStep);
            }
          }
          finish(at);
          at += size;
        }
      }
    }
  }
}
