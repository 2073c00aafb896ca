/** Laws of convolution as an algebra: linearity, symmetries, and what padding, stride, dilation and groups mean. */
import { type NdArray, plus, sizeOf, times } from '../nd.ts';
import { type ConvOptions, placesOf } from '../reference/options.ts';
import { pad } from '../reference/pad.ts';
import {
  add,
  blockDiagonal,
  concat,
  flip,
  geometryOf,
  narrow,
  permute,
  plainPadding,
  reshape,
  scale,
  spatialAxes,
  subsample,
  take,
  upsample,
} from './arrays.ts';
import { type Bench, defineLaw, type Law, type Sample } from './law.ts';
import { applyMatrix, convolutionMatrix } from './toeplitz.ts';

const conv = (name: string, says: string, body: (bench: Bench, sample: Sample<'conv'>) => void): Law<'conv'> =>
  defineLaw('conv', ['conv'], name, says, body);

/** The options without some of them. */
const without = (options: ConvOptions, ...keys: (keyof ConvOptions)[]): ConvOptions =>
  Object.fromEntries(Object.entries(options).filter(([key]) => !keys.includes(key as keyof ConvOptions)));

const channelsOf = (x: NdArray): number => x.shape[1] as number;
const filtersOf = (w: NdArray): number => w.shape[0] as number;
const range = (start: number, length: number): number[] => Array.from({ length }, (_, i) => start + i);

/** conv(a·x + b·x′, w) = a·conv(x, w) + b·conv(x′, w) */
export const linearInInput: Law<'conv'> = conv(
  'linearInInput',
  'conv(2·x - 3·x′, w) = 2·conv(x, w) - 3·conv(x′, w)',
  ({ run, close, material }, { x, w, options }) => {
    const o = without(options, 'bias');
    const other = material.array(x.shape);
    const combined = run.conv(add(scale(x, 2), scale(other, -3)), w, o);
    close(combined, add(scale(run.conv(x, w, o), 2), scale(run.conv(other, w, o), -3)));
  },
);

/** conv(x, a·w + b·w′) = a·conv(x, w) + b·conv(x, w′) */
export const linearInFilter: Law<'conv'> = conv(
  'linearInFilter',
  'conv(x, 2·w - 3·w′) = 2·conv(x, w) - 3·conv(x, w′)',
  ({ run, close, material }, { x, w, options }) => {
    const o = without(options, 'bias');
    const other = material.array(w.shape);
    const combined = run.conv(x, add(scale(w, 2), scale(other, -3)), o);
    close(combined, add(scale(run.conv(x, w, o), 2), scale(run.conv(x, other, o), -3)));
  },
);

/** The bias is added to every element of its output channel. */
export const biasPerChannel: Law<'conv'> = conv(
  'biasPerChannel',
  'conv(x, w, b)[n, o, p] = conv(x, w)[n, o, p] + b[o]',
  ({ run, close, material }, { x, w, options }) => {
    const bias = material.array([filtersOf(w)]);
    const y = run.conv(x, w, without(options, 'bias'));
    const places = sizeOf(y.shape.slice(2));
    const expected = y.data.map((v, i) => v + (bias.data[Math.floor(i / places) % filtersOf(w)] as number));
    close(run.conv(x, w, { ...options, bias }), { shape: y.shape, data: expected });
  },
);

/** P = floor((S + before + after - dilation·(K - 1) - 1) / stride) + 1 */
export const outputShape: Law<'conv'> = conv(
  'outputShape',
  'conv(x, w) is [N, O, ...P], P = floor((S + before + after - dilation·(K - 1) - 1) / stride) + 1',
  ({ run, close }, { x, w, options }) => {
    const { pairs, reach, stride } = geometryOf(w, options);
    const padded = x.shape.slice(2).map((n, axis) => n + (pairs[axis]?.[0] ?? 0) + (pairs[axis]?.[1] ?? 0));
    const shape = [x.shape[0] as number, filtersOf(w), ...placesOf('outputShape', padded, reach, stride)];
    close(run.conv(x, w, options).shape as number[], shape);
  },
);

/** Moving the picture by t strides moves the output by t. */
export const shiftEquivariance: Law<'conv'> = conv(
  'shiftEquivariance',
  'conv(x shifted by t·stride, w)[p + t] = conv(x, w)[p], with zero padding',
  ({ run, close, material }, { x, w, options }) => {
    const o = without(options, 'paddingMode');
    const { stride } = geometryOf(w, o);
    const t = stride.map(() => material.integer(0, 2));
    const shifted = pad(
      x,
      times(t, stride).map((n) => [n, 0]),
    );
    const y = run.conv(x, w, o);
    const moved = t.reduce(
      (array, n, axis) => narrow(array, axis + 2, n, y.shape[axis + 2] as number),
      run.conv(shifted, w, o),
    );
    close(moved, y);
  },
);

/** An element of the picture reaches only the outputs whose window covers it. */
export const locality: Law<'conv'> = conv(
  'locality',
  'changing x at one place changes conv(x, w) only where a tap of the window lies on it',
  ({ run, close, material }, { x, w, options }) => {
    if (x.data.length === 0) return;
    const o = without(options, 'paddingMode', 'bias');
    const place = material.integer(0, x.data.length - 1);
    const single: NdArray = { shape: x.shape, data: x.data.map((_, i) => (i === place ? 1 : 0)) };
    const ones: NdArray = { shape: w.shape, data: w.data.map(() => 1) };
    const { matrix, output } = convolutionMatrix(ones, x.shape.slice(2), geometryOf(w, o));
    const reached = applyMatrix(matrix, single, output);
    const changed: NdArray = { shape: x.shape, data: x.data.map((v, i) => (i === place ? v + 50 : v)) };
    const difference = add(run.conv(changed, w, o), scale(run.conv(x, w, o), -1));
    const outside = { shape: difference.shape, data: difference.data.map((v, i) => (reached.data[i] === 0 ? v : 0)) };
    close(outside, scale(outside, 0));
  },
);

/** Mirroring picture and filter mirrors the output. */
export const mirror: Law<'conv'> = conv(
  'mirror',
  'conv(flip x, flip w) = flip conv(x, w), with padding mirrored and stride 1',
  ({ run, close }, { x, w, options }) => {
    const o = without(options, 'stride');
    const { pairs } = geometryOf(w, o);
    const axes = spatialAxes(x);
    const mirrored = { ...o, padding: plainPadding(pairs.map(([before, after]) => [after, before])) };
    close(run.conv(flip(x, axes), flip(w, axes), mirrored), flip(run.conv(x, w, o), axes));
  },
);

/** Exchanging the spatial axes of everything exchanges those of the output. */
export const axisOrder: Law<'conv'> = conv(
  'axisOrder',
  'conv(xᵀ, wᵀ) = conv(x, w)ᵀ for any order of the spatial axes',
  ({ run, close, material }, { x, w, options }) => {
    const { stride, dilation, pairs } = geometryOf(w, options);
    const order = material.permutation(stride.length);
    const axes = [0, 1, ...order.map((axis) => axis + 2)];
    const pick = <T>(list: readonly T[]): T[] => order.map((axis) => list[axis] as T);
    const o = { ...options, stride: pick(stride), dilation: pick(dilation), padding: plainPadding(pick(pairs)) };
    close(run.conv(permute(x, axes), permute(w, axes), o), permute(run.conv(x, w, options), axes));
  },
);

/** A batch is its pictures, each by itself. */
export const batchwise: Law<'conv'> = conv(
  'batchwise',
  'conv(x, w)[n] = conv(x[n], w)',
  ({ run, close }, { x, w, options }) => {
    const [batch = 0] = x.shape;
    if (batch === 0) return;
    const single = range(0, batch).map((n) => run.conv(take(x, 0, [n]), w, options));
    close(run.conv(x, w, options), concat(single, 0));
  },
);

/** Naming the input channels in another order, in picture and filters, changes nothing. */
export const channelOrder: Law<'conv'> = conv(
  'channelOrder',
  'conv(x[:, π], w[:, π]) = conv(x, w), π a permutation of the channels of a group',
  ({ run, close, material }, { x, w, options }) => {
    const { groups = 1 } = options;
    const perGroup = channelsOf(w);
    const order = material.permutation(perGroup);
    const inAll = range(0, groups).flatMap((g) => order.map((c) => g * perGroup + c));
    close(run.conv(take(x, 1, inAll), take(w, 1, order), options), run.conv(x, w, options));
  },
);

/** Reordering the filters of a group reorders the output channels. */
export const filterOrder: Law<'conv'> = conv(
  'filterOrder',
  'conv(x, w[π]) = conv(x, w)[:, π], π a permutation of the filters of each group',
  ({ run, close, material }, { x, w, options }) => {
    const { groups = 1 } = options;
    const o = without(options, 'bias');
    const perGroup = filtersOf(w) / groups;
    const order = range(0, groups).flatMap((g) => material.permutation(perGroup).map((f) => g * perGroup + f));
    close(run.conv(x, take(w, 0, order), o), take(run.conv(x, w, o), 1, order));
  },
);

/** The output is the sum of what each channel contributes. */
export const channelsAdd: Law<'conv'> = conv(
  'channelsAdd',
  'conv(x, w) = Σ_c conv(x[:, c], w[:, c])',
  ({ run, close }, { x, w, options }) => {
    const { groups = 1 } = options;
    const o = without(options, 'bias');
    const perGroup = channelsOf(w);
    const single = range(0, perGroup).map((c) =>
      run.conv(
        take(
          x,
          1,
          range(0, groups).map((g) => g * perGroup + c),
        ),
        take(w, 1, [c]),
        o,
      ),
    );
    close(run.conv(x, w, o), single.reduce(add));
  },
);

/** A filter with a single 1 picks the elements under that tap: which catches a flipped filter. */
export const unitFilter: Law<'conv'> = conv(
  'unitFilter',
  'w = 1 at (c, k) alone: conv(x, w)[n, o, p] = padded x[n, c, p·stride + k·dilation]',
  ({ run, close, material }, { x, w, options }) => {
    const { groups = 1, paddingMode = 'zeros' } = options;
    const { kernel, stride, dilation, pairs, reach } = geometryOf(w, options);
    const c = material.integer(0, channelsOf(w) - 1);
    const k = kernel.map((n) => material.integer(0, n - 1));
    const tap = k.reduce((position, i, axis) => position * (kernel[axis] as number) + i, c);
    const unit: NdArray = {
      shape: w.shape,
      data: w.data.map((_, i) => (i % sizeOf(w.shape.slice(1)) === tap ? 1 : 0)),
    };
    const padded = pad(x, pairs, { mode: paddingMode });
    const start = times(k, dilation);
    const rest = plus(
      padded.shape.slice(2),
      reach.map((n) => 1 - n),
    );
    const window = start.reduce((array, first, axis) => narrow(array, axis + 2, first, rest[axis] as number), padded);
    const from = range(0, filtersOf(w)).map((o) => Math.floor(o / (filtersOf(w) / groups)) * channelsOf(w) + c);
    close(run.conv(x, unit, without(options, 'bias')), take(subsample(window, stride), 1, from));
  },
);

/** Padding, in any mode and form, is a larger picture. */
export const explicitPadding: Law<'conv'> = conv(
  'explicitPadding',
  'conv(x, w, padding) = conv(pad(x, padding), w)',
  ({ run, close }, { x, w, options }) => {
    const { paddingMode = 'zeros' } = options;
    const padded = pad(x, geometryOf(w, options).pairs, { mode: paddingMode });
    close(run.conv(x, w, options), run.conv(padded, w, without(options, 'padding', 'paddingMode')));
  },
);

/** Padding 'same' keeps the size, and puts the odd element at the end. */
export const samePadding: Law<'conv'> = conv(
  'samePadding',
  "conv(x, w, 'same') has the size of x and is conv(pad(x, [floor(r/2), ceil(r/2)]), w), r = dilation·(K - 1)",
  ({ run, close }, { x, w, options }) => {
    const o = without(options, 'stride', 'padding', 'paddingMode');
    const { reach } = geometryOf(w, o);
    const padded = pad(
      x,
      reach.map((n) => [Math.floor((n - 1) / 2), Math.ceil((n - 1) / 2)]),
    );
    close(run.conv(x, w, { ...o, padding: 'same' }), run.conv(padded, w, o));
  },
);

/** A stride leaves out what lies between. */
export const strideSubsamples: Law<'conv'> = conv(
  'strideSubsamples',
  'conv(x, w, stride s) = every s-th place of conv(x, w)',
  ({ run, close }, { x, w, options }) => {
    close(
      run.conv(x, w, options),
      subsample(run.conv(x, w, without(options, 'stride')), geometryOf(w, options).stride),
    );
  },
);

/** A dilated filter is a larger filter with zeros between its taps. */
export const dilationUpsamples: Law<'conv'> = conv(
  'dilationUpsamples',
  'conv(x, w, dilation d) = conv(x, w with d - 1 zeros between its taps)',
  ({ run, close }, { x, w, options }) => {
    close(
      run.conv(x, w, options),
      run.conv(x, upsample(w, geometryOf(w, options).dilation), without(options, 'dilation')),
    );
  },
);

/** Groups are one convolution whose filters are zero outside of their group. */
export const groupsAreBlockDiagonal: Law<'conv'> = conv(
  'groupsAreBlockDiagonal',
  'conv(x, w, groups g) = conv(x, block-diagonal w)',
  ({ run, close }, { x, w, options }) => {
    close(run.conv(x, w, options), run.conv(x, blockDiagonal(w, options.groups ?? 1), without(options, 'groups')));
  },
);

/** Groups are convolutions side by side. */
export const groupsAreSeparate: Law<'conv'> = conv(
  'groupsAreSeparate',
  'conv(x, w, groups g) = cat of conv(x of the group, w of the group)',
  ({ run, close }, { x, w, options }) => {
    const { groups = 1 } = options;
    const o = without(options, 'groups', 'bias');
    const [channels, filters] = [channelsOf(w), filtersOf(w) / groups];
    const single = range(0, groups).map((g) =>
      run.conv(narrow(x, 1, g * channels, channels), narrow(w, 0, g * filters, filters), o),
    );
    close(run.conv(x, w, without(options, 'bias')), concat(single, 1));
  },
);

/** The same call twice gives the same, and leaves its arguments as they were. */
export const pure: Law<'conv'> = conv(
  'pure',
  'conv(x, w) twice is the same, and changes neither x nor w',
  ({ run, close }, { x, w, options }) => {
    const [x0, w0] = [x.data.slice(), w.data.slice()];
    const first = run.conv(x, w, options);
    close(run.conv(x, w, options), first);
    close(x, reshape({ shape: x.shape, data: x0 }, x.shape));
    close(w, reshape({ shape: w.shape, data: w0 }, w.shape));
  },
);
