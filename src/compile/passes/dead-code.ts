/** Leaves out operations whose result nobody reads: gradients that are not asked for, values behind a view that is not used. */

import { type Graph, type GraphNode, resultsOf, type Value } from '../graph.ts';

/** The graph without what no result, no state and no randomness depends on. */
export function removeDeadCode(graph: Graph): Graph {
  const needed = new Set<Value>(resultsOf(graph).map((view) => view.value));
  const nodes: GraphNode[] = [];
  for (const node of graph.nodes.toReversed()) {
    const { kind } = node.target.value.source;
    const isKept = node.op?.impure || kind === 'state' || kind === 'slot' || needed.has(node.target.value);
    if (!isKept) continue;
    nodes.push(node);
    needed.add(node.target.value);
    for (const view of node.reads) needed.add(view.value);
  }
  return { ...graph, nodes: nodes.reverse() };
}
