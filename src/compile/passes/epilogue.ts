/**
 * Lets a convolution do what a loop does with its results, while they are in registers: a normalisation with fixed
 * statistics, a residual, an activation; and a max pooling behind that.
 *
 *   conv → loop                 one group, if nothing else reads the sums and the loop stores one array
 *   conv → loop → max pool      one group, if the loop reads nothing but numbers and the sums
 */

import { isDense, sameShape } from '../../tensor/shape.ts';
import { type Graph, type GraphNode, isWhole, nameOf, resultsOf, type Value, type View } from '../graph.ts';
import type { Group } from '../group.ts';
import type { Patterns } from '../patterns.ts';
import { Reach } from '../reach.ts';

/** More operands than this would be too many pointers. */
const mostOperands = 8;

/**
 * Functions of dozens of instructions stay in a loop: beside them memory is no matter, and a convolution would have them once
 * for every vector of its tiles. MobileNetV2 with SiLU took 1 % longer with them, and 15 % longer for its first call.
 */
const long = 'exp log log1p expm1 sin cos pow tanh erf sigmoid softplus'.split(' ');

/** What an operand of a loop over a convolution's results is, or null if it lies in another order than they do. */
export function operandKind({ shape, strides }: View, result: View): 'channel' | 'number' | 'element' | null {
  if (!sameShape(shape, result.shape)) return null;
  const moving = strides.flatMap((stride, axis) => (stride !== 0 && shape[axis] !== 1 ? [axis] : []));
  if (moving.length === 0) return 'number';
  if (moving.length === 1 && moving[0] === 1 && strides[1] === 1) return 'channel';
  return isDense({ shape, strides, offset: 0 } as View) ? 'element' : null;
}

class Joiner {
  readonly left: Set<Group>;
  readonly #reach: Reach;
  readonly #results: ReadonlySet<Value>;
  readonly #readers = new Map<Value, Set<Group>>();

  constructor(groups: readonly Group[], graph: Graph, patterns: Patterns) {
    this.left = new Set(groups);
    this.#reach = new Reach(groups);
    this.#results = new Set(resultsOf(graph).map((view) => view.value));
    for (const group of groups) {
      for (const node of group.nodes) {
        for (const { value } of patterns.readsOf(node)) {
          if (!this.#readers.has(value)) this.#readers.set(value, new Set());
          this.#readers.get(value)!.add(group);
        }
      }
    }
  }

  /** Joins what can be joined to a convolution. */
  join(conv: Group): void {
    if (conv.nodes.some((node) => nameOf(node) === 'maxPoolTaps')) return;
    const loop = this.#onlyReader(conv);
    if (loop?.kind !== 'loop' || !this.#isEpilogue(loop, conv.nodes.at(-1)!.target)) return;
    const { target } = loop.nodes.at(-1)!;
    const nodes = [...loop.nodes];
    const hasElements = nodes.some((node) =>
      node.reads.some(
        (view) => !this.#isMade(view.value, [...conv.nodes, ...nodes]) && operandKind(view, target) === 'element',
      ),
    );
    this.#merge(loop, conv);
    conv.epilogue = { ...loop, nodes };
    const pool = this.#onlyReader(conv);
    if (pool?.kind !== 'pool' || hasElements || !isWhole(pool.nodes[0]!.reads[0]!)) return;
    if (!this.#reach.isBetween(conv, pool)) this.#merge(pool, conv);
  }

  #isMade(value: Value, nodes: readonly GraphNode[]): boolean {
    return nodes.some(({ target }) => target.value === value);
  }

  /** The one group that reads what another's last operation makes, if nobody else does. */
  #onlyReader({ nodes }: Group): Group | null {
    const { value } = nodes.at(-1)!.target;
    const own = [...(this.#readers.get(value) ?? [])];
    return own.length === 1 && !this.#results.has(value) ? own[0]! : null;
  }

  /** Whether a loop over what a convolution makes can be done with each result on its own. */
  #isEpilogue(loop: Group, sums: View): boolean {
    const { nodes } = loop;
    const kept = nodes.filter(({ target: { value } }) => {
      const readers = this.#readers.get(value) ?? new Set();
      return this.#results.has(value) || [...readers].some((reader) => reader !== loop);
    });
    const operands = new Set<Value>();
    const isOperand = (view: View): boolean => {
      if (view.value === sums.value || this.#isMade(view.value, nodes))
        return isWhole(view) && sameShape(view.shape, sums.shape);
      operands.add(view.value);
      return operandKind(view, sums) !== null;
    };
    return (
      kept.length === 1 &&
      kept[0] === nodes.at(-1) &&
      nodes.every(
        (node) =>
          node.op !== null &&
          !['sum', ...long].includes(nameOf(node)) &&
          sameShape(node.target.shape, sums.shape) &&
          node.reads.every(isOperand),
      ) &&
      operands.size <= mostOperands
    );
  }

  /** Makes `gone` a part of `kept`, which it waits for. */
  #merge(gone: Group, kept: Group): void {
    kept.nodes.push(...gone.nodes);
    for (const other of gone.after) if (other !== kept) kept.after.add(other);
    this.left.delete(gone);
    for (const group of this.left) if (group.after.delete(gone) && group !== kept) group.after.add(kept);
    for (const readers of this.#readers.values()) if (readers.delete(gone)) readers.add(kept);
    this.#reach.merge(gone, kept);
  }
}

/** The groups with loops joined to convolutions as far as it goes. The groups given are changed. */
export function joinEpilogues(groups: readonly Group[], graph: Graph, patterns: Patterns): Group[] {
  const joiner = new Joiner(groups, graph, patterns);
  for (const group of groups) {
    if (group.kind === 'conv' && nameOf(group.nodes[0]!) === 'conv') joiner.join(group);
  }
  return groups.filter((group) => joiner.left.has(group));
}
