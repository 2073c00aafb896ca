/** Learning rate schedules in closed form; their numbers are PyTorch's. */

import { OptionError } from '../errors.ts';
import { checkInteger, checkKeys, checkNumber, show } from '../tensor/options.ts';
import { Schedule, type Scheduled } from './schedule.ts';

/**
 * The rate times `gamma` (default 0.1) every `stepSize` steps.
 *
 * @example
 * ```ts
 * import { Parameter, SGD, StepLR, zeros } from 'typedgrad';
 * const optimizer = new SGD([new Parameter(zeros([1]))], { lr: 1 });
 * const schedule = new StepLR(optimizer, { stepSize: 2, gamma: 0.5 });
 * const rates = [0, 1, 2, 3].map(() => {
 *   const rate = optimizer.lr;
 *   schedule.step();
 *   return rate;
 * });
 * rates; // → [1, 1, 0.5, 0.5]
 * ```
 */
export class StepLR extends Schedule {
  readonly #stepSize: number;
  readonly #gamma: number;

  constructor(optimizer: Scheduled, options: { stepSize: number; gamma?: number }) {
    super(optimizer);
    checkKeys('StepLR', options, ['stepSize', 'gamma']);
    this.#stepSize = checkInteger('StepLR', 'stepSize', options.stepSize, 1);
    this.#gamma = checkNumber('StepLR', 'gamma', options.gamma ?? 0.1, 0);
    this.apply();
  }

  override rateAt(count: number, base: number): number {
    return base * this.#gamma ** Math.floor(count / this.#stepSize);
  }
}

/** The rate times `gamma` (default 0.1) at each of the counts in `milestones`; a count listed twice counts twice. */
export class MultiStepLR extends Schedule {
  readonly #milestones: readonly number[];
  readonly #gamma: number;

  constructor(optimizer: Scheduled, options: { milestones: readonly number[]; gamma?: number }) {
    super(optimizer);
    checkKeys('MultiStepLR', options, ['milestones', 'gamma']);
    this.#milestones = checkMilestones('MultiStepLR', options.milestones);
    this.#gamma = checkNumber('MultiStepLR', 'gamma', options.gamma ?? 0.1, 0);
    this.apply();
  }

  override rateAt(count: number, base: number): number {
    return base * this.#gamma ** this.#milestones.filter((milestone) => milestone <= count).length;
  }
}

function checkMilestones(operation: string, milestones: unknown): number[] {
  if (!Array.isArray(milestones))
    throw new OptionError(`${operation}: milestones must be a list of counts, but is ${show(milestones)}`);
  return milestones.map((milestone) => checkInteger(operation, 'a milestone', milestone));
}

/** The rate times `gamma` at every step. */
export class ExponentialLR extends Schedule {
  readonly #gamma: number;

  constructor(optimizer: Scheduled, options: { gamma: number }) {
    super(optimizer);
    checkKeys('ExponentialLR', options, ['gamma']);
    this.#gamma = checkNumber('ExponentialLR', 'gamma', options.gamma, 0);
    this.apply();
  }

  override rateAt(count: number, base: number): number {
    return base * this.#gamma ** count;
  }
}

/** The rate times what `factor` gives for the count; a list of functions has one for each group. */
export class LambdaLR extends Schedule {
  readonly #factors: readonly ((count: number) => number)[];

  constructor(
    optimizer: Scheduled,
    options: { factor: ((count: number) => number) | readonly ((count: number) => number)[] },
  ) {
    super(optimizer);
    checkKeys('LambdaLR', options, ['factor']);
    const { factor } = options;
    const factors = typeof factor === 'function' ? this.base.map(() => factor) : factor;
    if (
      !Array.isArray(factors) ||
      factors.length !== this.base.length ||
      !factors.every((f) => typeof f === 'function')
    ) {
      throw new OptionError(
        `LambdaLR: factor must be a function, or a list with one for each of ${this.base.length} groups, but is ${show(factor)}`,
      );
    }
    this.#factors = factors;
    this.apply();
  }

  override rateAt(count: number, base: number, group: number): number {
    return base * this.#factors[group]!(count);
  }
}

/** The rate times `factor` (default 1/3) for `totalIters` (default 5) steps. */
export class ConstantLR extends Schedule {
  readonly #factor: number;
  readonly #totalIters: number;

  constructor(optimizer: Scheduled, options: { factor?: number; totalIters?: number } = {}) {
    super(optimizer);
    checkKeys('ConstantLR', options, ['factor', 'totalIters']);
    this.#factor = checkNumber('ConstantLR', 'factor', options.factor ?? 1 / 3, 0, 1);
    this.#totalIters = checkInteger('ConstantLR', 'totalIters', options.totalIters ?? 5);
    this.apply();
  }

  override rateAt(count: number, base: number): number {
    return count < this.#totalIters ? base * this.#factor : base;
  }
}

/** The rate times a factor that goes evenly from `startFactor` (1/3) to `endFactor` (1) in `totalIters` (5) steps. */
export class LinearLR extends Schedule {
  readonly #start: number;
  readonly #end: number;
  readonly #totalIters: number;

  constructor(optimizer: Scheduled, options: { startFactor?: number; endFactor?: number; totalIters?: number } = {}) {
    super(optimizer);
    checkKeys('LinearLR', options, ['startFactor', 'endFactor', 'totalIters']);
    this.#start = checkNumber('LinearLR', 'startFactor', options.startFactor ?? 1 / 3, Number.MIN_VALUE, 1);
    this.#end = checkNumber('LinearLR', 'endFactor', options.endFactor ?? 1, 0, 1);
    this.#totalIters = checkInteger('LinearLR', 'totalIters', options.totalIters ?? 5, 1);
    this.apply();
  }

  override rateAt(count: number, base: number): number {
    const done = Math.min(count, this.#totalIters) / this.#totalIters;
    return base * (this.#start + (this.#end - this.#start) * done);
  }
}

/** Half a cosine from the rate down to `etaMin` (default 0) in `tMax` steps, and back up. Loshchilov & Hutter 2017. */
export class CosineAnnealingLR extends Schedule {
  readonly #tMax: number;
  readonly #etaMin: number;

  constructor(optimizer: Scheduled, options: { tMax: number; etaMin?: number }) {
    super(optimizer);
    checkKeys('CosineAnnealingLR', options, ['tMax', 'etaMin']);
    this.#tMax = checkInteger('CosineAnnealingLR', 'tMax', options.tMax, 1);
    this.#etaMin = checkNumber('CosineAnnealingLR', 'etaMin', options.etaMin ?? 0, 0);
    this.apply();
  }

  override rateAt(count: number, base: number): number {
    return cosine(base, this.#etaMin, count / this.#tMax);
  }
}

/** From `start` (share 0) to `end` (share 1) along half a cosine. */
export function cosine(start: number, end: number, share: number): number {
  return end + ((start - end) * (1 + Math.cos(Math.PI * share))) / 2;
}

/**
 * Half a cosine from the rate down to `etaMin` (default 0) in `t0` steps, then again from the top, each time `tMult`
 * (default 1) times as long. Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.
 */
export class CosineAnnealingWarmRestarts extends Schedule {
  readonly #t0: number;
  readonly #tMult: number;
  readonly #etaMin: number;

  constructor(optimizer: Scheduled, options: { t0: number; tMult?: number; etaMin?: number }) {
    super(optimizer);
    checkKeys('CosineAnnealingWarmRestarts', options, ['t0', 'tMult', 'etaMin']);
    this.#t0 = checkInteger('CosineAnnealingWarmRestarts', 't0', options.t0, 1);
    this.#tMult = checkInteger('CosineAnnealingWarmRestarts', 'tMult', options.tMult ?? 1, 1);
    this.#etaMin = checkNumber('CosineAnnealingWarmRestarts', 'etaMin', options.etaMin ?? 0, 0);
    this.apply();
  }

  override rateAt(count: number, base: number): number {
    let [done, length] = [count, this.#t0];
    if (this.#tMult === 1) done %= length;
    while (done >= length) {
      done -= length;
      length *= this.#tMult;
    }
    return cosine(base, this.#etaMin, done / length);
  }
}

/** One schedule after the other: the i-th ends, and the next begins at its count 0, at the i-th of `milestones`. */
export class SequentialLR extends Schedule {
  readonly #schedules: readonly Schedule[];
  readonly #milestones: readonly number[];

  constructor(optimizer: Scheduled, options: { schedules: readonly Schedule[]; milestones: readonly number[] }) {
    super(optimizer);
    checkKeys('SequentialLR', options, ['schedules', 'milestones']);
    this.#schedules = options.schedules;
    this.#milestones = checkMilestones('SequentialLR', options.milestones);
    if (this.#schedules.length !== this.#milestones.length + 1) {
      throw new OptionError(
        `SequentialLR: ${this.#schedules.length} schedules need ${this.#schedules.length - 1} milestones, but there are ${this.#milestones.length}`,
      );
    }
    this.apply();
  }

  override rateAt(count: number, base: number, group: number): number {
    const index = this.#milestones.filter((milestone) => milestone <= count).length;
    const start = index === 0 ? 0 : this.#milestones[index - 1]!;
    return this.#schedules[index]!.rateAt(count - start, base, group);
  }
}
