/**
 * Valid configurations of convolutions, by construction: what is drawn are independent numbers (kernel, stride, padding
 * and how much larger than necessary the input is), and sizes follow from them. So nothing is filtered away, and every
 * number shrinks on its own: a failing configuration ends with the smallest kernel, stride, padding and size.
 */
import type { Arbitrary } from 'fast-check';
import fc from 'fast-check';
import type { NdArray } from '../nd.ts';
import {
  type ConvOptions,
  type ConvTransposeOptions,
  list,
  type Padding,
  type PaddingMode,
  type Pair,
  type PerAxis,
  paddingPairs,
  placesOf,
  reachOf,
} from '../reference/options.ts';
import { filled, pool, type ValueSet } from './values.ts';

/** The ways to write padding that a convolution may meet. */
export type PaddingForm = 'number' | 'list' | 'pairs' | 'same' | 'valid';

export interface ConvConstraints {
  /** The number of spatial axes: 1, 2 or 3. */
  readonly rank: number;
  /** The least batch: 1 by default; 0 for empty batches too. */
  readonly minBatch?: number;
  /** 2 by default. */
  readonly maxBatch?: number;
  /** 2 by default: one group, or two, so that mixing them shows. */
  readonly maxGroups?: number;
  /** The most input and output channels per group, 2 by default. */
  readonly maxChannels?: number;
  /** 3 by default. */
  readonly maxKernel?: number;
  /** 3 by default. */
  readonly maxStride?: number;
  /** 3 by default. */
  readonly maxDilation?: number;
  /** The most padding on one side, 2 by default. */
  readonly maxPadding?: number;
  /** How much larger than the smallest possible an axis may be, 3 by default. */
  readonly maxExtra?: number;
  /** All four by default. */
  readonly paddingModes?: readonly PaddingMode[];
  /** All five by default. */
  readonly paddingForms?: readonly PaddingForm[];
  /** Whether a bias may occur, true by default. */
  readonly bias?: boolean;
}

/** Shapes and options of one convolution. Options that have their default value are left out. */
export interface ConvConfig {
  readonly input: number[];
  readonly weight: number[];
  readonly output: number[];
  /** Whether there is a bias `[output[1]]`. */
  readonly bias: boolean;
  readonly options: ConvOptions;
}

export interface ConvTransposeConfig extends Omit<ConvConfig, 'options'> {
  readonly options: ConvTransposeOptions;
}

/** Everything that one call needs: the bias is among the options. */
export interface ConvCase {
  readonly x: NdArray;
  readonly w: NdArray;
  readonly options: ConvOptions;
  /** From what a law draws what else it needs (a second picture, a permutation). */
  readonly seed: number;
}

export interface ConvTransposeCase extends Omit<ConvCase, 'options'> {
  readonly options: ConvTransposeOptions;
}

export interface CaseConstraints {
  /** What x, w and bias hold; `integers` by default. */
  readonly values?: ValueSet | Arbitrary<number>;
}

/** One entry per spatial axis. */
export const each = <T>(rank: number, entry: Arbitrary<T>): Arbitrary<T[]> =>
  fc.array(entry, { minLength: rank, maxLength: rank });

/** A number for all axes, or a list. */
export const scalarOrList = (rank: number, entry: Arbitrary<number>): Arbitrary<PerAxis> =>
  fc.oneof({ withCrossShrink: true }, entry, each(rank, entry));

/** The entries of `options` that differ from the default; a list of nothing but the default counts as it. */
export function withoutDefaults<T extends object>(options: T, defaults: Partial<Record<keyof T, unknown>>): T {
  const isDefault = (value: unknown, usual: unknown): boolean =>
    Array.isArray(value) ? value.flat().every((entry) => entry === usual) : value === usual;
  const entries = Object.entries(options).filter(
    ([key, value]) => value !== undefined && !isDefault(value, defaults[key as keyof T]),
  );
  return Object.fromEntries(entries) as T;
}

function paddingOf(rank: number, max: number, forms: readonly PaddingForm[]): Arbitrary<Padding> {
  const amount = fc.nat({ max });
  const pair = fc.tuple(amount, amount) as Arbitrary<Pair>;
  const arbitrary: Record<PaddingForm, Arbitrary<Padding>> = {
    number: amount,
    list: each(rank, amount),
    pairs: each(rank, pair),
    same: fc.constant('same'),
    valid: fc.constant('valid'),
  };
  return fc.oneof({ withCrossShrink: true }, ...forms.map((form) => arbitrary[form]));
}

/** The least size of an axis that a padding mode can pad by this much. */
const LEAST: Record<PaddingMode, (padding: number) => number> = {
  zeros: () => 1,
  reflect: (padding) => padding + 1,
  replicate: () => 1,
  circular: (padding) => padding,
};

/**
 * A valid configuration of a convolution with every option: groups, uneven strides and dilations, padding in every form
 * and mode, even kernels, kernels as large as the padded input, sizes that the stride does not divide.
 */
export function convConfig(constraints: ConvConstraints): Arbitrary<ConvConfig> {
  const {
    rank,
    minBatch = 1,
    maxBatch = 2,
    maxGroups = 2,
    maxChannels = 2,
    maxKernel = 3,
    maxStride = 3,
  } = constraints;
  const { maxDilation = 3, maxPadding = 2, maxExtra = 3, bias = true } = constraints;
  const { paddingModes = ['zeros', 'reflect', 'replicate', 'circular'] } = constraints;
  const { paddingForms = ['number', 'list', 'pairs', 'same', 'valid'] } = constraints;
  const upTo = (max: number): Arbitrary<number> => fc.integer({ min: 1, max });
  const drawn = fc.record({
    batch: fc.integer({ min: minBatch, max: maxBatch }),
    groups: upTo(maxGroups),
    channels: upTo(maxChannels),
    filters: upTo(maxChannels),
    kernel: each(rank, upTo(maxKernel)),
    stride: scalarOrList(rank, upTo(maxStride)),
    dilation: scalarOrList(rank, upTo(maxDilation)),
    padding: paddingOf(rank, maxPadding, paddingForms),
    extra: each(rank, fc.nat({ max: maxExtra })),
    paddingMode: fc.constantFrom(...paddingModes),
    bias: bias ? fc.boolean() : fc.constant(false),
  });
  return drawn.map(({ batch, groups, channels, filters, kernel, dilation, padding, extra, paddingMode, ...rest }) => {
    const stride = padding === 'same' ? 1 : rest.stride;
    const [strides, dilations] = [list(stride, rank), list(dilation, rank)];
    const pairs = paddingPairs('convConfig', padding, kernel, dilations, strides);
    const reach = reachOf(kernel, dilations);
    const size = pairs.map(([before, after], axis) => {
      const fitting = (reach[axis] as number) - before - after;
      return Math.max(1, fitting, LEAST[paddingMode](Math.max(before, after))) + (extra[axis] as number);
    });
    const padded = size.map((n, axis) => n + (pairs[axis] as Pair)[0] + (pairs[axis] as Pair)[1]);
    return {
      input: [batch, groups * channels, ...size],
      weight: [groups * filters, channels, ...kernel],
      output: [batch, groups * filters, ...placesOf('convConfig', padded, reach, strides)],
      bias: rest.bias,
      options: withoutDefaults<ConvOptions>(
        { stride, padding, dilation, groups, paddingMode },
        { stride: 1, padding: 0, dilation: 1, groups: 1, paddingMode: 'zeros' },
      ),
    };
  });
}

/** A valid configuration of a transposed convolution; padding is the same before and after, as everywhere else. */
export function convTransposeConfig(constraints: ConvConstraints): Arbitrary<ConvTransposeConfig> {
  const {
    rank,
    minBatch = 1,
    maxBatch = 2,
    maxGroups = 2,
    maxChannels = 2,
    maxKernel = 3,
    maxStride = 3,
  } = constraints;
  const { maxDilation = 3, maxPadding = 2, maxExtra = 2, bias = true } = constraints;
  const upTo = (max: number): Arbitrary<number> => fc.integer({ min: 1, max });
  const drawn = fc.record({
    batch: fc.integer({ min: minBatch, max: maxBatch }),
    groups: upTo(maxGroups),
    channels: upTo(maxChannels),
    filters: upTo(maxChannels),
    kernel: each(rank, upTo(maxKernel)),
    stride: scalarOrList(rank, upTo(maxStride)),
    dilation: scalarOrList(rank, upTo(maxDilation)),
    padding: scalarOrList(rank, fc.nat({ max: maxPadding })),
    longer: each(rank, fc.nat({ max: Math.max(maxStride, maxDilation) - 1 })),
    extra: each(rank, fc.nat({ max: maxExtra })),
    bias: bias ? fc.boolean() : fc.constant(false),
  });
  return drawn.map(
    ({ batch, groups, channels, filters, kernel, stride, dilation, padding, longer, extra, bias: hasBias }) => {
      const [s, d, p] = [list(stride, rank), list(dilation, rank), list(padding, rank)];
      const reach = reachOf(kernel, d);
      const outputPadding = longer.map((n, axis) => n % Math.max(s[axis] as number, d[axis] as number));
      // The output's size for an input of one element; more elements add a stride each.
      const single = reach.map((n, axis) => n + (outputPadding[axis] as number) - 2 * (p[axis] as number));
      const size = single.map(
        (n, axis) => Math.max(1, Math.ceil((1 - n) / (s[axis] as number)) + 1) + (extra[axis] as number),
      );
      return {
        input: [batch, groups * channels, ...size],
        weight: [groups * channels, filters, ...kernel],
        output: [
          batch,
          groups * filters,
          ...size.map((n, axis) => (n - 1) * (s[axis] as number) + (single[axis] as number)),
        ],
        bias: hasBias,
        options: withoutDefaults<ConvTransposeOptions>(
          { stride, padding, outputPadding, dilation, groups },
          { stride: 1, padding: 0, outputPadding: 0, dilation: 1, groups: 1 },
        ),
      };
    },
  );
}

function caseOf<C extends { input: number[]; weight: number[]; output: number[]; bias: boolean; options: object }>(
  config: Arbitrary<C>,
  set: ValueSet | Arbitrary<number> | undefined,
): Arbitrary<{ x: NdArray; w: NdArray; options: C['options']; seed: number }> {
  return fc
    .record({ config, x: pool(set), w: pool(set), bias: pool(set), seed: fc.nat() })
    .map(({ config: { input, weight, output, bias, options }, ...values }) => ({
      x: filled(input, values.x),
      w: filled(weight, values.w),
      options: bias ? { ...options, bias: filled([output[1] as number], values.bias) } : options,
      seed: values.seed,
    }));
}

/** A convolution to compute: `{ x, w, options, seed }`. */
export function convCase(constraints: ConvConstraints & CaseConstraints): Arbitrary<ConvCase> {
  return caseOf(convConfig(constraints), constraints.values);
}

/** A transposed convolution to compute: `{ x, w, options, seed }`. */
export function convTransposeCase(constraints: ConvConstraints & CaseConstraints): Arbitrary<ConvTransposeCase> {
  return caseOf(convTransposeConfig(constraints), constraints.values);
}
