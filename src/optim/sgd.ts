/** Stochastic gradient descent. */

import { OptionError } from '../errors.ts';
import { assign } from '../ops/apply.ts';
import { add, eq, mul, sub, where } from '../ops/elementwise.ts';
import { checkNumber } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { GroupSettings, Parameters } from './group.ts';
import { type Factors, Optimizer, type Slot, type Update } from './optimizer.ts';

/** Settings of `SGD`. */
export type SGDSettings = {
  /** The learning rate. Default 0.01. */
  lr: number;
  /** The share of the last update that goes on. Default 0. */
  momentum: number;
  /** The share of the gradient that the momentum ignores. Default 0. */
  dampening: number;
  /** The share of the weights that is added to the gradient. Default 0. */
  weightDecay: number;
  /** Nesterov's momentum: the gradient as if the next step of the momentum were done. Default false. */
  nesterov: boolean;
};

/**
 * Stochastic gradient descent with momentum, as PyTorch has it:
 *
 *   g ← gradient + weightDecay · p
 *   b ← momentum · b + (1 - dampening) · g, at first b = g
 *   p ← p - lr · (nesterov ? g + momentum · b : b)
 *
 * Source: Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.
 *
 * @throws OptionError for settings out of range, or parameters that are none.
 * @example
 * ```ts
 * import { Parameter, SGD, tensor } from 'typedgrad';
 * const x = new Parameter(tensor([1, -2]));
 * const optimizer = new SGD([x], { lr: 0.25 });
 * x.square().sum().backward();
 * optimizer.step();
 * x.toArray(); // → [0.5, -1]
 * ```
 */
export class SGD extends Optimizer<SGDSettings> {
  constructor(parameters: Parameters<SGDSettings>, options: Partial<SGDSettings> = {}) {
    super(parameters, options, { lr: 0.01, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false });
  }

  protected override check({ lr, momentum, dampening, weightDecay, nesterov }: SGDSettings): void {
    checkNumber('SGD', 'lr', lr, 0);
    checkNumber('SGD', 'momentum', momentum, 0);
    checkNumber('SGD', 'dampening', dampening);
    checkNumber('SGD', 'weightDecay', weightDecay, 0);
    if (nesterov && (momentum <= 0 || dampening !== 0)) {
      throw new OptionError(
        `SGD: nesterov needs a momentum and no dampening, but momentum is ${momentum} and dampening ${dampening}`,
      );
    }
  }

  protected override slots(group: GroupSettings<SGDSettings>): readonly Slot[] {
    return group.uses('momentum') ? [{ name: 'momentum_buffer', start: 0 }] : [];
  }

  protected override factors(group: GroupSettings<SGDSettings>, count: Tensor): Factors {
    return {
      lr: group.tensor('lr'),
      momentum: group.tensor('momentum'),
      weightDecay: group.tensor('weightDecay'),
      // The first update takes all of the gradient.
      fresh: where(eq(count, 1), 1, sub(1, group.tensor('dampening'))),
    };
  }

  protected override update(
    group: GroupSettings<SGDSettings>,
    { parameter, gradient, slots }: Update,
    factors: Factors,
  ): void {
    const { lr, momentum, weightDecay, fresh } = factors as Record<'lr' | 'momentum' | 'weightDecay' | 'fresh', Tensor>;
    const g = group.uses('weightDecay') ? add(gradient, mul(parameter, weightDecay)) : gradient;
    let direction = g;
    if (group.uses('momentum')) {
      const buffer = slots.momentum_buffer!;
      assign(buffer, add(mul(buffer, momentum), group.uses('dampening') ? mul(g, fresh) : g));
      direction = group.uses('nesterov') ? add(g, mul(buffer, momentum)) : buffer;
    }
    assign(parameter, sub(parameter, mul(direction, lr)));
  }
}
