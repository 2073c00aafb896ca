/** What the losses share: how the losses of single elements become one number, and checks of what is compared. */

import { DTypeError, ShapeError } from '../errors.ts';
import { checkChoice } from '../tensor/options.ts';
import { broadcastShapes, sameShape, showShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkTensor } from './check.ts';
import { sum } from './expand.ts';
import { mean } from './moments.ts';

/** How the losses of single elements become one number: their mean, their sum, or not at all. */
export type Reduction = 'mean' | 'sum' | 'none';

/** Options that every loss has. */
export interface LossOptions {
  /** Default `'mean'`. */
  reduction?: Reduction;
}

/** The option `reduction`, checked. */
export function reductionOf(operation: string, options: LossOptions): Reduction {
  return checkChoice(operation, 'reduction', options.reduction ?? 'mean', ['mean', 'sum', 'none']);
}

/** The losses reduced over all axes. */
export function reduceLoss(losses: Tensor, reduction: Reduction): Tensor {
  if (reduction === 'none') return losses;
  return reduction === 'sum' ? sum(losses) : mean(losses);
}

/** Prediction and target are tensors of one shape: broadcasting here would hide mistakes. */
export function checkPair(operation: string, prediction: Tensor, target: Tensor): void {
  checkTensor(operation, 'prediction', prediction);
  checkTensor(operation, 'target', target);
  checkSameDType(operation, 'target', target, prediction);
  if (sameShape(prediction.shape, target.shape)) return;
  throw new ShapeError(
    `${operation}: prediction ${showShape(prediction.shape)} and target ${showShape(target.shape)} must have one shape; reshape or expand one of them`,
  );
}

/** `x` has the prediction's dtype. */
export function checkSameDType(operation: string, name: string, x: Tensor, prediction: Tensor): void {
  if (x.dtype === prediction.dtype) return;
  throw new DTypeError(
    `${operation}: ${name} is ${x.dtype} but prediction is ${prediction.dtype}; convert one with to('${prediction.dtype}')`,
  );
}

/** An optional factor of the losses, which broadcasts to the prediction's shape. */
export function checkFactor(
  operation: string,
  name: string,
  factor: Tensor | null | undefined,
  prediction: Tensor,
): Tensor | null {
  if (factor === null || factor === undefined) return null;
  checkTensor(operation, name, factor);
  checkSameDType(operation, name, factor, prediction);
  if (sameShape(broadcastShapes(operation, factor.shape, prediction.shape), prediction.shape)) return factor;
  throw new ShapeError(
    `${operation}: ${name} ${showShape(factor.shape)} must broadcast to the prediction's shape ${showShape(prediction.shape)}`,
  );
}
