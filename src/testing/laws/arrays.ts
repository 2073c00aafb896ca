/** Plain arrays cut, put together and rearranged, as the statements of laws need it. */
import { build, map, type NdArray, sizeOf, zip } from '../nd.ts';
import {
  type ConvOptions,
  list,
  type MaxPoolOptions,
  type Padding,
  type Pair,
  paddingPairs,
  reachOf,
} from '../reference/options.ts';
import { view } from '../reference/view.ts';

export const add = (a: NdArray, b: NdArray): NdArray => zip(a, b, (v, u) => v + u);
export const scale = (a: NdArray, by: number): NdArray => map(a, (v) => v * by);
export const dot = (a: NdArray, b: NdArray): number => zip(a, b, (v, u) => v * u).data.reduce((sum, v) => sum + v, 0);
export const reshape = (a: NdArray, shape: readonly number[]): NdArray => ({ shape, data: a.data });
export const flip = (a: NdArray, axes: readonly number[]): NdArray => view(a, [{ op: 'flip', axes }]);
export const permute = (a: NdArray, axes: readonly number[]): NdArray => view(a, [{ op: 'permute', axes }]);
export const narrow = (a: NdArray, axis: number, start: number, length: number): NdArray =>
  view(a, [{ op: 'narrow', axis, start, length }]);

/** The spatial axes of an array `[N, C, ...S]`. */
export const spatialAxes = (a: NdArray): number[] => a.shape.slice(2).map((_, axis) => axis + 2);

/** The elements of one axis at `indices`, in that order. */
export function take(a: NdArray, axis: number, indices: readonly number[]): NdArray {
  const inner = sizeOf(a.shape.slice(axis + 1));
  const n = a.shape[axis] as number;
  const shape = a.shape.with(axis, indices.length);
  return build(shape, (_, position) => {
    const outer = Math.floor(position / inner / indices.length);
    const from = indices[Math.floor(position / inner) % indices.length] as number;
    return a.data[(outer * n + from) * inner + (position % inner)] as number;
  });
}

/** Arrays one after the other along an axis. */
export function concat(arrays: readonly NdArray[], axis: number): NdArray {
  const [first] = arrays as [NdArray];
  const lengths = arrays.map((a) => a.shape[axis] as number);
  const shape = first.shape.with(
    axis,
    lengths.reduce((sum, n) => sum + n, 0),
  );
  const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((sum, n) => sum + n, 0));
  return build(shape, (index) => {
    const which = starts.findLastIndex((start, i) => (index[axis] as number) >= start && (lengths[i] as number) > 0);
    const a = arrays[which] as NdArray;
    const inside = index.with(axis, (index[axis] as number) - (starts[which] as number));
    return a.data[inside.reduce((position, i, ax) => position * (a.shape[ax] as number) + i, 0)] as number;
  });
}

/** Every `steps[axis]`-th place of the spatial axes. */
export function subsample(a: NdArray, steps: readonly number[]): NdArray {
  return view(a, [{ op: 'slice', specs: [null, null, ...steps.map((step) => [null, null, step] as const)] }]);
}

/** The spatial axes with `factors[axis] - 1` zeros between neighbours. */
export function upsample(a: NdArray, factors: readonly number[]): NdArray {
  const size = a.shape.slice(2).map((n, axis) => Math.max(0, (n - 1) * (factors[axis] as number) + 1));
  return build([...a.shape.slice(0, 2), ...size], (index) => {
    let position = 0;
    for (let axis = 0; axis < index.length; axis++) {
      const factor = axis < 2 ? 1 : (factors[axis - 2] as number);
      const i = index[axis] as number;
      if (i % factor !== 0) return 0;
      position = position * (a.shape[axis] as number) + i / factor;
    }
    return a.data[position] as number;
  });
}

/** One stride, dilation and pair of padding per spatial axis. */
export interface Geometry {
  readonly kernel: number[];
  readonly stride: number[];
  readonly dilation: number[];
  readonly pairs: Pair[];
  /** `dilation · (kernel - 1) + 1`. */
  readonly reach: number[];
  readonly groups: number;
}

/** The geometry of a convolution with these options, for filters `[…, …, ...K]`. */
export function geometryOf(
  w: NdArray,
  options: Pick<ConvOptions, 'stride' | 'dilation' | 'padding' | 'groups'>,
): Geometry {
  const kernel = w.shape.slice(2);
  const stride = list(options.stride ?? 1, kernel.length);
  const dilation = list(options.dilation ?? 1, kernel.length);
  const pairs = paddingPairs('laws', options.padding ?? 0, kernel, dilation, stride);
  return { kernel, stride, dilation, pairs, reach: reachOf(kernel, dilation), groups: options.groups ?? 1 };
}

/** Padding written as plainly as it can be: not every library has uneven padding. */
export const plainPadding = (pairs: readonly Pair[]): Padding & MaxPoolOptions['padding'] & object =>
  pairs.every(([before, after]) => before === after) ? pairs.map(([before]) => before) : pairs;

/** The filters of a grouped convolution as those of an ungrouped one: `[O, C/groups, ...K]` to `[O, C, ...K]`, zero elsewhere. */
export function blockDiagonal(w: NdArray, groups: number): NdArray {
  const [filters = 0, channels = 0, ...kernel] = w.shape;
  const taps = sizeOf(kernel);
  return build([filters, channels * groups, ...kernel], ([o, c], position) => {
    const group = Math.floor(o / (filters / groups));
    const within = c - group * channels;
    return within < 0 || within >= channels
      ? 0
      : (w.data[(o * channels + within) * taps + (position % taps)] as number);
  });
}
