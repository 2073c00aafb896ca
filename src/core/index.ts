/**
 * Tensors, elementwise arithmetic, sums and gradients alone, for programs that must be small: `typedgrad` without
 * WebAssembly and without what its other methods need. What is here is the same as there, so both can be imported
 * together, and then tensors have all methods and the fast kernels wherever they come from.
 *
 * @example
 * ```ts
 * import { grad, tensor, type Tensor } from 'typedgrad/core';
 *
 * const slope = grad((x: Tensor) => x.mul(x).sum());
 * slope(tensor([1, 2])).toArray(); // → [2, 4]
 * ```
 *
 * @packageDocumentation
 */

import { backward, installRecorder } from '../autograd/backward.ts';
import { coreMethods } from '../ops/core-methods.ts';
import { bindMethods } from '../tensor/tensor.ts';

installRecorder();
bindMethods({ ...coreMethods, backward });

export {
  type DefinedOp,
  defineOp,
  type ForwardCall,
  type InputList,
  type OpDefinition,
  type VjpCall,
} from '../autograd/define-op.ts';
export { noGrad } from '../autograd/mode.ts';
export { type Gradients, type GradOptions, grad, valueAndGrad } from '../autograd/transform.ts';
export * from '../errors.ts';
export { type Backend, backend } from '../kernels/backend.ts';
export type { FloatArray } from '../kernels/types.ts';
export { assign } from '../ops/core-methods.ts';
export {
  abs,
  add,
  type Binary,
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
  type Unary,
  where,
} from '../ops/elementwise.ts';
export { expand, sum } from '../ops/expand.ts';
export { mean, std, variance } from '../ops/moments.ts';
export {
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
} from '../ops/views.ts';
export type { NestedArray } from '../tensor/base.ts';
export {
  arange,
  eye,
  full,
  linspace,
  type NestedNumbers,
  ones,
  type RandomOptions,
  rand,
  randint,
  randn,
  randperm,
  type TensorData,
  tensor,
  zeros,
} from '../tensor/creation.ts';
export type { DType } from '../tensor/dtype.ts';
export { Generator, manualSeed } from '../tensor/random.ts';
export type { Shape } from '../tensor/shape.ts';
export {
  type Axes,
  type BackwardOptions,
  type DropoutOptions,
  type Indices,
  type NumberArray,
  type Operand,
  type PadOptions,
  type Pads,
  type SliceSpec,
  Tensor,
  type TensorOptions,
} from '../tensor/tensor.ts';
