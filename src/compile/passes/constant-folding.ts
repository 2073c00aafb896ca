/**
 * Operations whose operands are all known when the function is traced are carried out then, once, as long as the result
 * is not so large that keeping it costs more than computing it.
 */

import { sizeOf } from '../../tensor/shape.ts';
import { allocateValue, FreshValues, type Graph, isWhole, type Source } from '../graph.ts';
import { rewrite, updatedValues } from './rewrite.ts';

/** 256 KB in single precision. */
const mostElements = 65536;

/** The graph with constants in place of what is computed from constants alone. */
export function foldConstants(graph: Graph): Graph {
  const updated = updatedValues(graph);
  const fresh = new FreshValues(graph);
  return rewrite(graph, ({ op, attrs, reads, target }) => {
    const isKnown = reads.length > 0 && reads.every((view) => view.value.source.kind === 'constant');
    const { size, dtype } = target.value;
    if (op === null || op.impure || !isKnown || size > mostElements || !isWhole(target)) return null;
    if (updated.has(target.value) || reads.some((view) => sizeOf(view.shape) > mostElements)) return null;
    const operands = reads.map(({ value, shape, strides, offset }) => {
      const { data } = value.source as Extract<Source, { kind: 'constant' }>;
      return { data, shape, strides, offset };
    });
    const data = allocateValue(target.value);
    op.compute(operands, attrs, { shape: target.shape, dtype }, data);
    return { ...target, value: fresh.make({ kind: 'constant', data }, size, dtype), version: 0 };
  });
}
