/**
 * Which operations along lines have kernels, and which go together: the cross entropy of labels and its gradient, one
 * pass over the logits.
 */

import { isDense } from '../tensor/shape.ts';
import { type GraphNode, nameOf, type View } from './graph.ts';
import type { Group } from './group.ts';

const operations: ReadonlySet<string> = new Set(['softmax', 'logSoftmax', 'crossEntropy', 'crossEntropyGrad']);

/** Whether a view shows one number over and over. */
export function isUniform({ shape, strides }: View): boolean {
  return strides.every((stride, axis) => stride === 0 || shape[axis] === 1);
}

/** Whether there is a kernel for an operation along lines: operands that are dense, or for g one number. */
export function hasLineKernel(node: GraphNode): boolean {
  if (!operations.has(nameOf(node)) || node.target.value.size === 0) return false;
  const [x, labels, g] = node.reads as [View, View?, View?];
  return isDense(x) && (labels === undefined || isDense(labels)) && (g === undefined || isDense(g) || isUniform(g));
}

function isSame(a: View, b: View): boolean {
  return a.value === b.value && a.version === b.version && a.offset === b.offset && a.shape.join() === b.shape.join();
}

/** Whether `node` is the gradient of the cross entropy that `group` computes, of the same logits and labels. */
export function isGradientOf(node: GraphNode, group: Group): boolean {
  const [loss] = group.nodes as [GraphNode];
  if (nameOf(node) !== 'crossEntropyGrad' || group.nodes.length > 1 || nameOf(loss) !== 'crossEntropy') return false;
  if (group.kind !== 'softmax' || !hasLineKernel(node)) return false;
  const attrs = [loss.attrs, node.attrs].map((own) => JSON.stringify(own));
  return attrs[0] === attrs[1] && loss.reads.every((view, i) => isSame(view, node.reads[i]!));
}
