/** Losses of a number for each element, composed of other operations. Prediction and target have one shape. */

import { OptionError, ShapeError } from '../errors.ts';
import { elementwiseKernels } from '../kernels/elementwise.ts';
import type { FloatArray } from '../kernels/types.ts';
import { checkChoice, checkKeys, checkNumber, show } from '../tensor/options.ts';
import { sameShape, showShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { apply } from './apply.ts';
import { checkTensor } from './check.ts';
import {
  abs,
  add,
  div,
  eq,
  exp,
  gt,
  log,
  log1p,
  logOnePlusExp,
  lt,
  maximum,
  mul,
  ne,
  neg,
  relu,
  square,
  sub,
  where,
} from './elementwise.ts';
import { sum } from './expand.ts';
import type { ComputeOp } from './op.ts';
import {
  checkFactor,
  checkPair,
  checkSameDType,
  type LossOptions,
  type Reduction,
  reduceLoss,
  reductionOf,
} from './reduction.ts';
import { detach, unsqueeze } from './views.ts';

/** The squared difference of prediction and target. */
export function mseLoss(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkKeys('mseLoss', options, ['reduction']);
  checkPair('mseLoss', prediction, target);
  return reduceLoss(square(sub(prediction, target)), reductionOf('mseLoss', options));
}

/** The absolute difference of prediction and target. */
export function l1Loss(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkKeys('l1Loss', options, ['reduction']);
  checkPair('l1Loss', prediction, target);
  return reduceLoss(abs(sub(prediction, target)), reductionOf('l1Loss', options));
}

/** factor · d² / 2 where |d| < bend, and its tangent factor · bend · (|d| - bend / 2) beyond. */
function bent(d: Tensor, bend: number, factor: number): Tensor {
  const size = abs(d);
  const inside = lt(size, bend);
  // Each branch sees only elements that are its own, so that none overflows on behalf of the other.
  const parabola = mul(square(where(inside, d, 0)), factor / 2);
  return add(parabola, where(inside, 0, mul(sub(size, bend / 2), factor * bend)));
}

/** d² / (2 · beta) where the difference |d| < beta, and |d| - beta / 2 beyond; beta 0 is `l1Loss`. Girshick 2015. */
export function smoothL1Loss(
  prediction: Tensor,
  target: Tensor,
  options: LossOptions & { beta?: number } = {},
): Tensor {
  checkKeys('smoothL1Loss', options, ['reduction', 'beta']);
  const beta = checkNumber('smoothL1Loss', 'beta', options.beta ?? 1, 0, Number.MAX_VALUE);
  checkPair('smoothL1Loss', prediction, target);
  const d = sub(prediction, target);
  return reduceLoss(beta === 0 ? abs(d) : bent(d, beta, 1 / beta), reductionOf('smoothL1Loss', options));
}

/** d² / 2 where the difference |d| < delta, and delta · (|d| - delta / 2) beyond. Huber 1964. */
export function huberLoss(prediction: Tensor, target: Tensor, options: LossOptions & { delta?: number } = {}): Tensor {
  checkKeys('huberLoss', options, ['reduction', 'delta']);
  const delta = checkNumber('huberLoss', 'delta', options.delta ?? 1, Number.MIN_VALUE, Number.MAX_VALUE);
  checkPair('huberLoss', prediction, target);
  return reduceLoss(bent(sub(prediction, target), delta, 1), reductionOf('huberLoss', options));
}

/** Between which numbers values must lie, and what else is wrong. */
export interface WithinAttrs {
  readonly message: string;
  readonly least: number;
  readonly most: number;
}

/** @throws OptionError if one of `values` lies outside. */
export function checkWithin(values: FloatArray, { message, least, most }: WithinAttrs): void {
  for (const value of values) {
    if (value < least || value > most) throw new OptionError(`${message}, but one is ${value}`);
  }
}

/** x, once checked to hold no number outside of [least, most]. An operation, since a traced tensor has no values before it runs. */
const withinOp: ComputeOp<WithinAttrs> = {
  kind: 'compute',
  name: 'within',
  infer: ([x]) => x!,
  compute([x], attrs, _, y) {
    elementwiseKernels().copy(x!, y);
    checkWithin(y, attrs);
  },
  vjp: (g) => g,
};

/** The logarithm limited to at least -100, with gradient 0 below, given x and how to take its logarithm. */
function limitedLog(x: Tensor, logarithm: (x: Tensor) => Tensor, harmless: number): Tensor {
  const value = logarithm(detach(x));
  const fine = gt(value, -100);
  return where(fine, logarithm(where(fine, x, harmless)), where(eq(value, value), -100, value));
}

/** Options of `bceLoss`. */
export interface BceOptions extends LossOptions {
  /** A factor that broadcasts to the prediction's shape. Default 1. */
  weight?: Tensor | null;
}

/** Options of `bceWithLogitsLoss`. */
export interface BceWithLogitsOptions extends BceOptions {
  /** A factor of the positive part, often [C]; broadcasts to the prediction's shape. Default 1. */
  posWeight?: Tensor | null;
}

/**
 * The binary cross entropy -t log p - (1 - t) log(1 - p) of probabilities p; logarithms are limited to at least -100, so
 * that a loss stays finite. Of logits, `bceWithLogitsLoss` is more accurate.
 *
 * @throws OptionError for a prediction outside of [0, 1].
 */
export function bceLoss(prediction: Tensor, target: Tensor, options: BceOptions = {}): Tensor {
  checkKeys('bceLoss', options, ['reduction', 'weight']);
  checkPair('bceLoss', prediction, target);
  const weight = checkFactor('bceLoss', 'weight', options.weight, prediction);
  const message = 'bceLoss: predictions must be probabilities in [0, 1] (for logits there is bceWithLogitsLoss)';
  const p = apply(withinOp, [prediction], { message, least: 0, most: 1 });
  const yes = mul(target, limitedLog(p, log, 1));
  const no = mul(
    sub(1, target),
    limitedLog(p, (x) => log1p(neg(x)), 0),
  );
  const losses = sub(0, add(yes, no));
  return reduceLoss(weight === null ? losses : mul(losses, weight), reductionOf('bceLoss', options));
}

/**
 * The binary cross entropy of sigmoid(logits), exact for large logits: posWeight · t · log(1 + exp(-x)) + (1 - t) · log(1 + exp(x)),
 * two terms that are never negative, so that nothing cancels.
 *
 * @example
 * ```ts
 * import { bceWithLogitsLoss, tensor } from 'typedgrad';
 * bceWithLogitsLoss(tensor([10000, -10000]), tensor([1, 1]), { reduction: 'none' }).toArray(); // → [0, 10000]
 * ```
 */
export function bceWithLogitsLoss(prediction: Tensor, target: Tensor, options: BceWithLogitsOptions = {}): Tensor {
  checkKeys('bceWithLogitsLoss', options, ['reduction', 'weight', 'posWeight']);
  checkPair('bceWithLogitsLoss', prediction, target);
  const weight = checkFactor('bceWithLogitsLoss', 'weight', options.weight, prediction);
  const posWeight = checkFactor('bceWithLogitsLoss', 'posWeight', options.posWeight, prediction);
  const yes = mul(posWeight === null ? target : mul(target, posWeight), logOnePlusExp(neg(prediction)));
  const losses = add(yes, mul(sub(1, target), logOnePlusExp(prediction)));
  return reduceLoss(weight === null ? losses : mul(losses, weight), reductionOf('bceWithLogitsLoss', options));
}

/** Options of `klDivLoss`. */
export interface KlDivOptions {
  /** Default `'mean'`, over all elements; `'batchmean'` divides by the length of the first axis, as the definition does. */
  reduction?: Reduction | 'batchmean';
  /** Whether the target holds logarithms of probabilities too. Default false. */
  logTarget?: boolean;
}

/** The Kullback-Leibler divergence t · (log t - x) of probabilities t from log probabilities x; 0 where t is 0. */
export function klDivLoss(prediction: Tensor, target: Tensor, options: KlDivOptions = {}): Tensor {
  checkKeys('klDivLoss', options, ['reduction', 'logTarget']);
  checkPair('klDivLoss', prediction, target);
  const reduction = checkChoice('klDivLoss', 'reduction', options.reduction ?? 'mean', [
    'mean',
    'sum',
    'none',
    'batchmean',
  ]);
  const losses = checkFlag('klDivLoss', 'logTarget', options.logTarget)
    ? mul(exp(target), sub(target, prediction))
    : sub(mul(target, log(where(eq(target, 0), 1, target))), mul(target, prediction));
  return reduction === 'batchmean' ? div(sum(losses), prediction.shape[0] ?? 1) : reduceLoss(losses, reduction);
}

function checkFlag(operation: string, name: string, value: unknown): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? false;
  throw new OptionError(`${operation}: ${name} must be true or false, but is ${show(value)}`);
}

/** The binary hinge max(0, 1 - t · x) of scores x and targets t of 1 or -1. Cortes & Vapnik 1995. */
export function hingeLoss(prediction: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkKeys('hingeLoss', options, ['reduction']);
  checkPair('hingeLoss', prediction, target);
  return reduceLoss(relu(sub(1, mul(target, prediction))), reductionOf('hingeLoss', options));
}

/** Of distances x: x itself where the target is 1, max(0, margin - x) where it is -1. */
export function hingeEmbeddingLoss(
  prediction: Tensor,
  target: Tensor,
  options: LossOptions & { margin?: number } = {},
): Tensor {
  checkKeys('hingeEmbeddingLoss', options, ['reduction', 'margin']);
  const margin = checkNumber('hingeEmbeddingLoss', 'margin', options.margin ?? 1);
  checkPair('hingeEmbeddingLoss', prediction, target);
  const near = where(ne(target, -1), prediction, 0);
  const far = where(ne(target, 1), relu(sub(margin, prediction)), 0);
  return reduceLoss(add(near, far), reductionOf('hingeEmbeddingLoss', options));
}

/** Options of `gaussianNllLoss`. */
export interface GaussianNllOptions extends LossOptions {
  /** Whether the constant log(2π) / 2 is added. Default false. */
  full?: boolean;
  /** The least variance. Default 1e-6. */
  eps?: number;
}

/**
 * The negative log likelihood of a normal distribution, (log v + (x - t)² / v) / 2, for predicted means x and variances v. The
 * variance has the prediction's shape, or its last axis is 1 or missing. A variance below `eps` counts as `eps`, and its
 * gradient passes nevertheless, so that it can grow again.
 *
 * @throws OptionError for a negative variance.
 */
export function gaussianNllLoss(
  prediction: Tensor,
  target: Tensor,
  variance: Tensor,
  options: GaussianNllOptions = {},
): Tensor {
  checkKeys('gaussianNllLoss', options, ['reduction', 'full', 'eps']);
  checkPair('gaussianNllLoss', prediction, target);
  checkTensor('gaussianNllLoss', 'variance', variance);
  checkSameDType('gaussianNllLoss', 'variance', variance, prediction);
  const eps = checkNumber('gaussianNllLoss', 'eps', options.eps ?? 1e-6, Number.MIN_VALUE, Number.MAX_VALUE);
  const given = apply(withinOp, [fittingVariance(variance, prediction)], {
    message: 'gaussianNllLoss: variances must not be negative',
    least: 0,
    most: Number.POSITIVE_INFINITY,
  });
  const now = detach(given);
  const v = add(given, sub(maximum(now, eps), now));
  const losses = mul(add(log(v), div(square(sub(prediction, target)), v)), 0.5);
  const full = checkFlag('gaussianNllLoss', 'full', options.full) ? add(losses, 0.5 * Math.log(2 * Math.PI)) : losses;
  return reduceLoss(full, reductionOf('gaussianNllLoss', options));
}

function fittingVariance(variance: Tensor, prediction: Tensor): Tensor {
  const lead = prediction.shape.slice(0, -1);
  if (sameShape(variance.shape, prediction.shape) || sameShape(variance.shape, [...lead, 1])) return variance;
  if (prediction.rank > 0 && sameShape(variance.shape, lead)) return unsqueeze(variance, -1);
  throw new ShapeError(
    `gaussianNllLoss: variance ${showShape(variance.shape)} must have the prediction's shape ${showShape(prediction.shape)}, or its last axis be 1 or missing`,
  );
}
