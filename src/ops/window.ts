/** How windows (of a convolution or a pooling) lie over the spatial axes: options, checks and sizes. */

import { OptionError, ShapeError } from '../errors.ts';
import { show } from '../tensor/options.ts';
import { type Shape, showShape } from '../tensor/shape.ts';

/** A whole number for all spatial axes, or one for each. */
export type PerAxis = number | readonly number[];

/** Padding: per axis the same on both sides, `[[before, after], …]`, or a rule: `'same'` keeps the size, `'valid'` is 0. */
export type Padding = PerAxis | 'same' | 'valid' | readonly (readonly [before: number, after: number])[];

/** `value` as one whole number of at least `least` per spatial axis. */
export function perAxis(operation: string, name: string, value: PerAxis, rank: number, least: number): number[] {
  const list = Array.isArray(value) ? (value as readonly number[]) : new Array<number>(rank).fill(value as number);
  if (list.length !== rank || !list.every((entry) => Number.isSafeInteger(entry) && entry >= least)) {
    throw new OptionError(
      `${operation}: ${name} must be a whole number of at least ${least}, or a list of ${rank}, but is ${show(value)}`,
    );
  }
  return [...list];
}

/** The sizes of the spatial axes, the last `rank` ones. */
export function spatial(shape: Shape, rank: number): number[] {
  return shape.slice(shape.length - rank);
}

/** Elements of padding before and after each axis. */
export interface Sides {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/**
 * The padding on both sides of each axis. `'same'` adds dilation · (K - 1) in total, the odd one after; it needs
 * stride 1.
 */
export function resolvePadding(
  operation: string,
  padding: Padding,
  kernel: readonly number[],
  stride: readonly number[],
  dilation: readonly number[],
): Sides {
  const rank = kernel.length;
  if (padding === 'valid') return { before: kernel.map(() => 0), after: kernel.map(() => 0) };
  if (padding === 'same') {
    if (stride.some((step) => step !== 1)) {
      throw new OptionError(`${operation}: padding 'same' needs stride 1, but the stride is ${show(stride)}`);
    }
    const total = kernel.map((length, axis) => dilation[axis]! * (length - 1));
    return { before: total.map((sum) => sum >> 1), after: total.map((sum) => sum - (sum >> 1)) };
  }
  if (Array.isArray(padding) && padding.some(Array.isArray)) {
    const pairs = padding as readonly (readonly number[])[];
    const valid = (pair: unknown): boolean =>
      Array.isArray(pair) && pair.length === 2 && pair.every((side) => Number.isSafeInteger(side) && side >= 0);
    if (pairs.length !== rank || !pairs.every(valid)) {
      throw new OptionError(
        `${operation}: padding must list [before, after] for ${rank} axes, but is ${show(padding)}`,
      );
    }
    return { before: pairs.map((pair) => pair[0]!), after: pairs.map((pair) => pair[1]!) };
  }
  if (typeof padding === 'string') {
    throw new OptionError(`${operation}: padding must be whole numbers, 'same' or 'valid', but is ${show(padding)}`);
  }
  const both = perAxis(operation, 'padding', padding as PerAxis, rank, 0);
  return { before: both, after: both };
}

/**
 * The number of windows along each axis, P = floor((S + before + after - dilation · (K - 1) - 1) / stride) + 1.
 *
 * @throws ShapeError where not even one window fits.
 */
export function windowCounts(
  operation: string,
  size: readonly number[],
  kernel: readonly number[],
  stride: readonly number[],
  dilation: readonly number[],
  { before, after }: Sides,
): number[] {
  return size.map((length, axis) => {
    const reach = dilation[axis]! * (kernel[axis]! - 1) + 1;
    const padded = length + before[axis]! + after[axis]!;
    if (reach > padded) {
      throw new ShapeError(
        `${operation}: kernel ${showShape(kernel)} with dilation ${showShape(dilation)} reaches over ${reach} elements of axis ${axis}, ` +
          `but there are ${padded} (${length} and padding ${before[axis]} + ${after[axis]}); use a smaller kernel or more padding`,
      );
    }
    return Math.floor((padded - reach) / stride[axis]!) + 1;
  });
}
