/**
 * Reductions over any axes. An extreme is a gather at the first position of the extreme, so its gradient goes there;
 * everything else is written with sums.
 */

import { OptionError, ShapeError } from '../errors.ts';
import { indexingKernels } from '../kernels/indexing.ts';
import { checkKeys, show } from '../tensor/options.ts';
import { checkAxes, showShape, sizeOf } from '../tensor/shape.ts';
import type { Axes, Tensor } from '../tensor/tensor.ts';
import { apply } from './apply.ts';
import { checkTensor } from './check.ts';
import { abs, add, eq, exp, fullLike, log, mul, ne, pow, square, sub, where } from './elementwise.ts';
import { keptShape, sum } from './expand.ts';
import { gather } from './indexing.ts';
import { rootOrZero } from './moments.ts';
import type { ComputeOp } from './op.ts';
import { detach, embed, narrow, permute, reshape, unsqueeze } from './views.ts';

function argExtreme(name: 'argMax' | 'argMin'): ComputeOp<number> {
  return {
    kind: 'compute',
    name,
    infer: ([x], axis) => ({ shape: x!.shape.filter((_, a) => a !== axis), dtype: x!.dtype }),
    compute: ([x], axis, _, y) => indexingKernels().argExtreme(name, x!, axis, y),
    vjp: null,
  };
}

const extremes = { argMax: argExtreme('argMax'), argMin: argExtreme('argMin') };

/** x with the reduced axes merged into one last axis, and the shape of the result with and without them. */
function mergeAxes(operation: string, x: Tensor, axes: Axes): { merged: Tensor; shape: number[]; kept: number[] } {
  checkTensor(operation, 'x', x);
  const reduced = checkAxes(operation, axes, x.rank);
  const rest = x.shape.map((_, axis) => axis).filter((axis) => !reduced.includes(axis));
  const shape = rest.map((axis) => x.shape[axis]!);
  const count = sizeOf(reduced.map((axis) => x.shape[axis]!));
  return {
    merged: reshape(permute(x, [...rest, ...reduced]), [...shape, count]),
    shape,
    kept: keptShape(x.shape, reduced),
  };
}

function positions(operation: string, name: 'argMax' | 'argMin', merged: Tensor, x: Tensor): Tensor {
  if (merged.shape.at(-1) === 0) {
    throw new ShapeError(`${operation}: there is no element to choose among; x is ${showShape(x.shape)}`);
  }
  return apply(extremes[name], [merged], merged.rank - 1);
}

function position(name: 'argMax' | 'argMin', x: Tensor, axes: Axes, keepDims: boolean): Tensor {
  const { merged, kept } = mergeAxes(name, x, axes);
  const found = positions(name, name, merged, x);
  return keepDims ? reshape(found, kept) : found;
}

function extreme(operation: 'max' | 'min', x: Tensor, axes: Axes, keepDims: boolean): Tensor {
  const { merged, shape, kept } = mergeAxes(operation, x, axes);
  const at = positions(operation, operation === 'max' ? 'argMax' : 'argMin', merged, x);
  const found = gather(merged, merged.rank - 1, unsqueeze(at, -1));
  return reshape(found, keepDims ? kept : shape);
}

/** The largest element over `axes` (default all), NaN if there is one; the gradient goes to the first. */
export function max(x: Tensor, axes?: Axes, keepDims: boolean = false): Tensor {
  return extreme('max', x, axes, keepDims);
}

/** The smallest element over `axes` (default all), NaN if there is one; the gradient goes to the first. */
export function min(x: Tensor, axes?: Axes, keepDims: boolean = false): Tensor {
  return extreme('min', x, axes, keepDims);
}

/** The index of the first largest element along an axis; over several (default all) the index into them flattened. */
export function argMax(x: Tensor, axis?: Axes, keepDims: boolean = false): Tensor {
  return position('argMax', x, axis, keepDims);
}

/** The index of the first smallest element along an axis; over several (default all) the index into them flattened. */
export function argMin(x: Tensor, axis?: Axes, keepDims: boolean = false): Tensor {
  return position('argMin', x, axis, keepDims);
}

/** The product over `axes` (default all), by halves: differentiable to any order, zeros included. */
export function prod(x: Tensor, axes?: Axes, keepDims: boolean = false): Tensor {
  const { merged, shape, kept } = mergeAxes('prod', x, axes);
  const last = merged.rank - 1;
  let product = merged;
  if (product.shape[last] === 0) return fullLike({ shape: keepDims ? kept : shape, dtype: x.dtype }, 1).clone();
  while (product.shape[last]! > 1) {
    const count = product.shape[last]!;
    const half = count >> 1;
    const pairs = mul(narrow(product, last, 0, half), narrow(product, last, half, half));
    const odd = count % 2 === 1;
    if (odd && half > 0) {
      const first = mul(narrow(pairs, last, 0, 1), narrow(product, last, count - 1, 1));
      product = half === 1 ? first : joinFirst(first, pairs, last);
    } else product = pairs;
  }
  return reshape(product, keepDims ? kept : shape);
}

/** `pairs` with its first entry along `axis` replaced. */
function joinFirst(first: Tensor, pairs: Tensor, axis: number): Tensor {
  const keep = pairs.shape[axis]! - 1;
  const zeros = pairs.shape.map(() => 0);
  const rest = narrow(pairs, axis, 1, keep);
  return add(
    embed(first, zeros, pairs.shape),
    embed(
      rest,
      zeros.map((zero, a) => (a === axis ? 1 : zero)),
      pairs.shape,
    ),
  );
}

/** log Σ exp(x) over `axes` (default all), shifted by the largest element so that nothing overflows. */
export function logSumExp(x: Tensor, axes?: Axes, keepDims: boolean = false): Tensor {
  checkTensor('logSumExp', 'x', x);
  const chosen = checkAxes('logSumExp', axes, x.rank);
  if (sizeOf(chosen.map((axis) => x.shape[axis]!)) === 0) return log(sum(x, chosen, keepDims));
  const shift = finiteMax(x, chosen);
  const total = log(sum(exp(sub(x, shift)), chosen, keepDims));
  return add(total, keepDims ? shift : reshape(shift, total.shape));
}

/** The largest element over `axes` as a constant, 0 where it is infinite (∞ - ∞ would be NaN). */
export function finiteMax(x: Tensor, axes: readonly number[]): Tensor {
  const largest = max(detach(x), axes, true);
  return where(eq(abs(largest), Number.POSITIVE_INFINITY), 0, largest);
}

/** 1 if any element over `axes` (default all) is not 0, else 0. */
export function any(x: Tensor, axes?: Axes, keepDims: boolean = false): Tensor {
  return ne(sum(ne(x, 0), axes, keepDims), 0);
}

/** 1 if no element over `axes` (default all) is 0, else 0. */
export function all(x: Tensor, axes?: Axes, keepDims: boolean = false): Tensor {
  return eq(sum(eq(x, 0), axes, keepDims), 0);
}

/**
 * The p-norm (Σ |x|ᵖ)^(1/p) over `axes` (default all), p = 2 by default; Infinity and -Infinity give the largest and
 * smallest magnitude, 0 the number of elements that are not 0. The gradient at the origin is 0.
 */
export function norm(x: Tensor, axes?: Axes, keepDims: boolean = false, options: { p?: number } = {}): Tensor {
  checkKeys('norm', options, ['p']);
  const { p = 2 } = options;
  if (typeof p !== 'number' || Number.isNaN(p)) throw new OptionError(`norm: p must be a number, but is ${show(p)}`);
  if (p === Number.POSITIVE_INFINITY) return max(abs(x), axes, keepDims);
  if (p === Number.NEGATIVE_INFINITY) return min(abs(x), axes, keepDims);
  if (p === 0) return sum(ne(x, 0), axes, keepDims);
  if (p === 1) return sum(abs(x), axes, keepDims);
  if (p === 2) return rootOrZero(sum(square(x), axes, keepDims));
  // Between 0 and 1 the slope of |x|ᵖ is infinite at 0, where the gradient is to be 0.
  const isFlat = p > 0 && p < 1 ? eq(x, 0) : null;
  const powers = isFlat === null ? pow(abs(x), p) : where(isFlat, 0, pow(where(isFlat, 1, abs(x)), p));
  const total = sum(powers, axes, keepDims);
  const isZero = eq(total, 0);
  return where(isZero, 0, pow(where(isZero, 1, total), 1 / p));
}
