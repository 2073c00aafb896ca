/** Means and what is made of them. */

import { OptionError } from '../errors.ts';
import { checkKeys, show } from '../tensor/options.ts';
import { checkAxes, sizeOf } from '../tensor/shape.ts';
import type { Axes, Tensor } from '../tensor/tensor.ts';
import { checkTensor } from './check.ts';
import { div, eq, sqrt, square, sub, where } from './elementwise.ts';
import { sum } from './expand.ts';

/** How many elements of `x` go into each element of a reduction. */
function countOf(x: Tensor, axes: readonly number[]): number {
  return sizeOf(axes.map((axis) => x.shape[axis]!));
}

/** The mean over `axes` (default all); of no elements, NaN. */
export function mean(x: Tensor, axes?: Axes, keepDims: boolean = false): Tensor {
  checkTensor('mean', 'x', x);
  const chosen = checkAxes('mean', axes, x.rank);
  return div(sum(x, chosen, keepDims), countOf(x, chosen));
}

/** The variance over `axes` (default all): the squared deviations from the mean, divided by n - `correction` (default 1). */
export function variance(
  x: Tensor,
  axes?: Axes,
  keepDims: boolean = false,
  options: { correction?: number } = {},
): Tensor {
  checkTensor('variance', 'x', x);
  checkKeys('variance', options, ['correction']);
  const { correction = 1 } = options;
  if (typeof correction !== 'number') {
    throw new OptionError(`variance: correction must be a number, but is ${show(correction)}`);
  }
  const chosen = checkAxes('variance', axes, x.rank);
  const squares = sum(square(sub(x, mean(x, chosen, true))), chosen, keepDims);
  return div(squares, Math.max(0, countOf(x, chosen) - correction));
}

/** The square root of the variance; where that is 0, its gradient is 0. */
export function std(x: Tensor, axes?: Axes, keepDims: boolean = false, options: { correction?: number } = {}): Tensor {
  return rootOrZero(variance(x, axes, keepDims, options));
}

/** √x, with gradient 0 instead of infinity at 0. */
export function rootOrZero(x: Tensor): Tensor {
  const isZero = eq(x, 0);
  return where(isZero, 0, sqrt(where(isZero, 1, x)));
}
