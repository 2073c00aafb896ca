/** The order of the groups: that of the traced function, as far as they need not wait for each other. */

import type { Graph } from '../graph.ts';
import type { Group } from '../group.ts';

/** The groups in an order in which each comes behind those that it waits for. */
export function schedule(groups: readonly Group[], graph: Graph): Group[] {
  const positions = new Map(graph.nodes.map((node, i) => [node, i]));
  // The place of a group is that of its last operation, for which it may have waited.
  const place = new Map(groups.map((group) => [group, Math.max(...group.nodes.map((node) => positions.get(node)!))]));
  const waiting = new Map(groups.map((group) => [group, group.after.size]));
  const followers = new Map<Group, Group[]>();
  for (const group of groups) {
    for (const other of group.after) followers.set(other, [...(followers.get(other) ?? []), group]);
  }
  const ready = groups.filter((group) => group.after.size === 0);
  const order: Group[] = [];
  while (ready.length > 0) {
    const next = ready.reduce((a, b) => (place.get(b)! < place.get(a)! ? b : a));
    ready.splice(ready.indexOf(next), 1);
    order.push(next);
    for (const group of followers.get(next) ?? []) {
      const left = waiting.get(group)! - 1;
      waiting.set(group, left);
      if (left === 0) ready.push(group);
    }
  }
  return order;
}
