import {
  bceWithLogitsLoss,
  Conv2d,
  crossEntropy,
  Dense,
  Flatten,
  hingeLoss,
  type Layer,
  MaxPool2d,
  mseLoss,
  ReLU,
  Sequential,
  type Tensor,
} from 'typedgrad';
import { oneHot } from 'typedgrad/data';
import type { LossName } from './options.ts';

/** A layer and what the report calls its result. */
export interface NamedLayer {
  readonly name: string;
  readonly layer: Layer;
}

/** Convolution, ReLU, max pool, twice; then a dense layer to the ten digits. */
export function makeLayers(size: number): NamedLayer[] {
  const pooled = Math.floor(Math.floor(size / 2) / 2);
  return [
    { name: 'first convolution', layer: new Conv2d(1, 8, 3, { padding: 1 }) },
    { name: 'ReLU', layer: new ReLU() },
    { name: 'max pooling', layer: new MaxPool2d(2) },
    { name: 'second convolution', layer: new Conv2d(8, 16, 3, { padding: 1 }) },
    { name: 'ReLU', layer: new ReLU() },
    { name: 'max pooling', layer: new MaxPool2d(2) },
    { name: 'flat', layer: new Flatten() },
    { name: 'dense', layer: new Dense(16 * pooled * pooled, 10) },
  ];
}

export const makeModel = (layers: readonly NamedLayer[]): Sequential =>
  new Sequential(...layers.map(({ layer }) => layer));

type Loss = (scores: Tensor, labels: Int32Array) => Tensor;

/** What the ten scores are held against; whatever the loss, the highest score is the answer. */
export const LOSS_FUNCTIONS: Readonly<Record<LossName, Loss>> = {
  crossEntropy: (scores, labels) => crossEntropy(scores, labels),
  mse: (scores, labels) => mseLoss(scores, oneHot(labels, 10)),
  bce: (scores, labels) => bceWithLogitsLoss(scores, oneHot(labels, 10)),
  // A hinge wants +1 for the digit and -1 for the nine others.
  hinge: (scores, labels) => hingeLoss(scores, oneHot(labels, 10).mul(2).sub(1)),
};
