/**
 * typedgrad: a tensor library that trains convolutional networks, in Node and in the browser.
 *
 * @packageDocumentation
 */

export * from './autograd/index.ts';
export { type Compiled, compile } from './compile/compile.ts';
export type { ExplainOptions, ProgramReport, StepReport } from './compile/explain.ts';
export { setThreads } from './compile/threads.ts';
export * from './errors.ts';
export type { FloatArray } from './kernels/types.ts';
export * from './layers/index.ts';
export { elu, gelu, hardswish, leakyRelu, logSoftmax, silu, softmax, softplus } from './ops/activations.ts';
export * from './ops/adaptive.ts';
export * from './ops/conv.ts';
export { assign } from './ops/core-methods.ts';
export { dropout } from './ops/dropout.ts';
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
} from './ops/elementwise.ts';
export { expand, sum } from './ops/expand.ts';
export { cumsum, gather, indexSelect, scatterAdd, unfold } from './ops/indexing.ts';
export * from './ops/join.ts';
export { type Labels, oneHot } from './ops/labels.ts';
export * from './ops/losses.ts';
export * from './ops/matmul.ts';
export { mean, std, variance } from './ops/moments.ts';
export * from './ops/norms.ts';
export { type PaddingMode, pad } from './ops/pad.ts';
export {
  type AvgPoolOptions,
  avgPool1d,
  avgPool2d,
  avgPool3d,
  type MaxPoolOptions,
  maxPool1d,
  maxPool1dWithIndices,
  maxPool2d,
  maxPool2dWithIndices,
  maxPool3d,
  maxPool3dWithIndices,
} from './ops/pool.ts';
export { all, any, argMax, argMin, logSumExp, max, min, norm, prod } from './ops/reduce.ts';
export { tril, triu } from './ops/triangle.ts';
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
} from './ops/views.ts';
export type { Padding, PerAxis } from './ops/window.ts';
export * from './optim/index.ts';
export type { NestedArray } from './tensor/base.ts';
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
} from './tensor/creation.ts';
export type { DType } from './tensor/dtype.ts';
export { Generator, manualSeed } from './tensor/random.ts';
export type { Shape } from './tensor/shape.ts';
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
} from './tensor/tensor.ts';
export { type Backend, backend } from './threads/index.ts';
export * from './train/index.ts';
