/**
 * Fusion: elementwise operations, updates in place and sums over the same elements become one loop each, so that what
 * lies between them never goes through memory. Everything else is a group of its own.
 *
 * An operation joins a loop if everything else it waits for does not itself wait for that loop, and if it looks at the
 * loop's values element by element, in the same order.
 */

import { hasVectorForm } from '../kernels/wasm/loop-forms.ts';
import { sizeOf } from '../tensor/shape.ts';
import { type Graph, type GraphNode, isWhole, nameOf, type Value, type View } from './graph.ts';
import type { Group } from './group.ts';
import type { Patterns } from './patterns.ts';

/** More than this in one loop does not fit registers. */
const mostValues = 48;
const mostArrays = 12;

/** The number of elements that an operation of a loop goes over. */
function elementsOf(node: GraphNode): number {
  return sizeOf(nameOf(node) === 'sum' ? node.reads[0]!.shape : node.target.shape);
}

/** Whether an operation can be part of a loop. */
function canLoop(node: GraphNode): boolean {
  if (node.target.value.dtype !== 'float32' || node.reads.some((view) => view.value.dtype !== 'float32')) return false;
  if (elementsOf(node) === 0) return false;
  const name = nameOf(node);
  if (node.op === null && !isPointwise(node)) return false;
  if (name === 'assign' || name === 'clone') return true;
  if (name === 'sum') return sizeOf(node.target.shape) > 0;
  return hasVectorForm(name);
}

/** Whether an update in place reads what it overwrites, if at all, element by element. */
function isPointwise({ reads, target }: GraphNode): boolean {
  return reads.every((view) => view.value !== target.value || (isWhole(view) && isWhole(target)));
}

/** What has been read from and written to a value so far. */
interface Access {
  writer: Group | null;
  readers: Set<Group>;
}

class Fuser {
  readonly groups: Group[] = [];
  readonly #access = new Map<Value, Access>();
  readonly #made = new Map<Value, Group>();
  readonly #patterns: Patterns;
  /** Random numbers are drawn in the order in which the function asks for them. */
  #lastDraw: Group | null = null;

  constructor(patterns: Patterns) {
    this.#patterns = patterns;
  }

  add(node: GraphNode): void {
    if (this.#patterns.isAbsorbed(node)) return;
    const waits = this.#waitsOf(node);
    const group = this.#findConv(node, waits) ?? this.#findLoop(node, waits) ?? this.#open(node);
    group.nodes.push(node);
    for (const other of waits) if (other !== group) group.after.add(other);
    for (const { value } of this.#patterns.readsOf(node)) this.#accessOf(value).readers.add(group);
    if (node.op === null) {
      const access = this.#accessOf(node.target.value);
      access.writer = group;
      access.readers = new Set([group]);
    } else {
      this.#accessOf(node.target.value).writer = group;
      this.#made.set(node.target.value, group);
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
    const kind = canLoop(node) ? 'loop' : this.#patterns.kindOf(node);
    const group: Group = { kind, nodes: [], after: new Set() };
    this.groups.push(group);
    return group;
  }

  /** The convolution or pooling whose result `node` goes on with. */
  #findConv(node: GraphNode, waits: ReadonlySet<Group>): Group | null {
    const group = [...waits].find((other) => this.#patterns.continues(node, other));
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

  /** A loop that `node` can join; first those that it waits for, newest first. */
  #findLoop(node: GraphNode, waits: ReadonlySet<Group>): Group | null {
    if (!canLoop(node)) return null;
    const candidates = [...waits].filter((group) => group.kind === 'loop').reverse();
    return (
      candidates.find(
        (group) => this.#fits(node, group) && ![...waits].some((other) => other !== group && dependsOn(other, group)),
      ) ?? null
    );
  }

  #fits(node: GraphNode, group: Group): boolean {
    const first = group.nodes[0]!;
    if (elementsOf(first) !== elementsOf(node) || group.nodes.length >= mostValues) return false;
    const arrays = new Set(
      [...group.nodes, node].flatMap(({ reads, target }) => [...reads, target].map((view) => view.value)),
    );
    const inner = group.nodes.filter((other) => other.op !== null && nameOf(other) !== 'sum').length;
    if (arrays.size - inner > mostArrays) return false;
    if (!refinable([...group.nodes, node])) return false;
    return (
      node.reads.every((view) => this.#canRead(view, group)) && this.#canWrite(node, group) && sumsAgree(group, node)
    );
  }

  /** A value that the loop itself makes must be read as it is made; one that it updates, not at all. */
  #canRead(view: View, group: Group): boolean {
    if (this.#made.get(view.value) === group) {
      const maker = group.nodes.find((other) => other.target.value === view.value)!;
      return nameOf(maker) !== 'sum' && isWhole(view);
    }
    return !group.nodes.some((other) => other.op === null && other.target.value === view.value);
  }

  /** What is overwritten may be read within the loop only at the very same elements. */
  #canWrite(node: GraphNode, group: Group): boolean {
    if (node.op !== null) return true;
    const { target } = node;
    if (this.#made.get(target.value) === group) return false;
    const touching = group.nodes.flatMap((other) => [...other.reads, ...(other.op === null ? [other.target] : [])]);
    return [...touching, ...node.reads]
      .filter((view) => view.value === target.value)
      .every((view) => isWhole(view) && isWhole(target));
  }
}

/** The size of steps in row-major order at which the axes of all shapes have borders; null if they cannot be aligned. */
export function commonShape(shapes: readonly (readonly number[])[]): number[] | null {
  const borders = new Set<number>();
  for (const shape of shapes) {
    let step = 1;
    for (const length of shape.toReversed()) {
      step *= length;
      borders.add(step);
    }
  }
  borders.delete(1);
  const sorted = [...borders].sort((a, b) => a - b);
  const sizes: number[] = [];
  let last = 1;
  for (const border of sorted) {
    if (border % last !== 0) return null;
    sizes.unshift(border / last);
    last = border;
  }
  return sizes;
}

/** The shapes over which an operation goes. */
function shapesOf(node: GraphNode): (readonly number[])[] {
  return nameOf(node) === 'sum' ? [node.reads[0]!.shape] : [node.target.shape, ...node.reads.map((view) => view.shape)];
}

function refinable(nodes: readonly GraphNode[]): boolean {
  return commonShape(nodes.flatMap(shapesOf)) !== null;
}

/** Sums in one loop go over the same axes of the same shape. */
function sumsAgree(group: Group, node: GraphNode): boolean {
  if (nameOf(node) !== 'sum') return true;
  const other = group.nodes.find((candidate) => nameOf(candidate) === 'sum');
  if (other === undefined) return true;
  const describe = (sum: GraphNode): string =>
    `${sum.reads[0]!.shape.join()} ${(sum.attrs as readonly number[]).join()}`;
  return describe(other) === describe(node);
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
  // In the order of their first operations, as far as they need not wait.
  const done = new Set<Group>();
  const order: Group[] = [];
  const run = (group: Group): void => {
    const stack = [group];
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const missing = [...top.after].filter((other) => !done.has(other));
      if (missing.length > 0) {
        stack.push(...missing);
        continue;
      }
      stack.pop();
      if (!done.has(top)) {
        done.add(top);
        order.push(top);
      }
    }
  };
  for (const group of fuser.groups) run(group);
  return order;
}
