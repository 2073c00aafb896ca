/**
 * What can be fused with a convolution: its bias and a max pooling behind it, and, in its gradients, the way back
 * through a max pooling before it.
 *
 *   forward     conv → add bias → maxPoolTaps, pickTaps → relu      one group: only pooled values go to memory
 *               conv → add bias → relu                              one group
 *   backward    spreadTaps of a gradient → convWeightGrad, convInputGrad
 *               each spreads the pooled gradient itself, so that the large gradient never goes to memory
 */

import type { ConvGeometry, PoolGeometry } from '../kernels/types.ts';
import { isDense, type Shape, sameShape } from '../tensor/shape.ts';
import { type Graph, type GraphNode, isWhole, nameOf, resultsOf, type Value, type View } from './graph.ts';
import type { Group } from './group.ts';
import { continuesProduct, hasProductKernel } from './products.ts';
import { hasLineKernel } from './softmax.ts';

/** The attributes of a convolution's operations. */
export interface ConvAttrs {
  readonly geometry: ConvGeometry;
  readonly shape: readonly number[];
}

const gradientNames = ['convWeightGrad', 'convInputGrad'];

/** Which operations of a graph go together. */
export class Patterns {
  readonly #uses = new Map<Value, GraphNode[]>();
  readonly #makers = new Map<Value, GraphNode>();
  readonly #results: ReadonlySet<Value>;

  readonly #canFuse: boolean;

  /** @param canFuse false where there are no kernels for fused operations: then each stands alone. */
  constructor(graph: Graph, canFuse: boolean = true) {
    this.#canFuse = canFuse;
    this.#results = new Set(resultsOf(graph).map((view) => view.value));
    for (const node of graph.nodes) {
      if (node.op !== null) this.#makers.set(node.target.value, node);
      for (const { value } of node.reads) this.#uses.set(value, [...(this.#uses.get(value) ?? []), node]);
    }
  }

  /** What a group that begins with `node` is. */
  kindOf(node: GraphNode): Group['kind'] {
    const isDenseRead = node.reads.every(isDense);
    if (this.#canFuse && nameOf(node) === 'maxPoolTaps') return isDenseRead ? 'pool' : 'single';
    if (!this.#canFuse || node.target.value.dtype !== 'float32') return 'single';
    if (hasProductKernel(node)) return 'matmul';
    if (hasLineKernel(node)) return 'softmax';
    const name = nameOf(node);
    if (name === 'conv' || gradientNames.includes(name))
      return isDenseRead && node.target.value.size > 0 ? 'conv' : 'single';
    return 'single';
  }

  /** Whether `node` goes on with what `group` computes. */
  continues(node: GraphNode, group: Group): boolean {
    const first = group.nodes[0]!;
    const last = group.nodes.at(-1)!;
    if (group.kind === 'matmul') return continuesProduct(node, group, (value) => this.#isOnlyUse(value));
    if (group.kind === 'conv') {
      if (nameOf(first) !== 'conv') return false;
      if (nameOf(last) === 'conv') {
        if (nameOf(node) === 'add' && this.#isBias(node, last)) return true;
        if (this.#isPoolOf(node, last.target.value)) return true;
      }
      if (nameOf(last) === 'add' && this.#isPoolOf(node, last.target.value)) return true;
    }
    if (group.kind !== 'pool' && group.kind !== 'conv') return false;
    if (['conv', 'add', 'pickTaps'].includes(nameOf(last))) return nameOf(node) === 'relu' && this.#isOfAll(node, last);
    return nameOf(last) === 'maxPoolTaps' && this.isPickOf(node, last);
  }

  /** What computes a value, if an operation does. */
  makerOf(value: Value): GraphNode | undefined {
    return this.#makers.get(value);
  }

  /** Whether `node` alone reads the whole result of `before`. */
  #isOfAll(node: GraphNode, before: GraphNode): boolean {
    const { value } = before.target;
    return node.reads[0]!.value === value && isWhole(node.reads[0]!) && this.#isOnlyUse(value);
  }

  #isOnlyUse(value: Value): boolean {
    return this.#uses.get(value)?.length === 1 && !this.#results.has(value);
  }

  /** Whether `node` adds a number per channel to the result of `conv`, which nothing else reads. */
  #isBias(node: GraphNode, conv: GraphNode): boolean {
    const [y, bias] = node.reads as [View, View];
    if (
      y.value !== conv.target.value ||
      !isWhole(y) ||
      this.#uses.get(y.value)?.length !== 1 ||
      this.#results.has(y.value)
    )
      return false;
    return (
      sameShape(y.shape, conv.target.shape) &&
      bias.strides.every((stride, axis) =>
        axis === 1 ? stride === 1 || bias.shape[1] === 1 : stride === 0 || bias.shape[axis] === 1,
      )
    );
  }

  #isPoolOf(node: GraphNode, value: Value): boolean {
    const [x] = node.reads;
    return nameOf(node) === 'maxPoolTaps' && x!.value === value && isWhole(x!);
  }

  /** Whether `node` picks the maxima of the pooling whose taps `pool` finds. */
  isPickOf(node: GraphNode, pool: GraphNode): boolean {
    if (nameOf(node) !== 'pickTaps') return false;
    const [[x, taps], [pooled]] = [node.reads as [View, View], pool.reads as [View]];
    return taps.value === pool.target.value && x.value === pooled.value && x.offset === pooled.offset && isDense(x);
  }

  /** The spreading that a convolution's gradient does itself, if its gradient comes out of one. */
  spreadBehind(node: GraphNode): GraphNode | null {
    if (!gradientNames.includes(nameOf(node))) return null;
    const view = node.reads[nameOf(node) === 'convWeightGrad' ? 1 : 0]!;
    const maker = this.#makers.get(view.value);
    return maker !== undefined && isWhole(view) && nameOf(maker) === 'spreadTaps' && isDense(maker.reads[0]!)
      ? maker
      : null;
  }

  /** Whether all who read the result of `node` compute it themselves. */
  isAbsorbed(node: GraphNode): boolean {
    if (nameOf(node) !== 'spreadTaps' || this.#results.has(node.target.value)) return false;
    const uses = this.#uses.get(node.target.value) ?? [];
    return uses.every(
      (use) =>
        this.kindOf(use) === 'conv' &&
        this.spreadBehind(use) === node &&
        use.reads.filter((view) => view.value === node.target.value).length === 1,
    );
  }

  /** What `node` reads, counting what it computes itself. */
  readsOf(node: GraphNode): readonly View[] {
    const spread = this.spreadBehind(node);
    if (spread === null || !this.isAbsorbed(spread)) return node.reads;
    return node.reads.flatMap((view) => (view.value === spread.target.value ? spread.reads : [view]));
  }
}

/** Whether windows over x lie within it: no padding, no dilation, none that hangs over. `shape` is that of the pooled result. */
export function isPlainPool(geometry: PoolGeometry, x: Shape, shape: Shape): boolean {
  const { kernel, stride, dilation, before } = geometry;
  return kernel.every(
    (length, axis) =>
      dilation[axis] === 1 && before[axis] === 0 && (shape[axis + 2]! - 1) * stride[axis]! + length <= x[axis + 2]!,
  );
}
