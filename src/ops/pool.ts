/**
 * Pooling over 1, 2 or 3 spatial axes.
 *
 *   x [N, C, ...S] → y [N, C, ...P]
 *   P = floor((S + 2 · padding - dilation · (K - 1) - 1) / stride) + 1, per axis; ceilMode rounds up instead, but the
 *   last window must start inside of the input or the padding before it.
 *
 * Max pooling is linear where the maxima stay in their places. `maxPoolSpread` adds a gradient there, `maxPoolPick` reads
 * there, and each is the other's adjoint; both find the places in x anew, which costs less than to keep them.
 *
 *   y = maxPool(x)      dx = maxPoolSpread(g, x)      and of that, dg = maxPoolPick(v, x)
 *
 * Average pooling is a window sum, which is linear, divided by counts.
 */

import { OptionError, ShapeError } from '../errors.ts';
import { poolKernels } from '../kernels/pool.ts';
import type { PoolGeometry } from '../kernels/types.ts';
import { fromStorage } from '../tensor/creation.ts';
import { allocate } from '../tensor/dtype.ts';
import { checkInteger, checkKeys } from '../tensor/options.ts';
import { type Shape, showShape, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { apply } from './apply.ts';
import { checkTensor } from './check.ts';
import { div, mul } from './elementwise.ts';
import type { ComputeOp } from './op.ts';
import { reshape } from './views.ts';
import { type PerAxis, perAxis, spatial } from './window.ts';

interface PoolAttrs {
  readonly geometry: PoolGeometry;
  readonly shape: Shape;
}

const maxPoolOp: ComputeOp<PoolAttrs> = {
  kind: 'compute',
  name: 'maxPool',
  overwrites: true,
  infer: ([x], { shape }) => ({ shape, dtype: x!.dtype }),
  compute: ([x], { geometry, shape }, _, y) => poolKernels().maxPool(x!, geometry, shape, y),
  vjp: (g, c) => spreadMaxima(g, c.input(0), c.attrs.geometry),
};

/** Zeros of x's shape, with g added where the windows of x have their first largest element. */
const maxPoolSpreadOp: ComputeOp<PoolAttrs> = {
  kind: 'compute',
  name: 'maxPoolSpread',
  overwrites: true,
  infer: ([g], { shape }) => ({ shape, dtype: g!.dtype }),
  compute: ([g, x], { geometry, shape }, _, y) => poolKernels().maxPoolSpread(g!, x!, geometry, shape, y),
  vjp: [(v, c) => pickMaxima(v, c.input(1), c.attrs.geometry, c.specs[0]!.shape), null],
};

/** The elements of v where the windows of x have their first largest element; 0 for a window of padding alone. */
const maxPoolPickOp: ComputeOp<PoolAttrs> = {
  kind: 'compute',
  name: 'maxPoolPick',
  overwrites: true,
  infer: ([v], { shape }) => ({ shape, dtype: v!.dtype }),
  compute: ([v, x], { geometry, shape }, _, y) => poolKernels().maxPoolPick(v!, x!, geometry, shape, y),
  vjp: [(g, c) => spreadMaxima(g, c.input(1), c.attrs.geometry), null],
};

function spreadMaxima(g: Tensor, x: Tensor, geometry: PoolGeometry): Tensor {
  return apply(maxPoolSpreadOp, [g, x], { geometry, shape: x.shape });
}

function pickMaxima(v: Tensor, x: Tensor, geometry: PoolGeometry, shape: Shape): Tensor {
  return apply(maxPoolPickOp, [v, x], { geometry, shape });
}

/** Where in the plane the first largest element of each window is; -1 for a window of padding alone. */
export const maxPoolIndicesOp: ComputeOp<PoolAttrs> = {
  kind: 'compute',
  name: 'maxPoolIndices',
  overwrites: true,
  infer: ([x], { shape }) => ({ shape, dtype: x!.dtype }),
  compute: ([x], { geometry, shape }, _, y) => poolKernels().maxPoolIndices(x!, geometry, shape, y),
  vjp: null,
};

const windowSumOp: ComputeOp<PoolAttrs> = {
  kind: 'compute',
  name: 'windowSum',
  overwrites: true,
  infer: ([x], { shape }) => ({ shape, dtype: x!.dtype }),
  compute: ([x], { geometry, shape }, _, y) => poolKernels().windowSum(x!, geometry, shape, y),
  vjp: (g, c) => apply(windowSpreadOp, [g], { geometry: c.attrs.geometry, shape: c.specs[0]!.shape }),
};

/** The adjoint of `windowSum`: each window's number goes to all elements of the window. */
const windowSpreadOp: ComputeOp<PoolAttrs> = {
  kind: 'compute',
  name: 'windowSpread',
  overwrites: true,
  infer: ([g], { shape }) => ({ shape, dtype: g!.dtype }),
  compute: ([g], { geometry, shape }, _, y) => poolKernels().windowSpread(g!, geometry, shape, y),
  vjp: (g, c) => apply(windowSumOp, [g], { geometry: c.attrs.geometry, shape: c.specs[0]!.shape }),
};

/** Options of max pooling. */
export interface MaxPoolOptions {
  /** Elements from one window to the next. Default: the kernel's size. */
  stride?: PerAxis;
  /** Elements added on each side, which never win. Default 0; at most half the kernel. */
  padding?: PerAxis;
  /** Elements from one window element to the next. Default 1. */
  dilation?: PerAxis;
  /** Whether a last window that hangs over the end counts. Default false. */
  ceilMode?: boolean;
}

/** Options of average pooling. */
export interface AvgPoolOptions {
  /** Elements from one window to the next. Default: the kernel's size. */
  stride?: PerAxis;
  /** Zeros added on each side. Default 0; at most half the kernel. */
  padding?: PerAxis;
  /** Whether a last window that hangs over the end counts. Default false. */
  ceilMode?: boolean;
  /** Whether the padding counts in the divisor. Default true. */
  countIncludePad?: boolean;
  /** The divisor, instead of the number of elements. */
  divisorOverride?: number | null;
}

interface Windows extends PoolAttrs {
  readonly size: readonly number[];
  readonly counts: readonly number[];
}

/** The geometry of a pooling, and the shape of its result. */
function windowsOf(operation: string, rank: number, x: Tensor, kernelSize: PerAxis, options: MaxPoolOptions): Windows {
  checkTensor(operation, 'x', x);
  if (x.rank !== rank + 2) {
    throw new ShapeError(
      `${operation}: x must be [N, C, ${['L', 'H, W', 'D, H, W'][rank - 1]}], but is ${showShape(x.shape)}`,
    );
  }
  const kernel = perAxis(operation, 'kernelSize', kernelSize, rank, 1);
  const stride = perAxis(operation, 'stride', options.stride ?? kernel, rank, 1);
  const before = perAxis(operation, 'padding', options.padding ?? 0, rank, 0);
  const dilation = perAxis(operation, 'dilation', options.dilation ?? 1, rank, 1);
  const ceil = options.ceilMode ?? false;
  if (typeof ceil !== 'boolean')
    throw new OptionError(`${operation}: ceilMode must be true or false, but is ${String(ceil)}`);
  const size = spatial(x.shape, rank);
  const counts = size.map((length, axis) => {
    if (2 * before[axis]! > kernel[axis]!) {
      throw new OptionError(
        `${operation}: padding ${before[axis]} must be at most half the kernel's size ${kernel[axis]}`,
      );
    }
    return windowCount(
      operation,
      length,
      kernel[axis]!,
      stride[axis]!,
      before[axis]!,
      dilation[axis]!,
      ceil,
      axis,
      x.shape,
    );
  });
  return { geometry: { kernel, stride, dilation, before }, size, counts, shape: [...x.shape.slice(0, 2), ...counts] };
}

function windowCount(
  operation: string,
  length: number,
  kernel: number,
  stride: number,
  before: number,
  dilation: number,
  ceil: boolean,
  axis: number,
  shape: Shape,
): number {
  const free = length + 2 * before - dilation * (kernel - 1) - 1;
  const last = ceil ? Math.ceil(free / stride) : Math.floor(free / stride);
  const count = ceil && last * stride >= length + before ? last : last + 1;
  if (count >= 1 && length > 0) return count;
  throw new ShapeError(
    `${operation}: a window of ${dilation * (kernel - 1) + 1} elements does not fit axis ${axis + 2} of x ${showShape(shape)} with padding ${before}`,
  );
}

const maxPoolKeys = ['stride', 'padding', 'dilation', 'ceilMode'];

function maxPool(operation: string, rank: number, x: Tensor, kernelSize: PerAxis, options: MaxPoolOptions): Tensor {
  checkKeys(operation, options, maxPoolKeys);
  const { geometry, shape } = windowsOf(operation, rank, x, kernelSize, options);
  return apply(maxPoolOp, [x], { geometry, shape });
}

function maxPoolWithIndices(
  operation: string,
  rank: number,
  x: Tensor,
  kernelSize: PerAxis,
  options: MaxPoolOptions,
): [values: Tensor, indices: Tensor] {
  checkKeys(operation, options, maxPoolKeys);
  const { geometry, shape } = windowsOf(operation, rank, x, kernelSize, options);
  return [apply(maxPoolOp, [x], { geometry, shape }), apply(maxPoolIndicesOp, [x], { geometry, shape })];
}

/** The largest element of each window: x [N, C, L] → [N, C, P]. A window of padding alone gives -Infinity. */
export function maxPool1d(x: Tensor, kernelSize: PerAxis, options: MaxPoolOptions = {}): Tensor {
  return maxPool('maxPool1d', 1, x, kernelSize, options);
}

/** The largest element of each window: x [N, C, H, W] → [N, C, PH, PW]. A window of padding alone gives -Infinity. */
export function maxPool2d(x: Tensor, kernelSize: PerAxis, options: MaxPoolOptions = {}): Tensor {
  return maxPool('maxPool2d', 2, x, kernelSize, options);
}

/** The largest element of each window: x [N, C, D, H, W] → [N, C, PD, PH, PW]. A window of padding alone gives -Infinity. */
export function maxPool3d(x: Tensor, kernelSize: PerAxis, options: MaxPoolOptions = {}): Tensor {
  return maxPool('maxPool3d', 3, x, kernelSize, options);
}

/** `maxPool1d`, and the index of each maximum into the spatial axis (-1 for a window of padding alone). */
export function maxPool1dWithIndices(x: Tensor, kernelSize: PerAxis, options: MaxPoolOptions = {}): [Tensor, Tensor] {
  return maxPoolWithIndices('maxPool1dWithIndices', 1, x, kernelSize, options);
}

/** `maxPool2d`, and the index of each maximum into the flattened spatial axes (-1 for a window of padding alone). */
export function maxPool2dWithIndices(x: Tensor, kernelSize: PerAxis, options: MaxPoolOptions = {}): [Tensor, Tensor] {
  return maxPoolWithIndices('maxPool2dWithIndices', 2, x, kernelSize, options);
}

/** `maxPool3d`, and the index of each maximum into the flattened spatial axes (-1 for a window of padding alone). */
export function maxPool3dWithIndices(x: Tensor, kernelSize: PerAxis, options: MaxPoolOptions = {}): [Tensor, Tensor] {
  return maxPoolWithIndices('maxPool3dWithIndices', 3, x, kernelSize, options);
}

function avgPool(operation: string, rank: number, x: Tensor, kernelSize: PerAxis, options: AvgPoolOptions): Tensor {
  checkKeys(operation, options, ['stride', 'padding', 'ceilMode', 'countIncludePad', 'divisorOverride']);
  const { countIncludePad = true, divisorOverride = null, ...windows } = options;
  const { geometry, shape, size, counts } = windowsOf(operation, rank, x, kernelSize, windows);
  const sums = apply(windowSumOp, [x], { geometry, shape });
  if (divisorOverride !== null) {
    return div(sums, checkInteger(operation, 'divisorOverride', divisorOverride, 1));
  }
  // The number of elements of a window is the product of its lengths along the axes.
  const lengths = counts.map((_, axis) => windowLengths(geometry, size, counts, axis, countIncludePad));
  if (lengths.every((list) => list.every((length) => length === list[0]))) {
    return div(sums, sizeOf(lengths.map(([length]) => length!)));
  }
  const divisors = lengths.map((list, axis) => {
    const data = allocate(x.dtype, list.length);
    data.set(list);
    return reshape(
      fromStorage(data, [list.length]),
      counts.map((count, a) => (a === axis ? count : 1)),
    );
  });
  return div(
    sums,
    divisors.reduce((a, b) => mul(a, b)),
  );
}

/** How many elements of each window along an axis count. */
function windowLengths(
  { kernel, stride, before }: PoolGeometry,
  size: readonly number[],
  counts: readonly number[],
  axis: number,
  countIncludePad: boolean,
): number[] {
  return Array.from({ length: counts[axis]! }, (_, i) => {
    const start = i * stride[axis]! - before[axis]!;
    const stop = Math.min(start + kernel[axis]!, size[axis]! + (countIncludePad ? before[axis]! : 0));
    return countIncludePad ? stop - start : Math.min(stop, size[axis]!) - Math.max(start, 0);
  });
}

/** The mean of each window: x [N, C, L] → [N, C, P]. */
export function avgPool1d(x: Tensor, kernelSize: PerAxis, options: AvgPoolOptions = {}): Tensor {
  return avgPool('avgPool1d', 1, x, kernelSize, options);
}

/** The mean of each window: x [N, C, H, W] → [N, C, PH, PW]. */
export function avgPool2d(x: Tensor, kernelSize: PerAxis, options: AvgPoolOptions = {}): Tensor {
  return avgPool('avgPool2d', 2, x, kernelSize, options);
}

/** The mean of each window: x [N, C, D, H, W] → [N, C, PD, PH, PW]. */
export function avgPool3d(x: Tensor, kernelSize: PerAxis, options: AvgPoolOptions = {}): Tensor {
  return avgPool('avgPool3d', 3, x, kernelSize, options);
}
