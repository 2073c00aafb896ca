/** Valid configurations of pooling, by construction; see conv.ts for why. */
import type { Arbitrary } from 'fast-check';
import fc from 'fast-check';
import type { NdArray } from '../nd.ts';
import { type AvgPoolOptions, list, type MaxPoolOptions, type PerAxis, reachOf } from '../reference/options.ts';
import { type CaseConstraints, each, scalarOrList, withoutDefaults } from './conv.ts';
import { filled, pool } from './values.ts';

export interface PoolConstraints {
  /** The number of spatial axes: 1, 2 or 3. */
  readonly rank: number;
  /** `max` has dilation, `avg` has countIncludePad and divisorOverride; `max` by default. */
  readonly kind?: 'max' | 'avg';
  /** The least batch: 1 by default; 0 for empty batches too. */
  readonly minBatch?: number;
  /** 2 by default. */
  readonly maxBatch?: number;
  /** 2 by default. */
  readonly maxChannels?: number;
  /** 3 by default. */
  readonly maxKernel?: number;
  /** 3 by default. */
  readonly maxStride?: number;
  /** 2 by default. */
  readonly maxDilation?: number;
  /** How much larger than the smallest possible an axis may be, 4 by default. */
  readonly maxExtra?: number;
  /** Whether ceilMode may occur, true by default. */
  readonly ceilMode?: boolean;
  /** Whether padding may occur, true by default. */
  readonly padding?: boolean;
}

/** Options of either pooling: `dilation` is max pooling's, `countIncludePad` and `divisorOverride` are average pooling's. */
export type PoolOptions = MaxPoolOptions & AvgPoolOptions;

/** Shapes and options of one pooling. Options that have their default value are left out. */
export interface PoolConfig {
  readonly input: number[];
  readonly output: number[];
  readonly kernelSize: PerAxis;
  readonly options: PoolOptions;
}

/** Everything that one call needs. */
export interface PoolCase {
  readonly x: NdArray;
  readonly kernelSize: PerAxis;
  readonly options: PoolOptions;
  readonly seed: number;
}

/** P = floor or ceil((S + 2·padding - reach) / stride) + 1, less a last window that starts behind the input. */
function places(n: number, padding: number, reach: number, stride: number, ceil: boolean): number {
  const free = n + 2 * padding - reach;
  const count = (ceil ? Math.ceil(free / stride) : Math.floor(free / stride)) + 1;
  return ceil && (count - 1) * stride >= n + padding ? count - 1 : count;
}

/**
 * A valid configuration of pooling: overlapping and gapped windows, padding up to half of the kernel, dilation, ceilMode,
 * windows as large as the padded input. With dilation, a window can lie on padding alone.
 */
export function poolConfig(constraints: PoolConstraints): Arbitrary<PoolConfig> {
  const { rank, kind = 'max', minBatch = 1, maxBatch = 2, maxChannels = 2, maxKernel = 3, maxStride = 3 } = constraints;
  const { maxDilation = 2, maxExtra = 4, ceilMode = true, padding = true } = constraints;
  const upTo = (max: number): Arbitrary<number> => fc.integer({ min: 1, max });
  const avg = kind === 'avg';
  const drawn = fc.record({
    batch: fc.integer({ min: minBatch, max: maxBatch }),
    channels: upTo(maxChannels),
    kernelSize: scalarOrList(rank, upTo(maxKernel)),
    stride: fc.option(scalarOrList(rank, upTo(maxStride)), { nil: undefined }),
    dilation: avg ? fc.constant(1) : scalarOrList(rank, upTo(maxDilation)),
    pads: padding ? scalarOrList(rank, fc.nat({ max: Math.floor(maxKernel / 2) })) : fc.constant(0),
    extra: each(rank, fc.nat({ max: maxExtra })),
    ceilMode: ceilMode ? fc.boolean() : fc.constant(false),
    countIncludePad: avg ? fc.boolean().map((leftOut) => !leftOut) : fc.constant(true),
    divisorOverride: avg ? fc.option(upTo(5), { nil: undefined, freq: 3 }) : fc.constant(undefined),
  });
  return drawn.map(({ batch, channels, kernelSize, stride, dilation, pads, extra, ...rest }) => {
    const kernel = list(kernelSize, rank);
    const reach = reachOf(kernel, list(dilation, rank));
    const p = list(pads, rank).map((n, axis) => Math.min(n, Math.floor((kernel[axis] as number) / 2)));
    const steps = stride === undefined ? kernel : list(stride, rank);
    const size = reach.map((n, axis) => Math.max(1, n - 2 * (p[axis] as number)) + (extra[axis] as number));
    const output = size.map((n, axis) =>
      places(n, p[axis] as number, reach[axis] as number, steps[axis] as number, rest.ceilMode),
    );
    return {
      input: [batch, channels, ...size],
      output: [batch, channels, ...output],
      kernelSize,
      options: withoutDefaults<PoolOptions>({ stride, padding: p, dilation, ...rest } as PoolOptions, {
        padding: 0,
        dilation: 1,
        ceilMode: false,
        countIncludePad: true,
      }),
    };
  });
}

/** A pooling to compute: `{ x, kernelSize, options, seed }`. */
export function poolCase(constraints: PoolConstraints & CaseConstraints): Arbitrary<PoolCase> {
  return fc
    .record({ config: poolConfig(constraints), x: pool(constraints.values), seed: fc.nat() })
    .map(({ config: { input, kernelSize, options }, x, seed }) => ({ x: filled(input, x), kernelSize, options, seed }));
}
