/** How well predictions fit, in numbers for people. */

import { noGrad } from '../autograd/mode.ts';
import { ShapeError } from '../errors.ts';
import { argMax } from '../ops/reduce.ts';
import { sameShape, showShape } from '../tensor/shape.ts';
import { Tensor } from '../tensor/tensor.ts';

/** A number for one batch; `fit` and `evaluate` average it over examples. */
export type Metric<T> = (prediction: Tensor, target: T) => number | Tensor;

/**
 * The share of examples whose largest score is that of their class.
 *
 * @param prediction scores or probabilities [N, classes] or [N, classes, ...S].
 * @param target class labels [N] or [N, ...S], or probabilities of the predictions' shape.
 * @throws ShapeError if the numbers of predictions and labels differ.
 * @example
 * ```ts
 * import { accuracy, tensor } from 'typedgrad';
 * accuracy(tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]), [1, 0, 0]); // → 0.6666666666666666
 * ```
 */
export function accuracy(prediction: Tensor, target: Tensor | ArrayLike<number>): number {
  if (prediction.rank < 2)
    throw new ShapeError(`accuracy: the prediction must be [N, classes, ...], but is ${showShape(prediction.shape)}`);
  const answers = noGrad(() => argMax(prediction, 1)).toTypedArray();
  const labels = labelsOf(prediction, target);
  if (labels.length !== answers.length) {
    throw new ShapeError(
      `accuracy: ${labels.length} labels for ${answers.length} predictions of shape ${showShape(prediction.shape)}`,
    );
  }
  let right = 0;
  for (let i = 0; i < answers.length; i++) if (answers[i] === labels[i]) right++;
  return answers.length === 0 ? 0 : right / answers.length;
}

function labelsOf(prediction: Tensor, target: Tensor | ArrayLike<number>): ArrayLike<number> {
  if (!(target instanceof Tensor)) return target;
  return (sameShape(prediction.shape, target.shape) ? noGrad(() => argMax(target, 1)) : target).toTypedArray();
}
