/**
 * An optimizer's update of all parameters in one sweep: loops that change captured tensors in place, all by the same
 * kernel, are one step, whose units run in any order.
 */

import { loopKey } from '../kernels/wasm/elementwise/loop.ts';
import type { Group } from './group.ts';
import type { LoopPlan } from './steps/loop-plan.ts';

/** The key of what can be swept; null for a loop that makes values for others. */
function keyOf(plan: LoopPlan | undefined): string | null {
  const isUpdate = plan?.sums.length === 0 && plan.stores.every(({ value }) => value.source.kind === 'state');
  return isUpdate ? loopKey(plan!.kernel) : null;
}

function together(parts: readonly Group[]): Group {
  const after = new Set(parts.flatMap((part) => [...part.after]));
  return { kind: 'sweep', nodes: parts.flatMap((part) => part.nodes), after, parts };
}

/** The groups in order, with sweeps in the places of the last of their parts. */
export function sweep(groups: readonly Group[], plans: ReadonlyMap<Group, LoopPlan>): Group[] {
  const places = groups.map((): Group[] => []);
  const open = new Map<string, number>();
  for (let i = groups.length - 1; i >= 0; i--) {
    const group = groups[i]!;
    const key = keyOf(plans.get(group));
    const last = key === null ? undefined : open.get(key);
    // Nothing on the way to the last part may wait for what is moved there.
    const canMove = last !== undefined && !groups.slice(i + 1, last + 1).some((other) => other.after.has(group));
    const place = canMove ? last : i;
    places[place]!.unshift(group);
    if (key !== null) open.set(key, place);
  }
  return places.flatMap((parts) => (parts.length > 1 ? together(parts) : parts));
}
