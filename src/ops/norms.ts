/**
 * Normalisation: y = (x - mean) / √(variance + eps) · weight + bias, with mean and variance over different axes.
 *
 *   x [N, C, ...S]    batchNorm      over N and S, for each channel
 *                     instanceNorm   over S, for each sample and channel
 *                     groupNorm      over a group of channels and S, for each sample
 *                     layerNorm      over the last axes
 *
 * The variance is the mean of squared deviations from the mean, in two passes: E[x²] - E[x]² would cancel. The way back
 * is two sums and one formula.
 */

import { OptionError, ShapeError } from '../errors.ts';
import { checkInteger, checkKeys, checkNumber, show } from '../tensor/options.ts';
import { type Shape, sameShape, showShape, sizeOf } from '../tensor/shape.ts';
import { type Operand, Tensor } from '../tensor/tensor.ts';
import { apply, assign } from './apply.ts';
import { checkTensor } from './check.ts';
import { add, asTensor, mul, rsqrt, square, sub } from './elementwise.ts';
import { mean } from './moments.ts';
import type { ViewOp } from './op.ts';
import { detach, reshape } from './views.ts';

/** Options of `layerNorm`, `groupNorm` and `instanceNorm`. */
export interface NormOptions {
  /** A factor for each channel (of `layerNorm`: for each element). Default none. */
  weight?: Tensor | null;
  /** A summand for each channel (of `layerNorm`: for each element). Default none. */
  bias?: Tensor | null;
  /** Added to the variance. Default 1e-5. */
  eps?: number;
}

/** Options of `batchNorm`. */
export interface BatchNormOptions extends NormOptions {
  /** The mean of each channel, [C], as known so far; updated in place by training, used without. */
  runningMean?: Tensor | null;
  /** The variance of each channel, [C], as known so far; updated in place by training, used without. */
  runningVar?: Tensor | null;
  /** Normalise by the batch's own statistics, and update the running ones. Default false. */
  training?: boolean;
  /** How far the running statistics move towards the batch's: a number or a scalar tensor. Default 0.1. */
  momentum?: Operand;
}

interface Moments {
  readonly axes: readonly number[];
  readonly centre: Tensor;
  readonly centred: Tensor;
  readonly spread: Tensor;
}

/** Mean, deviations from it and (biased) variance over `axes`, which stay with size 1. */
function moments(x: Tensor, axes: readonly number[]): Moments {
  const centre = mean(x, axes, true);
  const centred = sub(x, centre);
  return { axes, centre, centred, spread: mean(square(centred), axes, true) };
}

/**
 * The first input, y = (x - mean) · r, as if it were computed from the second, x, in one step; the third is
 * r = 1 / √(variance + eps), through which gradients of a higher order flow.
 *
 *   vjp   r · (g - mean(g) - y · mean(g · y))
 *
 * Source: Ioffe & Szegedy, "Batch normalization", 2015, section 3, its three gradients put together.
 */
const standardOp: ViewOp<readonly number[]> = {
  kind: 'view',
  name: 'standard',
  layout: (y) => y,
  vjp: [
    null,
    (g, c) => {
      const y = c.output();
      const along = mul(y, mean(mul(g, y), c.attrs, true));
      return mul(sub(sub(g, mean(g, c.attrs, true)), along), c.input(2));
    },
    null,
  ],
};

/** x with mean 0 and variance 1 over the axes of its moments. */
function standardised(x: Tensor, { axes, centred, spread }: Moments, eps: number): Tensor {
  const rate = rsqrt(add(spread, eps));
  return apply(standardOp, [mul(detach(centred), detach(rate)), x, rate], axes);
}

/** y · weight + bias, both of `shape`. */
function affine(operation: string, y: Tensor, options: NormOptions, shape: Shape, view: Shape): Tensor {
  const weight = parameter(operation, 'weight', options.weight, shape);
  const bias = parameter(operation, 'bias', options.bias, shape);
  const scaled = weight === null ? y : mul(y, reshape(weight, view));
  return bias === null ? scaled : add(scaled, reshape(bias, view));
}

function parameter(operation: string, name: string, x: Tensor | null | undefined, shape: Shape): Tensor | null {
  if (x === null || x === undefined) return null;
  if (x instanceof Tensor && sameShape(x.shape, shape)) return x;
  const given = x instanceof Tensor ? showShape(x.shape) : show(x);
  throw new ShapeError(`${operation}: ${name} must be a tensor of shape ${showShape(shape)}, but is ${given}`);
}

function epsOf(operation: string, options: NormOptions): number {
  return checkNumber(operation, 'eps', options.eps ?? 1e-5, 0, Number.MAX_VALUE);
}

/** The shape in which one number per channel stands along axis 1 of x. */
function alongChannels(x: Tensor): number[] {
  return x.shape.map((length, axis) => (axis === 1 ? length : 1));
}

/**
 * Batch normalisation of x [N, C] or [N, C, ...S]. With `training`, by the mean and variance of the batch, and the
 * running statistics, if given, move by `momentum` towards them (the variance towards the unbiased one, divided by
 * n - 1). Without, by the running statistics. Ioffe & Szegedy 2015.
 *
 * @throws ShapeError if shapes do not fit or, with training, a channel has a single value; OptionError if only one of
 * the running statistics is given, or none without training.
 * @example
 * ```ts
 * import { batchNorm, tensor } from 'typedgrad';
 * const [runningMean, runningVar] = [tensor([0]), tensor([1])];
 * const x = tensor([[1], [3]]);
 * batchNorm(x, { runningMean, runningVar, training: true, momentum: 0.5, eps: 0 }).toArray(); // → [[-1], [1]]
 * runningMean.toArray(); // → [1]
 * ```
 */
export function batchNorm(x: Tensor, options: BatchNormOptions = {}): Tensor {
  checkTensor('batchNorm', 'x', x);
  const name = 'batchNorm';
  checkKeys(name, options, ['weight', 'bias', 'runningMean', 'runningVar', 'training', 'momentum', 'eps']);
  const { training = false, momentum = 0.1 } = options;
  if (typeof training !== 'boolean')
    throw new OptionError(`${name}: training must be true or false, but is ${show(training)}`);
  if (!(momentum instanceof Tensor)) checkNumber(name, 'momentum', momentum, 0, 1);
  const eps = epsOf(name, options);
  if (x.rank < 2) throw new ShapeError(`${name}: x must be [N, C] or [N, C, ...], but is ${showShape(x.shape)}`);
  const [channels, view] = [[x.shape[1]!], alongChannels(x)];
  const runningMean = parameter(name, 'runningMean', options.runningMean, channels);
  const runningVar = parameter(name, 'runningVar', options.runningVar, channels);
  if ((runningMean === null) !== (runningVar === null))
    throw new OptionError(`${name}: give both runningMean and runningVar, or neither`);
  if (training) {
    const batch = batchMoments(name, x);
    if (runningMean && runningVar) updateRunning(runningMean, runningVar, batch, x, momentum);
    return affine(name, standardised(x, batch, eps), options, channels, view);
  }
  if (!runningMean || !runningVar)
    throw new OptionError(`${name}: without training, runningMean and runningVar are needed`);
  const centred = sub(x, reshape(runningMean, view));
  const rate = rsqrt(add(reshape(runningVar, view), eps));
  return affine(name, mul(centred, rate), options, channels, view);
}

/** Values per channel. */
function perChannel(x: Tensor): number {
  return x.size / Math.max(1, x.shape[1]!);
}

function batchMoments(operation: string, x: Tensor): Moments {
  if (perChannel(x) <= 1) {
    throw new ShapeError(
      `${operation}: training needs more than one value per channel, but x ${showShape(x.shape)} has ${perChannel(x)}`,
    );
  }
  return moments(
    x,
    x.shape.map((_, axis) => axis).filter((axis) => axis !== 1),
  );
}

function updateRunning(runningMean: Tensor, runningVar: Tensor, batch: Moments, x: Tensor, momentum: Operand): void {
  const count = perChannel(x);
  const share = asTensor('batchNorm', momentum, x.dtype);
  const move = (running: Tensor, now: Tensor): void => {
    const from = detach(running);
    assign(from, add(mul(from, sub(1, share)), mul(detach(reshape(now, running.shape)), share)));
  };
  move(runningMean, batch.centre);
  move(runningVar, mul(detach(batch.spread), count / (count - 1)));
}

/**
 * Layer normalisation over the last axes, whose sizes are `normalizedShape`: x [..., ...normalizedShape]. Ba, Kiros &
 * Hinton 2016.
 *
 * @throws ShapeError if x does not end in `normalizedShape`, or weight or bias do not have it.
 */
export function layerNorm(x: Tensor, normalizedShape: number | Shape, options: NormOptions = {}): Tensor {
  checkTensor('layerNorm', 'x', x);
  checkKeys('layerNorm', options, ['weight', 'bias', 'eps']);
  const shape = typeof normalizedShape === 'number' ? [normalizedShape] : normalizedShape;
  const lead = Array.isArray(shape) ? x.rank - shape.length : -1;
  if (lead < 0 || shape.length === 0 || !sameShape(x.shape.slice(lead), shape)) {
    throw new ShapeError(`layerNorm: x ${showShape(x.shape)} must end in normalizedShape ${show(normalizedShape)}`);
  }
  const axes = shape.map((_, i) => lead + i);
  const y = standardised(x, moments(x, axes), epsOf('layerNorm', options));
  return affine('layerNorm', y, options, shape, shape);
}

/**
 * Group normalisation of x [N, C, ...S]: each sample's channels in `groups` groups of neighbours. Wu & He 2018.
 *
 * @throws ShapeError if the channels cannot be split into so many groups.
 */
export function groupNorm(x: Tensor, groups: number, options: NormOptions = {}): Tensor {
  checkTensor('groupNorm', 'x', x);
  checkKeys('groupNorm', options, ['weight', 'bias', 'eps']);
  checkInteger('groupNorm', 'groups', groups, 1);
  if (x.rank < 2) throw new ShapeError(`groupNorm: x must be [N, C] or [N, C, ...], but is ${showShape(x.shape)}`);
  if (x.shape[1]! % groups !== 0) {
    throw new ShapeError(
      `groupNorm: ${x.shape[1]} channels cannot be split into ${groups} groups; x is ${showShape(x.shape)}`,
    );
  }
  return inGroups('groupNorm', x, groups, options);
}

function inGroups(operation: string, x: Tensor, groups: number, options: NormOptions): Tensor {
  const eps = epsOf(operation, options);
  const members = sizeOf(x.shape.slice(1)) / Math.max(1, groups);
  const grouped = reshape(x, [x.shape[0]!, groups, members]);
  const y = standardised(grouped, moments(grouped, [2]), eps);
  return affine(operation, reshape(y, x.shape), options, [x.shape[1]!], alongChannels(x));
}

/**
 * Instance normalisation of x [N, C, ...S]: each sample's channels on their own. Ulyanov, Vedaldi & Lempitsky 2016.
 *
 * @throws ShapeError if a channel has a single value.
 */
export function instanceNorm(x: Tensor, options: NormOptions = {}): Tensor {
  checkTensor('instanceNorm', 'x', x);
  checkKeys('instanceNorm', options, ['weight', 'bias', 'eps']);
  if (x.rank < 3 || sizeOf(x.shape.slice(2)) === 1) {
    throw new ShapeError(
      `instanceNorm: x must be [N, C, ...] with more than one value per channel, but is ${showShape(x.shape)}`,
    );
  }
  return inGroups('instanceNorm', x, x.shape[1]!, options);
}
