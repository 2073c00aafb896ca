/** Replaces values by others throughout a graph. */

import { isDense } from '../../tensor/shape.ts';
import type { Graph, GraphNode, Value, View } from '../graph.ts';

/** A value that is written by in-place updates has no fixed content, so passes leave it alone. */
export function updatedValues(graph: Graph): Set<Value> {
  return new Set(graph.nodes.filter((node) => node.op === null).map((node) => node.target.value));
}

/** How `view` of a replaced value sees the dense whole `by` that takes its place; null if only a copy could. */
export function through(view: View, by: View): View | null {
  if (!isDense(by)) return null;
  return { ...view, value: by.value, version: by.version, offset: view.offset + by.offset };
}

/**
 * A graph in which `replace` may give, for each node in order, a view that stands for its result from there on, which
 * makes the node go. Its arguments are already rewritten.
 */
export function rewrite(graph: Graph, replace: (node: GraphNode) => View | null): Graph {
  const substitutes = new Map<Value, View>();
  const read = (view: View): View => {
    const by = substitutes.get(view.value);
    return by === undefined ? view : through(view, by)!;
  };
  const nodes: GraphNode[] = [];
  for (const before of graph.nodes) {
    const node = { ...before, reads: before.reads.map(read) };
    const by = node.op === null ? null : replace(node);
    if (by === null) nodes.push(node);
    else substitutes.set(node.target.value, by);
  }
  return {
    ...graph,
    nodes,
    outputs: graph.outputs.map(read),
    grads: graph.grads.map(({ tensor, view }) => ({ tensor, view: view === null ? null : read(view) })),
  };
}
