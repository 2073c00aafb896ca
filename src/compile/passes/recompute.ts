/**
 * Values that are cheaper to compute again than to store: a few additions and multiplications of one array and of
 * some numbers, such as (x - mean) · scale. Each loop that reads such a value computes it from the array, so that it
 * never goes to memory.
 */

import { type Graph, type GraphNode, isWhole, nameOf, resultsOf, type Value } from '../graph.ts';
import type { Group } from '../group.ts';
import { fits } from '../loop-rules.ts';
import { Reach } from '../reach.ts';

const cheap: ReadonlySet<string> = new Set(['add', 'sub', 'mul', 'neg', 'relu', 'square', 'maximum', 'minimum']);

/** Beside the array, operands of so many times fewer elements are of no weight. */
const lightness = 16;

class Recomputer {
  readonly left: Set<Group>;
  readonly #reach: Reach;
  readonly #makers = new Map<Value, { readonly node: GraphNode; readonly group: Group }>();
  readonly #readers = new Map<Value, Set<Group>>();
  readonly #writers = new Map<Value, Group[]>();
  readonly #results: ReadonlySet<Value>;
  /** Values that go to memory no more. */
  readonly #spared = new Set<Value>();

  constructor(groups: readonly Group[], graph: Graph) {
    this.left = new Set(groups);
    this.#reach = new Reach(groups);
    this.#results = new Set(resultsOf(graph).map((view) => view.value));
    for (const group of groups) {
      for (const node of group.nodes) {
        const { value } = node.target;
        if (node.op === null) this.#writers.set(value, [...(this.#writers.get(value) ?? []), group]);
        else this.#makers.set(value, { node, group });
        for (const view of node.reads) this.#addReader(view.value, group);
      }
    }
  }

  #addReader(value: Value, group: Group): void {
    const readers = this.#readers.get(value) ?? new Set();
    this.#readers.set(value, readers.add(group));
  }

  /** Values that are made last come first: what they are made of may be computed again in turn. */
  run(): void {
    for (const group of [...this.left].reverse()) {
      if (group.kind !== 'loop') continue;
      for (const node of group.nodes.toReversed()) if (this.#isCheap(node)) this.#spare(node, group);
    }
  }

  /** Whether an operation is of one array, and of numbers that stay to the end or are made once. */
  #isCheap(node: GraphNode): boolean {
    if (node.op === null || !cheap.has(nameOf(node)) || this.#results.has(node.target.value)) return false;
    const { size } = node.target.value;
    const arrays = new Set<Value>();
    for (const view of node.reads) {
      if (view.value.size * lightness <= size) continue;
      if (!isWhole(view) || view.value.size !== size || this.#writers.has(view.value)) return false;
      arrays.add(view.value);
    }
    return arrays.size === 1;
  }

  /** Lets all other groups that read a value compute it themselves, if they can. */
  #spare(node: GraphNode, home: Group): void {
    const { value } = node.target;
    const readers = [...(this.#readers.get(value) ?? [])].filter((group) => group !== home);
    if (readers.length === 0 || readers.length > 4) return;
    const array = node.reads.find((view) => view.value.size === value.size)!.value;
    if (!this.#isStored(array, home, readers)) return;
    const plans = readers.map((group) => this.#insertion(node, group));
    if (plans.some((plan) => plan === null)) return;
    for (const [i, group] of readers.entries()) {
      group.nodes.splice(0, group.nodes.length, ...plans[i]!);
      for (const view of node.reads) this.#follow(view.value, group);
    }
    this.#readers.set(value, new Set([home, ...readers]));
    this.#spared.add(value);
    // Its own group need not make it, if nobody reads it there.
    if (home.nodes.some((other) => other.reads.some((view) => view.value === value))) return;
    home.nodes.splice(home.nodes.indexOf(node), 1);
    if (home.nodes.length === 0) this.#leaveOut(home);
  }

  #leaveOut(empty: Group): void {
    this.left.delete(empty);
    for (const group of this.left) {
      if (group.after.delete(empty)) for (const other of empty.after) group.after.add(other);
    }
  }

  /** Whether an array is in memory anyway: made by something else than a loop, or by another, or read elsewhere too. */
  #isStored(array: Value, home: Group, readers: readonly Group[]): boolean {
    if (this.#spared.has(array)) return false;
    const maker = this.#makers.get(array);
    if (maker === undefined || maker.group.kind !== 'loop' || maker.group !== home) return true;
    if (this.#results.has(array) || this.#isCheap(maker.node)) return true;
    return [...(this.#readers.get(array) ?? [])].some((group) => group !== home && !readers.includes(group));
  }

  /** The operations of a loop with `node` before the first that reads its result; null if that is no loop. */
  #insertion(node: GraphNode, group: Group): GraphNode[] | null {
    if (group.kind !== 'loop') return null;
    const isRead = (other: GraphNode): boolean => other.reads.some((view) => view.value === node.target.value);
    if (group.nodes.some((other) => other.reads.some((view) => view.value === node.target.value && !isWhole(view))))
      return null;
    for (const { value } of node.reads) {
      const maker = this.#makers.get(value);
      if (this.#spared.has(value) && !group.nodes.some(({ target }) => target.value === value)) return null;
      // What it reads must be there before, and be overwritten only later.
      if (maker !== undefined && maker.group !== group && this.#reach.waits(maker.group, group)) return null;
      for (const writer of this.#writers.get(value) ?? []) {
        if (writer === group || this.#reach.waits(group, writer)) return null;
      }
    }
    const at = group.nodes.findIndex(isRead);
    const nodes: GraphNode[] = [];
    for (const other of [...group.nodes.slice(0, at), node, ...group.nodes.slice(at)]) {
      if (nodes.length > 0 && !fits(other, nodes)) return null;
      nodes.push(other);
    }
    return nodes;
  }

  /** Notes that a group reads a value now: it waits for its maker, and who overwrites it waits for the group. */
  #follow(value: Value, group: Group): void {
    this.#addReader(value, group);
    const maker = this.#makers.get(value)?.group;
    const order = (first: Group, second: Group): void => {
      second.after.add(first);
      this.#reach.order(first, second);
    };
    if (maker !== undefined && maker !== group) order(maker, group);
    for (const writer of this.#writers.get(value) ?? []) order(group, writer);
  }
}

/** The groups, given in order, with loops that compute again what is not worth storing. The groups given are changed. */
export function recompute(groups: readonly Group[], graph: Graph): Group[] {
  const recomputer = new Recomputer(groups, graph);
  recomputer.run();
  return [...recomputer.left];
}
