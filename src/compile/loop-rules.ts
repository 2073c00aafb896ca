/**
 * What one loop can hold: elementwise operations, updates in place and sums over the same elements, each looking at the
 * values of the others element by element, in the same order.
 */

import { hasVectorForm } from '../kernels/wasm/elementwise/forms.ts';
import { sizeOf } from '../tensor/shape.ts';
import { type GraphNode, isWhole, nameOf, type Value, type View } from './graph.ts';

/** More than this in one loop does not fit registers. */
const mostValues = 48;
const mostArrays = 12;

/** The number of elements that an operation of a loop goes over. */
export function elementsOf(node: GraphNode): number {
  return sizeOf(nameOf(node) === 'sum' ? node.reads[0]!.shape : node.target.shape);
}

/** Whether an operation can be part of a loop. */
export function canLoop(node: GraphNode): boolean {
  if (node.target.value.dtype !== 'float32' || node.reads.some((view) => view.value.dtype !== 'float32')) return false;
  if (elementsOf(node) === 0) return false;
  const name = nameOf(node);
  if (node.op === null && !isPointwise(node)) return false;
  if (name === 'assign' || name === 'clone') return true;
  if (name === 'sum') return sizeOf(node.target.shape) > 0;
  return hasVectorForm(name);
}

/** Whether an update in place reads what it overwrites, if at all, element by element. */
function isPointwise({ reads, target }: GraphNode): boolean {
  return reads.every((view) => view.value !== target.value || (isWhole(view) && isWhole(target)));
}

/** Whether an operation can be part of a loop of other operations that run before it. */
export function fits(node: GraphNode, nodes: readonly GraphNode[]): boolean {
  const all = [...nodes, node];
  return (
    nodes.length < mostValues &&
    elementsOf(nodes[0]!) === elementsOf(node) &&
    arraysOf(all) <= mostArrays &&
    commonShape(all.flatMap(shapesOf)) !== null &&
    node.reads.every((view) => canRead(view, nodes)) &&
    canWrite(node, nodes) &&
    sumsAgree(node, nodes)
  );
}

/** How many arrays a loop runs through; single numbers are read before. */
function arraysOf(nodes: readonly GraphNode[]): number {
  const inner = new Set<Value>();
  for (const node of nodes) if (node.op !== null && nameOf(node) !== 'sum') inner.add(node.target.value);
  const arrays = new Set<Value>();
  for (const { reads, target } of nodes) {
    for (const { value } of [...reads, target]) if (value.size > 1 && !inner.has(value)) arrays.add(value);
  }
  return arrays.size;
}

/** A value that the loop itself makes or updates must be read as it is then, element by element. */
function canRead(view: View, nodes: readonly GraphNode[]): boolean {
  const maker = nodes.findLast((other) => other.target.value === view.value);
  if (maker === undefined) return true;
  if (!isWhole(view) || nameOf(maker) === 'sum') return false;
  return maker.op !== null || (isWhole(maker.target) && view.version === maker.target.version + 1);
}

/** What is overwritten may be touched within the loop only at the very same elements. */
function canWrite(node: GraphNode, nodes: readonly GraphNode[]): boolean {
  if (node.op !== null) return true;
  const { value } = node.target;
  if (nodes.some(({ op, target }) => op !== null && target.value === value)) return false;
  const touched = [...node.reads, ...nodes.flatMap(({ reads, target }) => [...reads, target])];
  return touched.every((view) => view.value !== value || (isWhole(view) && isWhole(node.target)));
}

/** Sums in one loop go over the same axes of the same shape. */
function sumsAgree(node: GraphNode, nodes: readonly GraphNode[]): boolean {
  if (nameOf(node) !== 'sum') return true;
  const other = nodes.find((candidate) => nameOf(candidate) === 'sum');
  const describe = (sum: GraphNode): string =>
    `${sum.reads[0]!.shape.join()} ${(sum.attrs as readonly number[]).join()}`;
  return other === undefined || describe(other) === describe(node);
}

/** The size of steps in row-major order at which the axes of all shapes have borders; null if they cannot be aligned. */
export function commonShape(shapes: readonly (readonly number[])[]): number[] | null {
  const borders = new Set<number>();
  for (const shape of shapes) {
    let step = 1;
    for (const length of shape.toReversed()) {
      step *= length;
      borders.add(step);
    }
  }
  borders.delete(1);
  const sorted = [...borders].sort((a, b) => a - b);
  const sizes: number[] = [];
  let last = 1;
  for (const border of sorted) {
    if (border % last !== 0) return null;
    sizes.unshift(border / last);
    last = border;
  }
  return sizes;
}

/** The shapes over which an operation goes. */
function shapesOf(node: GraphNode): (readonly number[])[] {
  return nameOf(node) === 'sum' ? [node.reads[0]!.shape] : [node.target.shape, ...node.reads.map((view) => view.shape)];
}
