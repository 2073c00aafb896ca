/**
 * The intermediate form of a compiled function: a list of operations in the order in which they ran, on values that are
 * whole buffers, read through views. Views cost nothing, so they are no operations here.
 */

import type { FloatArray, Strided } from '../kernels/types.ts';
import { type ElementType, elementsOn } from '../kernels/wasm/memory/heap.ts';
import { denseStrides, isDense, type Layout, type Shape, sizeOf } from '../tensor/shape.ts';
import type { Storage } from '../tensor/storage.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** A zeroed array for a value. */
export function allocateValue({ dtype, size }: Value): FloatArray {
  return elementsOn(new ArrayBuffer(size * elementBytes(dtype)), dtype, 0, size);
}

/** Bytes of an element. */
export function elementBytes(dtype: ElementType): number {
  return { uint8: 1, float32: 4, float64: 8 }[dtype];
}

/** What a node does: an operation of the library, or one that a pass put in its place. */
// biome-ignore lint/suspicious/noExplicitAny: attrs are checked where an operation is applied
export interface GraphOp<A = any> {
  readonly name: string;
  /** Whether it draws random numbers, as its attributes, a `Drawing`, say. */
  readonly impure?: true;
  /** Fills `y`, which is zeroed; bytes, too, are read and written through what looks like an array of floats. */
  compute(
    inputs: readonly Strided[],
    attrs: A,
    out: { readonly shape: Shape; readonly dtype: ElementType },
    y: FloatArray,
  ): void;
}

/** Where a buffer's content comes from. */
export type Source =
  /** The i-th tensor among the arguments, made dense. */
  | { readonly kind: 'input'; readonly index: number }
  /** A storage that lived before the call and is read (perhaps written) at each one: parameters, moments, statistics. */
  | { readonly kind: 'state'; readonly storage: Storage }
  /** What `grad` of a tensor holds when the call begins. */
  | { readonly kind: 'slot'; readonly tensor: Tensor }
  /** Numbers fixed at tracing. */
  | { readonly kind: 'constant'; readonly data: FloatArray }
  /** The result of an operation. */
  | { readonly kind: 'temporary' };

/** A buffer of `size` elements. */
export interface Value {
  readonly id: number;
  readonly source: Source;
  readonly size: number;
  /** That of a tensor, or bytes, which passes may put between two operations. */
  readonly dtype: ElementType;
}

/** A reading or writing of a value through a layout, at one state of its content (which an in-place update counts up). */
export interface View extends Layout {
  readonly value: Value;
  readonly version: number;
}

/** One operation: a computation into a fresh dense value, or an in-place update (`op` null) of the target by the only read. */
export interface GraphNode {
  readonly op: GraphOp | null;
  readonly attrs: unknown;
  readonly reads: readonly View[];
  readonly target: View;
}

/** A traced function. */
export interface Graph {
  /** The tensors among the arguments, in order. */
  readonly inputs: readonly Value[];
  readonly nodes: readonly GraphNode[];
  /** The tensors among the results, in order. */
  readonly outputs: readonly View[];
  /** What `grad` of tensors shall hold afterwards; null for nothing. */
  readonly grads: readonly { readonly tensor: Tensor; readonly view: View | null }[];
}

/** The name of a node's operation. */
export function nameOf(node: GraphNode): string {
  return node.op?.name ?? 'assign';
}

/** Whether a view shows a value's elements all and in order. */
export function isWhole(view: View): boolean {
  return view.offset === 0 && isDense(view) && sizeOf(view.shape) === view.value.size;
}

/** All values of a graph, in order of first use. */
export function valuesOf(graph: Graph): Value[] {
  const found = new Set<Value>(graph.inputs);
  for (const node of graph.nodes) {
    for (const view of node.reads) found.add(view.value);
    found.add(node.target.value);
  }
  for (const view of resultsOf(graph)) found.add(view.value);
  return [...found];
}

/** Makes values that a graph does not have yet. */
export class FreshValues {
  #next = 0;

  constructor(graph: Graph) {
    for (const { id } of valuesOf(graph)) this.#next = Math.max(this.#next, id + 1);
  }

  /** Another value. */
  make(source: Source, size: number, dtype: ElementType): Value {
    return { id: this.#next++, source, size, dtype };
  }

  /** The whole of another result of an operation, before any update in place. */
  temporary(shape: Shape, dtype: ElementType): View {
    const value = this.make({ kind: 'temporary' }, sizeOf(shape), dtype);
    return { value, shape, strides: denseStrides(shape), offset: 0, version: 0 };
  }
}

/** The gradients that a graph begins with. */
export function slotsOf(graph: Graph): Value[] {
  return valuesOf(graph).filter((value) => value.source.kind === 'slot');
}

/** Those of them that it changes in place. */
export function updatedSlots(graph: Graph): Value[] {
  const updated = new Set(graph.nodes.filter((node) => node.op === null).map((node) => node.target.value));
  return slotsOf(graph).filter((value) => updated.has(value));
}

/** Everything that is read when the call is over. */
export function resultsOf(graph: Graph): View[] {
  return [...graph.outputs, ...graph.grads.flatMap(({ view }) => (view === null ? [] : [view]))];
}

/** The elements, from the first to behind the last, that a view touches. */
export function extentOf(layout: Layout): [first: number, end: number] {
  if (sizeOf(layout.shape) === 0) return [layout.offset, layout.offset];
  let [first, last] = [layout.offset, layout.offset];
  for (const [axis, length] of layout.shape.entries()) {
    const reach = (length - 1) * layout.strides[axis]!;
    if (reach < 0) first += reach;
    else last += reach;
  }
  return [first, last + 1];
}

/**
 * Throws if the graph breaks a rule: a value is written before it is read; a temporary is computed once; views stay
 * within their values; computations write whole dense buffers; dtypes agree; and nothing writes to inputs or constants.
 */
export function checkGraph(graph: Graph): void {
  const written = new Set<Value>();
  const fail = (node: GraphNode | null, rule: string): never => {
    throw new Error(`graph: ${node ? `${nameOf(node)}: ` : ''}${rule}\n${printGraph(graph)}`);
  };
  const checkRead = (node: GraphNode | null, view: View): void => {
    const [first, end] = extentOf(view);
    if (first < 0 || end > view.value.size)
      fail(node, `v${view.value.id} is read outside of its ${view.value.size} elements`);
    if (view.value.source.kind === 'temporary' && !written.has(view.value))
      fail(node, `v${view.value.id} is read before it is computed`);
  };
  for (const node of graph.nodes) {
    for (const view of node.reads) checkRead(node, view);
    const { target } = node;
    const { kind } = target.value.source;
    if (node.op === null) {
      checkRead(node, target);
      if (kind === 'input' || kind === 'constant') fail(node, `an ${kind} is overwritten`);
      if (node.reads[0]!.value.dtype !== target.value.dtype) fail(node, 'the dtypes differ');
      if (sizeOf(node.reads[0]!.shape) !== sizeOf(target.shape)) fail(node, 'the sizes differ');
    } else {
      if (kind !== 'temporary' || written.has(target.value))
        fail(node, `v${target.value.id} is not computed here alone`);
      if (target.offset !== 0 || !isDense(target) || sizeOf(target.shape) !== target.value.size) {
        fail(node, `v${target.value.id} is not written as a whole`);
      }
      written.add(target.value);
    }
  }
  for (const view of resultsOf(graph)) checkRead(null, view);
}

/** The graph as text, one operation a line. */
export function printGraph(graph: Graph): string {
  const lines = graph.nodes.map(
    (node) => `  ${showView(node.target)} = ${nameOf(node)}(${node.reads.map(showView).join(', ')})`,
  );
  const results = graph.outputs.map(showView).join(', ');
  const grads = graph.grads.map(({ view }) => (view === null ? 'null' : showView(view))).join(', ');
  const inputs = graph.inputs.map((value) => `v${value.id}`).join(', ');
  return [`graph (${inputs})`, ...lines, `  return ${results || 'nothing'}${grads ? `; grads ${grads}` : ''}`].join(
    '\n',
  );
}

const sigils = { input: 'in', state: 'state', slot: 'grad', constant: 'const', temporary: 'v' };

function showView({ value, shape, strides, offset, version }: View): string {
  const layout =
    isDense({ shape, strides, offset }) && offset === 0 ? '' : ` strides [${strides.join(', ')}] + ${offset}`;
  return `${sigils[value.source.kind]}${value.id}${version > 0 ? `'${version}` : ''}[${shape.join(', ')}]${layout}`;
}

/** A name within quotation marks in DOT. */
function escaped(name: string): string {
  return name.replaceAll(/["\\]/g, '\\$&').replaceAll('\n', '\\n');
}

/** The graph in the DOT language of Graphviz. */
export function dotGraph(graph: Graph): string {
  const lines: string[] = [];
  const maker = new Map<Value, string>();
  const origin = (value: Value): string => {
    const node = maker.get(value);
    if (node !== undefined) return node;
    const name = `value${value.id}`;
    lines.push(`  ${name} [label="${value.source.kind} ${value.id}\\n${value.size} × ${value.dtype}", shape=box];`);
    maker.set(value, name);
    return name;
  };
  for (const [i, node] of graph.nodes.entries()) {
    const name = `node${i}`;
    lines.push(`  ${name} [label="${escaped(nameOf(node))}\\n[${node.target.shape.join(', ')}]"];`);
    for (const view of node.reads) lines.push(`  ${origin(view.value)} -> ${name};`);
    if (node.op === null) lines.push(`  ${origin(node.target.value)} -> ${name} [style=dashed];`);
    maker.set(node.target.value, name);
  }
  for (const [i, view] of resultsOf(graph).entries()) {
    lines.push(`  result${i} [shape=box, style=rounded];`, `  ${origin(view.value)} -> result${i};`);
  }
  return ['digraph {', '  rankdir=TB;', ...lines, '}'].join('\n');
}
