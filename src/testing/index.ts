/** For tests of convolution mathematics, in this library or any other. */
export { AssertionError } from '../errors.ts';
export { allClose, type Tolerance } from './all-close.ts';
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
