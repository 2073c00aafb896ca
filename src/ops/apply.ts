/**
 * The only door to operations. An interpreter gives them meaning: the eager one, below, computes at once; `compile`
 * puts one in its place that writes a graph down. Autograd listens to every call, whoever interprets it.
 */

import { DTypeError, GradError, ShapeError } from '../errors.ts';
import { elementwiseKernels } from '../kernels/elementwise.ts';
import { fromStorage } from '../tensor/creation.ts';
import { allocate } from '../tensor/dtype.ts';
import { sameShape, showShape, sizeOf } from '../tensor/shape.ts';
import { takeSpare } from '../tensor/spare.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { AnyComputeOp, AnyOp, Op } from './op.ts';

/** A way of carrying operations out. */
export interface Interpreter {
  apply(op: AnyOp, inputs: readonly Tensor[], attrs: unknown): Tensor;
  /** Overwrites the elements of `target` with those of `value`, of the same shape and dtype. */
  assign(target: Tensor, value: Tensor): void;
  /** Hears that what follows depends on `value`, which `read` would give at another time. */
  guard?(read: () => unknown, value: unknown): void;
  /** Hears that `x`, which was just made, is kept from call to call. */
  keep?(x: Tensor): void;
}

/** What autograd wants to hear. */
export interface Recorder {
  record(op: AnyOp, inputs: readonly Tensor[], attrs: unknown, output: Tensor): void;
  /** Whether a gradient is being recorded through any of `tensors`. */
  isRecording(tensors: readonly Tensor[]): boolean;
}

/** Another way for operations that are large; null for those that are not. */
type LargeOperations = (op: AnyComputeOp, inputs: readonly Tensor[], attrs: unknown) => Tensor | null;

let runLarge: LargeOperations | null = null;

/** Lets eager execution ask `run` first, which must compute the same. */
export function setLargeOperations(run: LargeOperations | null): void {
  runLarge = run;
}

/** Computes at once, on ordinary garbage-collected memory. */
export const eager: Interpreter = {
  apply(op, inputs, attrs) {
    if (op.kind === 'view') {
      const x = inputs[0]!;
      return new Tensor(x.storage, op.layout(x, attrs), x.dtype);
    }
    const result = runLarge?.(op, inputs, attrs) ?? null;
    if (result !== null) return result;
    const out = op.infer(inputs, attrs);
    const size = sizeOf(out.shape);
    const spare = op.overwrites && out.dtype === 'float32' ? takeSpare(size) : null;
    const y = spare ?? allocate(out.dtype, size);
    op.compute(inputs, attrs, out, y);
    return fromStorage(y, out.shape);
  },
  assign(target, value) {
    if (target.size === 0) return;
    // A source that shares the target's memory is copied first, so that no element is read after it was overwritten.
    const source = value.data === target.data ? tensorCopy(value) : value;
    elementwiseKernels().assign(target, source);
    target.storage.version++;
  },
};

let interpreter: Interpreter = eager;
let recorder: Recorder | null = null;

/** Applies an operation to its inputs. */
export function apply<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor {
  checkInputs(op.name, inputs);
  const output = interpreter.apply(op, inputs, attrs);
  recorder?.record(op, inputs, attrs, output);
  return output;
}

/** Overwrites `target` in place and counts its version up. Not differentiable: an error while recording through either. */
export function assign(target: Tensor, value: Tensor): void {
  checkInputs('assign', [target, value]);
  if (!sameShape(target.shape, value.shape)) {
    throw new ShapeError(`assign: target is ${showShape(target.shape)} but value is ${showShape(value.shape)}`);
  }
  if (recorder?.isRecording([target, value])) {
    throw new GradError(
      'assign: an in-place update has no gradient; call it within noGrad(() => …), or on a detach()ed tensor',
    );
  }
  interpreter.assign(target, value);
}

/** Runs `fn` with another interpreter behind the door. */
export function withInterpreter<R>(other: Interpreter, fn: () => R): R {
  const before = interpreter;
  interpreter = other;
  try {
    return fn();
  } finally {
    interpreter = before;
  }
}

/** The interpreter behind the door now. */
export function currentInterpreter(): Interpreter {
  return interpreter;
}

/**
 * The value of `read()`, on which code branches outside of operations (a module's mode, say). A traced program holds
 * only as long as it stays the same.
 */
export function guarded<T>(read: () => T): T {
  const value = read();
  interpreter.guard?.(read, value);
  return value;
}

/**
 * Makes a tensor within a function that may be traced, but one that outlives the call: a state that comes up late.
 * Its first values are computed at once.
 */
export function kept(make: () => Tensor): Tensor {
  const outside = interpreter;
  const x = withInterpreter(eager, make);
  outside.keep?.(x);
  return x;
}

let generation = 0;

/** Says that tensors which functions captured were replaced by others, so that traced programs no longer hold. */
export function forgetTraces(): void {
  generation++;
}

/** Counts the calls of `forgetTraces`. */
export function traceGeneration(): number {
  return generation;
}

/** Called once by autograd. */
export function setRecorder(listener: Recorder): void {
  recorder = listener;
}

function tensorCopy(x: Tensor): Tensor {
  return fromStorage(x.toTypedArray(), x.shape);
}

/** All inputs are tensors, and of one dtype. */
function checkInputs(operation: string, inputs: readonly Tensor[]): void {
  for (const [i, x] of inputs.entries()) {
    if (!(x instanceof Tensor)) {
      throw new DTypeError(
        `${operation}: input ${i} must be a tensor, but is ${x === null ? 'null' : typeof x}; make one with tensor(…)`,
      );
    }
    if (x.dtype !== inputs[0]!.dtype) {
      throw new DTypeError(
        `${operation}: inputs are ${inputs.map((input) => input.dtype).join(' and ')}; convert one with to('${inputs[0]!.dtype}')`,
      );
    }
  }
}
