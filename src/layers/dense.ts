/** The fully connected layer, and the default initialisation that it shares with convolutions. */

import { linear } from '../ops/matmul.ts';
import { zeros } from '../tensor/creation.ts';
import { checkInteger, checkKeys } from '../tensor/options.ts';
import type { Generator } from '../tensor/random.ts';
import type { Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { fans, kaimingUniform, uniform } from './init.ts';
import { Module } from './module.ts';
import { Parameter } from './parameter.ts';

/** Options of layers with a weight. */
export interface WeightOptions {
  /** Whether a number per output is added. Default true. */
  bias?: boolean;
  /** Where the first values come from. Default: the stream that `manualSeed` starts. */
  generator?: Generator | undefined;
}

/**
 * PyTorch's default: weight and bias uniform within ±1/√fanIn (Kaiming's rule with a = √5).
 */
export function freshWeights(
  shape: Shape,
  outputs: number,
  options: WeightOptions,
): [weight: Parameter, bias: Parameter | null] {
  const { bias = true, generator } = options;
  const weight = new Parameter(zeros(shape));
  if (weight.size > 0) kaimingUniform(weight, { a: Math.sqrt(5), generator });
  if (!bias) return [weight, null];
  const bound = weight.size > 0 ? 1 / Math.sqrt(fans(weight).fanIn) : 0;
  return [weight, new Parameter(uniform(zeros([outputs]), { low: -bound, high: bound, generator }))];
}

/**
 * A fully connected layer: x [..., in] → [..., out], x · weightᵀ + bias. Starts as PyTorch's Linear.
 *
 * @example
 * ```ts
 * import { Dense, ones } from 'typedgrad';
 * const layer = new Dense(3, 2);
 * layer.forward(ones([5, 3])).shape; // → [5, 2]
 * layer.weight.shape; // → [2, 3]
 * ```
 */
export class Dense extends Module {
  /** [out, in] */
  weight: Parameter;
  /** [out] */
  bias: Parameter | null;

  constructor(inputs: number, outputs: number, options: WeightOptions = {}) {
    super();
    checkKeys('Dense', options, ['bias', 'generator']);
    checkInteger('Dense', 'in', inputs, 1);
    checkInteger('Dense', 'out', outputs, 1);
    [this.weight, this.bias] = freshWeights([outputs, inputs], outputs, options);
  }

  override forward(x: Tensor): Tensor {
    return linear(x, this.weight, { bias: this.bias });
  }

  protected override describe(): string {
    return `${this.weight.shape[1]}, ${this.weight.shape[0]}${this.bias ? '' : ', { bias: false }'}`;
  }
}
