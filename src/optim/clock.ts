/** How many updates parameters have seen, as tensors. */

import { assign, guarded, kept } from '../ops/apply.ts';
import { add } from '../ops/elementwise.ts';
import { fromStorage } from '../tensor/creation.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** A count, and whether it may have left 0. */
interface Clock {
  readonly count: Tensor;
  started: boolean;
}

/**
 * The number of updates of each parameter. Those that were always updated together share one count (a 0-d float64
 * tensor), so that what follows from it is computed once; when they part company, each side gets its own.
 */
export class Clocks {
  readonly #of = new Map<Tensor, Clock>();
  #changes = 0;

  constructor(parameters: readonly Tensor[]) {
    // Frozen parameters will part from the others at the first step; knowing so now spares reading a count.
    const [trained, frozen] = [newClock(0), newClock(0)];
    for (const parameter of parameters) this.#of.set(parameter, parameter.requiresGrad ? trained : frozen);
  }

  /** The count of a parameter. */
  count(parameter: Tensor): Tensor {
    return this.#of.get(parameter)!.count;
  }

  /** Counts an update of each of `updated`; returns them by their counts. */
  advance(updated: readonly Tensor[]): Map<Tensor, Tensor[]> {
    const ready = new Set(updated);
    const shared = new Map<Clock, Tensor[]>();
    for (const [parameter, clock] of this.#of) {
      const list = shared.get(clock) ?? [];
      shared.set(clock, list);
      list.push(parameter);
    }
    const advanced = new Map<Tensor, Tensor[]>();
    for (const [clock, sharing] of shared) {
      const members = sharing.filter((parameter) => ready.has(parameter));
      if (members.length === 0) continue;
      const own = members.length === sharing.length ? clock : this.#part(clock);
      for (const parameter of members) this.#of.set(parameter, own);
      own.started = true;
      assign(own.count, add(own.count, 1));
      advanced.set(own.count, members);
    }
    // Which counts are shared is not to be seen in the tensors.
    guarded(() => this.#changes);
    return advanced;
  }

  /** Another clock that goes on from where `clock` is. */
  #part({ count, started }: Clock): Clock {
    this.#changes++;
    return { count: kept(() => fromStorage(Float64Array.of(started ? count.item() : 0), [])), started };
  }

  /** Sets counts, keeping the tensors there are as far as equal counts share them. */
  load(counts: ReadonlyMap<Tensor, number>): void {
    const assigned = new Map<Clock, Map<number, Clock>>();
    for (const [parameter, count] of counts) {
      const before = this.#of.get(parameter)!;
      const byCount = assigned.get(before) ?? new Map<number, Clock>();
      assigned.set(before, byCount);
      let clock = byCount.get(count);
      if (clock === undefined) {
        clock = byCount.size === 0 ? before : newClock(count);
        byCount.set(count, clock);
        clock.started = true;
        assign(clock.count, fromStorage(Float64Array.of(count), []));
      }
      this.#of.set(parameter, clock);
    }
    this.#changes++;
  }
}

function newClock(count: number): Clock {
  return { count: fromStorage(Float64Array.of(count), []), started: count !== 0 };
}
