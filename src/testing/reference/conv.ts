/** Convolution and transposed convolution by their definitions, index by index. */
import { OptionError, ShapeError } from '../../errors.ts';
import { type ArrayInput, at, build, forEachIndex, type NdArray, plus, positionOf, times, toNd, zeros } from '../nd.ts';
import {
  type ConvOptions,
  type ConvTransposeOptions,
  checkKeys,
  type Pair,
  paddingPairs,
  perAxis,
  placesOf,
  reachOf,
} from './options.ts';
import { pad } from './pad.ts';

const CONV_KEYS = ['bias', 'stride', 'padding', 'dilation', 'groups', 'paddingMode'];
const TRANSPOSE_KEYS = ['bias', 'stride', 'padding', 'outputPadding', 'dilation', 'groups'];

/** The axes of `x [N, C, ...S]` and of filters with the same number of spatial axes. */
function axes(
  operation: string,
  x: NdArray,
  w: NdArray,
): { rank: number; batch: number; channels: number; size: number[] } {
  const [batch = 0, channels = 0, ...size] = x.shape;
  if (size.length < 1 || w.shape.length !== x.shape.length) {
    throw new ShapeError(
      `${operation}: x [N, C, ...S] and the filters must have equally many axes, at least 3; x is [${x.shape}], weight [${w.shape}]`,
    );
  }
  return { rank: size.length, batch, channels, size };
}

function checkGroups(operation: string, groups: number, channels: number, filters: number): void {
  if (!Number.isInteger(groups) || groups < 1)
    throw new OptionError(`${operation}: groups must be a positive integer, got ${groups}`);
  if (channels % groups !== 0 || filters % groups !== 0) {
    throw new ShapeError(
      `${operation}: groups ${groups} must divide the ${channels} channels of x and the ${filters} filters`,
    );
  }
}

function readBias(operation: string, bias: ArrayInput | undefined, filters: number): Float64Array {
  if (bias === undefined) return new Float64Array(filters);
  const { shape, data } = toNd(bias);
  if (shape.length !== 1 || data.length !== filters) {
    throw new ShapeError(`${operation}: bias must be [${filters}], one per output channel; it is [${shape}]`);
  }
  return data;
}

/**
 * Convolution (cross-correlation) over one, two or three spatial axes.
 *
 *   x [N, C, ...S]    w [O, C/groups, ...K]    y [N, O, ...P]
 *   P = floor((S + before + after - dilation·(K - 1) - 1) / stride) + 1
 *   y[n, o, p] = bias[o] + Σ_{c, k} padded x[n, group(o)·C/groups + c, p·stride + k·dilation] · w[o, c, k]
 *
 * @throws ShapeError if the channels do not fit or the window is larger than the padded input.
 * @throws OptionError for a wrong or unknown option.
 * @example
 * ```ts
 * import { reference, toNested } from 'typedgrad/testing';
 * toNested(reference.conv([[[0, 0, 1, 1, 1, 0]]], [[[-1, 1, -1]]])); // → [[[-1, 0, -1, 0]]]
 * ```
 */
export function conv(xInput: ArrayInput, wInput: ArrayInput, options: ConvOptions = {}): NdArray {
  const operation = 'reference.conv';
  checkKeys(operation, options, CONV_KEYS);
  const x = toNd(xInput);
  const w = toNd(wInput);
  const { rank, batch, channels } = axes(operation, x, w);
  const [filters = 0, channelsPerGroup = 0, ...kernel] = w.shape;
  const { groups = 1, paddingMode = 'zeros' } = options;
  checkGroups(operation, groups, channels, filters);
  if (channelsPerGroup * groups !== channels) {
    throw new ShapeError(
      `${operation}: x has ${channels} channels but weight expects ${channelsPerGroup * groups} (weight [${w.shape}] with groups ${groups}); x is [${x.shape}]`,
    );
  }
  const stride = perAxis(operation, 'stride', options.stride ?? 1, rank, 1);
  const dilation = perAxis(operation, 'dilation', options.dilation ?? 1, rank, 1);
  const pairs = paddingPairs(operation, options.padding ?? 0, kernel, dilation, stride);
  const bias = readBias(operation, options.bias, filters);

  const padded = pad(x, pairs, { mode: paddingMode });
  const places = placesOf(operation, padded.shape.slice(2), reachOf(kernel, dilation), stride);
  const filtersPerGroup = filters / groups;
  return build([batch, filters, ...places], ([n, o, ...p]) => {
    const firstChannel = Math.floor(o / filtersPerGroup) * channelsPerGroup;
    const corner = times(p, stride);
    let sum = bias[o] as number;
    forEachIndex([channelsPerGroup, ...kernel], ([c, ...k]) => {
      const place = plus(corner, times(k, dilation));
      sum += at(padded, [n, firstChannel + c, ...place]) * at(w, [o, c, ...k]);
    });
    return sum;
  });
}

/**
 * Transposed convolution: the adjoint of `conv` in x, for filters as `conv` of the opposite direction holds them.
 * Every input element adds its filter, scaled, to the output at its place.
 *
 *   x [N, C, ...S]    w [C, O/groups, ...K]    y [N, O, ...P]
 *   P = (S - 1)·stride - before - after + dilation·(K - 1) + outputPadding + 1
 *   y[n, group(c)·O/groups + o, s·stride + k·dilation - before] += x[n, c, s] · w[c, o, k]
 *
 * `outputPadding` (less than the stride or the dilation) only makes the output longer: it chooses among the sizes
 * that `conv` would floor to the same one.
 *
 * @throws ShapeError if the channels do not fit or the output would have a negative size.
 * @throws OptionError for a wrong or unknown option.
 */
export function convTranspose(xInput: ArrayInput, wInput: ArrayInput, options: ConvTransposeOptions = {}): NdArray {
  const operation = 'reference.convTranspose';
  checkKeys(operation, options, TRANSPOSE_KEYS);
  const x = toNd(xInput);
  const w = toNd(wInput);
  const { rank, batch, channels, size } = axes(operation, x, w);
  const [weightChannels = 0, filtersPerGroup = 0, ...kernel] = w.shape;
  const { groups = 1 } = options;
  const filters = filtersPerGroup * groups;
  checkGroups(operation, groups, channels, filters);
  if (weightChannels !== channels) {
    throw new ShapeError(
      `${operation}: x has ${channels} channels but weight is for ${weightChannels}; x is [${x.shape}], weight [${w.shape}]`,
    );
  }
  const stride = perAxis(operation, 'stride', options.stride ?? 1, rank, 1);
  const dilation = perAxis(operation, 'dilation', options.dilation ?? 1, rank, 1);
  const extra = perAxis(operation, 'outputPadding', options.outputPadding ?? 0, rank, 0);
  const pairs = paddingPairs(operation, options.padding ?? 0, kernel, dilation, stride);
  const bias = readBias(operation, options.bias, filters);
  const reach = reachOf(kernel, dilation);
  const places = size.map((n, axis) => {
    const [s, d, e] = [stride[axis] as number, dilation[axis] as number, extra[axis] as number];
    if (e >= Math.max(s, d))
      throw new OptionError(`${operation}: outputPadding ${e} must be less than stride ${s} or dilation ${d}`);
    const [before, after] = pairs[axis] as Pair;
    return (n - 1) * s - before - after + (reach[axis] as number) + e;
  });
  if (places.some((n) => n < 0))
    throw new ShapeError(`${operation}: the output would be [${places}] for x [${x.shape}], weight [${w.shape}]`);

  const y = zeros([batch, filters, ...places]);
  forEachIndex(y.shape, ([, o], position) => {
    y.data[position] = bias[o] as number;
  });
  const before = pairs.map(([b]) => -b);
  const channelsPerGroup = channels / groups;
  forEachIndex(x.shape, ([n, c, ...s], position) => {
    const value = x.data[position] as number;
    const firstFilter = Math.floor(c / channelsPerGroup) * filtersPerGroup;
    const corner = plus(times(s, stride), before);
    forEachIndex([filtersPerGroup, ...kernel], ([o, ...k]) => {
      const target = positionOf(y.shape, [n, firstFilter + o, ...plus(corner, times(k, dilation))]);
      if (target >= 0) y.data[target] = (y.data[target] as number) + value * at(w, [c, o, ...k]);
    });
  });
  return y;
}
