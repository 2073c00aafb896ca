/** The schedule that looks at how well training goes. */

import { OptionError } from '../errors.ts';
import { checkChoice, checkInteger, checkKeys, checkNumber, show } from '../tensor/options.ts';
import { groupsOf, perGroup, type Scheduled, type ScheduledGroup } from './schedule.ts';

/** Options of `ReduceLROnPlateau`. */
export interface PlateauOptions {
  /** Whether a smaller (`'min'`, the default) or a larger (`'max'`) number is better. */
  mode?: 'min' | 'max';
  /** What the rate is multiplied by. Default 0.1. */
  factor?: number;
  /** So many steps without improvement are tolerated. Default 10. */
  patience?: number;
  /** By how much better is better: see `thresholdMode`. Default 1e-4. */
  threshold?: number;
  /** Whether the threshold is a share of the best number (`'rel'`, the default) or a difference (`'abs'`). */
  thresholdMode?: 'rel' | 'abs';
  /** So many steps after a reduction nothing is counted. Default 0. */
  cooldown?: number;
  /** The least rate; a list has one for each group. Default 0. */
  minLr?: number | readonly number[];
  /** A reduction by no more than this is not made. Default 1e-8. */
  eps?: number;
}

/** What `ReduceLROnPlateau` remembers. */
export interface PlateauState {
  readonly best: number;
  readonly badSteps: number;
  readonly cooldownLeft: number;
}

const keys = ['mode', 'factor', 'patience', 'threshold', 'thresholdMode', 'cooldown', 'minLr', 'eps'];

/**
 * The rate times `factor` whenever a number, such as the validation loss, has not become better for more than
 * `patience` steps. Call `step(number)` once per epoch.
 *
 * @throws OptionError for options out of range, and by a `step` without a number.
 */
export class ReduceLROnPlateau {
  readonly #groups: readonly ScheduledGroup[];
  readonly #options: Required<Omit<PlateauOptions, 'minLr'>>;
  readonly #least: readonly number[];
  #best: number;
  #badSteps = 0;
  #cooldownLeft = 0;

  constructor(optimizer: Scheduled, options: PlateauOptions = {}) {
    const name = 'ReduceLROnPlateau';
    checkKeys(name, options, keys);
    this.#groups = groupsOf(name, optimizer);
    this.#least = perGroup(name, 'minLr', options.minLr ?? 0, this.#groups.length, 0);
    const factor = checkNumber(name, 'factor', options.factor ?? 0.1, 0);
    if (factor >= 1) throw new OptionError(`${name}: factor must be less than 1, but is ${factor}`);
    this.#options = {
      factor,
      mode: checkChoice(name, 'mode', options.mode ?? 'min', ['min', 'max']),
      patience: checkInteger(name, 'patience', options.patience ?? 10),
      threshold: checkNumber(name, 'threshold', options.threshold ?? 1e-4),
      thresholdMode: checkChoice(name, 'thresholdMode', options.thresholdMode ?? 'rel', ['rel', 'abs']),
      cooldown: checkInteger(name, 'cooldown', options.cooldown ?? 0),
      eps: checkNumber(name, 'eps', options.eps ?? 1e-8, 0),
    };
    this.#best = this.#options.mode === 'min' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  }

  /** The learning rates of the groups now. */
  get rates(): number[] {
    return this.#groups.map((group) => group.lr);
  }

  /** Looks at `metric`, and reduces the rates if it has not become better for too long. NaN is never better. */
  step(metric: number): void {
    if (typeof metric !== 'number')
      throw new OptionError(`ReduceLROnPlateau: step needs the number to watch, but got ${show(metric)}`);
    if (this.#isBetter(metric)) {
      this.#best = metric;
      this.#badSteps = 0;
    } else this.#badSteps++;
    if (this.#cooldownLeft > 0) {
      this.#cooldownLeft--;
      this.#badSteps = 0;
    }
    if (this.#badSteps <= this.#options.patience) return;
    this.#reduce();
    this.#cooldownLeft = this.#options.cooldown;
    this.#badSteps = 0;
  }

  #isBetter(metric: number): boolean {
    const { mode, threshold, thresholdMode } = this.#options;
    const best = this.#best;
    if (mode === 'min') return metric < (thresholdMode === 'rel' ? best * (1 - threshold) : best - threshold);
    return metric > (thresholdMode === 'rel' ? best * (1 + threshold) : best + threshold);
  }

  #reduce(): void {
    for (const [g, group] of this.#groups.entries()) {
      const rate = Math.max(group.lr * this.#options.factor, this.#least[g]!);
      if (group.lr - rate > this.#options.eps) group.lr = rate;
    }
  }

  /** Plain numbers from which `loadStateDict` continues; the learning rate itself is the optimizer's state. */
  stateDict(): PlateauState {
    return { best: this.#best, badSteps: this.#badSteps, cooldownLeft: this.#cooldownLeft };
  }

  /** Takes over what `stateDict` gave. */
  loadStateDict({ best, badSteps, cooldownLeft }: PlateauState): void {
    this.#best = checkNumber('ReduceLROnPlateau', 'best', best);
    this.#badSteps = checkInteger('ReduceLROnPlateau', 'badSteps', badSteps);
    this.#cooldownLeft = checkInteger('ReduceLROnPlateau', 'cooldownLeft', cooldownLeft);
  }
}
