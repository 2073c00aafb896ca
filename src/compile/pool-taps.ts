/**
 * Max pooling by taps: which tap of each window was the first largest element (the first NaN before that) is a number that
 * fits a byte, and says as much as the position in the plane does.
 *
 *   taps = maxPoolTaps(x)      pickTaps(v, taps): v's elements there      spreadTaps(g, taps): g there, zeros elsewhere
 *
 * x, v, and the spread gradient are [N, C, ...S]; taps, the picked elements, and g are [N, C, ...P]. Windows lie within the
 * plane, and those that a gradient is spread over do not overlap. What is written here is the definition, and what
 * runs where there are no kernels.
 */

import { kernels } from '../kernels/index.ts';
import { poolKernels } from '../kernels/pool.ts';
import type { PoolGeometry, Strided } from '../kernels/types.ts';
import type { ElementType } from '../kernels/wasm/memory/heap.ts';
import { type Shape, sizeOf } from '../tensor/shape.ts';
import type { GraphOp } from './graph.ts';

/** The attributes: windows, and the result's shape. */
export interface PoolAttrs {
  readonly geometry: PoolGeometry;
  readonly shape: Shape;
}

/** The type of taps' numbers. */
export function tapType({ kernel }: PoolGeometry): ElementType {
  return sizeOf(kernel) <= 256 ? 'uint8' : 'float32';
}

/** Where windows begin in the dense plane, and how far each tap is from there. */
interface Windows {
  readonly starts: readonly number[];
  readonly taps: readonly number[];
  /** Elements of the plane. */
  readonly plane: number;
}

/** Sums of one step of each axis, the last axis running fastest. */
function grid(counts: readonly number[], steps: readonly number[]): number[] {
  return counts.reduce<number[]>(
    (sums, count, axis) => sums.flatMap((sum) => Array.from({ length: count }, (_, i) => sum + i * steps[axis]!)),
    [0],
  );
}

function windowsOf({ kernel, stride, dilation }: PoolGeometry, x: Shape, pooled: Shape): Windows {
  const size = x.slice(2);
  const steps = size.map((_, axis) => sizeOf(size.slice(axis + 1)));
  const scaled = (by: readonly number[]): number[] => steps.map((step, axis) => step * by[axis]!);
  return {
    starts: grid(pooled.slice(2), scaled(stride)),
    taps: grid(kernel, scaled(dilation)),
    plane: sizeOf(size),
  };
}

/** The elements in row-major order. */
function dense(x: Strided): Float64Array {
  const elements = new Float64Array(sizeOf(x.shape));
  kernels().copy(x, elements);
  return elements;
}

/** Where in [N, C, ...S] the tap of each window is. Taps lie densely. */
function places(taps: Strided, geometry: PoolGeometry, x: Shape): number[] {
  const { starts, taps: distances, plane } = windowsOf(geometry, x, taps.shape);
  const numbers = taps.data.subarray(taps.offset, taps.offset + sizeOf(taps.shape));
  return Array.from(
    numbers,
    (tap, i) => Math.floor(i / starts.length) * plane + starts[i % starts.length]! + distances[tap]!,
  );
}

export const maxPoolTapsOp: GraphOp<PoolAttrs> = {
  name: 'maxPoolTaps',
  compute([x], { geometry, shape }, _, y) {
    const { starts, taps } = windowsOf(geometry, x!.shape, shape);
    const numbers = new Map(taps.map((distance, tap) => [distance, tap]));
    const positions = new Float64Array(y.length);
    poolKernels().maxPoolIndices(x!, geometry, shape, positions);
    for (const [i, position] of positions.entries()) y[i] = numbers.get(position - starts[i % starts.length]!)!;
  },
};

export const pickTapsOp: GraphOp<PoolAttrs> = {
  name: 'pickTaps',
  compute([v, taps], { geometry }, _, y) {
    const elements = dense(v!);
    for (const [i, place] of places(taps!, geometry, v!.shape).entries()) y[i] = elements[place]!;
  },
};

export const spreadTapsOp: GraphOp<PoolAttrs> = {
  name: 'spreadTaps',
  compute([g, taps], { geometry, shape }, _, y) {
    const gradient = dense(g!);
    y.fill(0);
    for (const [i, place] of places(taps!, geometry, shape).entries()) y[place]! += gradient[i]!;
  },
};
