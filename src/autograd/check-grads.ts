/** Gradients held against differences of values. */

import { AssertionError, OptionError } from '../errors.ts';
import { add, div, fullLike, mul } from '../ops/elementwise.ts';
import { sum } from '../ops/expand.ts';
import { norm } from '../ops/reduce.ts';
import { detach } from '../ops/views.ts';
import { fromStorage } from '../tensor/creation.ts';
import { checkInteger, checkKeys, checkNumber, show } from '../tensor/options.ts';
import { Generator } from '../tensor/random.ts';
import { type Shape, showShape, sizeOf } from '../tensor/shape.ts';
import { Tensor } from '../tensor/tensor.ts';
import { gradients } from './backward.ts';
import { differentiating, withGrad } from './mode.ts';

/** Options of `checkGrads`. */
export interface CheckGradsOptions {
  /** Up to which order: 1 for the gradient, 2 for the gradient of the gradient too, and so on. Default 1. */
  order?: number;
  /** The length of a step to either side. Default 1e-5. */
  eps?: number;
  /** The largest relative error allowed. Default 1e-6. */
  tolerance?: number;
  /** Of the random directions. Default 0. */
  seed?: number;
}

/** What is differentiated: numbers that are added up. */
type Terms = (inputs: readonly Tensor[]) => Tensor[];

/**
 * Checks that `backward` agrees with central differences, in float64. The function's results are reduced to one number by
 * random weights; for each input, its derivative along a random direction of length 1 is computed both ways. Inputs of
 * another dtype are converted, so `fn` must not mix them with float32 tensors of its own. Choose inputs away from kinks.
 *
 * @throws AssertionError naming the order, the input, the direction and both numbers.
 * @example
 * ```ts
 * import { checkGrads, tensor, type Tensor } from 'typedgrad';
 * checkGrads((x: Tensor) => x.exp().mul(x.sin()), [tensor([0.5, 1, 2])], { order: 2 });
 * ```
 */
export function checkGrads(
  fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options: CheckGradsOptions = {},
): void {
  checkKeys('checkGrads', options, ['order', 'eps', 'tolerance', 'seed']);
  const order = checkInteger('checkGrads', 'order', options.order ?? 1, 1);
  const eps = checkNumber('checkGrads', 'eps', options.eps ?? 1e-5, Number.MIN_VALUE, 1);
  const tolerance = checkNumber('checkGrads', 'tolerance', options.tolerance ?? 1e-6, 0, 1);
  const generator = new Generator(checkInteger('checkGrads', 'seed', options.seed ?? 0));
  if (!Array.isArray(inputs))
    throw new OptionError(`checkGrads: inputs must be a list of tensors, but are ${show(inputs)}`);
  for (const x of inputs) {
    if (!(x instanceof Tensor)) throw new OptionError(`checkGrads: inputs must be tensors, but one is ${show(x)}`);
  }
  const points = inputs.map((x) => detach(x).to('float64'));
  let terms = weighted(fn, generator);
  for (let level = 1; level <= order; level++) {
    checkLevel(terms, points, { level, eps, tolerance, generator });
    terms = slopes(terms, points, generator);
  }
}

/** The results of `fn`, each element times a random weight. */
function weighted(fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[], generator: Generator): Terms {
  const weights: Tensor[] = [];
  return (inputs) => {
    const result = differentiating(() => fn(...inputs));
    const outputs = result instanceof Tensor ? [result] : result;
    return outputs.map((y, i) => {
      weights[i] ??= randomTensor(y.shape, generator);
      return mul(y, weights[i]);
    });
  };
}

/** The gradients of ⟨1, terms⟩, each times a random direction: what the next order differentiates. */
function slopes(terms: Terms, points: readonly Tensor[], generator: Generator): Terms {
  const directions = points.map((x) => direction(x.shape, generator));
  return (inputs) => gradientsOf(terms(inputs), inputs, true).map((g, i) => mul(g, directions[i]!));
}

function gradientsOf(terms: readonly Tensor[], inputs: readonly Tensor[], createGraph: boolean): Tensor[] {
  const sums = terms.filter((term) => term.requiresGrad).map((term) => sum(term));
  if (sums.length === 0) return inputs.map((input) => fullLike(input, 0));
  const whole = sums.reduce((a, b) => add(a, b));
  return gradients(whole, inputs, undefined, { createGraph });
}

interface Level {
  readonly level: number;
  readonly eps: number;
  readonly tolerance: number;
  readonly generator: Generator;
}

function checkLevel(terms: Terms, points: readonly Tensor[], { level, eps, tolerance, generator }: Level): void {
  const evaluate = (at: readonly Tensor[]): { inputs: Tensor[]; values: Tensor[] } => {
    const inputs = at.map(asVariable);
    return { inputs, values: withGrad(true, () => terms(inputs)) };
  };
  const { inputs, values } = evaluate(points);
  const found = withGrad(true, () => gradientsOf(values, inputs, false));
  // What rounding the terms alone may change the difference by.
  const noise = (16 * Number.EPSILON * total(values, Math.abs)) / eps;
  for (const [i, point] of points.entries()) {
    const along = direction(point.shape, generator);
    const step = (by: number): number => {
      const moved = point.add(along.mul(by));
      return total(evaluate(points.map((x, j) => (j === i ? moved : x))).values);
    };
    const expected = (step(eps) - step(-eps)) / (2 * eps);
    const actual = mul(found[i]!, along).sum().item();
    const error = Math.abs(actual - expected);
    if (error <= tolerance * Math.max(Math.abs(actual), Math.abs(expected)) + noise) continue;
    const relative = error / Math.max(Math.abs(actual), Math.abs(expected));
    throw new AssertionError(
      `checkGrads: the gradient of order ${level} in input ${i}, shape ${showShape(point.shape)}, is wrong: along the direction ${firstOf(along)} ` +
        `backward gives ${actual} but differences give ${expected}, relative error ${relative.toExponential(2)} > ${tolerance}`,
    );
  }
}

function asVariable(x: Tensor): Tensor {
  const variable = detach(x);
  variable.requiresGrad = true;
  return variable;
}

/** The sum of all terms, in order. */
function total(terms: readonly Tensor[], of: (value: number) => number = (value) => value): number {
  let sum = 0;
  for (const term of terms) for (const value of term.toTypedArray()) sum += of(value);
  return sum;
}

function randomTensor(shape: Shape, generator: Generator): Tensor {
  return fromStorage(
    Float64Array.from({ length: sizeOf(shape) }, () => generator.normal()),
    shape,
  );
}

/** A random direction of length 1. */
function direction(shape: Shape, generator: Generator): Tensor {
  const x = randomTensor(shape, generator);
  return x.size === 0 ? x : div(x, norm(x));
}

function firstOf(x: Tensor): string {
  const values = [...x.toTypedArray().slice(0, 6)].map((value) => value.toPrecision(4));
  return `[${values.join(', ')}${x.size > 6 ? ', …' : ''}]`;
}
