/** What learning rate schedules have in common. */

import { OptionError, StateDictError } from '../errors.ts';
import { checkInteger, checkNumber, show } from '../tensor/options.ts';
import { Optimizer } from './optimizer.ts';

/** A group of parameters as a schedule sees it. */
export interface ScheduledGroup {
  lr: number;
  momentum?: number;
  betas?: readonly number[];
}

/** An optimizer of any kind, or anything with groups that have a learning rate. */
export interface Scheduled {
  readonly groups: readonly ScheduledGroup[];
}

/** The learning rates that groups had before any schedule touched them. */
const initialRates = new WeakMap<ScheduledGroup, number>();

/** The groups of an optimizer. */
export function groupsOf(operation: string, optimizer: unknown): readonly ScheduledGroup[] {
  if (!(optimizer instanceof Optimizer))
    throw new OptionError(`${operation}: expected an optimizer, but got ${show(optimizer)}`);
  return optimizer.groups as unknown as readonly ScheduledGroup[];
}

/** One number for all groups, or a list with one for each. */
export function perGroup(
  operation: string,
  name: string,
  value: number | readonly number[],
  count: number,
  least = -Infinity,
): number[] {
  const list = typeof value === 'number' ? new Array<number>(count).fill(value) : value;
  if (!Array.isArray(list) || list.length !== count) {
    throw new OptionError(
      `${operation}: ${name} must be a number, or a list with one for each of ${count} groups, but is ${show(value)}`,
    );
  }
  return list.map((entry) => checkNumber(operation, name, entry, least));
}

/**
 * A learning rate that is a function of how often `step` was called, and of the rate the group began with. It is set at
 * once, for count 0, and by every `step`; call that once per epoch or once per batch, as the schedule is meant.
 */
export abstract class Schedule {
  /** The groups that are set. */
  protected readonly groups: readonly ScheduledGroup[];
  /** The rates that the groups began with. */
  protected readonly base: number[];
  #count = 0;

  constructor(optimizer: Scheduled) {
    this.groups = groupsOf(new.target.name, optimizer);
    this.base = this.groups.map((group) => {
      const rate = initialRates.get(group) ?? group.lr;
      initialRates.set(group, rate);
      return rate;
    });
  }

  /** The learning rate of a group that began with `base`, after `count` steps. */
  abstract rateAt(count: number, base: number, group: number): number;

  /** How often `step` was called. */
  get count(): number {
    return this.#count;
  }

  /** The learning rates of the groups now. */
  get rates(): number[] {
    return this.groups.map((group) => group.lr);
  }

  /** Goes on to the next learning rate. */
  step(): void {
    this.#count++;
    this.apply();
  }

  /** Sets the learning rates for the present count. */
  protected apply(): void {
    for (const [g, group] of this.groups.entries()) group.lr = this.rateAt(this.#count, this.base[g]!, g);
  }

  /** Plain numbers from which `loadStateDict` continues; the learning rate itself is the optimizer's state. */
  stateDict(): { count: number; base: number[] } {
    return { count: this.#count, base: [...this.base] };
  }

  /** Takes over what `stateDict` gave. @throws StateDictError if it is of another number of groups. */
  loadStateDict(state: { readonly count: number; readonly base: readonly number[] }): void {
    const name = this.constructor.name;
    checkInteger(name, 'count', state.count);
    if (!Array.isArray(state.base) || state.base.length !== this.base.length) {
      throw new StateDictError(`${name}: the state has base rates ${show(state.base)} for ${this.base.length} groups`);
    }
    this.#count = state.count;
    this.base.splice(0, this.base.length, ...state.base);
  }
}
