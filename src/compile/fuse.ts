/**
 * Fusion: elementwise operations, updates in place and sums over the same elements become one loop each, so that what
 * lies between them never goes through memory. Everything else is a group of its own.
 *
 * An operation joins a loop if everything else it waits for does not itself wait for that loop, and if it looks at the
 * loop's values element by element, in the same order.
 */

import type { Graph, GraphNode, Value } from './graph.ts';
import type { Group } from './group.ts';
import { canLoop, fits } from './loop-rules.ts';
import { joinEpilogues } from './passes/epilogue.ts';
import { mergeLoops } from './passes/merge-loops.ts';
import { recompute } from './passes/recompute.ts';
import { schedule } from './passes/schedule.ts';
import type { Patterns } from './patterns.ts';
import { isGradientOf } from './softmax.ts';
import { isScalar } from './steps/scalar.ts';

/** What has been read from and written to a value so far. */
interface Access {
  writer: Group | null;
  readers: Set<Group>;
}

class Fuser {
  readonly groups: Group[] = [];
  readonly #access = new Map<Value, Access>();
  readonly #patterns: Patterns;
  /** Random numbers are drawn in the order in which the function asks for them. */
  #lastDraw: Group | null = null;

  constructor(patterns: Patterns) {
    this.#patterns = patterns;
  }

  add(node: GraphNode): void {
    if (this.#patterns.isAbsorbed(node)) return;
    const waits = this.#waitsOf(node);
    const group =
      this.#findConv(node, waits) ?? this.#findLoop(node, waits) ?? this.#findScalar(node, waits) ?? this.#open(node);
    group.nodes.push(node);
    for (const other of waits) if (other !== group) group.after.add(other);
    for (const { value } of this.#patterns.readsOf(node)) this.#accessOf(value).readers.add(group);
    if (node.op === null) {
      const access = this.#accessOf(node.target.value);
      access.writer = group;
      access.readers = new Set([group]);
    } else {
      this.#accessOf(node.target.value).writer = group;
    }
    if (node.op?.impure) this.#lastDraw = group;
  }

  #accessOf(value: Value): Access {
    const known = this.#access.get(value);
    if (known !== undefined) return known;
    const access: Access = { writer: null, readers: new Set() };
    this.#access.set(value, access);
    return access;
  }

  #open(node: GraphNode): Group {
    const kind = canLoop(node) ? 'loop' : isScalar(node) ? 'scalar' : this.#patterns.kindOf(node);
    const group: Group = { kind, nodes: [], after: new Set() };
    this.groups.push(group);
    return group;
  }

  /** The convolution or pooling whose result `node` goes on with. */
  #findConv(node: GraphNode, waits: ReadonlySet<Group>): Group | null {
    const group =
      [...waits].find((other) => this.#patterns.continues(node, other)) ??
      this.groups.find((other) => isGradientOf(node, other));
    if (group === undefined || [...waits].some((other) => other !== group && dependsOn(other, group))) return null;
    return group;
  }

  /** The groups that must have run before `node`: those that wrote what it reads, and touched what it overwrites. */
  #waitsOf(node: GraphNode): Set<Group> {
    const waits = new Set<Group>();
    for (const { value } of this.#patterns.readsOf(node)) {
      const { writer } = this.#accessOf(value);
      if (writer !== null) waits.add(writer);
    }
    if (node.op?.impure && this.#lastDraw !== null) waits.add(this.#lastDraw);
    if (node.op === null) {
      const { writer, readers } = this.#accessOf(node.target.value);
      if (writer !== null) waits.add(writer);
      for (const reader of readers) waits.add(reader);
    }
    return waits;
  }

  /** The last arithmetic of single numbers, if `node` can join it. */
  #findScalar(node: GraphNode, waits: ReadonlySet<Group>): Group | null {
    if (!isScalar(node)) return null;
    const group = this.groups.findLast(({ kind }) => kind === 'scalar');
    if (group === undefined || [...waits].some((other) => other !== group && dependsOn(other, group))) return null;
    return group;
  }

  /** A loop that `node` can join; first those that it waits for, newest first. */
  #findLoop(node: GraphNode, waits: ReadonlySet<Group>): Group | null {
    if (!canLoop(node)) return null;
    const candidates = [...waits].filter((group) => group.kind === 'loop').reverse();
    return (
      candidates.find(
        (group) => fits(node, group.nodes) && ![...waits].some((other) => other !== group && dependsOn(other, group)),
      ) ?? null
    );
  }
}

function dependsOn(group: Group, other: Group): boolean {
  const seen = new Set<Group>();
  const waiting = [group];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (next === other) return true;
    if (seen.has(next)) continue;
    seen.add(next);
    waiting.push(...next.after);
  }
  return false;
}

/** The operations of a graph in groups, in an order in which they can run. */
export function fuse(graph: Graph, patterns: Patterns, canFuse: boolean): Group[] {
  if (!canFuse) return graph.nodes.map((node) => ({ kind: 'single', nodes: [node], after: new Set() }));
  const fuser = new Fuser(patterns);
  for (const node of graph.nodes) fuser.add(node);
  const joined = joinEpilogues(fuser.groups, graph, patterns);
  const merged = schedule(mergeLoops(joined), graph);
  return schedule(recompute(merged, graph), graph);
}
