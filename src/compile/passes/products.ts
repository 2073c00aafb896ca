/**
 * A matrix product whose result is only read turned is computed turned: what a dense layer's weight gradient is, whose
 * rows then lie as the weight's do.
 *
 *   transpose(matmul(a, b))  →  matmul(transpose(b), transpose(a))
 */

import { denseStrides, sameShape } from '../../tensor/shape.ts';
import { type Graph, type GraphNode, nameOf, resultsOf, type Value, type View } from '../graph.ts';

/** Whether a view shows a matrix of these sizes with rows and columns exchanged. */
function isTurned({ shape, strides, offset }: View, rows: number, columns: number): boolean {
  return offset === 0 && sameShape(shape, [columns, rows]) && strides[0] === 1 && strides[1] === columns;
}

function transposed(view: View): View {
  const [rows, columns] = view.shape as [number, number];
  const [row, column] = view.strides as [number, number];
  return { ...view, shape: [columns, rows], strides: [column, row] };
}

/** The products of two matrices that are read turned, and in no other way. */
function turnedProducts(graph: Graph): Map<Value, GraphNode> {
  const found = new Map<Value, GraphNode>();
  for (const node of graph.nodes) {
    const [rows, columns] = node.target.shape;
    if (nameOf(node) === 'matmul' && node.target.shape.length === 2 && rows! > 1 && columns! > 1)
      found.set(node.target.value, node);
  }
  const read = new Set<Value>();
  for (const view of [...graph.nodes.flatMap(({ reads }) => reads), ...resultsOf(graph)]) {
    const [rows, columns] = found.get(view.value)?.target.shape ?? [];
    if (rows === undefined) continue;
    read.add(view.value);
    if (!isTurned(view, rows, columns!)) found.delete(view.value);
  }
  for (const node of graph.nodes) if (node.op === null) found.delete(node.target.value);
  return new Map([...found].filter(([value]) => read.has(value)));
}

/** The graph with products computed as they are read. */
export function turnProducts(graph: Graph): Graph {
  const turned = turnedProducts(graph);
  if (turned.size === 0) return graph;
  const read = (view: View): View => (turned.has(view.value) ? { ...view, strides: denseStrides(view.shape) } : view);
  const nodes = graph.nodes.map((before): GraphNode => {
    const reads = before.reads.map(read);
    if (!turned.has(before.target.value)) return { ...before, reads };
    const [a, b] = reads as [View, View];
    const shape = before.target.shape.toReversed();
    return {
      ...before,
      reads: [transposed(b), transposed(a)],
      target: { ...before.target, shape, strides: denseStrides(shape) },
    };
  });
  return {
    ...graph,
    nodes,
    outputs: graph.outputs.map(read),
    grads: graph.grads.map(({ tensor, view }) => ({ tensor, view: view === null ? null : read(view) })),
  };
}
