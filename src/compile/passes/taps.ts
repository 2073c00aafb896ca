/**
 * Max pooling in eager code finds the maxima whenever it needs them; a program finds them once, while it computes them, and
 * keeps for the way back which tap of the window each was, so that what was pooled need not be kept, nor even written.
 *
 *   maxPool(x)             →  pickTaps(x, maxPoolTaps(x))
 *   maxPoolSpread(g, x)    →  spreadTaps(g, maxPoolTaps(x))
 *   maxPoolPick(v, x)      →  pickTaps(v, maxPoolTaps(x))
 *
 * Only where windows lie within the input: no tap says that a window is padding alone. And gradients only where windows
 * do not overlap, so that nothing is added up.
 */

import { isDense, type Shape, sizeOf } from '../../tensor/shape.ts';
import { FreshValues, type Graph, type GraphNode, type GraphOp, nameOf, type View } from '../graph.ts';
import { isPlainPool } from '../patterns.ts';
import { maxPoolTapsOp, type PoolAttrs, pickTapsOp, spreadTapsOp, tapType } from '../pool-taps.ts';

const byTaps: Readonly<Record<string, GraphOp>> = {
  maxPool: pickTapsOp,
  maxPoolPick: pickTapsOp,
  maxPoolSpread: spreadTapsOp,
};

class TapFinder {
  readonly nodes: GraphNode[] = [];
  readonly #found = new Map<string, View>();
  readonly #fresh: FreshValues;

  constructor(graph: Graph) {
    this.#fresh = new FreshValues(graph);
    for (const node of graph.nodes) this.#visit(node);
  }

  #visit(node: GraphNode): void {
    const op = byTaps[nameOf(node)];
    this.nodes.push(op === undefined ? node : (this.#byTaps(node, op) ?? node));
  }

  #byTaps(node: GraphNode, op: GraphOp): GraphNode | null {
    const first = node.reads[0]!;
    const x = node.reads[1] ?? first;
    const { geometry } = node.attrs as PoolAttrs;
    const shape = op === spreadTapsOp ? first.shape : node.target.shape;
    if (!isDense(first) || !canFind(x, geometry, shape) || (op === spreadTapsOp && overlaps(geometry))) return null;
    return { ...node, op, reads: [first, this.#taps(x, geometry, shape)] };
  }

  /** The taps in x, by a node of their own at the first time. */
  #taps(x: View, geometry: PoolAttrs['geometry'], shape: Shape): View {
    const key = JSON.stringify([x.value.id, x.version, x.offset, x.shape, geometry, shape]);
    const known = this.#found.get(key);
    if (known !== undefined) return known;
    const target = this.#fresh.temporary(shape, tapType(geometry));
    this.nodes.push({ op: maxPoolTapsOp, attrs: { geometry, shape }, reads: [x], target });
    this.#found.set(key, target);
    return target;
  }
}

function canFind(x: View, geometry: PoolAttrs['geometry'], shape: Shape): boolean {
  return x.value.dtype === 'float32' && isDense(x) && sizeOf(shape) > 0 && isPlainPool(geometry, x.shape, shape);
}

function overlaps({ kernel, stride }: PoolAttrs['geometry']): boolean {
  return kernel.some((length, axis) => length > stride[axis]!);
}

/** The graph with max pooling by taps that are found once. */
export function findPoolTaps(graph: Graph): Graph {
  return { ...graph, nodes: new TapFinder(graph).nodes };
}
