/** Gradient descent divided by the root of the sum of squares. */

import { assign } from '../ops/apply.ts';
import { add, div, mul, sqrt, square, sub } from '../ops/elementwise.ts';
import { checkNumber } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { GroupSettings, Parameters } from './group.ts';
import { type Factors, Optimizer, type Slot, type Update } from './optimizer.ts';

/** Settings of `Adagrad`. */
export type AdagradSettings = {
  /** The learning rate. Default 0.01. */
  lr: number;
  /** How fast the learning rate falls: lr / (1 + (t - 1) · lrDecay). Default 0. */
  lrDecay: number;
  /** The share of the weights that is added to the gradient. Default 0. */
  weightDecay: number;
  /** Where the sums of squares start. Default 0. */
  initialAccumulatorValue: number;
  /** Added to the divisor. Default 1e-10. */
  eps: number;
};

/**
 * Adagrad, as PyTorch has it:
 *
 *   s ← s + g²,   p ← p - lr / (1 + (t - 1) · lrDecay) · g / (√s + eps)
 *
 * Source: Duchi, Hazan & Singer, "Adaptive subgradient methods", 2011.
 *
 * @throws OptionError for settings out of range, or parameters that are none.
 */
export class Adagrad extends Optimizer<AdagradSettings> {
  constructor(parameters: Parameters<AdagradSettings>, options: Partial<AdagradSettings> = {}) {
    super(parameters, options, { lr: 0.01, lrDecay: 0, weightDecay: 0, initialAccumulatorValue: 0, eps: 1e-10 });
  }

  protected override check(settings: AdagradSettings): void {
    for (const [name, value] of Object.entries(settings)) checkNumber('Adagrad', name, value, 0);
  }

  protected override slots(group: GroupSettings<AdagradSettings>): readonly Slot[] {
    return [{ name: 'sum', start: group.numbers().initialAccumulatorValue }];
  }

  protected override factors(group: GroupSettings<AdagradSettings>, count: Tensor): Factors {
    return {
      rate: div(group.tensor('lr'), add(mul(sub(count, 1), group.tensor('lrDecay')), 1)),
      eps: group.tensor('eps'),
      weightDecay: group.tensor('weightDecay'),
    };
  }

  protected override update(
    group: GroupSettings<AdagradSettings>,
    { parameter, gradient, slots }: Update,
    factors: Factors,
  ): void {
    const { rate, eps, weightDecay } = factors as Record<'rate' | 'eps' | 'weightDecay', Tensor>;
    const sum = slots.sum!;
    const g = group.uses('weightDecay') ? add(gradient, mul(parameter, weightDecay)) : gradient;
    assign(sum, add(sum, square(g)));
    assign(parameter, sub(parameter, mul(div(g, add(sqrt(sum), eps)), rate)));
  }
}
