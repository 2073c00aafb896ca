/**
 * Pooling to a given size: of P windows over L elements, the i-th is floor(i · L / P) to ceil((i + 1) · L / P) - 1.
 *
 * Where L is a multiple of P these are ordinary windows. Else an axis at a time, the last one first: the windows'
 * elements are selected, and their mean or maximum is taken. The first maximum of the first row that has it is the
 * first in row-major order, so ties are resolved as ordinary pooling does.
 */

import { OptionError, ShapeError } from '../errors.ts';
import { tensor } from '../tensor/creation.ts';
import { show } from '../tensor/options.ts';
import { showShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkTensor } from './check.ts';
import { div, where } from './elementwise.ts';
import { sum } from './expand.ts';
import { indexSelect } from './indexing.ts';
import { mean } from './moments.ts';
import { avgPool1d, avgPool2d, avgPool3d, maxPool1d, maxPool2d, maxPool3d } from './pool.ts';
import { max } from './reduce.ts';
import { reshape } from './views.ts';
import { spatial } from './window.ts';

/** The size of the result: one number for all spatial axes, or one each; null keeps an axis as it is. */
export type OutputSize = number | readonly (number | null)[];

const averages = [avgPool1d, avgPool2d, avgPool3d] as const;
const maxima = [maxPool1d, maxPool2d, maxPool3d] as const;

function sizesOf(operation: string, rank: number, x: Tensor, outputSize: OutputSize): number[] {
  checkTensor(operation, 'x', x);
  if (x.rank !== rank + 2 || x.shape.slice(2).includes(0)) {
    throw new ShapeError(
      `${operation}: x must be [N, C, ${['L', 'H, W', 'D, H, W'][rank - 1]}] with at least one element on the last, but is ${showShape(x.shape)}`,
    );
  }
  const list: readonly unknown[] = Array.isArray(outputSize) ? outputSize : new Array(rank).fill(outputSize);
  const valid = (size: unknown): boolean => size === null || (Number.isSafeInteger(size) && (size as number) >= 1);
  if (list.length !== rank || !list.every(valid)) {
    throw new OptionError(
      `${operation}: outputSize must be a whole number of at least 1, or a list of ${rank} such numbers or nulls, but is ${show(outputSize)}`,
    );
  }
  return spatial(x.shape, rank).map((length, axis) => (list[axis] as number | null) ?? length);
}

/** The windows of one axis: which elements each one has, filled up to one length by repeating its last. */
interface Windows {
  readonly rows: number[];
  readonly lengths: number[];
  readonly longest: number;
}

function windowsOf(length: number, count: number): Windows {
  const starts = Array.from({ length: count }, (_, i) => Math.floor((i * length) / count));
  const lengths = starts.map((start, i) => Math.ceil(((i + 1) * length) / count) - start);
  const longest = Math.max(...lengths);
  const rows = starts.flatMap((start, i) =>
    Array.from({ length: longest }, (_, j) => start + Math.min(j, lengths[i]! - 1)),
  );
  return { rows, lengths, longest };
}

type Reduce = (windows: Tensor, axis: number, shape: Windows) => Tensor;

/** A repeated element changes no maximum, and never is the first one. */
const largest: Reduce = (windows, axis) => max(windows, axis);

/** The repeated elements are left out by a choice, not by a factor of 0, which would spread NaN. */
const average: Reduce = (windows, axis, { lengths, longest }) => {
  const tail = windows.shape.slice(axis + 1).map(() => 1);
  const inside = lengths.flatMap((length) => Array.from({ length: longest }, (_, j) => (j < length ? 1 : 0)));
  const { dtype } = windows;
  const mask = reshape(tensor(inside, { dtype }), [lengths.length, longest, ...tail]);
  return div(sum(where(mask, windows, 0), axis), reshape(tensor(lengths, { dtype }), [-1, ...tail]));
};

function poolAxes(x: Tensor, sizes: readonly number[], reduce: Reduce): Tensor {
  let y = x;
  for (let i = sizes.length - 1; i >= 0; i--) {
    const [axis, size] = [i + 2, sizes[i]!];
    if (size === y.shape[axis]) continue;
    const windows = windowsOf(y.shape[axis]!, size);
    const { shape } = y;
    const selected = reshape(indexSelect(y, axis, windows.rows), [
      ...shape.slice(0, axis),
      size,
      windows.longest,
      ...shape.slice(axis + 1),
    ]);
    y = reduce(selected, axis + 1, windows);
  }
  return y;
}

/** The kernel of the ordinary pooling that does the same, or null. */
function evenKernel(x: Tensor, sizes: readonly number[]): number[] | null {
  const lengths = spatial(x.shape, sizes.length);
  return lengths.every((length, axis) => length % sizes[axis]! === 0)
    ? lengths.map((length, axis) => length / sizes[axis]!)
    : null;
}

function adaptiveAvgPool(operation: string, rank: 1 | 2 | 3, x: Tensor, outputSize: OutputSize): Tensor {
  const sizes = sizesOf(operation, rank, x, outputSize);
  // One window over everything is a mean, which is cheaper than a window.
  if (sizes.every((size) => size === 1))
    return mean(
      x,
      sizes.map((_, axis) => axis + 2),
      true,
    );
  const kernel = evenKernel(x, sizes);
  return kernel === null ? poolAxes(x, sizes, average) : averages[rank - 1]!(x, kernel);
}

function adaptiveMaxPool(operation: string, rank: 1 | 2 | 3, x: Tensor, outputSize: OutputSize): Tensor {
  const sizes = sizesOf(operation, rank, x, outputSize);
  const kernel = evenKernel(x, sizes);
  return kernel === null ? poolAxes(x, sizes, largest) : maxima[rank - 1]!(x, kernel);
}

/**
 * The means of `outputSize` windows over x [N, C, L].
 *
 * @throws ShapeError for x of another rank; OptionError for a size that is not at least 1.
 * @example
 * ```ts
 * import { adaptiveAvgPool1d, tensor } from 'typedgrad';
 * adaptiveAvgPool1d(tensor([[[1, 2, 3, 4, 5]]]), 3).toArray(); // → [[[1.5, 3, 4.5]]]
 * ```
 */
export function adaptiveAvgPool1d(x: Tensor, outputSize: OutputSize): Tensor {
  return adaptiveAvgPool('adaptiveAvgPool1d', 1, x, outputSize);
}

/** The means of `outputSize` windows over x [N, C, H, W]; 1 gives the mean of each channel. */
export function adaptiveAvgPool2d(x: Tensor, outputSize: OutputSize): Tensor {
  return adaptiveAvgPool('adaptiveAvgPool2d', 2, x, outputSize);
}

/** The means of `outputSize` windows over x [N, C, D, H, W]. */
export function adaptiveAvgPool3d(x: Tensor, outputSize: OutputSize): Tensor {
  return adaptiveAvgPool('adaptiveAvgPool3d', 3, x, outputSize);
}

/** The largest elements of `outputSize` windows over x [N, C, L]; the gradient goes to the first. */
export function adaptiveMaxPool1d(x: Tensor, outputSize: OutputSize): Tensor {
  return adaptiveMaxPool('adaptiveMaxPool1d', 1, x, outputSize);
}

/** The largest elements of `outputSize` windows over x [N, C, H, W]; the gradient goes to the first. */
export function adaptiveMaxPool2d(x: Tensor, outputSize: OutputSize): Tensor {
  return adaptiveMaxPool('adaptiveMaxPool2d', 2, x, outputSize);
}

/** The largest elements of `outputSize` windows over x [N, C, D, H, W]; the gradient goes to the first. */
export function adaptiveMaxPool3d(x: Tensor, outputSize: OutputSize): Tensor {
  return adaptiveMaxPool('adaptiveMaxPool3d', 3, x, outputSize);
}
