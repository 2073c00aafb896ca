/**
 * A convolution with a bias as a convolution and an addition, which are fused again with what stands around them: the form
 * in which other passes know a bias, whether it came as an option or by an `add` of the user's.
 *
 *   conv(x, w, b)  →  add(conv(x, w), b repeated over all axes but the channels)
 */

import { addOp } from '../../ops/elementwise.ts';
import { FreshValues, type Graph, type GraphNode, nameOf, type View } from '../graph.ts';

/** The graph with biases of convolutions as operations of their own. */
export function separateBiases(graph: Graph): Graph {
  const fresh = new FreshValues(graph);
  const separate = (node: GraphNode): GraphNode[] => {
    const [x, w, bias] = node.reads;
    const { target } = node;
    // In float64 nothing is fused, and a sum that begins with the bias has other last bits.
    if (nameOf(node) !== 'conv' || bias === undefined || target.value.dtype === 'float64') return [node];
    const { source, size, dtype } = target.value;
    const sums: View = { ...target, value: fresh.make(source, size, dtype) };
    const strides = target.shape.map((_, axis) => (axis === 1 ? bias.strides[0]! : 0));
    return [
      { ...node, reads: [x!, w!], target: sums },
      { op: addOp, attrs: undefined, reads: [sums, { ...bias, shape: target.shape, strides }], target },
    ];
  };
  return { ...graph, nodes: graph.nodes.flatMap(separate) };
}
