/** All losses. */

export {
  type CrossEntropyOptions,
  crossEntropy,
  type MultiMarginOptions,
  multiMarginLoss,
  type NllOptions,
  nllLoss,
} from './classification.ts';
export type { LossOptions, Reduction } from './reduction.ts';
export {
  type BceOptions,
  type BceWithLogitsOptions,
  bceLoss,
  bceWithLogitsLoss,
  type GaussianNllOptions,
  gaussianNllLoss,
  hingeEmbeddingLoss,
  hingeLoss,
  huberLoss,
  type KlDivOptions,
  klDivLoss,
  l1Loss,
  mseLoss,
  smoothL1Loss,
} from './regression.ts';
