/** Algebra that holds for every number, NaN and infinities included: x · 1, x / 1, x - 0 and copies of what does not change are x. */

import { isDense, sameShape } from '../../tensor/shape.ts';
import type { Graph, GraphNode, Value, View } from '../graph.ts';
import { rewrite, updatedValues } from './rewrite.ts';

/** The number that all elements of a view are, if it is of a constant and they are all one. */
export function uniformValue(view: View): number | null {
  const { source } = view.value;
  if (source.kind !== 'constant') return null;
  if (view.strides.some((stride, axis) => stride !== 0 && view.shape[axis] !== 1)) return null;
  return source.data[view.offset] ?? null;
}

/** The graph without operations that change nothing. */
export function simplify(graph: Graph): Graph {
  const updated = updatedValues(graph);
  return rewrite(graph, (node) => {
    if (updated.has(node.target.value)) return null;
    const same = unchanged(node);
    return same !== null && canStandFor(same, node.target, updated) ? same : null;
  });
}

/** The operand that the result equals element by element. */
function unchanged({ op, reads }: GraphNode): View | null {
  const [a, b] = reads;
  switch (op?.name) {
    case 'clone':
    case 'copy':
      return a!;
    case 'mul':
      return uniformValue(b!) === 1 ? a! : uniformValue(a!) === 1 ? b! : null;
    case 'div':
      return uniformValue(b!) === 1 ? a! : null;
    case 'sub':
      return Object.is(uniformValue(b!), 0) ? a! : null;
    case 'add':
      // x + 0 turns -0 into 0, but x + (-0) is x.
      return Object.is(uniformValue(b!), -0) ? a! : Object.is(uniformValue(a!), -0) ? b! : null;
    default:
      return null;
  }
}

function canStandFor(view: View, target: View, updated: ReadonlySet<Value>): boolean {
  const { kind } = view.value.source;
  const isFixed = (kind === 'temporary' || kind === 'input' || kind === 'constant') && !updated.has(view.value);
  return isFixed && isDense(view) && sameShape(view.shape, target.shape);
}
