/** Pooling by its definitions, window by window. */
import { OptionError, ShapeError } from '../../errors.ts';
import {
  type ArrayInput,
  at,
  build,
  forEachIndex,
  type NdArray,
  plus,
  positionOf,
  sizeOf,
  times,
  toNd,
} from '../nd.ts';
import {
  type AvgPoolOptions,
  checkKeys,
  type MaxPoolOptions,
  type Pair,
  type PerAxis,
  paddingPairs,
  perAxis,
  reachOf,
} from './options.ts';

interface Windows {
  /** The number of windows per spatial axis. */
  readonly places: number[];
  readonly kernel: number[];
  readonly stride: number[];
  readonly dilation: number[];
  readonly pairs: Pair[];
}

function spatial(operation: string, x: NdArray): number[] {
  const size = x.shape.slice(2);
  if (size.length < 1) throw new ShapeError(`${operation}: x must be [N, C, ...S], got [${x.shape}]`);
  return size;
}

/**
 * P = floor((S + before + after - dilation·(K - 1) - 1) / stride) + 1. `ceilMode` rounds up instead, but a last window
 * that would start behind the input (in the padding after it) is dropped. Source: PyTorch, torch.nn.MaxPool2d.
 */
function windows(operation: string, size: readonly number[], kernelSize: PerAxis, options: MaxPoolOptions): Windows {
  const rank = size.length;
  const kernel = perAxis(operation, 'kernelSize', kernelSize, rank, 1);
  const stride = perAxis(operation, 'stride', options.stride ?? kernel, rank, 1);
  const dilation = perAxis(operation, 'dilation', options.dilation ?? 1, rank, 1);
  const pairs = paddingPairs(operation, options.padding ?? 0, kernel, dilation, stride);
  const reach = reachOf(kernel, dilation);
  const places = size.map((n, axis) => {
    const [before, after] = pairs[axis] as Pair;
    const [k, s] = [kernel[axis] as number, stride[axis] as number];
    if (Math.max(before, after) > k / 2) {
      throw new OptionError(`${operation}: padding [${before}, ${after}] is more than half of the kernel size ${k}`);
    }
    const free = n + before + after - (reach[axis] as number);
    const count = (options.ceilMode ? Math.ceil(free / s) : Math.floor(free / s)) + 1;
    const fitting = options.ceilMode && (count - 1) * s >= n + before ? count - 1 : count;
    if (fitting < 1) {
      throw new ShapeError(
        `${operation}: a window of ${reach[axis]} does not fit into ${n + before + after} padded elements on spatial axis ${axis}`,
      );
    }
    return fitting;
  });
  return { places, kernel, stride, dilation, pairs };
}

/** Whether `value` takes the maximum from `best`: it is larger, or the first NaN. */
const takesOver = (value: number, best: number): boolean =>
  value > best || (Number.isNaN(value) && !Number.isNaN(best));

/**
 * Max pooling with the places of the maxima: `[values, indices]`, where an index counts into the flattened spatial axes.
 * Of equal elements the first wins; the first NaN wins over everything; a window of padding alone is -Infinity, index -1.
 */
export function maxPoolWithIndices(
  input: ArrayInput,
  kernelSize: PerAxis,
  options: MaxPoolOptions = {},
): [NdArray, NdArray] {
  const operation = 'reference.maxPool';
  checkKeys(operation, options, ['stride', 'padding', 'dilation', 'ceilMode']);
  const x = toNd(input);
  const size = spatial(operation, x);
  const { places, kernel, stride, dilation, pairs } = windows(operation, size, kernelSize, options);
  const before = pairs.map(([b]) => -b);
  const [batch = 0, channels = 0] = x.shape;
  const indices = build([batch, channels, ...places], ([n, c, ...p]) => {
    const corner = plus(times(p, stride), before);
    let best = -1;
    let maximum = Number.NEGATIVE_INFINITY;
    forEachIndex(kernel, (k) => {
      const place = plus(corner, times(k, dilation));
      const candidate = positionOf(size, place);
      if (candidate < 0) return;
      const value = at(x, [n, c, ...place]);
      if (best < 0 || takesOver(value, maximum)) [best, maximum] = [candidate, value];
    });
    return best;
  });
  const values = build(indices.shape, ([n, c], position) => {
    const best = indices.data[position] as number;
    return best < 0 ? Number.NEGATIVE_INFINITY : (x.data[(n * channels + c) * sizeOf(size) + best] as number);
  });
  return [values, indices];
}

/**
 * Max pooling over `x [N, C, ...S]`; `stride` is the kernel size by default. Padding never wins: it counts as -Infinity.
 *
 * @example
 * ```ts
 * import { reference, toNested } from 'typedgrad/testing';
 * toNested(reference.maxPool([[[-3, -1, -2, -5]]], 2)); // → [[[-1, -2]]]
 * ```
 */
export function maxPool(input: ArrayInput, kernelSize: PerAxis, options: MaxPoolOptions = {}): NdArray {
  return maxPoolWithIndices(input, kernelSize, options)[0];
}

/**
 * Average pooling over `x [N, C, ...S]`; `stride` is the kernel size by default. The sum of a window is divided by
 * `divisorOverride`, or else by the number of its elements: with `countIncludePad` (the default) padding counts, without
 * it only elements of x do. What `ceilMode` lets stick out behind the padding never counts.
 */
export function avgPool(input: ArrayInput, kernelSize: PerAxis, options: AvgPoolOptions = {}): NdArray {
  const operation = 'reference.avgPool';
  checkKeys(operation, options, ['stride', 'padding', 'ceilMode', 'countIncludePad', 'divisorOverride']);
  const { countIncludePad = true, divisorOverride } = options;
  if (divisorOverride === 0) throw new OptionError(`${operation}: divisorOverride must not be 0`);
  const x = toNd(input);
  const size = spatial(operation, x);
  const { places, kernel, stride, pairs } = windows(operation, size, kernelSize, options);
  const before = pairs.map(([b]) => -b);
  const insidePadded = (place: readonly number[]): boolean =>
    place.every((i, axis) => i < (size[axis] as number) + (pairs[axis] as Pair)[1]);
  const [batch = 0, channels = 0] = x.shape;
  return build([batch, channels, ...places], ([n, c, ...p]) => {
    const corner = plus(times(p, stride), before);
    let sum = 0;
    let count = 0;
    forEachIndex(kernel, (k) => {
      const place = plus(corner, k);
      const inside = positionOf(size, place) >= 0;
      if (inside) sum += at(x, [n, c, ...place]);
      if (inside || (countIncludePad && insidePadded(place))) count += 1;
    });
    return sum / (divisorOverride ?? count);
  });
}

/** Reduces the cells of a grid of `outputSize` over the spatial axes; cell i spans floor(i·S/P) to ceil((i + 1)·S/P). */
function adaptive(
  operation: string,
  input: ArrayInput,
  outputSize: PerAxis,
  reduce: (values: number[]) => number,
): NdArray {
  const x = toNd(input);
  const size = spatial(operation, x);
  const places = perAxis(operation, 'outputSize', outputSize, size.length, 1);
  const [batch = 0, channels = 0] = x.shape;
  return build([batch, channels, ...places], ([n, c, ...p]) => {
    const start = p.map((i, axis) => Math.floor((i * (size[axis] as number)) / (places[axis] as number)));
    const end = p.map((i, axis) => Math.ceil(((i + 1) * (size[axis] as number)) / (places[axis] as number)));
    const values: number[] = [];
    forEachIndex(
      plus(
        end,
        start.map((s) => -s),
      ),
      (k) => {
        values.push(at(x, [n, c, ...plus(start, k)]));
      },
    );
    return reduce(values);
  });
}

/** Average pooling to `outputSize` places; windows may overlap by one element. Source: PyTorch, torch.nn.AdaptiveAvgPool2d. */
export function adaptiveAvgPool(input: ArrayInput, outputSize: PerAxis): NdArray {
  return adaptive(
    'reference.adaptiveAvgPool',
    input,
    outputSize,
    (values) => values.reduce((a, b) => a + b, 0) / values.length,
  );
}

/** Max pooling to `outputSize` places; windows may overlap by one element. Source: PyTorch, torch.nn.AdaptiveMaxPool2d. */
export function adaptiveMaxPool(input: ArrayInput, outputSize: PerAxis): NdArray {
  return adaptive('reference.adaptiveMaxPool', input, outputSize, (values) =>
    values.reduce((best, value) => (takesOver(value, best) ? value : best), Number.NEGATIVE_INFINITY),
  );
}
