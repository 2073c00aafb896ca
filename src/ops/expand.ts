/** Repetition and summation, each the other's adjoint: `expand` repeats by a stride of 0, `sum` adds up what was repeated. */

import { ShapeError } from '../errors.ts';
import { sumKernels } from '../kernels/sum.ts';
import { show } from '../tensor/options.ts';
import { checkAxes, type Shape, sameShape, showShape } from '../tensor/shape.ts';
import type { Axes, Tensor } from '../tensor/tensor.ts';
import { apply } from './apply.ts';
import { checkTensor } from './check.ts';
import type { ComputeOp, ViewOp } from './op.ts';
import { reshape } from './views.ts';

const expandOp: ViewOp<Shape> = {
  kind: 'view',
  name: 'expand',
  layout(x, shape) {
    const lead = shape.length - x.rank;
    const strides = shape.map((length, axis) =>
      axis < lead || x.shape[axis - lead] !== length ? 0 : x.strides[axis - lead]!,
    );
    return { shape, strides, offset: x.offset };
  },
  vjp: (g, c) => sumTo(g, c.specs[0]!.shape),
};

/** `x` repeated to `shape`, which it is known to broadcast to. */
export function expandTo(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : apply(expandOp, [x], shape);
}

/** Axes of size 1 repeated without a copy, and new axes in front; -1 keeps a size. */
export function expand(x: Tensor, shape: readonly number[]): Tensor {
  checkTensor('expand', 'x', x);
  if (!Array.isArray(shape)) throw new ShapeError(`expand: a shape is a list of sizes, but got ${show(shape)}`);
  const lead = shape.length - x.rank;
  const sizes = shape.map((length, axis) => (length === -1 && axis >= lead ? x.shape[axis - lead]! : length));
  const fits = lead >= 0 && x.shape.every((length, axis) => length === 1 || length === sizes[lead + axis]);
  if (!fits || !sizes.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw new ShapeError(
      `expand: ${showShape(x.shape)} does not expand to ${showShape(shape)}; only axes of size 1 are repeated`,
    );
  }
  return expandTo(x, sizes);
}

/** The adjoint of `expand`: the sum over what was repeated. */
export function sumTo(g: Tensor, shape: Shape): Tensor {
  if (sameShape(g.shape, shape)) return g;
  const lead = g.rank - shape.length;
  const repeated = g.shape.map((_, axis) => axis).filter((axis) => axis < lead || shape[axis - lead] !== g.shape[axis]);
  return reshape(sumOver(g, repeated), shape);
}

const sumOp: ComputeOp<readonly number[]> = {
  kind: 'compute',
  name: 'sum',
  infer: ([x], axes) => ({ shape: x!.shape.filter((_, axis) => !axes.includes(axis)), dtype: x!.dtype }),
  compute: ([x], axes, _, y) => sumKernels().sum(x!, axes, y),
  vjp: (g, c) => expandTo(reshape(g, keptShape(c.specs[0]!.shape, c.attrs)), c.specs[0]!.shape),
};

/** The sum over `axes`, which are ascending and distinct. */
function sumOver(x: Tensor, axes: readonly number[]): Tensor {
  return axes.length === 0 ? x : apply(sumOp, [x], axes);
}

/** The shape with `axes` reduced to size 1. */
export function keptShape(shape: Shape, axes: readonly number[]): number[] {
  return shape.map((length, axis) => (axes.includes(axis) ? 1 : length));
}

/**
 * The sum over `axes` (default all).
 *
 * @example
 * ```ts
 * import { sum, tensor } from 'typedgrad';
 * sum(tensor([[1, 2], [3, 4]]), 0).toArray(); // → [4, 6]
 * ```
 */
export function sum(x: Tensor, axes?: Axes, keepDims: boolean = false): Tensor {
  checkTensor('sum', 'x', x);
  const chosen = checkAxes('sum', axes, x.rank);
  const total = sumOver(x, chosen);
  return keepDims ? reshape(total, keptShape(x.shape, chosen)) : total;
}
