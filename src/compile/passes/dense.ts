/**
 * Copies operands for kernels that read dense arrays. What lies otherwise, such as a part of a gradient, or one number
 * repeated, would leave the whole operation to eager execution.
 *
 *   conv(part, w)  →  conv(clone(part), w)
 */

import { denseOrder } from '../../kernels/wasm/memory/transfer.ts';
import { cloneOp } from '../../ops/views.ts';
import { isDense, sizeOf } from '../../tensor/shape.ts';
import { FreshValues, type Graph, type GraphNode, nameOf, type View } from '../graph.ts';
import { isUniform } from '../softmax.ts';
import { uniformValue } from './simplify.ts';

const readers = new Set([
  'conv',
  'convInputGrad',
  'convWeightGrad',
  'maxPool',
  'maxPoolIndices',
  'maxPoolPick',
  'maxPoolSpread',
  'windowSum',
  'windowSpread',
  'softmax',
  'logSoftmax',
  'crossEntropy',
  'crossEntropyGrad',
  'cumsum',
  'labels',
  'within',
]);

/** Whether the kernel of `node` can read its operand `i` only from a dense copy. */
function needsCopy(node: GraphNode, view: View, i: number): boolean {
  if (view.value.dtype !== 'float32' || isDense(view) || sizeOf(view.shape) === 0) return false;
  const name = nameOf(node);
  if (name === 'argMax' || name === 'argMin') return denseOrder(view, node.attrs as number) === null;
  if (name === 'matmul') return view.strides.some((stride) => stride < 0);
  if (name === 'scatterAdd') return i === 0 && !Object.is(uniformValue(view), 0);
  return readers.has(name) && !(name === 'crossEntropyGrad' && i === 2 && isUniform(view));
}

/** The graph with copies, one of each view however often it is read. */
export function makeDense(graph: Graph): Graph {
  const fresh = new FreshValues(graph);
  const copies = new Map<string, View>();
  const nodes: GraphNode[] = [];
  const copyOf = (view: View): View => {
    const { value, version, offset, shape, strides } = view;
    const key = JSON.stringify([value.id, version, offset, shape, strides]);
    const known = copies.get(key);
    if (known !== undefined) return known;
    const target = fresh.temporary(shape, value.dtype);
    nodes.push({ op: cloneOp, attrs: undefined, reads: [view], target });
    copies.set(key, target);
    return target;
  };
  for (const node of graph.nodes) {
    const reads = node.reads.map((view, i) => (needsCopy(node, view, i) ? copyOf(view) : view));
    nodes.push({ ...node, reads });
  }
  return { ...graph, nodes };
}
