/**
 * Tracing: a function runs once on tensors without values, while an interpreter writes down what it does. Recording of
 * gradients goes on as ever, so a backward pass within the function is traced like everything else.
 */

import { TraceError } from '../errors.ts';
import { currentInterpreter, eager, type Interpreter, withInterpreter } from '../ops/apply.ts';
import type { AnyComputeOp, AnyOp, ComputeOp } from '../ops/op.ts';
import type { DType } from '../tensor/dtype.ts';
import { type Drawing, type DrawObserver, fillDrawn, observeDraws } from '../tensor/random.ts';
import { denseStrides, isDense, type Shape, showShape, sizeOf } from '../tensor/shape.ts';
import { observeReads, Storage, storagesMade } from '../tensor/storage.ts';
import { observeGrad, Tensor } from '../tensor/tensor.ts';
import { allocateValue, type Graph, type GraphNode, type Source, type Value, type View } from './graph.ts';
import { type GraphEnd, graphEndOf } from './graph-end.ts';

/** The storage of a traced tensor, which has no values yet. */
class TracedStorage extends Storage {
  readonly value: Value;
  readonly #origin: string;

  constructor(value: Value, origin: string) {
    super(allocateValue({ ...value, size: 0 }));
    this.value = value;
    this.#origin = origin;
  }

  override get length(): number {
    return this.value.size;
  }

  override get data(): never {
    if (currentInterpreter() instanceof Tracer) {
      throw new TraceError(
        `compile: the value of ${this.#origin} was read${whereabouts()} while the function was traced, when it is not known yet; ` +
          'return the tensor and read it outside, or choose between tensors with where()',
      );
    }
    throw new TraceError(
      `compile: ${this.#origin} belongs to a traced function and has no value outside of it; let the function return it, by itself or within arrays and records`,
    );
  }
}

/** The line of the traced function that is being carried out, as far as the engine's stack tells. */
function whereabouts(): string {
  // A limit that V8 has; elsewhere it is without effect.
  const limits = Error as { stackTraceLimit?: number | undefined };
  const { stackTraceLimit } = limits;
  limits.stackTraceLimit = Number.POSITIVE_INFINITY;
  const lines = new Error().stack?.split('\n') ?? [];
  limits.stackTraceLimit = stackTraceLimit;
  const line = lines[lines.findIndex((frame) => frame.includes('tracedFunction')) - 1];
  return line === undefined ? '' : ` (${line.trim()})`;
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
  /** Captured storages that the call changes, or whose gradients it looks at. */
  readonly captured: ReadonlySet<Storage>;
  /** What the call does to gradients of its arguments. */
  readonly inputGrads: readonly InputGrad[];
  /** What the function returned, its traced tensors standing for the graph's outputs (see `outputOf`). */
  readonly result: R;
  /** What a returned tensor stands for; undefined if it is an ordinary tensor. */
  readonly outputOf: (x: Tensor) => Returned | undefined;
}

/** One of the graph's outputs, by its number, and what eager code's result would carry of a gradient's graph. */
export interface Returned {
  readonly number: number;
  readonly end: GraphEnd;
}

/** What is known of a tensor argument. */
export interface InputSpec {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly requiresGrad: boolean;
  /** What messages call it. Default: argument and its number. */
  readonly name?: string;
  /** Which input `grad` holds, if it holds any. */
  readonly grad?: number;
  /** Whether a recorded operation made it, which its gradient is not to be lost to. */
  readonly isResult?: boolean;
}

/** A change of `grad` of an input: the output that is its gradient now, or null for none. */
export interface InputGrad {
  readonly index: number;
  readonly output: number | null;
  /** Whether the gradient that was there is overwritten. */
  readonly isInPlace: boolean;
}

interface GradState {
  readonly before: Tensor | null;
}

class Tracer implements Interpreter, DrawObserver {
  readonly nodes: GraphNode[] = [];
  readonly guards: Guard[] = [];
  readonly grads = new Map<Tensor, GradState>();
  readonly #values = new Map<Storage, Value>();
  readonly #slots = new Map<Storage, Tensor>();
  readonly #versions = new Map<Storage, number>();
  readonly #guarded = new Set<Tensor>();
  readonly #kept = new Set<Storage>();
  readonly #inputs: string[] = [];
  readonly #mark = storagesMade();
  #made = 0;

  /** The tensors that stand for the arguments, with the gradients that they have. */
  inputs(specs: readonly InputSpec[]): Tensor[] {
    const tensors = specs.map(({ shape, dtype, requiresGrad, name }, index) => {
      this.#inputs.push(name ?? `argument ${index}`);
      const x = this.make({ kind: 'input', index }, shape, dtype, `${this.#inputs[index]}, shape ${showShape(shape)},`);
      x.requiresGrad = requiresGrad;
      return x;
    });
    // Copies, which may be overwritten; those that are not go.
    for (const [i, { grad }] of specs.entries())
      if (grad !== undefined) tensors[i]!.grad = this.#record(copyOp, [tensors[grad]!], undefined);
    return tensors;
  }

  value(source: Source, size: number, dtype: DType): Value {
    return { id: this.#made++, source, size, dtype };
  }

  /** A traced tensor on a fresh dense value. */
  make(source: Source, shape: Shape, dtype: DType, origin: string): Tensor {
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
      throw new TraceError(
        `compile: assign overwrites ${this.#inputs[view.value.source.index]}${whereabouts()}; clone() it first, or keep it outside and close over it`,
      );
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
    this.guards.push({ read: () => layoutOf(x.grad), value: layoutOf(before) });
    if (before === null) return;
    const { storage } = before;
    const other = this.#slots.get(storage);
    // Memory that something else is read from, too, must be the same memory at the next call.
    if (other !== undefined) this.guards.push({ read: () => x.grad?.storage === other.grad?.storage, value: true });
    else if (this.#values.has(storage)) this.guards.push({ read: () => x.grad?.storage === storage, value: true });
    else this.#slots.set(storage, x);
  }

  keep(x: Tensor): void {
    this.#kept.add(x.storage);
  }

  /** Random numbers are drawn at each call. */
  tensor(operation: string, shape: Shape, dtype: DType, drawing: Drawing): Tensor {
    const draw: ComputeOp<Drawing> = {
      kind: 'compute',
      name: operation,
      impure: true,
      infer: () => ({ shape, dtype }),
      compute: (_, attrs, __, y) => fillDrawn(attrs, y),
      vjp: null,
    };
    return this.#record(draw, [], drawing);
  }

  number(): never {
    throw new TraceError(
      `compile: a random number was drawn${whereabouts()} while the function was traced, and each call would repeat it; ` +
        'draw a tensor with rand() or randn(), or pass the number as an argument',
    );
  }

  /** Hears of a look at the values behind a tensor, which is none of the business of a function that shall hold for later calls. */
  observeRead(storage: Storage): void {
    if (currentInterpreter() !== this || this.isOwn(storage)) return;
    throw new TraceError(
      `compile: values of a captured tensor (of ${storage.length} elements) were read${whereabouts()} while the function was traced, and may be others at the ` +
        'next call; compute with the tensor itself, choose with where(), or pass what you need as an argument',
    );
  }

  /** Whether a storage was made by the function itself. */
  isOwn(storage: Storage): boolean {
    return storage instanceof TracedStorage || (storage.serial >= this.#mark && !this.#kept.has(storage));
  }

  /** Whether the values of a tensor that the function returned are to be had from the program alone. */
  isComputed({ storage }: Tensor): boolean {
    return this.isOwn(storage) || this.#slots.has(storage);
  }

  /** Whether what is captured is changed by the function, or looked at as a gradient: then it must not be an argument too. */
  captured(): Set<Storage> {
    const found = new Set<Storage>();
    for (const { target } of this.nodes)
      if (target.value.source.kind === 'state') found.add(target.value.source.storage);
    for (const x of this.grads.keys()) if (!this.isOwn(x.storage)) found.add(x.storage);
    return found;
  }

  /** @throws TraceError if a gradient has come to an input whose own graph lies outside. */
  checkEnd(x: Tensor, index: number): void {
    if (this.grads.get(x) === undefined || x.grad === this.grads.get(x)!.before) return;
    throw new TraceError(
      `compile: a gradient flows to ${this.#inputs[index]}, shape ${showShape(x.shape)}, which is a result of operations outside, and would end there; ` +
        'detach() it, or compile the function that makes it as well',
    );
  }

  /** Versions as they were: tracing has changed nothing yet. */
  restoreVersions(): void {
    for (const [storage, version] of this.#versions) storage.version = version;
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
    const output = this.make({ kind: 'temporary' }, shape, dtype, `${op.name}, shape ${showShape(shape)},`);
    this.nodes.push({ op, attrs, reads, target: this.view(output) });
    return output;
  }

  #valueOf(storage: Storage, dtype: DType): Value {
    if (storage instanceof TracedStorage) return storage.value;
    const known = this.#values.get(storage);
    if (known !== undefined) return known;
    const slot = this.#slots.get(storage);
    const source: Source =
      slot !== undefined
        ? { kind: 'slot', tensor: slot }
        : this.isOwn(storage)
          ? { kind: 'constant', data: storage.data }
          : { kind: 'state', storage };
    const value = this.value(source, storage.length, dtype);
    this.#values.set(storage, value);
    return value;
  }

  /** Whether the values of a storage were made by the function itself, from nothing that a later call could change. */
  #isConstant(storage: Storage): boolean {
    if (storage instanceof TracedStorage || !this.isOwn(storage)) return false;
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
    if (!x.isLeaf || x.storage instanceof TracedStorage || x.storage.serial >= this.#mark || this.#guarded.has(x))
      return;
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
export function trace<R>(
  inputs: readonly InputSpec[],
  fn: (tensors: readonly Tensor[]) => R,
  tensorsIn: (result: R) => Tensor[],
): Trace<R> {
  const tracer = new Tracer();
  const tensors = tracer.inputs(inputs);
  const { result, returned } = observed(tracer, () => {
    const given = withInterpreter(tracer, () => fn(tensors));
    for (const [i, { isResult }] of inputs.entries()) if (isResult) tracer.checkEnd(tensors[i]!, i);
    return { result: given, returned: tensorsIn(given) };
  });

  const outputs: View[] = [];
  const computed = new Map<Tensor, Returned>();
  for (const x of returned) {
    if (!tracer.isComputed(x) || computed.has(x)) continue;
    computed.set(x, { number: outputs.push(tracer.view(x)) - 1, end: graphEndOf(x) });
  }
  // They stand for results from now on; what was recorded on the way to them can go.
  for (const x of computed.keys()) x.node = null;
  const inputGrads: InputGrad[] = [];
  const grads: { tensor: Tensor; view: View | null }[] = [];
  for (const [x, { before }] of tracer.grads) {
    const after = x.grad;
    x.grad = before;
    const index = tensors.indexOf(x);
    if (index >= 0) {
      const isInPlace = after === before;
      if (isInPlace && (after === null || after.storage.version === 0)) continue;
      inputGrads.push({ index, output: after === null ? null : outputs.push(tracer.view(after)) - 1, isInPlace });
    } else if (after !== before && !(x.storage instanceof TracedStorage)) {
      grads.push({ tensor: x, view: after === null ? null : tracer.view(after) });
    }
  }
  const values = tensors.map((x) => tracer.view(x).value);
  tracer.restoreVersions();
  const graph: Graph = { inputs: values, nodes: tracer.nodes, outputs, grads };
  return {
    graph,
    guards: tracer.guards,
    captured: tracer.captured(),
    inputGrads,
    result,
    outputOf: (x) => computed.get(x),
  };
}

/** Runs `fn` while the tracer hears of gradients, draws and looks at values. If it fails, all is as it was before. */
function observed<R>(tracer: Tracer, fn: () => R): R {
  observeGrad((x, before, isWrite) => tracer.observeGrad(x, before, isWrite));
  observeReads((storage) => tracer.observeRead(storage));
  observeDraws(tracer);
  let isDone = false;
  try {
    const result = fn();
    isDone = true;
    return result;
  } finally {
    observeGrad(null);
    observeReads(null);
    observeDraws(null);
    if (!isDone) {
      for (const [x, { before }] of tracer.grads) x.grad = before;
      tracer.restoreVersions();
    }
  }
}

/** What of a gradient's memory a program relies on. */
function layoutOf(x: Tensor | null): string {
  if (x === null) return 'none';
  const memory = `${x.dtype} ${x.storage.length}`;
  return isDense(x) && x.offset === 0 ? memory : `${memory} ${x.strides.join()} ${x.offset}`;
}
