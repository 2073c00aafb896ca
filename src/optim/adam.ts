/** Adam, and Adam with decoupled weight decay. */

import { OptionError } from '../errors.ts';
import { assign } from '../ops/apply.ts';
import { add, div, maximum, mul, pow, sqrt, square, sub } from '../ops/elementwise.ts';
import { checkNumber, show } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { GroupSettings, Parameters } from './group.ts';
import { type Factors, Optimizer, type Slot, type Update } from './optimizer.ts';

/** Settings of `Adam` and `AdamW`. */
export type AdamSettings = {
  /** The learning rate. Default 0.001. */
  lr: number;
  /** What stays of the mean of the gradient and of its square. Default [0.9, 0.999]. */
  betas: readonly [number, number] | readonly number[];
  /** Added to the divisor. Default 1e-8. */
  eps: number;
  /** In Adam, the share of the weights that is added to the gradient (default 0); in AdamW, the share taken off them (default 0.01). */
  weightDecay: number;
  /** Whether to divide by the largest mean square so far (Reddi et al. 2018). Default false. */
  amsgrad: boolean;
};

abstract class AdamBase extends Optimizer<AdamSettings> {
  /** Whether weight decay stays out of the gradient. */
  protected abstract readonly decoupled: boolean;

  protected override check({ lr, betas, eps, weightDecay }: AdamSettings): void {
    const name = this.constructor.name;
    checkNumber(name, 'lr', lr, 0);
    checkNumber(name, 'eps', eps, 0);
    checkNumber(name, 'weightDecay', weightDecay, 0);
    if (!Array.isArray(betas) || betas.length !== 2 || !betas.every((beta) => beta >= 0 && beta < 1)) {
      throw new OptionError(`${name}: betas must be two numbers in [0, 1), but are ${show(betas)}`);
    }
  }

  protected override slots(group: GroupSettings<AdamSettings>): readonly Slot[] {
    const names = ['exp_avg', 'exp_avg_sq', ...(group.uses('amsgrad') ? ['max_exp_avg_sq'] : [])];
    return names.map((name) => ({ name, start: 0 }));
  }

  protected override factors(group: GroupSettings<AdamSettings>, count: Tensor): Factors {
    const [lr, beta1, beta2] = [group.tensor('lr'), group.tensor('betas', 0), group.tensor('betas', 1)];
    const weightDecay = group.tensor('weightDecay');
    return {
      beta1,
      beta2,
      rest1: sub(1, beta1),
      rest2: sub(1, beta2),
      rate: div(lr, sub(1, pow(beta1, count))),
      root2: sqrt(sub(1, pow(beta2, count))),
      eps: group.tensor('eps'),
      decay: this.decoupled ? sub(1, mul(lr, weightDecay)) : weightDecay,
    };
  }

  protected override update(
    group: GroupSettings<AdamSettings>,
    { parameter, gradient, slots }: Update,
    factors: Factors,
  ): void {
    const f = factors as Record<'beta1' | 'beta2' | 'rest1' | 'rest2' | 'rate' | 'root2' | 'eps' | 'decay', Tensor>;
    const decays = group.uses('weightDecay');
    const g = decays && !this.decoupled ? add(gradient, mul(parameter, f.decay)) : gradient;
    const start = decays && this.decoupled ? mul(parameter, f.decay) : parameter;
    const { exp_avg: mean, exp_avg_sq: meanSquare, max_exp_avg_sq: largest } = slots as Record<string, Tensor>;
    assign(mean!, add(mul(mean!, f.beta1), mul(g, f.rest1)));
    assign(meanSquare!, add(mul(meanSquare!, f.beta2), mul(square(g), f.rest2)));
    if (largest) assign(largest, maximum(largest, meanSquare!));
    const divisor = add(div(sqrt(largest ?? meanSquare!), f.root2), f.eps);
    assign(parameter, sub(start, mul(div(mean!, divisor), f.rate)));
  }
}

/**
 * Adam: steps of about the learning rate along the mean of the gradient, whatever its size.
 *
 *   m ← β₁ m + (1 - β₁) g,   v ← β₂ v + (1 - β₂) g²
 *   p ← p - lr / (1 - β₁ᵗ) · m / (√v / √(1 - β₂ᵗ) + eps)
 *
 * Source: Kingma & Ba, "Adam: a method for stochastic optimization", 2015.
 *
 * @throws OptionError for settings out of range, or parameters that are none.
 * @example
 * ```ts
 * import { Adam, Parameter, tensor } from 'typedgrad';
 * const x = new Parameter(tensor([1, -2]));
 * const optimizer = new Adam([x], { lr: 0.5 });
 * x.square().sum().backward();
 * optimizer.step();
 * x.mul(100).round().toArray(); // → [50, -150]
 * ```
 */
export class Adam extends AdamBase {
  protected override readonly decoupled: boolean = false;

  constructor(parameters: Parameters<AdamSettings>, options: Partial<AdamSettings> = {}) {
    super(parameters, options, { lr: 0.001, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0, amsgrad: false });
  }
}

/**
 * Adam with weight decay apart from the gradient: p ← (1 - lr · weightDecay) p, then Adam's step.
 *
 * Source: Loshchilov & Hutter, "Decoupled weight decay regularization", 2019.
 */
export class AdamW extends AdamBase {
  protected override readonly decoupled: boolean = true;

  constructor(parameters: Parameters<AdamSettings>, options: Partial<AdamSettings> = {}) {
    super(parameters, options, { lr: 0.001, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.01, amsgrad: false });
  }
}
