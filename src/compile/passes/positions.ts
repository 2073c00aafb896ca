/**
 * Max pooling in eager code finds the positions of the maxima whenever it needs them; a program finds them once, while it
 * computes the maxima, and keeps them for the way back, so that what was pooled need not be kept, nor even written.
 *
 *   maxPool(x)             →  gather(x, maxPoolIndices(x))
 *   maxPoolSpread(g, x)    →  scatterAdd(zeros, maxPoolIndices(x), g)
 *   maxPoolPick(v, x)      →  gather(v, maxPoolIndices(x))
 *
 * Only where windows lie within the input: an index says nothing of a window of padding alone.
 */

import { gatherOp, scatterAddOp } from '../../ops/indexing.ts';
import { maxPoolIndicesOp } from '../../ops/pool.ts';
import { allocate } from '../../tensor/dtype.ts';
import { denseStrides, isDense, type Shape, sizeOf } from '../../tensor/shape.ts';
import { type Graph, type GraphNode, nameOf, type Value, type View, valuesOf } from '../graph.ts';
import { isPlainPool, type PoolAttrs } from '../patterns.ts';

/** The axis of the positions: images and channels are in front of it. */
const axis = 2;

/** A dense view with its spatial axes as one. */
function flat(view: View): View {
  const { shape } = view;
  const merged = [...shape.slice(0, axis), sizeOf(shape.slice(axis))];
  return { ...view, shape: merged, strides: denseStrides(merged) };
}

class PositionFinder {
  readonly nodes: GraphNode[] = [];
  readonly #found = new Map<string, View>();
  #next: number;

  constructor(graph: Graph) {
    this.#next = Math.max(-1, ...valuesOf(graph).map((value) => value.id)) + 1;
    for (const node of graph.nodes) this.#visit(node);
  }

  #visit(node: GraphNode): void {
    this.nodes.push(isByMaxima(node) ? (this.#byPositions(node) ?? node) : node);
  }

  #byPositions(node: GraphNode): GraphNode | null {
    const [first, x] = nameOf(node) === 'maxPool' ? [node.reads[0]!, node.reads[0]!] : [node.reads[0]!, node.reads[1]!];
    const isSpread = nameOf(node) === 'maxPoolSpread';
    const { geometry } = node.attrs as PoolAttrs;
    const shape = isSpread ? first.shape : node.target.shape;
    if (!isDense(first) || !canFind(x, geometry, shape)) return null;
    const index = this.#positions(x, geometry, shape);
    const target = flat(node.target);
    return isSpread
      ? { op: scatterAddOp, attrs: axis, reads: [this.#zeros(target), index, flat(first)], target }
      : { op: gatherOp, attrs: axis, reads: [flat(first), index], target };
  }

  #value(size: number, like: View): Value {
    return { id: this.#next++, source: { kind: 'temporary' }, size, dtype: like.value.dtype };
  }

  /** The positions in x, by a node of their own at the first time. */
  #positions(x: View, geometry: PoolAttrs['geometry'], shape: Shape): View {
    const key = JSON.stringify([x.value.id, x.version, x.offset, x.shape, geometry, shape]);
    const known = this.#found.get(key);
    if (known !== undefined) return known;
    const value = this.#value(sizeOf(shape), x);
    const target: View = { value, shape, strides: denseStrides(shape), offset: 0, version: 0 };
    this.nodes.push({ op: maxPoolIndicesOp, attrs: { geometry, shape }, reads: [x], target });
    const found = flat(target);
    this.#found.set(key, found);
    return found;
  }

  #zeros(like: View): View {
    const { dtype } = like.value;
    const value: Value = { ...this.#value(1, like), source: { kind: 'constant', data: allocate(dtype, 1) } };
    return { ...like, value, strides: like.shape.map(() => 0), offset: 0, version: 0 };
  }
}

function isByMaxima(node: GraphNode): boolean {
  return ['maxPool', 'maxPoolSpread', 'maxPoolPick'].includes(nameOf(node));
}

function canFind(x: View, geometry: PoolAttrs['geometry'], shape: Shape): boolean {
  return x.value.dtype === 'float32' && isDense(x) && sizeOf(shape) > 0 && isPlainPool(geometry, x.shape, shape);
}

/** The graph with max pooling by positions that are found once. */
export function findPoolPositions(graph: Graph): Graph {
  return { ...graph, nodes: new PositionFinder(graph).nodes };
}
