/** For tests of convolution mathematics, in this library or any other. */
export { type CheckGradsOptions, checkGrads } from '../autograd/index.ts';
export { AssertionError } from '../errors.ts';
export { allClose, type Tolerance } from './all-close.ts';
export type { ViewChain, ViewChainConstraints } from './arbitraries/chains.ts';
export type {
  CaseConstraints,
  ConvCase,
  ConvConfig,
  ConvConstraints,
  ConvTransposeCase,
  ConvTransposeConfig,
  PaddingForm,
} from './arbitraries/conv.ts';
export { type Arbitraries, arbitraries } from './arbitraries/index.ts';
export type { LayoutKind, StridedConstraints } from './arbitraries/memory.ts';
export type { PoolCase, PoolConfig, PoolConstraints, PoolOptions } from './arbitraries/pool.ts';
export type { ArrayConstraints, BroadcastPair, ShapeConstraints, ValueSet } from './arbitraries/values.ts';
export { type CheckOptions, type LawFailure, LawReport, type LawResult } from './laws/check.ts';
export { type Laws, laws } from './laws/index.ts';
export {
  type Implementation,
  type Law,
  type LawCases,
  type LawKind,
  type Operations,
  UnsupportedError,
} from './laws/law.ts';
export { denseLayout, type Layout, type StridedSample, strided } from './layouts.ts';
export {
  type ArrayInput,
  type NdArray,
  type Nested,
  type StridedArray,
  type TensorLike,
  toNd,
  toNested,
} from './nd.ts';
export { type Reference, reference } from './reference/index.ts';
export type { LinearOptions } from './reference/linear.ts';
export type {
  AvgPoolOptions,
  ConvOptions,
  ConvTransposeOptions,
  MaxPoolOptions,
  Padding,
  PaddingMode,
  Pair,
  PerAxis,
} from './reference/options.ts';
export type { PadMode, PadOptions } from './reference/pad.ts';
export { applyViews, type SliceSpec, type Viewable, type ViewStep } from './views.ts';
