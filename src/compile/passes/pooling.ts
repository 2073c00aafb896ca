/**
 * ReLU and max pooling change places: the maximum of the positive parts is the positive part of the maximum, and where
 * that is 0 no gradient flows, so it does not matter which element was chosen. ReLU then works on a part of the numbers,
 * forward and backward, and the gradient of a bias before it is the sum over that part.
 *
 *   maxPool(relu(x))                         →  relu(maxPool(x))
 *   reluGrad(spread(g), relu(x))             →  spread(reluGrad(g, relu(maxPool(x))))
 *   sum(spread(g)) over the spatial axes     →  sum(g)
 *
 * `spread` adds g to zeros at the positions of the maxima.
 */

import { denseStrides, isDense, type Shape, sizeOf } from '../../tensor/shape.ts';
import { type Graph, type GraphNode, isWhole, nameOf, resultsOf, type Value, type View, valuesOf } from '../graph.ts';
import { through } from './rewrite.ts';
import { uniformValue } from './simplify.ts';

/** What is known of a pooling behind a ReLU. */
interface Pooled {
  readonly relu: GraphNode;
  /** relu(maxPool(x)), once it is computed. */
  values: View | null;
}

/** The view of a whole dense value under a shape. */
function wholeView(value: Value, shape: Shape): View {
  return { value, shape, strides: denseStrides(shape), offset: 0, version: 0 };
}

class PoolingRewriter {
  readonly nodes: GraphNode[] = [];
  readonly #makers = new Map<Value, GraphNode>();
  readonly #relus = new Map<Value, GraphNode>();
  readonly #pooled = new Map<Value, Pooled>();
  readonly #spreads = new Map<Value, { index: View; g: View }>();
  readonly #substitutes = new Map<Value, View>();
  #next: number;

  constructor(graph: Graph) {
    this.#next = Math.max(-1, ...valuesOf(graph).map((value) => value.id)) + 1;
    for (const node of graph.nodes) if (this.#canMove(node, graph)) this.#relus.set(node.target.value, node);
    for (const node of graph.nodes) this.#visit({ ...node, reads: node.reads.map((view) => this.read(view)) });
  }

  /** A view after the rewriting. */
  read(view: View): View {
    const by = this.#substitutes.get(view.value);
    return by === undefined ? view : through(view, by)!;
  }

  /** Whether a ReLU is read only by a pooling and by its own gradient. */
  #canMove(node: GraphNode, graph: Graph): boolean {
    if (nameOf(node) !== 'relu' || !isDense(node.reads[0]!)) return false;
    const { value } = node.target;
    const uses = graph.nodes.filter((use) => use.reads.some((view) => view.value === value));
    const isResult = resultsOf(graph).some((view) => view.value === value);
    return (
      !isResult &&
      uses.some((use) => nameOf(use) === 'maxPoolIndices') &&
      uses.every((use) => ['maxPoolIndices', 'gather', 'reluGrad'].includes(nameOf(use)))
    );
  }

  #push(node: GraphNode): void {
    this.nodes.push(node);
    this.#makers.set(node.target.value, node);
  }

  /** A node like `like` with other reads and a fresh result. */
  #derive(like: GraphNode, reads: readonly View[], shape: Shape): View {
    const value: Value = {
      id: this.#next++,
      source: { kind: 'temporary' },
      size: sizeOf(shape),
      dtype: like.target.value.dtype,
    };
    const target = wholeView(value, shape);
    this.#push({ op: like.op, attrs: like.attrs, reads, target });
    return target;
  }

  #visit(node: GraphNode): void {
    const name = nameOf(node);
    if (name === 'maxPoolIndices' && this.#movePooling(node)) return;
    if (name === 'gather' && this.#moveValues(node)) return;
    if (name === 'reluGrad' && this.#moveMask(node)) return;
    if (name === 'sum' && this.#shrinkSum(node)) return;
    if (name === 'scatterAdd' && node.attrs === 2 && uniformValue(node.reads[0]!) === 0) {
      this.#spreads.set(node.target.value, { index: node.reads[1]!, g: node.reads[2]! });
    }
    this.#push(node);
  }

  #movePooling(node: GraphNode): boolean {
    const [x] = node.reads as [View];
    const relu = this.#relus.get(x.value);
    if (relu === undefined || !isWhole(x)) return false;
    this.#pooled.set(node.target.value, { relu, values: null });
    this.#push({ ...node, reads: [{ ...relu.reads[0]!, shape: x.shape, strides: x.strides }] });
    return true;
  }

  #moveValues(node: GraphNode): boolean {
    const [x, index] = node.reads as [View, View];
    const pooled = this.#pooled.get(index.value);
    if (pooled === undefined || x.value !== pooled.relu.target.value || !isWhole(x)) return false;
    const input = pooled.relu.reads[0]!;
    const maxima = this.#derive(node, [{ ...input, shape: x.shape, strides: x.strides }, index], node.target.shape);
    this.#push({ ...pooled.relu, reads: [maxima], target: node.target });
    pooled.values = node.target;
    return true;
  }

  /** reluGrad(spread(g), relu(x)), if the spreading is that of the pooling of relu(x). */
  #moveMask(node: GraphNode): boolean {
    const [gradient, positive] = node.reads as [View, View];
    const spread = this.#spreads.get(gradient.value);
    const pooled = spread && this.#pooled.get(spread.index.value);
    if (!pooled?.values || positive.value !== pooled.relu.target.value) return false;
    if (!isWhole(gradient) || !isWhole(positive) || !isDense(spread!.g)) return false;
    const { g, index } = spread!;
    const { shape } = g;
    const masked = this.#derive(node, [g, { ...pooled.values, shape, strides: denseStrides(shape) }], shape);
    const spreading = this.#makers.get(gradient.value)!;
    const moved = this.#derive(spreading, [spreading.reads[0]!, index, masked], spreading.target.shape);
    this.#spreads.set(moved.value, { index, g: masked });
    this.#substitutes.set(node.target.value, { ...moved, shape: node.target.shape, strides: node.target.strides });
    return true;
  }

  /** The sum of a spread gradient over all of its positions is that of the gradient. */
  #shrinkSum(node: GraphNode): boolean {
    const [x] = node.reads as [View];
    const spread = this.#spreads.get(x.value);
    const axes = node.attrs as readonly number[];
    if (spread === undefined || !isWhole(x) || !isDense(spread.g) || x.shape.length < 3) return false;
    const [images, channels] = spread.g.shape as [number, number];
    if (x.shape[0] !== images || x.shape[1] !== channels) return false;
    if (!x.shape.every((_, axis) => axis < 2 || axes.includes(axis))) return false;
    this.#push({ ...node, attrs: [...axes.filter((axis) => axis < 2), 2], reads: [spread.g] });
    return true;
  }
}

/** The graph with ReLU behind max pooling instead of before. */
export function moveReluBehindPooling(graph: Graph): Graph {
  const rewriter = new PoolingRewriter(graph);
  return {
    ...graph,
    nodes: rewriter.nodes,
    outputs: graph.outputs.map((view) => rewriter.read(view)),
    grads: graph.grads.map(({ tensor, view }) => ({ tensor, view: view === null ? null : rewriter.read(view) })),
  };
}
