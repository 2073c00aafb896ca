/** Computes once what is computed twice from the same values. */

import type { Graph, View } from '../graph.ts';
import { rewrite, updatedValues } from './rewrite.ts';

/** The graph with equal computations merged into the first of them. */
export function mergeCommonSubexpressions(graph: Graph): Graph {
  const updated = updatedValues(graph);
  const identities = new Map<unknown, number>();
  const identityOf = (object: unknown): number => {
    const known = identities.get(object);
    if (known !== undefined) return known;
    identities.set(object, identities.size);
    return identities.size - 1;
  };
  const constants = new Map<string, number>();
  const valueKey = (view: View): string => {
    const { source } = view.value;
    // Small constants are the same if their numbers are.
    if (source.kind !== 'constant' || source.data.length > 16) return `${identityOf(view.value)}'${view.version}`;
    const text = `${view.value.dtype}:${Array.from(source.data, (x) => (Object.is(x, -0) ? '-0' : x)).join()}`;
    if (!constants.has(text)) constants.set(text, constants.size);
    return `c${constants.get(text)}`;
  };
  const viewKey = (view: View): string =>
    `${valueKey(view)}:${view.shape.join()}:${view.strides.join()}:${view.offset}`;
  const attrsKey = (attrs: unknown): string =>
    JSON.stringify(attrs, (_, entry: unknown) => {
      if (typeof entry === 'number' && !Number.isFinite(entry)) return String(entry);
      const isPlain =
        typeof entry !== 'object' ||
        entry === null ||
        Array.isArray(entry) ||
        Object.getPrototypeOf(entry) === Object.prototype;
      return isPlain && typeof entry !== 'function' ? entry : `#${identityOf(entry)}`;
    }) ?? '';
  const first = new Map<string, View>();
  return rewrite(graph, (node) => {
    if (node.op === null || node.op.impure || updated.has(node.target.value)) return null;
    const key = `${identityOf(node.op)}(${node.reads.map(viewKey).join(';')})${attrsKey(node.attrs)}`;
    const same = first.get(key);
    if (same === undefined) first.set(key, node.target);
    return same ?? null;
  });
}
