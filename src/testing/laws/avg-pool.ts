/** Laws of average pooling, and of the dense layer. */
import { build, map, type NdArray, sizeOf, zip } from '../nd.ts';
import { conv } from '../reference/conv.ts';
import { type AvgPoolOptions, list, type Padding } from '../reference/options.ts';
import { avgPool as defined, maxPool } from '../reference/pool.ts';
import { add, concat, narrow, reshape, scale, take } from './arrays.ts';
import { type Bench, defineLaw, type Law, type Sample } from './law.ts';

type Body = (bench: Bench, sample: Sample<'avgPool'>) => void;
const pool = (name: string, says: string, body: Body): Law<'avgPool'> =>
  defineLaw('avgPool', ['avgPool'], name, says, body);

const rankOf = (x: NdArray): number => x.shape.length - 2;

/** Without ceilMode, with padding counted, by the number of elements: a convolution. */
function plain({ ceilMode: _, countIncludePad: __, divisorOverride: ___, ...options }: AvgPoolOptions): AvgPoolOptions {
  return options;
}

/** Each output is the mean over its window, by every rule of counting. */
export const avgIsMean: Law<'avgPool'> = pool(
  'avgIsMean',
  'avgPool(x)[p] = sum of x over the window at p / number of elements that count',
  ({ run, close }, { x, kernelSize, options }) => {
    close(run.avgPool(x, kernelSize, options), defined(x, kernelSize, options));
  },
);

/** avgPool is linear. */
export const avgLinear: Law<'avgPool'> = pool(
  'avgLinear',
  'avgPool(2·x - 3·x′) = 2·avgPool(x) - 3·avgPool(x′)',
  ({ run, close, material }, { x, kernelSize, options }) => {
    const other = material.array(x.shape);
    const pooled = (a: NdArray): NdArray => run.avgPool(a, kernelSize, options);
    close(pooled(add(scale(x, 2), scale(other, -3))), add(scale(pooled(x), 2), scale(pooled(other), -3)));
  },
);

/** Average pooling is a depthwise convolution with equal taps. */
export const avgIsConvolution: Law<'avgPool'> = pool(
  'avgIsConvolution',
  'avgPool(x, K) = conv(x, taps 1/K, groups C), with padding counted',
  ({ run, close }, { x, kernelSize, options }) => {
    const o = plain(options);
    const kernel = list(kernelSize, rankOf(x));
    const channels = x.shape[1] as number;
    const taps = build([channels, 1, ...kernel], () => 1 / sizeOf(kernel));
    const geometry = { stride: o.stride ?? kernel, padding: (o.padding ?? 0) as Padding, groups: channels };
    close(run.avgPool(x, kernelSize, o), conv(x, taps, geometry));
  },
);

/** Where padding does not count, a constant stays itself, also at the border. */
export const avgOfConstant: Law<'avgPool'> = pool(
  'avgOfConstant',
  'avgPool of a constant picture is that constant, where padding does not count',
  ({ run, close }, { x, kernelSize, options }) => {
    const { divisorOverride: _, ...o } = options;
    const y = run.avgPool(
      map(x, () => -3),
      kernelSize,
      { ...o, countIncludePad: false },
    );
    close(
      y,
      map(y, () => -3),
    );
  },
);

/** The mean lies between the least and the largest element. */
export const avgIsBetween: Law<'avgPool'> = pool(
  'avgIsBetween',
  '-maxPool(-x) ≤ avgPool(x) ≤ maxPool(x), where padding does not count',
  ({ run, close }, { x, kernelSize, options }) => {
    const { divisorOverride: _, countIncludePad: __, ...o } = options;
    const y = run.avgPool(x, kernelSize, { ...o, countIncludePad: false });
    const high = maxPool(x, kernelSize, o);
    const low = scale(maxPool(scale(x, -1), kernelSize, o), -1);
    close(zip(zip(y, high, Math.min), low, Math.max), y);
  },
);

/** A divisor of one's own divides the sum. */
export const avgDivisor: Law<'avgPool'> = pool(
  'avgDivisor',
  'd·avgPool(x, divisorOverride d) = avgPool(x, divisorOverride 1)',
  ({ run, close, material }, { x, kernelSize, options }) => {
    const d = material.integer(2, 7);
    const by = (divisorOverride: number): NdArray => run.avgPool(x, kernelSize, { ...options, divisorOverride });
    close(scale(by(d), d), by(1));
  },
);

/** Rounding the number of windows up only adds windows at the end. */
export const avgCeilAppends: Law<'avgPool'> = pool(
  'avgCeilAppends',
  'avgPool(x, ceilMode) begins with avgPool(x)',
  ({ run, close }, { x, kernelSize, options }) => {
    const { ceilMode: _, ...floor } = options;
    const [up, down] = [run.avgPool(x, kernelSize, { ...floor, ceilMode: true }), run.avgPool(x, kernelSize, floor)];
    close(
      down.shape.reduce((array, n, axis) => narrow(array, axis, 0, n), up),
      down,
    );
  },
);

/** Pictures and channels are pooled each by itself. */
export const avgChannelwise: Law<'avgPool'> = pool(
  'avgChannelwise',
  'avgPool(x)[n, c] = avgPool(x[n, c])',
  ({ run, close }, { x, kernelSize, options }) => {
    const [batch = 0, channels = 0] = x.shape;
    if (batch * channels === 0) return;
    const flat = reshape(x, [batch * channels, 1, ...x.shape.slice(2)]);
    const single = Array.from({ length: batch * channels }, (_, i) =>
      run.avgPool(take(flat, 0, [i]), kernelSize, options),
    );
    const y = run.avgPool(x, kernelSize, options);
    close(y, reshape(concat(single, 0), y.shape));
  },
);

const linear = (name: string, says: string, body: (bench: Bench, sample: Sample<'linear'>) => void): Law<'linear'> =>
  defineLaw('linear', ['linear'], name, says, body);

/** A dense layer is affine in its input. */
export const denseIsAffine: Law<'linear'> = linear(
  'denseIsAffine',
  'linear(2·x - x′) = 2·linear(x) - linear(x′), bias included',
  ({ run, close, material }, { x, w, options }) => {
    const other = material.array(x.shape);
    const layer = (a: NdArray): NdArray => run.linear(a, w, options);
    close(layer(add(scale(x, 2), scale(other, -1))), add(scale(layer(x), 2), scale(layer(other), -1)));
  },
);

/** A dense layer is a convolution of pictures of one element. */
export const denseIsPointwise: Law<'linear'> = linear(
  'denseIsPointwise',
  'linear(x, w) = conv(x as pictures of one element, w as filters of one tap)',
  ({ run, close }, { x, w, options }) => {
    const y = conv(reshape(x, [...x.shape, 1]), reshape(w, [...w.shape, 1]), options);
    close(run.linear(x, w, options), reshape(y, y.shape.slice(0, 2)));
  },
);
