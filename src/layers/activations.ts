/** Activations as layers; each computes the function of the same name. */

import { elu, gelu, hardswish, leakyRelu, logSoftmax, silu, softmax, softplus } from '../ops/activations.ts';
import { relu, sigmoid, tanh } from '../ops/elementwise.ts';
import { checkChoice, checkInteger, checkKeys, checkNumber } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Module } from './module.ts';
import { showOptions } from './text.ts';

/** max(x, 0). */
export class ReLU extends Module {
  override forward(x: Tensor): Tensor {
    return relu(x);
  }
}

/** 1 / (1 + exp(-x)). */
export class Sigmoid extends Module {
  override forward(x: Tensor): Tensor {
    return sigmoid(x);
  }
}

/** The hyperbolic tangent. */
export class Tanh extends Module {
  override forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

/** x · sigmoid(x). */
export class SiLU extends Module {
  override forward(x: Tensor): Tensor {
    return silu(x);
  }
}

/** x · clamp(x + 3, 0, 6) / 6. */
export class Hardswish extends Module {
  override forward(x: Tensor): Tensor {
    return hardswish(x);
  }
}

/** x where positive, `negativeSlope` (default 0.01) · x elsewhere. */
export class LeakyReLU extends Module {
  readonly options: { negativeSlope?: number };

  constructor(options: { negativeSlope?: number } = {}) {
    super();
    checkKeys('LeakyReLU', options, ['negativeSlope']);
    checkNumber('LeakyReLU', 'negativeSlope', options.negativeSlope ?? 0.01);
    this.options = { ...options };
  }

  override forward(x: Tensor): Tensor {
    return leakyRelu(x, this.options);
  }

  protected override describe(): string {
    return showOptions(this.options).slice(2);
  }
}

/** x where positive, `alpha` (default 1) · (exp(x) - 1) elsewhere. */
export class ELU extends Module {
  readonly options: { alpha?: number };

  constructor(options: { alpha?: number } = {}) {
    super();
    checkKeys('ELU', options, ['alpha']);
    checkNumber('ELU', 'alpha', options.alpha ?? 1);
    this.options = { ...options };
  }

  override forward(x: Tensor): Tensor {
    return elu(x, this.options);
  }

  protected override describe(): string {
    return showOptions(this.options).slice(2);
  }
}

/** x · Φ(x), exactly (`approximate: 'none'`, the default) or by tanh. */
export class GELU extends Module {
  readonly options: { approximate?: 'none' | 'tanh' };

  constructor(options: { approximate?: 'none' | 'tanh' } = {}) {
    super();
    checkKeys('GELU', options, ['approximate']);
    checkChoice('GELU', 'approximate', options.approximate ?? 'none', ['none', 'tanh']);
    this.options = { ...options };
  }

  override forward(x: Tensor): Tensor {
    return gelu(x, this.options);
  }

  protected override describe(): string {
    return showOptions(this.options).slice(2);
  }
}

/** log(1 + exp(beta · x)) / beta; x itself where beta · x exceeds `threshold`. Defaults 1 and 20. */
export class Softplus extends Module {
  readonly options: { beta?: number; threshold?: number };

  constructor(options: { beta?: number; threshold?: number } = {}) {
    super();
    checkKeys('Softplus', options, ['beta', 'threshold']);
    checkNumber('Softplus', 'beta', options.beta ?? 1);
    checkNumber('Softplus', 'threshold', options.threshold ?? 20);
    this.options = { ...options };
  }

  override forward(x: Tensor): Tensor {
    return softplus(x, this.options);
  }

  protected override describe(): string {
    return showOptions(this.options).slice(2);
  }
}

/** exp(x) divided by its sum along `axis` (default the last). */
export class Softmax extends Module {
  readonly axis: number;

  constructor(axis = -1) {
    super();
    this.axis = checkInteger('Softmax', 'axis', axis, Number.MIN_SAFE_INTEGER);
  }

  override forward(x: Tensor): Tensor {
    return softmax(x, this.axis);
  }

  protected override describe(): string {
    return String(this.axis);
  }
}

/** The logarithm of softmax along `axis` (default the last). */
export class LogSoftmax extends Module {
  readonly axis: number;

  constructor(axis = -1) {
    super();
    this.axis = checkInteger('LogSoftmax', 'axis', axis, Number.MIN_SAFE_INTEGER);
  }

  override forward(x: Tensor): Tensor {
    return logSoftmax(x, this.axis);
  }

  protected override describe(): string {
    return String(this.axis);
  }
}
