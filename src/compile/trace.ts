/**
 * Tracing: a function runs once on tensors without values, while an interpreter writes down what it does. Recording of
 * gradients goes on as ever, so a backward pass within the function is traced like everything else.
 */

import { TraceError } from '../errors.ts';
import { eager, type Interpreter, withInterpreter } from '../ops/apply.ts';
import type { AnyOp } from '../ops/op.ts';
import { allocate, type DType } from '../tensor/dtype.ts';
import { denseStrides, type Shape, showShape, sizeOf } from '../tensor/shape.ts';
import { Storage, storagesMade } from '../tensor/storage.ts';
import { observeGrad, Tensor } from '../tensor/tensor.ts';
import type { AnyComputeOp, Graph, GraphNode, Source, Value, View } from './graph.ts';

/** The storage of a traced tensor, which has no values yet. */
class TracedStorage extends Storage {
  readonly value: Value;
  readonly #origin: string;

  constructor(value: Value, origin: string) {
    super(allocate(value.dtype, 0));
    this.value = value;
    this.#origin = origin;
  }

  override get length(): number {
    return this.value.size;
  }

  override get data(): never {
    throw new TraceError(
      `compile: the value of ${this.#origin} was read while the function was traced, when it is not known yet; ` +
        'return the tensor and read it outside, or choose between tensors with where()',
    );
  }
}

/** A condition under which a traced graph is the right one. */
export interface Guard {
  readonly read: () => unknown;
  readonly value: unknown;
}

/** What tracing gives. */
export interface Trace<R> {
  readonly graph: Graph;
  readonly guards: readonly Guard[];
  /** The gradients that the call leaves in its arguments, by their number. */
  readonly inputGrads: readonly { readonly index: number; readonly output: number }[];
  /** What the function returned, its traced tensors standing for the graph's outputs (see `outputOf`). */
  readonly result: R;
  /** The number of the graph's output that a returned tensor stands for; undefined if it is an ordinary tensor. */
  readonly outputOf: (x: Tensor) => number | undefined;
}

/** What is known of a tensor argument. */
export interface InputSpec {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly requiresGrad: boolean;
}

interface GradState {
  readonly before: Tensor | null;
}

class Tracer implements Interpreter {
  readonly nodes: GraphNode[] = [];
  readonly guards: Guard[] = [];
  readonly grads = new Map<Tensor, GradState>();
  readonly #values = new Map<Storage, Value>();
  readonly #slots = new Map<Storage, Tensor>();
  readonly #versions = new Map<Storage, number>();
  readonly #guarded = new Set<Tensor>();
  readonly #mark = storagesMade();
  #made = 0;

  value(source: Source, size: number, dtype: DType): Value {
    return { id: this.#made++, source, size, dtype };
  }

  /** A traced tensor on a fresh dense value. */
  tensor(source: Source, shape: Shape, dtype: DType, origin: string): Tensor {
    const value = this.value(source, sizeOf(shape), dtype);
    return new Tensor(new TracedStorage(value, origin), { shape, strides: denseStrides(shape), offset: 0 }, dtype);
  }

  apply(op: AnyOp, inputs: readonly Tensor[], attrs: unknown): Tensor {
    for (const x of inputs) this.#guardGradient(x);
    if (op.kind === 'view') return eager.apply(op, inputs, attrs);
    if (!op.impure && inputs.every((x) => this.#isConstant(x.storage))) return eager.apply(op, inputs, attrs);
    return this.#record(op, inputs, attrs);
  }

  assign(target: Tensor, value: Tensor): void {
    if (this.#isConstant(target.storage)) this.#makeVariable(target.storage);
    const view = this.view(target);
    if (view.value.source.kind === 'input') {
      throw new TraceError('compile: the function overwrites one of its arguments; clone() it first, or keep it outside and close over it');
    }
    this.nodes.push({ op: null, attrs: undefined, reads: [this.view(value)], target: view });
    target.storage.version++;
  }

  guard(read: () => unknown, value: unknown): void {
    this.guards.push({ read, value });
  }

  /** Hears of reads and writes of `grad`. */
  observeGrad(x: Tensor, before: Tensor | null, isWrite: boolean): void {
    if (this.grads.has(x)) return;
    this.grads.set(x, { before });
    if (isWrite || x.storage instanceof TracedStorage) return;
    this.guards.push({ read: () => x.grad === null, value: before === null });
    if (before !== null) this.#slots.set(before.storage, x);
  }

  /** How `x` looks at its value now. */
  view(x: Tensor): View {
    const { shape, strides, offset, storage } = x;
    const start = this.#versions.get(storage) ?? storage.version;
    this.#versions.set(storage, start);
    return { value: this.#valueOf(storage, x.dtype), shape, strides, offset, version: storage.version - start };
  }

  #record(op: AnyComputeOp, inputs: readonly Tensor[], attrs: unknown): Tensor {
    const { shape, dtype } = op.infer(inputs, attrs);
    const reads = inputs.map((x) => this.view(x));
    const output = this.tensor({ kind: 'temporary' }, shape, dtype, `${op.name}, shape ${showShape(shape)},`);
    this.nodes.push({ op, attrs, reads, target: this.view(output) });
    return output;
  }

  #valueOf(storage: Storage, dtype: DType): Value {
    if (storage instanceof TracedStorage) return storage.value;
    const known = this.#values.get(storage);
    if (known !== undefined) return known;
    const slot = this.#slots.get(storage);
    const source: Source =
      slot !== undefined ? { kind: 'slot', tensor: slot }
      : storage.serial >= this.#mark ? { kind: 'constant', data: storage.data }
      : { kind: 'state', storage };
    const value = this.value(source, storage.length, dtype);
    this.#values.set(storage, value);
    return value;
  }

  /** Whether the values of a storage were made by the function itself, from nothing that a later call could change. */
  #isConstant(storage: Storage): boolean {
    if (storage instanceof TracedStorage || storage.serial < this.#mark) return false;
    return this.#values.get(storage)?.source.kind !== 'temporary';
  }

  /** A constant that is about to be overwritten becomes a copy of it, made anew by each call. */
  #makeVariable(storage: Storage): void {
    const { data } = storage;
    const whole = new Tensor(storage, { shape: [data.length], strides: [1], offset: 0 });
    const copy = this.#record(copyOp, [whole], undefined);
    this.#values.set(storage, this.view(copy).value);
  }

  /** The graph holds only while the captured leaves require gradients as they do now. */
  #guardGradient(x: Tensor): void {
    if (!x.isLeaf || x.storage instanceof TracedStorage || x.storage.serial >= this.#mark || this.#guarded.has(x)) return;
    this.#guarded.add(x);
    this.guards.push({ read: () => x.requiresGrad, value: x.requiresGrad });
  }
}

/** A dense copy; what `assign` to a constant begins with. */
const copyOp: AnyComputeOp = {
  kind: 'compute',
  name: 'copy',
  infer: ([x]) => x!,
  compute: ([x], _: unknown, __: unknown, y) => y.set(x!.data.subarray(x!.offset, x!.offset + y.length)),
  vjp: null,
};

/** Runs `fn` on traced tensors of `inputs`, and gives the graph of what it did. */
export function trace<R>(inputs: readonly InputSpec[], fn: (tensors: readonly Tensor[]) => R, tensorsIn: (result: R) => Tensor[]): Trace<R> {
  const tracer = new Tracer();
  const tensors = inputs.map(({ shape, dtype, requiresGrad }, index) => {
    const x = tracer.tensor({ kind: 'input', index }, shape, dtype, `argument ${index}, shape ${showShape(shape)},`);
    x.requiresGrad = requiresGrad;
    return x;
  });
  observeGrad((x, before, isWrite) => tracer.observeGrad(x, before, isWrite));
  let result: R;
  try {
    result = withInterpreter(tracer, () => fn(tensors));
  } catch (error) {
    observeGrad(null);
    for (const [x, { before }] of tracer.grads) x.grad = before;
    throw error;
  }
  observeGrad(null);

  const outputs: View[] = [];
  const numbers = new Map<Tensor, number>();
  for (const x of tensorsIn(result)) {
    const view = tracer.view(x);
    const isTraced = x.storage instanceof TracedStorage || view.value.source.kind === 'temporary';
    if (isTraced && !numbers.has(x)) numbers.set(x, outputs.push(view) - 1);
  }
  const inputGrads: { index: number; output: number }[] = [];
  const grads: { tensor: Tensor; view: View | null }[] = [];
  for (const [x, { before }] of tracer.grads) {
    const after = x.grad;
    x.grad = before;
    const index = tensors.indexOf(x);
    if (index >= 0) {
      if (after !== null) inputGrads.push({ index, output: outputs.push(tracer.view(after)) - 1 });
    } else if (after !== before && !(x.storage instanceof TracedStorage)) {
      grads.push({ tensor: x, view: after === null ? null : tracer.view(after) });
    }
  }
  const values = tensors.map((x) => tracer.view(x).value);
  const graph: Graph = { inputs: values, nodes: tracer.nodes, outputs, grads };
  return { graph, guards: tracer.guards, inputGrads, result, outputOf: (x) => numbers.get(x) };
}
