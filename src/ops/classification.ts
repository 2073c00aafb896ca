/**
 * Losses of choosing one of C classes, composed of other operations.
 *
 *   scores [N, C] or [N, C, ...D] or [C]    labels [N] or [N, ...D] or []
 */

import { OptionError, ShapeError } from '../errors.ts';
import { checkChoice, checkKeys, checkNumber, show } from '../tensor/options.ts';
import { type Shape, sameShape, showShape } from '../tensor/shape.ts';
import { Tensor } from '../tensor/tensor.ts';
import { checkTensor } from './check.ts';
import { add, div, mul, ne, relu, square, sub, where } from './elementwise.ts';
import { sum } from './expand.ts';
import { gather } from './indexing.ts';
import { checkLabels, type Labels, labelTensor, oneHotOf } from './labels.ts';
import { checkSameDType, type LossOptions, type Reduction, reduceLoss, reductionOf } from './reduction.ts';
import { labelCrossEntropy, logSoftmax } from './softmax.ts';
import { flatten, reshape, squeeze, unsqueeze } from './views.ts';

/** Options of `nllLoss`. */
export interface NllOptions extends LossOptions {
  /** A factor for each class, [C]; the mean is then weighted. Default 1 for all. */
  weight?: Tensor | null;
  /** The label of samples that do not count. Default -100. */
  ignoreIndex?: number;
}

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions extends NllOptions {
  /** The part of the target, in [0, 1], that is spread evenly over all classes. Default 0. */
  labelSmoothing?: number;
}

/** Options of `multiMarginLoss`. */
export interface MultiMarginOptions extends LossOptions {
  /** The power of a violation, 1 or 2. Default 1. */
  p?: 1 | 2;
  /** How far the right class's score should lie above the others. Default 1. */
  margin?: number;
  /** A factor for the samples of each class, [C]. Default 1 for all. */
  weight?: Tensor | null;
}

/** The axis of the classes, how many there are, and the shape without it. */
interface Classes {
  readonly axis: number;
  readonly classes: number;
  readonly rest: Shape;
}

function classesOf(operation: string, scores: Tensor): Classes {
  checkTensor(operation, 'prediction', scores);
  if (scores.rank === 0)
    throw new ShapeError(`${operation}: prediction must be [C], [N, C] or [N, C, ...], but is a scalar`);
  const axis = scores.rank === 1 ? 0 : 1;
  return { axis, classes: scores.shape[axis]!, rest: scores.shape.filter((_, a) => a !== axis) };
}

function checkWeight(
  operation: string,
  weight: Tensor | null | undefined,
  classes: number,
  scores: Tensor,
): Tensor | null {
  if (weight === null || weight === undefined) return null;
  checkTensor(operation, 'weight', weight);
  checkSameDType(operation, 'weight', weight, scores);
  if (sameShape(weight.shape, [classes])) return weight;
  throw new ShapeError(
    `${operation}: weight ${showShape(weight.shape)} must have one number for each of the ${classes} classes of prediction ${showShape(scores.shape)}`,
  );
}

function ignoreIndexOf(operation: string, ignoreIndex: unknown): number {
  if (Number.isSafeInteger(ignoreIndex)) return ignoreIndex as number;
  throw new OptionError(`${operation}: ignoreIndex must be a whole number, but is ${show(ignoreIndex)}`);
}

/** weight[label] for each label. */
function weightOf(weight: Tensor, labels: Tensor): Tensor {
  return reshape(gather(weight, 0, flatten(labels)), labels.shape);
}

/** The weight [C] with axes of size 1 behind, so that it stands along the class axis. */
function alongClasses(weight: Tensor, { axis, rest }: Classes): Tensor {
  return reshape(weight, [-1, ...rest.slice(axis).map(() => 1)]);
}

/** -Σ over the classes, weighted. */
function negativeSum(terms: Tensor, weight: Tensor | null, c: Classes): Tensor {
  return sub(0, sum(weight === null ? terms : mul(terms, alongClasses(weight, c)), c.axis));
}

/** Labels and options of a loss of labels, checked. */
interface LabelTarget {
  readonly c: Classes;
  /** The labels as they were given, some of which may be `ignoreIndex`. */
  readonly given: Tensor;
  /** 1 where a sample counts. */
  readonly counts: Tensor;
  readonly weight: Tensor | null;
  readonly ignoreIndex: number;
}

function labelTarget(operation: string, scores: Tensor, target: Labels, options: NllOptions): LabelTarget {
  const c = classesOf(operation, scores);
  const weight = checkWeight(operation, options.weight, c.classes, scores);
  const ignoreIndex = ignoreIndexOf(operation, options.ignoreIndex ?? -100);
  const given = labelTensor(operation, target, scores.dtype, c.rest);
  return { c, given, counts: ne(given, ignoreIndex), weight, ignoreIndex };
}

/** The mean divides by Σ w[y], which is the number of samples without weights. Ignored samples count nowhere. */
function reduceLabelLoss(losses: Tensor, factors: Tensor, reduction: Reduction): Tensor {
  return reduction === 'mean' ? div(sum(losses), sum(factors)) : reduceLoss(losses, reduction);
}

/** The losses -(1 - ε) w[y] log p[y] - ε/C Σ w log p of labels y. */
function labelLoss(operation: string, logs: Tensor, t: LabelTarget, smoothing: number, reduction: Reduction): Tensor {
  const { c, given, counts, weight } = t;
  const labels = checkLabels(operation, given, c.classes, t.ignoreIndex);
  const factors = weight === null ? counts : mul(weightOf(weight, labels), counts);
  // 0 - x rather than -x, so that no loss is -0.
  const own = sub(0, squeeze(gather(logs, c.axis, unsqueeze(labels, c.axis)), c.axis));
  const weighted = weight === null ? own : mul(own, factors);
  const smoothed =
    smoothing === 0
      ? weighted
      : add(mul(weighted, 1 - smoothing), mul(negativeSum(logs, weight, c), smoothing / c.classes));
  return reduceLabelLoss(where(counts, smoothed, 0), factors, reduction);
}

/** The same of scores whose softmax is p, without smoothing. */
function sharpLoss(scores: Tensor, t: LabelTarget, reduction: Reduction): Tensor {
  const { c, given, counts, weight, ignoreIndex } = t;
  const losses = labelCrossEntropy(scores, given, { axis: c.axis, ignoreIndex });
  if (weight === null) return reduceLabelLoss(losses, counts, reduction);
  const labels = checkLabels('crossEntropy', given, c.classes, ignoreIndex);
  const factors = mul(weightOf(weight, labels), counts);
  return reduceLabelLoss(where(counts, mul(losses, factors), 0), factors, reduction);
}

function smoothingOf(options: CrossEntropyOptions): number {
  return checkNumber('crossEntropy', 'labelSmoothing', options.labelSmoothing ?? 0, 0, 1);
}

function probabilityLoss(logs: Tensor, target: Tensor, options: CrossEntropyOptions, reduction: Reduction): Tensor {
  const c = classesOf('crossEntropy', logs);
  const weight = checkWeight('crossEntropy', options.weight, c.classes, logs);
  const smoothing = smoothingOf(options);
  if (options.ignoreIndex !== undefined) {
    throw new OptionError(
      'crossEntropy: ignoreIndex is for class labels, but the target holds probabilities, of the shape of the logits',
    );
  }
  checkSameDType('crossEntropy', 'target', target, logs);
  const shares = smoothing === 0 ? target : add(mul(target, 1 - smoothing), smoothing / c.classes);
  return reduceLoss(negativeSum(mul(shares, logs), weight, c), reduction);
}

/**
 * The cross entropy between softmax(logits) and the target, exact for large logits. Logits are [N, C], [C] or
 * [N, C, ...D], with the classes on axis 1 (or the only one).
 *
 * The target is either class labels, of the logits' shape without the class axis: integer arrays, lists or tensors of
 * whole numbers. Their mean is weighted by `weight`, and labels equal to `ignoreIndex` do not count. Or it is a tensor of
 * probabilities of the logits' shape, with a plain mean over the samples.
 *
 * @throws ShapeError if the shapes do not fit; IndexError naming a label that is no class, and its position.
 * @example
 * ```ts
 * import { crossEntropy, tensor } from 'typedgrad';
 * const logits = tensor([[0, 0], [10000, 0]]);
 * crossEntropy(logits, [0, 1], { reduction: 'none' }).toArray(); // → [0.6931471824645996, 10000]
 * ```
 */
export function crossEntropy(logits: Tensor, target: Labels, options: CrossEntropyOptions = {}): Tensor {
  checkKeys('crossEntropy', options, ['reduction', 'weight', 'ignoreIndex', 'labelSmoothing']);
  const reduction = reductionOf('crossEntropy', options);
  const { axis } = classesOf('crossEntropy', logits);
  if (target instanceof Tensor && sameShape(target.shape, logits.shape))
    return probabilityLoss(logSoftmax(logits, axis), target, options, reduction);
  const checked = labelTarget('crossEntropy', logits, target, options);
  const smoothing = smoothingOf(options);
  if (smoothing === 0) return sharpLoss(logits, checked, reduction);
  return labelLoss('crossEntropy', logSoftmax(logits, axis), checked, smoothing, reduction);
}

/**
 * The negative log likelihood -w[y] · logProbabilities[y] of class labels y, as `crossEntropy` after `logSoftmax`:
 * logProbabilities [N, C], [C] or [N, C, ...D].
 */
export function nllLoss(logProbabilities: Tensor, target: Labels, options: NllOptions = {}): Tensor {
  checkKeys('nllLoss', options, ['reduction', 'weight', 'ignoreIndex']);
  const reduction = reductionOf('nllLoss', options);
  return labelLoss(
    'nllLoss',
    logProbabilities,
    labelTarget('nllLoss', logProbabilities, target, options),
    0,
    reduction,
  );
}

/**
 * The multi-class hinge: Σ over the classes j ≠ y of w[y] · max(0, margin - x[y] + x[j])ᵖ / C, for scores x [N, C] or [C].
 *
 * @throws OptionError for p other than 1 or 2.
 */
export function multiMarginLoss(prediction: Tensor, target: Labels, options: MultiMarginOptions = {}): Tensor {
  const name = 'multiMarginLoss';
  checkKeys(name, options, ['reduction', 'p', 'margin', 'weight']);
  const reduction = reductionOf(name, options);
  const power = checkChoice(name, 'p', String(options.p ?? 1), ['1', '2']);
  const margin = checkNumber(name, 'margin', options.margin ?? 1);
  const c = classesOf(name, prediction);
  if (prediction.rank > 2)
    throw new ShapeError(`${name}: prediction must be [C] or [N, C], but is ${showShape(prediction.shape)}`);
  const weight = checkWeight(name, options.weight, c.classes, prediction);
  const labels = checkLabels(name, labelTensor(name, target, prediction.dtype, c.rest), c.classes);
  const own = gather(prediction, c.axis, unsqueeze(labels, c.axis));
  const gaps = where(oneHotOf(labels, c.classes), 0, relu(add(sub(prediction, own), margin)));
  const violations = sum(power === '2' ? square(gaps) : gaps, c.axis);
  const losses = weight === null ? violations : mul(violations, weightOf(weight, labels));
  return reduceLoss(div(losses, c.classes), reduction);
}
