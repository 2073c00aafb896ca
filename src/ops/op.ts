/**
 * What an operation is: one object with its shape rule, its kernel and its vjp. Operations know nothing of autograd;
 * eager execution, recording and tracing interpret them.
 */

import type { FloatArray, Strided } from '../kernels/types.ts';
import type { DType } from '../tensor/dtype.ts';
import type { Layout, Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** What is known of a tensor before its values. */
export interface TensorSpec {
  readonly shape: Shape;
  readonly dtype: DType;
}

/** What a vjp may look at: the call it differentiates. Reading a value checks that it has not changed since. */
export interface Call<A> {
  readonly attrs: A;
  /** The inputs' shapes and dtypes, which never change. */
  readonly specs: readonly TensorSpec[];
  /** The i-th input. @throws GradError if it was changed in place since the call. */
  input(i: number): Tensor;
  /** The result. @throws GradError if it was changed in place since the call. */
  output(): Tensor;
}

/**
 * A vector-Jacobian product, written with operations: the gradient of ⟨g, output⟩ in input `i`, of that input's shape.
 */
export type Vjp<A> = (g: Tensor, call: Call<A>, i: number) => Tensor;

interface OpBase<A> {
  readonly name: string;
  /** One vjp per input (null where no gradient flows), one for all of them, or null for an operation without gradient. */
  readonly vjp: readonly (Vjp<A> | null)[] | Vjp<A> | null;
}

/** An operation that computes a new dense tensor. */
export interface ComputeOp<A = undefined> extends OpBase<A> {
  readonly kind: 'compute';
  /** The shape rule: the result's shape and dtype, or a ShapeError. */
  infer(inputs: readonly Tensor[], attrs: A): TensorSpec;
  /** Whether it draws random numbers, as its attributes, a `Drawing`, say; such an operation is never merged or left out. */
  readonly impure?: true;
  /** Whether it writes every element of `y`, which then may hold anything. */
  readonly overwrites?: true;
  /** Fills `y`, which is zeroed (unless it `overwrites`) and of shape `out.shape`. */
  compute(inputs: readonly Strided[], attrs: A, out: TensorSpec, y: FloatArray): void;
}

/** An operation whose result is another view on its input's storage. */
export interface ViewOp<A = undefined> extends OpBase<A> {
  readonly kind: 'view';
  /** The shape rule: the result's layout, or a ShapeError. */
  layout(x: Tensor, attrs: A): Layout;
}

/** An operation. */
export type Op<A = undefined> = ComputeOp<A> | ViewOp<A>;

/** An operation of which only the name and the form matter. */
// biome-ignore lint/suspicious/noExplicitAny: attrs are checked where an operation is applied
export type AnyOp = Op<any>;
// biome-ignore lint/suspicious/noExplicitAny: as above
export type AnyComputeOp = ComputeOp<any>;

/** What a record of an operation holds on to. */
export type RecordedOp = Pick<AnyOp, 'name' | 'vjp'>;

/** The vjp of `op` in input `i`, or null. */
export function vjpOf(op: RecordedOp, i: number): Vjp<unknown> | null {
  return typeof op.vjp === 'function' ? op.vjp : (op.vjp?.[i] ?? null);
}
