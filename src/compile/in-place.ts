/**
 * Loops that write where they read: a value that is read for the last time by a loop, element by element, gives its
 * place to a value that the loop makes. Within a loop all reads of an element come before its writes.
 */

import { isWhole, type Value } from './graph.ts';
import type { Lifetime } from './plan.ts';
import type { LoopPlan } from './steps/loop-plan.ts';

/** The loop of a step, or null for a step of another kind. */
export type LoopOfStep = LoopPlan | null;

/** For each value that takes another's place: whose. */
export function inPlaceTargets(loops: readonly LoopOfStep[], lifetimes: readonly Lifetime[]): Map<Value, Value> {
  const spans = new Map(lifetimes.map((lifetime) => [lifetime.value, lifetime]));
  const donors = new Map<Value, Value>();
  for (const [step, loop] of loops.entries()) {
    if (loop === null) continue;
    const given = new Set<Value>();
    for (const [s, store] of loop.stores.entries()) {
      if (store.value.source.kind !== 'temporary' || !isWhole(store) || spans.get(store.value)?.first !== step)
        continue;
      const strides = loop.kernel.stores[s]!.strides.join();
      const donor = loop.reads.find(
        (read) =>
          !given.has(read.value) &&
          read.value.source.kind === 'temporary' &&
          spans.get(read.value)?.last === step &&
          spans.get(read.value)!.bytes === spans.get(store.value)!.bytes &&
          readsAlike(loop, read.value, strides),
      );
      if (donor === undefined) continue;
      given.add(donor.value);
      donors.set(store.value, donor.value);
    }
  }
  return donors;
}

/** Whether a loop reads a value, wherever it does, element by element in the order of `strides`. */
function readsAlike(loop: LoopPlan, value: Value, strides: string): boolean {
  return loop.reads.every(
    (read, i) => read.value !== value || (isWhole(read) && loop.kernel.reads[i]!.join() === strides),
  );
}

/** The value whose place another takes in the end. */
export function placeOf(value: Value, donors: ReadonlyMap<Value, Value>): Value {
  let place = value;
  for (let donor = donors.get(place); donor !== undefined; donor = donors.get(place)) place = donor;
  return place;
}

/** The lifetimes of the places: from the first value there to the last. */
export function mergeLifetimes(lifetimes: readonly Lifetime[], donors: ReadonlyMap<Value, Value>): Lifetime[] {
  const merged = new Map<Value, Lifetime>();
  for (const lifetime of [...lifetimes].sort((a, b) => a.first - b.first)) {
    const value = placeOf(lifetime.value, donors);
    const { first, last, bytes } = merged.get(value) ?? lifetime;
    merged.set(value, { value, bytes, first, last: Math.max(last, lifetime.last) });
  }
  return [...merged.values()];
}
