/** The bodies of the tensor's methods. What belongs to autograd is given by it. */

import { ShapeError } from '../errors.ts';
import { broadcastShapes, sameShape, showShape } from '../tensor/shape.ts';
import type { Operand, Tensor, TensorFunctions } from '../tensor/tensor.ts';
import { elu, gelu, hardswish, leakyRelu, logSoftmax, silu, softmax, softplus } from './activations.ts';
import { assign as assignTo } from './apply.ts';
import { checkTensor } from './check.ts';
import { dropout } from './dropout.ts';
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
import { cumsum, gather, indexSelect, scatterAdd, unfold } from './indexing.ts';
import { roll, split } from './join.ts';
import { oneHot } from './labels.ts';
import { matmul } from './matmul.ts';
import { pad } from './pad.ts';
import { all, any, argMax, argMin, logSumExp, max, mean, min, norm, prod, std, variance } from './reduce.ts';
import { tril, triu } from './triangle.ts';
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

/** Every method but those of autograd. */
export const methods: Omit<TensorFunctions, 'backward'> = {
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
  all,
  any,
  argMax,
  argMin,
  logSumExp,
  max,
  mean,
  min,
  norm,
  prod,
  std,
  variance,
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
  elu,
  gelu,
  hardswish,
  leakyRelu,
  logSoftmax,
  silu,
  softmax,
  softplus,
  dropout,
  expand,
  sum,
  cumsum,
  gather,
  indexSelect,
  scatterAdd,
  unfold,
  roll,
  split,
  matmul,
  oneHot,
  pad,
  tril,
  triu,
};
