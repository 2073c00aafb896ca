/**
 * Data to train on: batches, MNIST's file format, and digits drawn on the spot.
 *
 * @packageDocumentation
 */

export { oneHot } from '../ops/labels.ts';
export { type DigitSet, type DigitsOptions, type DigitsSplitOptions, syntheticDigits } from './digits.ts';
export { type IdxArray, type IdxData, readIdx } from './idx.ts';
export {
  type BatchOf,
  type Column,
  DataLoader,
  type DataLoaderOptions,
  type Dataset,
  type LabelList,
  TensorDataset,
} from './loader.ts';
