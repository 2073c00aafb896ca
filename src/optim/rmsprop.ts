/** Gradient descent divided by the root of a running mean square. */

import { assign } from '../ops/apply.ts';
import { add, div, mul, sqrt, square, sub } from '../ops/elementwise.ts';
import { checkNumber } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { GroupSettings, Parameters } from './group.ts';
import { type Factors, Optimizer, type Slot, type Update } from './optimizer.ts';

/** Settings of `RMSprop`. */
export type RMSpropSettings = {
  /** The learning rate. Default 0.01. */
  lr: number;
  /** What stays of the mean square. Default 0.99. */
  alpha: number;
  /** Added to the divisor. Default 1e-8. */
  eps: number;
  /** The share of the weights that is added to the gradient. Default 0. */
  weightDecay: number;
  /** The share of the last update that goes on. Default 0. */
  momentum: number;
  /** Whether to divide by the deviation from the mean gradient rather than from 0. Default false. */
  centered: boolean;
};

/**
 * RMSprop, as PyTorch has it:
 *
 *   v ← alpha v + (1 - alpha) g²,   p ← p - lr · g / (√v + eps)
 *
 * Source: Tieleman & Hinton, "Neural networks for machine learning", lecture 6.5, 2012; centred by Graves 2013.
 *
 * @throws OptionError for settings out of range, or parameters that are none.
 */
export class RMSprop extends Optimizer<RMSpropSettings> {
  constructor(parameters: Parameters<RMSpropSettings>, options: Partial<RMSpropSettings> = {}) {
    super(parameters, options, { lr: 0.01, alpha: 0.99, eps: 1e-8, weightDecay: 0, momentum: 0, centered: false });
  }

  protected override check({ lr, alpha, eps, weightDecay, momentum }: RMSpropSettings): void {
    for (const [name, value] of Object.entries({ lr, alpha, eps, weightDecay, momentum }))
      checkNumber('RMSprop', name, value, 0);
  }

  protected override slots(group: GroupSettings<RMSpropSettings>): readonly Slot[] {
    const names = ['square_avg'];
    if (group.uses('momentum')) names.push('momentum_buffer');
    if (group.uses('centered')) names.push('grad_avg');
    return names.map((name) => ({ name, start: 0 }));
  }

  protected override factors(group: GroupSettings<RMSpropSettings>): Factors {
    const alpha = group.tensor('alpha');
    return {
      lr: group.tensor('lr'),
      alpha,
      rest: sub(1, alpha),
      eps: group.tensor('eps'),
      weightDecay: group.tensor('weightDecay'),
      momentum: group.tensor('momentum'),
    };
  }

  protected override update(
    group: GroupSettings<RMSpropSettings>,
    { parameter, gradient, slots }: Update,
    factors: Factors,
  ): void {
    const f = factors as Record<'lr' | 'alpha' | 'rest' | 'eps' | 'weightDecay' | 'momentum', Tensor>;
    const { square_avg: meanSquare, grad_avg: mean, momentum_buffer: buffer } = slots as Record<string, Tensor>;
    const g = group.uses('weightDecay') ? add(gradient, mul(parameter, f.weightDecay)) : gradient;
    assign(meanSquare!, add(mul(meanSquare!, f.alpha), mul(square(g), f.rest)));
    let spread = meanSquare!;
    if (mean) {
      assign(mean, add(mul(mean, f.alpha), mul(g, f.rest)));
      spread = sub(spread, square(mean));
    }
    let direction = div(g, add(sqrt(spread), f.eps));
    if (buffer) {
      assign(buffer, add(mul(buffer, f.momentum), direction));
      direction = buffer;
    }
    assign(parameter, sub(parameter, mul(direction, f.lr)));
  }
}
