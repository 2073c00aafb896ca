/** Activations and their relatives, composed of other operations (softmax apart): no kernels and no vjps of their own. */

import { checkChoice, checkKeys, checkNumber } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import {
  add,
  clamp,
  div,
  erf,
  expm1,
  gt,
  logOnePlusExp,
  minimum,
  mul,
  pow,
  sigmoid,
  tanh,
  where,
} from './elementwise.ts';

export { logSoftmax, softmax } from './softmax.ts';

/** x where positive, `negativeSlope` · x elsewhere. */
export function leakyRelu(x: Tensor, options: { negativeSlope?: number } = {}): Tensor {
  checkKeys('leakyRelu', options, ['negativeSlope']);
  const slope = checkNumber('leakyRelu', 'negativeSlope', options.negativeSlope ?? 0.01);
  return where(gt(x, 0), x, mul(x, slope));
}

/** x where positive, `alpha` · (exp(x) - 1) elsewhere. Clevert et al. 2016. */
export function elu(x: Tensor, options: { alpha?: number } = {}): Tensor {
  checkKeys('elu', options, ['alpha']);
  const alpha = checkNumber('elu', 'alpha', options.alpha ?? 1);
  // The branch that is not taken must not overflow, or its gradient would be NaN.
  return where(gt(x, 0), x, mul(expm1(minimum(x, 0)), alpha));
}

/** x · Φ(x), Φ the normal distribution function; `approximate: 'tanh'` is the usual approximation. Hendrycks & Gimpel 2016. */
export function gelu(x: Tensor, options: { approximate?: 'none' | 'tanh' } = {}): Tensor {
  checkKeys('gelu', options, ['approximate']);
  const approximate = checkChoice('gelu', 'approximate', options.approximate ?? 'none', ['none', 'tanh']);
  const half = mul(x, 0.5);
  if (approximate === 'none') return mul(half, add(erf(mul(x, Math.SQRT1_2)), 1));
  return mul(half, add(tanh(mul(add(x, mul(pow(x, 3), 0.044715)), Math.sqrt(2 / Math.PI))), 1));
}

/** log(1 + exp(beta · x)) / beta; x itself where beta · x exceeds `threshold`, as there is no difference. */
export function softplus(x: Tensor, options: { beta?: number; threshold?: number } = {}): Tensor {
  checkKeys('softplus', options, ['beta', 'threshold']);
  const beta = checkNumber('softplus', 'beta', options.beta ?? 1);
  const threshold = checkNumber('softplus', 'threshold', options.threshold ?? 20);
  const scaled = mul(x, beta);
  return where(gt(scaled, threshold), x, div(logOnePlusExp(scaled), beta));
}

/** x · sigmoid(x), also called swish. */
export function silu(x: Tensor): Tensor {
  return mul(x, sigmoid(x));
}

/** x · clamp(x + 3, 0, 6) / 6. Howard et al. 2019. */
export function hardswish(x: Tensor): Tensor {
  return div(mul(x, clamp(add(x, 3), 0, 6)), 6);
}
