/**
 * Average pooling divides the sums of windows as it makes them, where all are divided by one number.
 *
 *   windowSum(x) / n  →  windowMean(x)
 */

import { poolKernels } from '../../kernels/pool.ts';
import { type Graph, type GraphNode, type GraphOp, isWhole, nameOf, resultsOf, type Value } from '../graph.ts';
import type { PoolAttrs } from '../pool-taps.ts';
import { uniformValue } from './simplify.ts';

/** Windows, and what their sums are divided by. */
export interface MeanAttrs extends PoolAttrs {
  readonly divisor?: number;
}

const windowMeanOp: GraphOp<Required<MeanAttrs>> = {
  name: 'windowMean',
  compute([x], { geometry, shape, divisor }, _, y) {
    poolKernels().windowSum(x!, geometry, shape, y);
    for (let i = 0; i < y.length; i++) y[i]! /= divisor;
  },
};

/** The graph with sums of windows divided as they are made, where nothing else reads the sums. */
export function divideWindowSums(graph: Graph): Graph {
  const sums = new Map<Value, GraphNode>();
  for (const node of graph.nodes) if (nameOf(node) === 'windowSum') sums.set(node.target.value, node);
  if (sums.size === 0) return graph;
  const reads = [...graph.nodes.flatMap((node) => node.reads), ...resultsOf(graph)];
  const isOnlyRead = (value: Value): boolean => reads.filter((view) => view.value === value).length === 1;
  const means = new Map<GraphNode, GraphNode | null>();
  for (const node of graph.nodes) {
    const [x, divisor] = node.reads;
    const sum = nameOf(node) === 'div' ? sums.get(x!.value) : undefined;
    const by = divisor === undefined ? null : uniformValue(divisor);
    if (sum === undefined || by === null || !isWhole(x!) || !isOnlyRead(x!.value)) continue;
    if (node.target.value.size !== x!.value.size) continue;
    // In the place of the sum: what it reads may be overwritten behind it.
    means.set(sum, {
      ...node,
      op: windowMeanOp,
      attrs: { ...(sum.attrs as PoolAttrs), divisor: by },
      reads: sum.reads,
    });
    means.set(node, null);
  }
  const nodes = graph.nodes.flatMap((node) => {
    const mean = means.get(node);
    return mean === undefined ? [node] : mean === null ? [] : [mean];
  });
  return { ...graph, nodes };
}
