/** What convolution and pooling accept, and how it is normalised to one entry per spatial axis. */
import { OptionError, ShapeError } from '../../errors.ts';
import type { ArrayInput } from '../nd.ts';

/** One value for all spatial axes, or a list with one per axis. */
export type PerAxis = number | readonly number[];

/** How many elements of padding lie before and after an axis. */
export type Pair = readonly [before: number, after: number];

/** Where the values of padding come from. */
export type PaddingMode = 'zeros' | 'reflect' | 'replicate' | 'circular';

/** Padding of a convolution: a number, one per axis, `[before, after]` per axis, or by name. */
export type Padding = PerAxis | readonly Pair[] | 'same' | 'valid';

export interface ConvOptions {
  readonly bias?: ArrayInput;
  readonly stride?: PerAxis;
  readonly padding?: Padding;
  readonly dilation?: PerAxis;
  readonly groups?: number;
  readonly paddingMode?: PaddingMode;
}

export interface ConvTransposeOptions {
  readonly bias?: ArrayInput;
  readonly stride?: PerAxis;
  readonly padding?: PerAxis | readonly Pair[];
  readonly outputPadding?: PerAxis;
  readonly dilation?: PerAxis;
  readonly groups?: number;
}

export interface MaxPoolOptions {
  readonly stride?: PerAxis;
  readonly padding?: PerAxis | readonly Pair[];
  readonly dilation?: PerAxis;
  readonly ceilMode?: boolean;
}

export interface AvgPoolOptions {
  readonly stride?: PerAxis;
  readonly padding?: PerAxis | readonly Pair[];
  readonly ceilMode?: boolean;
  readonly countIncludePad?: boolean;
  readonly divisorOverride?: number;
}

/** Rejects keys that the operation does not know: a misspelt option must not pass silently. */
export function checkKeys(operation: string, options: object, known: readonly string[]): void {
  for (const key of Object.keys(options)) {
    if (!known.includes(key))
      throw new OptionError(`${operation}: unknown option '${key}'; known: ${known.join(', ')}`);
  }
}

/** A value for every axis, as a list. */
export const list = (value: PerAxis, rank: number): number[] =>
  typeof value === 'number' ? new Array<number>(rank).fill(value) : [...value];

/** `value` as one integer per axis, each at least `least`. */
export function perAxis(operation: string, name: string, value: PerAxis, rank: number, least: number): number[] {
  const entries = list(value, rank);
  if (entries.length !== rank) {
    throw new OptionError(`${operation}: ${name} has ${entries.length} entries, but there are ${rank} spatial axes`);
  }
  for (const entry of entries) {
    if (!Number.isInteger(entry) || entry < least) {
      throw new OptionError(`${operation}: ${name} must be integers of at least ${least}, got [${entries}]`);
    }
  }
  return entries;
}

/**
 * Padding as pairs. `'same'` keeps the size at stride 1: `dilation · (kernel - 1)` elements in all, the odd one after.
 * Source: PyTorch, torch.nn.functional.conv2d, `padding`.
 */
export function paddingPairs(
  operation: string,
  padding: Padding,
  kernel: readonly number[],
  dilation: readonly number[],
  stride: readonly number[],
): Pair[] {
  const rank = kernel.length;
  if (padding === 'valid') return kernel.map(() => [0, 0]);
  if (padding === 'same') {
    if (stride.some((s) => s !== 1))
      throw new OptionError(`${operation}: padding 'same' needs stride 1, got [${stride}]`);
    return kernel.map((k, axis) => {
      const total = (dilation[axis] as number) * (k - 1);
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    });
  }
  if (typeof padding === 'string') throw new OptionError(`${operation}: padding '${padding}' is not 'same' or 'valid'`);
  if (typeof padding === 'object' && padding.some((entry) => typeof entry === 'object')) {
    const pairs = padding as readonly Pair[];
    if (pairs.length !== rank) {
      throw new OptionError(`${operation}: padding has ${pairs.length} pairs, but there are ${rank} spatial axes`);
    }
    return pairs.map((pair) => perAxis(operation, 'padding', pair, 2, 0) as unknown as Pair);
  }
  return perAxis(operation, 'padding', padding as PerAxis, rank, 0).map((p) => [p, p]);
}

/** How far a dilated kernel reaches: `dilation · (kernel - 1) + 1` elements. */
export const reachOf = (kernel: readonly number[], dilation: readonly number[]): number[] =>
  kernel.map((k, axis) => (dilation[axis] as number) * (k - 1) + 1);

/** The number of places for a window of `reach` elements that moves by `stride` over `size` elements. */
export function placesOf(
  operation: string,
  size: readonly number[],
  reach: readonly number[],
  stride: readonly number[],
): number[] {
  return size.map((n, axis) => {
    const free = n - (reach[axis] as number);
    if (free < 0) {
      throw new ShapeError(
        `${operation}: a window of ${reach[axis]} does not fit into ${n} padded elements on spatial axis ${axis}`,
      );
    }
    return Math.floor(free / (stride[axis] as number)) + 1;
  });
}
