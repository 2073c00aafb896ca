/**
 * Reverse-mode differentiation: from a result back through the recorded operations, newest first, which is an order in
 * which every gradient is complete before it is passed on. Loops, not recursion: the depth of a graph is unbounded.
 */

import { GradError, ShapeError } from '../errors.ts';
import { type Recorder, setRecorder } from '../ops/apply.ts';
import { add, fullLike } from '../ops/elementwise.ts';
import { vjpOf } from '../ops/op.ts';
import { clone, detach } from '../ops/views.ts';
import { checkKeys } from '../tensor/options.ts';
import { isDense, sameShape, showShape } from '../tensor/shape.ts';
import type { BackwardOptions, Tensor } from '../tensor/tensor.ts';
import { Holders } from './holders.ts';
import { isGradEnabled, withGrad } from './mode.ts';
import { Node } from './node.ts';

const recorder: Recorder = {
  record(op, inputs, attrs, output) {
    if (!isGradEnabled() || op.vjp === null) return;
    if (!inputs.some((x, i) => x.requiresGrad && vjpOf(op, i) !== null)) return;
    output.node = new Node(op, inputs, attrs, output);
  },
  isRecording: (tensors) => isGradEnabled() && tensors.some((x) => x.requiresGrad),
};

/** Makes autograd listen to operations; called once, when the library is loaded. */
export function installRecorder(): void {
  setRecorder(recorder);
}

/** All recorded operations that `output` depends on, newest first; those in `cut`, and what lies behind them, are left out. */
function nodesBehind(output: Tensor, cut: ReadonlySet<Key> | null): Node[] {
  const found = new Set<Node>();
  const waiting: Tensor[] = [output];
  for (let x = waiting.pop(); x !== undefined; x = waiting.pop()) {
    const node = x.node as Node | null;
    if (node === null || found.has(node) || cut?.has(node)) continue;
    found.add(node);
    for (const input of node.inputs) if (input.requiresGrad) waiting.push(input);
  }
  return [...found].sort((a, b) => b.id - a.id);
}

/** What gradients are collected by: the operation that made a tensor, or the tensor itself if none did. */
type Key = Node | Tensor;

function keyOf(x: Tensor): Key {
  return (x.node as Node | null) ?? x;
}

/**
 * The gradients of ⟨seed, output⟩ in everything it depends on, as far as `wanted` asks for them.
 *
 * @param wanted the tensors whose gradient to keep, or null for all leaves.
 * @param cut where to stop: the graph behind these is neither followed nor released.
 */
function propagate(
  output: Tensor,
  seed: Tensor,
  wanted: ReadonlySet<Key> | null,
  { retainGraph, createGraph }: Required<BackwardOptions>,
  cut: ReadonlySet<Key> | null = null,
): Map<Key, Tensor> {
  const gradients = new Map<Key, Tensor>([[keyOf(output), seed]]);
  const holders = new Holders(createGraph);
  holders.hold(seed);
  const nodes = nodesBehind(output, cut);
  const needed = wanted === null ? null : nodesLeadingTo(wanted, nodes);
  withGrad(createGraph, () => {
    for (const node of nodes) {
      const g = gradients.get(node);
      if (g === undefined) continue;
      holders.show(node.op, g);
      for (const [i, input] of node.inputs.entries()) {
        if (!input.requiresGrad || (needed !== null && !needed.has(keyOf(input)))) continue;
        const vjp = vjpOf(node.op, i);
        if (vjp === null) continue;
        const part = vjp(g, node, i);
        checkGradient(node, i, part);
        holders.hold(part);
        holders.show(node.op, part);
        const before = gradients.get(keyOf(input));
        if (before === undefined) gradients.set(keyOf(input), part);
        else gradients.set(keyOf(input), added(before, part, holders));
      }
      if (wanted?.has(node)) continue;
      gradients.delete(node);
      holders.release(g);
    }
  });
  if (!retainGraph) for (const node of nodes) node.release();
  return gradients;
}

/** The sum of two gradients, for which neither is needed any more. */
function added(before: Tensor, part: Tensor, holders: Holders): Tensor {
  const total = holders.addInPlace(before, part) ?? add(before, part);
  if (total !== before) {
    holders.hold(total);
    holders.release(before);
  }
  holders.release(part);
  return total;
}

/** `wanted`, and all operations that a gradient passes on its way there. */
function nodesLeadingTo(wanted: ReadonlySet<Key>, nodes: readonly Node[]): Set<Key> {
  const leading = new Set<Key>(wanted);
  for (const node of nodes.toReversed()) {
    if (node.inputs.some((input) => leading.has(keyOf(input)))) leading.add(node);
  }
  return leading;
}

function checkGradient(node: Node, i: number, part: Tensor): void {
  const { shape } = node.specs[i]!;
  if (sameShape(part.shape, shape)) return;
  throw new GradError(
    `backward: the vjp of ${node.name} gave a gradient of shape ${showShape(part.shape)} for input ${i} of shape ${showShape(shape)}`,
  );
}

function seedFor(output: Tensor, gradient: Tensor | undefined): Tensor {
  if (!output.requiresGrad) {
    throw new GradError(
      'backward: this tensor depends on nothing that requires a gradient; set requiresGrad on an input, and compute outside of noGrad',
    );
  }
  if (gradient === undefined) {
    if (output.size === 1) return fullLike(output, 1);
    throw new GradError(
      `backward: a gradient is needed, since the shape is ${showShape(output.shape)} and not one number; pass one, or reduce with sum() or mean()`,
    );
  }
  if (sameShape(gradient.shape, output.shape)) return gradient;
  throw new ShapeError(
    `backward: the gradient is ${showShape(gradient.shape)} but the tensor is ${showShape(output.shape)}`,
  );
}

function resolve(options: BackwardOptions): Required<BackwardOptions> {
  checkKeys('backward', options, ['retainGraph', 'createGraph']);
  const { createGraph = false, retainGraph = createGraph } = options;
  return { createGraph, retainGraph };
}

/** Adds the gradient of `output` (times `gradient`) to `grad` of every leaf it was computed from. */
export function backward(output: Tensor, gradient?: Tensor, options: BackwardOptions = {}): void {
  const seed = seedFor(output, gradient);
  const resolved = resolve(options);
  const taken = new Set([seed.storage]);
  for (const [leaf, g] of propagate(output, seed, null, resolved)) {
    if (leaf instanceof Node) continue;
    withGrad(resolved.createGraph, () => {
      // A gradient that shares memory with another, or is a repeated view, gets memory of its own, so that it may be changed.
      const own = isDense(g) && !taken.has(g.storage) && !isShared(g, leaf) ? g : clone(g);
      taken.add(own.storage);
      const total = leaf.grad === null ? own : add(leaf.grad, own);
      leaf.grad = resolved.createGraph ? total : detach(total);
    });
  }
}

function isShared(g: Tensor, leaf: Tensor): boolean {
  return g.storage === leaf.storage || g.offset !== 0 || g.size !== g.storage.length;
}

/** The gradients of ⟨gradient, output⟩ in `inputs`; zeros where it does not depend on one. */
export function gradients(
  output: Tensor,
  inputs: readonly Tensor[],
  gradient?: Tensor,
  options: BackwardOptions = {},
): Tensor[] {
  const seed = seedFor(output, gradient);
  const found = propagate(output, seed, new Set(inputs.map(keyOf)), resolve(options));
  return inputs.map((input) => found.get(keyOf(input)) ?? clone(fullLike(input, 0)));
}

/**
 * As `gradients`, but `inputs` count as independent of each other, and the graph behind them stays as it is. With
 * `createGraph` the results can be differentiated further.
 */
export function gradientsUpTo(
  output: Tensor,
  inputs: readonly Tensor[],
  gradient: Tensor,
  createGraph: boolean,
): Tensor[] {
  const ends = new Set(inputs.map(keyOf));
  const found = propagate(output, gradient, ends, { createGraph, retainGraph: createGraph }, ends);
  return inputs.map((input) => found.get(keyOf(input)) ?? fullLike(input, 0));
}

/** The tensors that `output` was computed from by operations after the first `count`, but that are older themselves. */
export function inputsSince(count: number, output: Tensor): Tensor[] {
  const isOld = (x: Tensor): boolean => x.node === null || (x.node as Node).id < count;
  const [found, seen, waiting] = [new Map<Key, Tensor>(), new Set<Node>(), [output]];
  for (let x = waiting.pop(); x !== undefined; x = waiting.pop()) {
    if (isOld(x)) found.set(keyOf(x), x);
    else if (!seen.has(x.node as Node)) {
      seen.add(x.node as Node);
      waiting.push(...(x.node as Node).inputs.filter((input) => input.requiresGrad));
    }
  }
  return [...found.values()];
}
