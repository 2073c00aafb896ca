/**
 * ReLU and max pooling change places: the maximum of the positive parts is the positive part of the maximum, and where
 * that is 0 no gradient flows, so it does not matter which element was chosen. ReLU then works on a part of the numbers,
 * forward and backward, and the gradient of a bias before it is the sum over that part.
 *
 *   maxPool(relu(x))                         →  relu(maxPool(x))
 *   reluGrad(spread(g), relu(x))             →  spread(reluGrad(g, relu(maxPool(x))))
 *   sum(spread(g)) over the spatial axes     →  sum(g)
 *
 * `spread` puts g where the maxima are, and zeros elsewhere. Where a maximum is 0 its place becomes another, so nobody else
 * may see the places.
 */

import { denseStrides, isDense, type Shape } from '../../tensor/shape.ts';
import {
  FreshValues,
  type Graph,
  type GraphNode,
  isWhole,
  nameOf,
  resultsOf,
  type Value,
  type View,
} from '../graph.ts';
import { through, updatedValues } from './rewrite.ts';

/** What is known of a pooling behind a ReLU. */
interface Pooled {
  readonly relu: GraphNode;
  /** relu(maxPool(x)), once it is computed. */
  values: View | null;
}

/**
 * Which ReLUs can change places with the poolings behind them: those whose operand stays as it is, and of which nobody sees
 * where a maximum is that is 0, since before the ReLU it is elsewhere.
 */
class Movable {
  readonly #uses = new Map<Value, GraphNode[]>();
  /** What is seen after the call, or is another at another time. */
  readonly #others: Set<Value>;

  constructor(graph: Graph) {
    this.#others = new Set([...resultsOf(graph).map((view) => view.value), ...updatedValues(graph)]);
    for (const node of graph.nodes) {
      for (const { value } of node.reads) this.#uses.set(value, [...(this.#uses.get(value) ?? []), node]);
    }
  }

  /** Whether it is a ReLU that is read only by poolings, for their maxima, and by its own gradient. */
  has(node: GraphNode): boolean {
    const [x] = node.reads;
    if (nameOf(node) !== 'relu' || !isDense(x!) || this.#others.has(x!.value)) return false;
    const { value } = node.target;
    const uses = this.#usesOf(value);
    return (
      uses.some((use) => nameOf(use) === 'maxPoolTaps') &&
      uses.every((use) => {
        if (nameOf(use) === 'maxPoolTaps') return this.#hidesTaps(use, value);
        return ['pickTaps', 'reluGrad'].includes(nameOf(use));
      })
    );
  }

  /** The operations that read a value; none if others see it, too. */
  #usesOf(value: Value): readonly GraphNode[] {
    return this.#others.has(value) ? [] : (this.#uses.get(value) ?? []);
  }

  /** Whether taps are used only to read maxima of `relu`, and to spread gradients that its own gradient then masks. */
  #hidesTaps({ target }: GraphNode, relu: Value): boolean {
    const uses = this.#usesOf(target.value);
    return (
      uses.length > 0 &&
      uses.every((use) => {
        const [first, taps] = use.reads as [View, View];
        if (taps.value !== target.value || use.reads.filter((view) => view.value === target.value).length > 1)
          return false;
        if (nameOf(use) === 'pickTaps') return first.value === relu;
        return nameOf(use) === 'spreadTaps' && this.#isMasked(use.target.value, relu);
      })
    );
  }

  #isMasked(value: Value, relu: Value): boolean {
    const uses = this.#usesOf(value);
    const isMask = ({ reads: [g, y] }: GraphNode): boolean => g!.value === value && y!.value === relu;
    return uses.length > 0 && uses.every((use) => nameOf(use) === 'reluGrad' && isMask(use));
  }
}

class PoolingRewriter {
  readonly nodes: GraphNode[] = [];
  readonly #makers = new Map<Value, GraphNode>();
  readonly #relus = new Map<Value, GraphNode>();
  readonly #pooled = new Map<Value, Pooled>();
  readonly #spreads = new Map<Value, { g: View; taps: View }>();
  readonly #substitutes = new Map<Value, View>();
  readonly #fresh: FreshValues;

  constructor(graph: Graph) {
    this.#fresh = new FreshValues(graph);
    const movable = new Movable(graph);
    for (const before of graph.nodes) {
      const node = { ...before, reads: before.reads.map((view) => this.read(view)) };
      if (movable.has(before)) this.#relus.set(node.target.value, node);
      this.#visit(node);
    }
  }

  /** A view after the rewriting. */
  read(view: View): View {
    const by = this.#substitutes.get(view.value);
    return by === undefined ? view : through(view, by)!;
  }

  #push(node: GraphNode): void {
    this.nodes.push(node);
    this.#makers.set(node.target.value, node);
  }

  /** A node like `like` with other reads and a fresh result. */
  #derive(like: GraphNode, reads: readonly View[], shape: Shape): View {
    const target = this.#fresh.temporary(shape, like.target.value.dtype);
    this.#push({ op: like.op, attrs: like.attrs, reads, target });
    return target;
  }

  #visit(node: GraphNode): void {
    const name = nameOf(node);
    if (name === 'maxPoolTaps' && this.#movePooling(node)) return;
    if (name === 'pickTaps' && this.#moveValues(node)) return;
    if (name === 'reluGrad' && this.#moveMask(node)) return;
    if (name === 'sum' && this.#shrinkSum(node)) return;
    if (name === 'spreadTaps') this.#spreads.set(node.target.value, { g: node.reads[0]!, taps: node.reads[1]! });
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
    const [x, taps] = node.reads as [View, View];
    const pooled = this.#pooled.get(taps.value);
    if (pooled === undefined || x.value !== pooled.relu.target.value || !isWhole(x)) return false;
    const input = pooled.relu.reads[0]!;
    const maxima = this.#derive(node, [{ ...input, shape: x.shape, strides: x.strides }, taps], node.target.shape);
    this.#push({ ...pooled.relu, reads: [maxima], target: node.target });
    pooled.values = node.target;
    return true;
  }

  /** reluGrad(spread(g), relu(x)), if the spreading is that of the pooling of relu(x). */
  #moveMask(node: GraphNode): boolean {
    const [gradient, positive] = node.reads as [View, View];
    const spread = this.#spreads.get(gradient.value);
    const pooled = spread && this.#pooled.get(spread.taps.value);
    if (!pooled?.values || positive.value !== pooled.relu.target.value) return false;
    if (!isWhole(gradient) || !isWhole(positive) || !isDense(spread!.g)) return false;
    const { g, taps } = spread!;
    const { shape } = g;
    const masked = this.#derive(node, [g, { ...pooled.values, shape, strides: denseStrides(shape) }], shape);
    const spreading = this.#makers.get(gradient.value)!;
    const moved = this.#derive(spreading, [masked, taps], spreading.target.shape);
    this.#spreads.set(moved.value, { g: masked, taps });
    this.#substitutes.set(node.target.value, { ...moved, shape: node.target.shape, strides: node.target.strides });
    return true;
  }

  /** The sum of a spread gradient over all of its positions is that of the gradient. */
  #shrinkSum(node: GraphNode): boolean {
    const [x] = node.reads as [View];
    const spread = this.#spreads.get(x.value);
    const axes = node.attrs as readonly number[];
    if (spread === undefined || !isWhole(x) || !isDense(spread.g) || x.shape.length < 3) return false;
    const { shape } = spread.g;
    if (x.shape.length !== shape.length || x.shape[0] !== shape[0] || x.shape[1] !== shape[1]) return false;
    if (!x.shape.every((_, axis) => axis < 2 || axes.includes(axis))) return false;
    this.#push({ ...node, reads: [spread.g] });
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
