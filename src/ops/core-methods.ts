/** The bodies of the methods that `typedgrad/core` has too: elementwise arithmetic, views, sums and means. */

import { ShapeError } from '../errors.ts';
import { broadcastShapes, sameShape, showShape } from '../tensor/shape.ts';
import type { Operand, Tensor, TensorFunctions } from '../tensor/tensor.ts';
import { assign as assignTo } from './apply.ts';
import { checkTensor } from './check.ts';
import {
  abs,
  add,
  asTensor,
  ceil,
  clamp,
  cos,
  div,
  eq,
  erf,
  exp,
  expm1,
  floor,
  ge,
  gt,
  isNaN,
  le,
  log,
  log1p,
  lt,
  maximum,
  minimum,
  mul,
  ne,
  neg,
  pow,
  reciprocal,
  relu,
  round,
  rsqrt,
  sigmoid,
  sign,
  sin,
  sqrt,
  square,
  sub,
  tanh,
  to,
} from './elementwise.ts';
import { expand, expandTo, sum } from './expand.ts';
import { mean, std, variance } from './moments.ts';
import {
  clone,
  contiguous,
  detach,
  flatten,
  flip,
  narrow,
  permute,
  reshape,
  select,
  slice,
  squeeze,
  transpose,
  unsqueeze,
  view,
} from './views.ts';

/** Overwrites the elements of `x` in place with those of `value`, broadcast to x's shape. */
export function assign(x: Tensor, value: Operand): Tensor {
  checkTensor('assign', 'x', x);
  const source = asTensor('assign', value, x.dtype);
  if (!sameShape(broadcastShapes('assign', x.shape, source.shape), x.shape)) {
    throw new ShapeError(
      `assign: value ${showShape(source.shape)} does not broadcast to the tensor's shape ${showShape(x.shape)}`,
    );
  }
  assignTo(x, expandTo(source, x.shape));
  return x;
}

/** Those methods but `backward`, which belongs to autograd. */
export const coreMethods: Pick<TensorFunctions, CoreMethod> = {
  assign,
  abs,
  add,
  ceil,
  clamp,
  cos,
  div,
  eq,
  erf,
  exp,
  expm1,
  floor,
  ge,
  gt,
  isNaN,
  le,
  log,
  log1p,
  lt,
  maximum,
  minimum,
  mul,
  ne,
  neg,
  pow,
  reciprocal,
  relu,
  round,
  rsqrt,
  sigmoid,
  sign,
  sin,
  sqrt,
  square,
  sub,
  tanh,
  to,
  clone,
  contiguous,
  detach,
  flatten,
  flip,
  narrow,
  permute,
  reshape,
  select,
  slice,
  squeeze,
  transpose,
  unsqueeze,
  view,
  expand,
  sum,
  mean,
  std,
  variance,
};

type CoreMethod =
  | 'assign'
  | 'abs'
  | 'add'
  | 'ceil'
  | 'clamp'
  | 'cos'
  | 'div'
  | 'eq'
  | 'erf'
  | 'exp'
  | 'expm1'
  | 'floor'
  | 'ge'
  | 'gt'
  | 'isNaN'
  | 'le'
  | 'log'
  | 'log1p'
  | 'lt'
  | 'maximum'
  | 'minimum'
  | 'mul'
  | 'ne'
  | 'neg'
  | 'pow'
  | 'reciprocal'
  | 'relu'
  | 'round'
  | 'rsqrt'
  | 'sigmoid'
  | 'sign'
  | 'sin'
  | 'sqrt'
  | 'square'
  | 'sub'
  | 'tanh'
  | 'to'
  | 'clone'
  | 'contiguous'
  | 'detach'
  | 'flatten'
  | 'flip'
  | 'narrow'
  | 'permute'
  | 'reshape'
  | 'select'
  | 'slice'
  | 'squeeze'
  | 'transpose'
  | 'unsqueeze'
  | 'view'
  | 'expand'
  | 'sum'
  | 'mean'
  | 'std'
  | 'variance';
