/**
 * What is fused with a matrix product: a bias for each column and ReLU behind it, as in a dense layer.
 *
 *   matmul → add bias → relu          one group: only the result goes to memory
 */

import { sizeOf } from '../tensor/shape.ts';
import { type GraphNode, isWhole, nameOf, type Value, type View } from './graph.ts';
import type { Group } from './group.ts';

/** Whether there is a kernel for a matrix product: something to add up, and operands that do not run backwards. */
export function hasProductKernel(node: GraphNode): boolean {
  return (
    nameOf(node) === 'matmul' &&
    node.target.value.size > 0 &&
    node.reads.every(({ shape, strides }) => sizeOf(shape) > 0 && strides.every((stride) => stride >= 0))
  );
}

/** The bias that `node` adds to the columns of a product's result `y`, or null. */
export function biasOf(node: GraphNode, y: Value): View | null {
  if (nameOf(node) !== 'add') return null;
  const [a, b] = node.reads as [View, View];
  const [sum, bias] = a.value === y ? [a, b] : [b, a];
  if (sum.value !== y || bias.value === y || !isWhole(sum) || bias.value.dtype !== 'float32') return null;
  const last = bias.shape.length - 1;
  const isRow = bias.strides.every(
    (stride, axis) => bias.shape[axis] === 1 || (axis === last ? stride === 1 : stride === 0),
  );
  return isRow ? bias : null;
}

/** Whether `node` goes on with the product that `group` computes; `isOnlyUse` tells that nothing else reads a value. */
export function continuesProduct(node: GraphNode, group: Group, isOnlyUse: (value: Value) => boolean): boolean {
  const last = group.nodes.at(-1)!;
  const { value } = last.target;
  if (!isOnlyUse(value) || node.target.value.size !== value.size) return false;
  if (nameOf(node) === 'relu') return nameOf(last) !== 'relu' && isWhole(node.reads[0]!);
  const columns = last.target.shape.at(-1);
  return nameOf(last) === 'matmul' && node.target.shape.at(-1) === columns && biasOf(node, value) !== null;
}
