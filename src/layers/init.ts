/**
 * First values of weights. Every function overwrites a tensor in place and returns it; random ones take a `generator`.
 * A weight is [out, in, ...kernel]; fanIn counts the inputs that add up to one output, fanOut the outputs that one
 * input goes to.
 */

import { noGrad } from '../autograd/mode.ts';
import { OptionError, ShapeError } from '../errors.ts';
import { normalQuantile } from '../kernels/js/normal.ts';
import { erf } from '../kernels/js/special.ts';
import type { Draw } from '../kernels/types.ts';
import { assign } from '../ops/apply.ts';
import { drawTensor, fromStorage, generatorOf } from '../tensor/creation.ts';
import { allocate } from '../tensor/dtype.ts';
import { checkChoice, checkKeys, checkNumber } from '../tensor/options.ts';
import type { Generator } from '../tensor/random.ts';
import { showShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Where random numbers come from. */
export interface InitOptions {
  /** Default: the stream that `manualSeed` starts. */
  generator?: Generator | undefined;
}

/** Options of the Kaiming initialisers. */
export interface KaimingOptions extends InitOptions {
  /** The slope of leakyRelu below 0. Default 0. */
  a?: number;
  /** Whether the variance is kept forward (`fanIn`, the default) or backward (`fanOut`). */
  mode?: 'fanIn' | 'fanOut';
  /** What follows the layer. Default `'leakyRelu'`. */
  nonlinearity?: Nonlinearity;
}

/** Options of the Xavier initialisers. */
export interface XavierOptions extends InitOptions {
  /** A factor on the standard deviation; see `calculateGain`. Default 1. */
  gain?: number;
}

const nonlinearities = ['linear', 'sigmoid', 'tanh', 'relu', 'leakyRelu', 'selu'] as const;
/** A function whose gain is known. */
export type Nonlinearity = (typeof nonlinearities)[number];

/** Overwrites `x` by a function of the position. */
function fill(x: Tensor, next: () => number): Tensor {
  const values = allocate(x.dtype, x.size);
  for (let i = 0; i < values.length; i++) values[i] = next();
  noGrad(() => assign(x, fromStorage(values, x.shape)));
  return x;
}

/** Overwrites `x` by random numbers. */
function draw(operation: string, x: Tensor, what: Draw, options: InitOptions): Tensor {
  const source = (): Generator => generatorOf(operation, options);
  noGrad(() => assign(x, drawTensor(operation, x.shape, x.dtype, { draw: what, source })));
  return x;
}

/** All elements `value`. */
export function constant(x: Tensor, value: number): Tensor {
  checkNumber('init.constant', 'value', value);
  return fill(x, () => value);
}

/** All elements 0. */
export function zeros(x: Tensor): Tensor {
  return fill(x, () => 0);
}

/** All elements 1. */
export function ones(x: Tensor): Tensor {
  return fill(x, () => 1);
}

/** Uniform random numbers in [low, high); by default in [0, 1). */
export function uniform(x: Tensor, options: InitOptions & { low?: number; high?: number } = {}): Tensor {
  checkKeys('init.uniform', options, ['low', 'high', 'generator']);
  const low = checkNumber('init.uniform', 'low', options.low ?? 0);
  const high = checkNumber('init.uniform', 'high', options.high ?? 1, low);
  return draw('init.uniform', x, { name: 'range', low, high }, options);
}

/** Normal random numbers; by default of mean 0 and standard deviation 1. */
export function normal(x: Tensor, options: InitOptions & { mean?: number; std?: number } = {}): Tensor {
  checkKeys('init.normal', options, ['mean', 'std', 'generator']);
  const mean = checkNumber('init.normal', 'mean', options.mean ?? 0);
  const std = checkNumber('init.normal', 'std', options.std ?? 1, 0);
  return draw('init.normal', x, { name: 'normal', mean, std }, options);
}

/** Normal random numbers, of which only those in [low, high] (default [-2, 2]) are kept. */
export function truncNormal(
  x: Tensor,
  options: InitOptions & { mean?: number; std?: number; low?: number; high?: number } = {},
): Tensor {
  checkKeys('init.truncNormal', options, ['mean', 'std', 'low', 'high', 'generator']);
  const mean = checkNumber('init.truncNormal', 'mean', options.mean ?? 0);
  const std = checkNumber('init.truncNormal', 'std', options.std ?? 1, Number.MIN_VALUE);
  const low = checkNumber('init.truncNormal', 'low', options.low ?? -2);
  const high = checkNumber('init.truncNormal', 'high', options.high ?? 2, low);
  const generator = generatorOf('init.truncNormal', options);
  // By the inverse of the distribution function, between its values at the borders.
  const below = (border: number): number => (1 + erf((border - mean) / (std * Math.SQRT2))) / 2;
  const [from, to] = [below(low), below(high)];
  if (!(from < to))
    throw new OptionError(
      `init.truncNormal: hardly a normal number of mean ${mean} and std ${std} lies in [${low}, ${high}]`,
    );
  return fill(x, () => Math.min(Math.max(mean + std * normalQuantile(inside(generator.uniform(from, to))), low), high));
}

/** A probability where the inverse of the distribution function is finite. */
function inside(p: number): number {
  return Math.min(Math.max(p, 2 ** -1022), 1 - 2 ** -53);
}

/** The number of inputs and outputs of each unit of a weight [out, in, ...kernel]. */
export function fans(weight: Tensor): { fanIn: number; fanOut: number } {
  if (weight.rank < 2)
    throw new ShapeError(`init: a weight has at least the axes [out, in], but the shape is ${showShape(weight.shape)}`);
  const [outputs, inputs, ...kernel] = weight.shape as [number, number, ...number[]];
  const field = kernel.reduce((product, length) => product * length, 1);
  return { fanIn: inputs * field, fanOut: outputs * field };
}

/** The factor on the standard deviation that keeps the variance through a nonlinearity, as PyTorch recommends it. */
export function calculateGain(nonlinearity: Nonlinearity, slope = 0.01): number {
  checkChoice('init.calculateGain', 'nonlinearity', nonlinearity, nonlinearities);
  const gains = {
    linear: 1,
    sigmoid: 1,
    tanh: 5 / 3,
    relu: Math.SQRT2,
    leakyRelu: Math.sqrt(2 / (1 + slope ** 2)),
    selu: 3 / 4,
  };
  return gains[nonlinearity];
}

function kaimingStd(operation: string, weight: Tensor, options: KaimingOptions): number {
  checkKeys(operation, options, ['a', 'mode', 'nonlinearity', 'generator']);
  const mode = checkChoice(operation, 'mode', options.mode ?? 'fanIn', ['fanIn', 'fanOut']);
  const gain = calculateGain(options.nonlinearity ?? 'leakyRelu', checkNumber(operation, 'a', options.a ?? 0));
  return gain / Math.sqrt(fans(weight)[mode]);
}

/** Uniform numbers of variance gain² / fanIn. He et al., "Delving deep into rectifiers", 2015. */
export function kaimingUniform(weight: Tensor, options: KaimingOptions = {}): Tensor {
  const bound = Math.sqrt(3) * kaimingStd('init.kaimingUniform', weight, options);
  return uniform(weight, { low: -bound, high: bound, generator: options.generator });
}

/** Normal numbers of variance gain² / fanIn. He et al. 2015. */
export function kaimingNormal(weight: Tensor, options: KaimingOptions = {}): Tensor {
  return normal(weight, { std: kaimingStd('init.kaimingNormal', weight, options), generator: options.generator });
}

function xavierStd(operation: string, weight: Tensor, options: XavierOptions): number {
  checkKeys(operation, options, ['gain', 'generator']);
  const { fanIn, fanOut } = fans(weight);
  return checkNumber(operation, 'gain', options.gain ?? 1) * Math.sqrt(2 / (fanIn + fanOut));
}

/** Uniform numbers of variance 2 gain² / (fanIn + fanOut). Glorot & Bengio 2010. */
export function xavierUniform(weight: Tensor, options: XavierOptions = {}): Tensor {
  const bound = Math.sqrt(3) * xavierStd('init.xavierUniform', weight, options);
  return uniform(weight, { low: -bound, high: bound, generator: options.generator });
}

/** Normal numbers of variance 2 gain² / (fanIn + fanOut). Glorot & Bengio 2010. */
export function xavierNormal(weight: Tensor, options: XavierOptions = {}): Tensor {
  return normal(weight, { std: xavierStd('init.xavierNormal', weight, options), generator: options.generator });
}

/** A random matrix [out, rest] with orthonormal rows or columns, whichever are fewer, times `gain`. Saxe et al. 2013. */
export function orthogonal(weight: Tensor, options: XavierOptions = {}): Tensor {
  checkKeys('init.orthogonal', options, ['gain', 'generator']);
  const gain = checkNumber('init.orthogonal', 'gain', options.gain ?? 1);
  const generator = generatorOf('init.orthogonal', options);
  fans(weight);
  if (weight.size === 0) return weight;
  const rows = weight.shape[0]!;
  const columns = weight.size / rows;
  const vectors = orthonormal(Math.min(rows, columns), Math.max(rows, columns), generator);
  let next = 0;
  return fill(weight, () => {
    const [row, column] = [Math.floor(next / columns), next++ % columns];
    return gain * (rows <= columns ? vectors[row]![column]! : vectors[column]![row]!);
  });
}

/** `count` random orthonormal vectors, by Gram & Schmidt; twice is enough (Giraud et al. 2005). */
function orthonormal(count: number, length: number, generator: Generator): Float64Array[] {
  const found: Float64Array[] = [];
  const dot = (a: Float64Array, b: Float64Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  while (found.length < count) {
    const vector = Float64Array.from({ length }, () => generator.normal());
    for (const other of [...found, ...found]) {
      const share = dot(vector, other);
      for (let i = 0; i < length; i++) vector[i]! -= share * other[i]!;
    }
    const norm = Math.sqrt(dot(vector, vector));
    found.push(vector.map((value) => value / norm));
  }
  return found;
}
