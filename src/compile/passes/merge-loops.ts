/**
 * Merges loops over the same elements that have an array in common: what one stores and the other reads stays in
 * registers, what both read is read once. Two loops can become one if no other group must run between them.
 */

import type { GraphNode, Value } from '../graph.ts';
import type { Group } from '../group.ts';
import { elementsOf, fits } from '../loop-rules.ts';
import { Reach } from '../reach.ts';

/** The arrays of a loop that are worth sharing, not the few numbers that go with them. */
function arraysOf({ nodes }: Group): Set<Value> {
  const least = Math.ceil(elementsOf(nodes[0]!) / 4);
  const arrays = new Set<Value>();
  for (const { reads, target } of nodes) {
    for (const { value } of [...reads, target]) if (value.size >= least) arrays.add(value);
  }
  return arrays;
}

/** The operations of one loop behind those of another, or null if that is no loop. */
function joined(first: Group, second: Group): GraphNode[] | null {
  const nodes = [...first.nodes];
  for (const node of second.nodes) {
    if (!fits(node, nodes)) return null;
    nodes.push(node);
  }
  return nodes;
}

class Merger {
  readonly left: Set<Group>;
  readonly #reach: Reach;
  readonly #arrays = new Map<Group, Set<Value>>();

  constructor(groups: readonly Group[]) {
    this.left = new Set(groups);
    this.#reach = new Reach(groups);
    for (const group of groups) if (group.kind === 'loop') this.#arrays.set(group, arraysOf(group));
  }

  /** Merges loops of one size as far as it goes. */
  merge(loops: readonly Group[]): void {
    const waiting = [...loops];
    for (let group = waiting.shift(); group !== undefined; group = waiting.shift()) {
      if (!this.left.has(group)) continue;
      for (const other of loops) {
        const merged = this.left.has(other) && other !== group ? this.#tryBoth(other, group) : null;
        if (merged === null) continue;
        // It may fit others that were looked at before.
        waiting.push(merged);
        break;
      }
    }
  }

  #tryBoth(a: Group, b: Group): Group | null {
    const arrays = this.#arrays.get(b)!;
    if (![...this.#arrays.get(a)!].some((value) => arrays.has(value))) return null;
    if (this.#reach.waits(a, b)) return this.#try(b, a);
    return this.#try(a, b) ?? (this.#reach.waits(b, a) ? null : this.#try(b, a));
  }

  /** Makes the first loop the beginning of the second. */
  #try(first: Group, second: Group): Group | null {
    if (this.#reach.isBetween(first, second)) return null;
    const nodes = joined(first, second);
    if (nodes === null) return null;
    second.nodes.splice(0, second.nodes.length, ...nodes);
    for (const other of first.after) second.after.add(other);
    second.after.delete(first);
    this.left.delete(first);
    for (const group of this.left) if (group.after.delete(first) && group !== second) group.after.add(second);
    this.#reach.merge(first, second);
    this.#arrays.set(second, arraysOf(second));
    return second;
  }
}

/** The groups with loops merged as far as it goes. The groups given are changed. */
export function mergeLoops(groups: readonly Group[]): Group[] {
  const bySize = new Map<number, Group[]>();
  for (const group of groups) {
    if (group.kind !== 'loop') continue;
    const size = elementsOf(group.nodes[0]!);
    bySize.set(size, [...(bySize.get(size) ?? []), group]);
  }
  const merger = new Merger(groups);
  for (const loops of bySize.values()) if (loops.length > 1) merger.merge(loops);
  return groups.filter((group) => merger.left.has(group));
}
