/** Up and down once: the learning rate, and the momentum against it. */

import { OptionError } from '../errors.ts';
import { checkChoice, checkInteger, checkKeys, checkNumber } from '../tensor/options.ts';
import { perGroup, Schedule, type Scheduled } from './schedule.ts';
import { cosine } from './schedules.ts';

/** Options of `OneCycleLR`. */
export interface OneCycleOptions {
  /** The largest rate; a list has one for each group. */
  maxLr: number | readonly number[];
  /** The number of steps; or give `epochs` and `stepsPerEpoch`. */
  totalSteps?: number;
  epochs?: number;
  stepsPerEpoch?: number;
  /** The share of steps spent going up. Default 0.3. */
  pctStart?: number;
  /** How to go: along half a cosine (the default) or a line. */
  annealStrategy?: 'cos' | 'linear';
  /** Whether the momentum (of Adam, the first beta) goes down while the rate goes up. Default true. */
  cycleMomentum?: boolean;
  /** The least momentum. Default 0.85. */
  baseMomentum?: number | readonly number[];
  /** The largest momentum. Default 0.95. */
  maxMomentum?: number | readonly number[];
  /** The first rate is the largest divided by this. Default 25. */
  divFactor?: number;
  /** The last rate is the first divided by this. Default 10,000. */
  finalDivFactor?: number;
  /** Whether to come down to the first rate as fast as up, then on to the last one. Default false. */
  threePhase?: boolean;
}

const keys = [
  'maxLr',
  'totalSteps',
  'epochs',
  'stepsPerEpoch',
  'pctStart',
  'annealStrategy',
  'cycleMomentum',
  'baseMomentum',
  'maxMomentum',
  'divFactor',
  'finalDivFactor',
  'threePhase',
];

type Level = 'first' | 'max' | 'last';

/** A stretch of the cycle: it ends at count `end`; rate and momentum run between two levels. */
interface Phase {
  readonly end: number;
  readonly from: Level;
  readonly to: Level;
}

/**
 * The rate up to `maxLr`, then down to almost nothing, once in all of training; made for a `step` after every batch.
 *
 * Source: Smith & Topin, "Super-convergence", 2018; the phases are PyTorch's.
 *
 * @throws OptionError for options out of range, and by a `step` beyond the last.
 */
export class OneCycleLR extends Schedule {
  readonly #totalSteps: number;
  readonly #phases: readonly Phase[];
  readonly #levels: readonly Readonly<Record<Level, number>>[];
  readonly #momenta: readonly Readonly<Record<Level, number>>[] | null;
  readonly #anneal: (start: number, end: number, share: number) => number;

  constructor(optimizer: Scheduled, options: OneCycleOptions) {
    super(optimizer);
    checkKeys('OneCycleLR', options, keys);
    const { divFactor = 25, finalDivFactor = 1e4, threePhase = false, cycleMomentum = true } = options;
    this.#totalSteps = totalOf(options);
    const up = checkNumber('OneCycleLR', 'pctStart', options.pctStart ?? 0.3, 0, 1) * this.#totalSteps - 1;
    const end = this.#totalSteps - 1;
    this.#phases = threePhase
      ? [
          { end: up, from: 'first', to: 'max' },
          { end: 2 * up, from: 'max', to: 'first' },
          { end, from: 'first', to: 'last' },
        ]
      : [
          { end: up, from: 'first', to: 'max' },
          { end, from: 'max', to: 'last' },
        ];
    const strategy = checkChoice('OneCycleLR', 'annealStrategy', options.annealStrategy ?? 'cos', ['cos', 'linear']);
    this.#anneal = strategy === 'cos' ? cosine : (from, to, share) => (to - from) * share + from;
    checkNumber('OneCycleLR', 'divFactor', divFactor, Number.MIN_VALUE);
    checkNumber('OneCycleLR', 'finalDivFactor', finalDivFactor, Number.MIN_VALUE);
    this.#levels = perGroup('OneCycleLR', 'maxLr', options.maxLr, this.groups.length, 0).map((max) => {
      return { first: max / divFactor, max, last: max / divFactor / finalDivFactor };
    });
    this.#momenta = cycleMomentum ? this.#momentaOf(options) : null;
    this.apply();
  }

  #momentaOf({ baseMomentum = 0.85, maxMomentum = 0.95 }: OneCycleOptions): Record<Level, number>[] {
    if (!this.groups.every((group) => 'momentum' in group || 'betas' in group)) {
      throw new OptionError('OneCycleLR: the optimizer has no momentum to cycle; pass { cycleMomentum: false }');
    }
    const least = perGroup('OneCycleLR', 'baseMomentum', baseMomentum, this.groups.length, 0);
    const most = perGroup('OneCycleLR', 'maxMomentum', maxMomentum, this.groups.length, 0);
    return least.map((max, g) => ({ first: most[g]!, max, last: most[g]! }));
  }

  override rateAt(count: number, _base: number, group: number): number {
    return this.#at(count, this.#levels[group]!);
  }

  #at(count: number, levels: Readonly<Record<Level, number>>): number {
    if (count > this.#totalSteps) {
      throw new OptionError(
        `OneCycleLR: step ${count} lies beyond the ${this.#totalSteps} steps of the cycle; set totalSteps to all there will be`,
      );
    }
    let start = 0;
    for (const [i, { end, from, to }] of this.#phases.entries()) {
      if (count <= end || i === this.#phases.length - 1)
        return this.#anneal(levels[from], levels[to], (count - start) / (end - start));
      start = end;
    }
    throw new RangeError('unreachable: the last phase takes every count');
  }

  protected override apply(): void {
    super.apply();
    for (const [g, group] of this.groups.entries()) {
      if (this.#momenta === null) continue;
      const momentum = this.#at(this.count, this.#momenta[g]!);
      if (group.betas !== undefined) group.betas = [momentum, ...group.betas.slice(1)];
      else group.momentum = momentum;
    }
  }
}

function totalOf({ totalSteps, epochs, stepsPerEpoch }: OneCycleOptions): number {
  if (totalSteps !== undefined) return checkInteger('OneCycleLR', 'totalSteps', totalSteps, 1);
  if (epochs === undefined || stepsPerEpoch === undefined) {
    throw new OptionError('OneCycleLR: give totalSteps, or both epochs and stepsPerEpoch');
  }
  return (
    checkInteger('OneCycleLR', 'epochs', epochs, 1) * checkInteger('OneCycleLR', 'stepsPerEpoch', stepsPerEpoch, 1)
  );
}
