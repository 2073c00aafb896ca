/** Laws of max pooling: it knows only the order of its elements. */
import { map, type NdArray, sameShape, zip } from '../nd.ts';
import { list, type MaxPoolOptions, type PerAxis } from '../reference/options.ts';
import { pad } from '../reference/pad.ts';
import { maxPool as defined } from '../reference/pool.ts';
import { concat, narrow, plainPadding, reshape, subsample, take } from './arrays.ts';
import { type Bench, defineLaw, type Law, type Sample } from './law.ts';

type Body = (bench: Bench, sample: Sample<'maxPool'>) => void;
const pool = (name: string, says: string, body: Body): Law<'maxPool'> =>
  defineLaw('maxPool', ['maxPool'], name, says, body);

const rankOf = (x: NdArray): number => x.shape.length - 2;
const larger = (a: number, b: number): number => (a > b ? a : b);
const smaller = (a: number, b: number): number => (a < b ? a : b);

/** Kernel and options with one entry per axis. */
function perAxisOf(x: NdArray, kernelSize: PerAxis, options: MaxPoolOptions): { kernel: number[]; stride: number[] } {
  const kernel = list(kernelSize, rankOf(x));
  return { kernel, stride: list(options.stride ?? kernel, rankOf(x)) };
}

const pairsOf = (options: MaxPoolOptions, rank: number): (readonly [number, number])[] => {
  const { padding = 0 } = options;
  const amounts = typeof padding === 'number' ? new Array<number>(rank).fill(padding) : padding;
  return amounts.map((entry) => (typeof entry === 'number' ? [entry, entry] : entry));
};

/** Each output is the largest element under its window; padding never is. */
export const maxIsLargest: Law<'maxPool'> = pool(
  'maxIsLargest',
  'maxPool(x)[p] = max of x over the window at p, also where all of x is negative',
  ({ run, close }, { x, kernelSize, options }) => {
    const negative = map(x, (v) => -Math.abs(v) - 1);
    close(run.maxPool(negative, kernelSize, options), defined(negative, kernelSize, options));
    close(run.maxPool(x, kernelSize, options), defined(x, kernelSize, options));
  },
);

/** x ≤ x′ implies maxPool(x) ≤ maxPool(x′). */
export const maxIsMonotone: Law<'maxPool'> = pool(
  'maxIsMonotone',
  'x ≤ x′ implies maxPool(x) ≤ maxPool(x′)',
  ({ run, close, material }, { x, kernelSize, options }) => {
    const above = zip(x, material.array(x.shape), (v, d) => v + Math.abs(d));
    const [low, high] = [run.maxPool(x, kernelSize, options), run.maxPool(above, kernelSize, options)];
    close(zip(low, high, smaller), low);
  },
);

/** Pooling commutes with the maximum of two pictures. */
export const maxOfMaxima: Law<'maxPool'> = pool(
  'maxOfMaxima',
  'maxPool(max(x, x′)) = max(maxPool(x), maxPool(x′))',
  ({ run, close, material }, { x, kernelSize, options }) => {
    const other = material.array(x.shape);
    const pooled = (a: NdArray): NdArray => run.maxPool(a, kernelSize, options);
    close(pooled(zip(x, other, larger)), zip(pooled(x), pooled(other), larger));
  },
);

/** Pooling commutes with every increasing map; this one makes everything negative. */
export const commutesWithIncreasingMaps: Law<'maxPool'> = pool(
  'commutesWithIncreasingMaps',
  'maxPool(f(x)) = f(maxPool(x)) for increasing f, here 2·x - 64',
  ({ run, close }, { x, kernelSize, options }) => {
    const f = (v: number): number => 2 * v - 64;
    close(run.maxPool(map(x, f), kernelSize, options), map(run.maxPool(x, kernelSize, options), f));
  },
);

/** Windows of one element leave the picture as it is. */
export const maxOfOne: Law<'maxPool'> = pool('maxOfOne', 'maxPool(x, size 1) = x', ({ run, close }, { x }) => {
  close(run.maxPool(x, 1, {}), x);
});

/** Pooling is idempotent on what no longer varies. */
export const maxOfConstant: Law<'maxPool'> = pool(
  'maxOfConstant',
  'maxPool of a constant picture is that constant, wherever a window covers any of it',
  ({ run, close }, { x, kernelSize, options }) => {
    const y = run.maxPool(
      map(x, () => -3),
      kernelSize,
      options,
    );
    close(
      map(y, (v) => (v === Number.NEGATIVE_INFINITY ? -3 : v)),
      map(y, () => -3),
    );
  },
);

/** The maximum of maxima is the maximum over the larger window. */
export const maxComposes: Law<'maxPool'> = pool(
  'maxComposes',
  'maxPool(maxPool(x, a), b) = maxPool(x, a + b - 1), stride 1',
  ({ run, close }, { x, kernelSize }) => {
    const a = list(kernelSize, rankOf(x));
    const b = a.map((_, axis) => (axis % 2) + 2);
    const picture = pad(
      x,
      a.map((k, axis) => [k, b[axis] as number]),
      { mode: 'replicate' },
    );
    const both = a.map((k, axis) => k + (b[axis] as number) - 1);
    close(
      run.maxPool(run.maxPool(picture, a, { stride: 1 }), b, { stride: 1 }),
      run.maxPool(picture, both, { stride: 1 }),
    );
  },
);

/** A window of several axes is one axis after the other. */
export const maxSeparates: Law<'maxPool'> = pool(
  'maxSeparates',
  'maxPool over all axes = maxPool over one axis after the other',
  ({ run, close }, { x, kernelSize, options }) => {
    const rank = rankOf(x);
    const { kernel, stride } = perAxisOf(x, kernelSize, options);
    const dilation = list(options.dilation ?? 1, rank);
    const pairs = pairsOf(options, rank);
    const only = <T>(axis: number, entry: T, others: T): T[] =>
      Array.from({ length: rank }, (_, i) => (i === axis ? entry : others));
    const separate = kernel.reduce<NdArray>((array, k, axis) => {
      const padding = plainPadding(only(axis, pairs[axis] as readonly [number, number], [0, 0])) as number[];
      const along = {
        stride: only(axis, stride[axis] as number, 1),
        dilation: only(axis, dilation[axis] as number, 1),
        padding,
      };
      return run.maxPool(array, only(axis, k, 1), { ...along, ceilMode: options.ceilMode ?? false });
    }, x);
    close(run.maxPool(x, kernelSize, options), separate);
  },
);

/** A stride leaves out what lies between. */
export const maxStrideSubsamples: Law<'maxPool'> = pool(
  'maxStrideSubsamples',
  'maxPool(x, stride s) = every s-th place of maxPool(x, stride 1)',
  ({ run, close }, { x, kernelSize, options }) => {
    const { ceilMode: _, ...floor } = options;
    const { stride } = perAxisOf(x, kernelSize, options);
    close(
      run.maxPool(x, kernelSize, { ...floor, stride }),
      subsample(run.maxPool(x, kernelSize, { ...floor, stride: 1 }), stride),
    );
  },
);

/** Padding counts as minus infinity. */
export const maxPaddingIsInfinite: Law<'maxPool'> = pool(
  'maxPaddingIsInfinite',
  'maxPool(x, padding) = maxPool(x padded with -Infinity)',
  ({ run, close }, { x, kernelSize, options }) => {
    const { ceilMode: _, padding: __, ...plain } = options;
    const padded = pad(x, pairsOf(options, rankOf(x)), { value: Number.NEGATIVE_INFINITY });
    close(
      run.maxPool(x, kernelSize, { ...plain, padding: options.padding ?? 0 }),
      run.maxPool(padded, kernelSize, plain),
    );
  },
);

/** Rounding the number of windows up only adds windows at the end. */
export const maxCeilAppends: Law<'maxPool'> = pool(
  'maxCeilAppends',
  'maxPool(x, ceilMode) begins with maxPool(x), and has the size that its definition says',
  ({ run, close }, { x, kernelSize, options }) => {
    const { ceilMode: _, ...floor } = options;
    const [up, down] = [run.maxPool(x, kernelSize, { ...floor, ceilMode: true }), run.maxPool(x, kernelSize, floor)];
    close(up.shape as number[], defined(x, kernelSize, { ...floor, ceilMode: true }).shape as number[]);
    close(
      down.shape.reduce((array, n, axis) => narrow(array, axis, 0, n), up),
      down,
    );
  },
);

/** Pictures and channels are pooled each by itself. */
export const maxChannelwise: Law<'maxPool'> = pool(
  'maxChannelwise',
  'maxPool(x)[n, c] = maxPool(x[n, c])',
  ({ run, close }, { x, kernelSize, options }) => {
    const [batch = 0, channels = 0] = x.shape;
    if (batch * channels === 0) return;
    const flat = reshape(x, [batch * channels, 1, ...x.shape.slice(2)]);
    const single = Array.from({ length: batch * channels }, (_, i) =>
      run.maxPool(take(flat, 0, [i]), kernelSize, options),
    );
    const y = run.maxPool(x, kernelSize, options);
    close(y, reshape(concat(single, 0), y.shape));
  },
);

/** A NaN makes every window that covers it NaN, as in PyTorch; a maximum by `>` alone would lose it. */
export const maxKeepsNaN: Law<'maxPool'> = pool(
  'maxKeepsNaN',
  'maxPool(x) is NaN where the window covers a NaN, and unchanged elsewhere',
  ({ run, close, material }, { x, kernelSize, options }) => {
    if (x.data.length === 0) return;
    const place = material.integer(0, x.data.length - 1);
    const holed: NdArray = { shape: x.shape, data: x.data.map((v, i) => (i === place ? Number.NaN : v)) };
    const y = run.maxPool(holed, kernelSize, options);
    const expected = defined(holed, kernelSize, options);
    if (sameShape(y.shape, expected.shape))
      close(
        map(y, (v) => Number(Number.isNaN(v))),
        map(expected, (v) => Number(Number.isNaN(v))),
      );
    close(y, expected);
  },
);
