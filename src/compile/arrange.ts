/** From an optimised graph to what is done in one step each, and where its values lie. */

import { fuse } from './fuse.ts';
import { type Graph, resultsOf, type Value } from './graph.ts';
import type { Group } from './group.ts';
import { inPlaceTargets, mergeLifetimes } from './in-place.ts';
import { updatedValues } from './passes/rewrite.ts';
import { Patterns } from './patterns.ts';
import { type Lifetime, lifetimesOf, type MemoryPlan, planMemory } from './plan.ts';
import { type LoopPlan, planLoop } from './steps/loop-plan.ts';
import { sweep } from './sweep.ts';

/** A graph in groups, each of which becomes a step. */
export interface Arrangement {
  readonly graph: Graph;
  readonly patterns: Patterns;
  readonly groups: readonly Group[];
  /** The loops of groups that are loops: one, or those of a sweep. */
  readonly loops: ReadonlyMap<Group, readonly LoopPlan[]>;
  /** Values that are read by other steps, or after the call. */
  readonly needed: ReadonlySet<Value>;
  /** Values that the graph overwrites. */
  readonly updated: ReadonlySet<Value>;
  readonly lifetimes: readonly Lifetime[];
  /** Whose place a value takes that is written where another was read. */
  readonly donors: ReadonlyMap<Value, Value>;
  readonly plan: MemoryPlan;
}

/** Fuses operations where there are kernels for it, and plans the arena. */
export function arrange(graph: Graph, canFuse: boolean): Arrangement {
  const patterns = new Patterns(graph, canFuse);
  const fused = fuse(graph, patterns, canFuse);
  const needed = neededValues(graph, fused, patterns);
  const plans = new Map(
    fused.flatMap((group) => (group.kind === 'loop' ? [[group, planLoop(group, (value) => needed.has(value))]] : [])),
  );
  const groups = sweep(fused, plans);
  const loops = new Map(
    groups.map((group) => [group, (group.parts ?? [group]).flatMap((part) => plans.get(part) ?? [])]),
  );
  const accesses = groups.map((group) => {
    const own = loops.get(group)!;
    const views =
      own.length > 0
        ? own.flatMap((loop) => [...loop.reads, ...loop.stores, ...loop.sums])
        : group.nodes.flatMap((node) => [...patterns.readsOf(node), node.target]);
    return { values: views.map((view) => view.value).filter((value) => !isInner(value, group, needed)) };
  });
  const spans = lifetimesOf(graph, accesses);
  const donors = inPlaceTargets(
    groups.map((group) => (group.kind === 'loop' ? loops.get(group)![0]! : null)),
    spans,
  );
  const lifetimes = mergeLifetimes(spans, donors);
  const updated = updatedValues(graph);
  return { graph, patterns, groups, loops, needed, updated, lifetimes, donors, plan: planMemory(lifetimes) };
}

/** The values that are read by a group that does not make them, or after the call. */
function neededValues(graph: Graph, groups: readonly Group[], patterns: Patterns): Set<Value> {
  const needed = new Set<Value>(resultsOf(graph).map((view) => view.value));
  for (const { nodes } of groups) {
    const made = new Set(nodes.flatMap((node) => (node.op === null ? [] : [node.target.value])));
    for (const node of nodes) {
      for (const { value } of patterns.readsOf(node)) if (!made.has(value)) needed.add(value);
    }
  }
  return needed;
}

/** Whether a value comes and goes within a group, so that it needs no place. */
function isInner(value: Value, group: Group, needed: ReadonlySet<Value>): boolean {
  return (
    !needed.has(value) &&
    group.nodes.length > 1 &&
    group.nodes.some((node) => node.op !== null && node.target.value === value)
  );
}
