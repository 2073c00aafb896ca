/** Operations of a user's own. */

import { DTypeError, GradError, OptionError } from '../errors.ts';
import type { FloatArray, Strided } from '../kernels/types.ts';
import { apply } from '../ops/apply.ts';
import type { Call, ComputeOp } from '../ops/op.ts';
import { checkKeys, show } from '../tensor/options.ts';
import { checkShape, type Shape } from '../tensor/shape.ts';
import { Storage } from '../tensor/storage.ts';
import { Tensor } from '../tensor/tensor.ts';
import { jointVjp } from './joint.ts';

/** As many as the operation was given; typed so that the first four can be taken apart without a check. */
export type InputList<T> = readonly [T, T, T, T, ...T[]];

/** What `forward` computes with. */
export interface ForwardCall<A> {
  /** The inputs, perhaps non-contiguous; `toTypedArray()` gives their values in row-major order. */
  readonly inputs: InputList<Tensor>;
  /** Where the values of the result go, in row-major order; zeroed. */
  readonly output: FloatArray;
  readonly attrs: A;
}

/** What `vjp` computes with. Reading an input or the output throws a GradError if it was changed in place since. */
export interface VjpCall<A> {
  readonly inputs: InputList<Tensor>;
  readonly output: Tensor;
  readonly attrs: A;
}

/** An operation as `defineOp` takes it. `A` is what the operation is called with besides tensors. */
export interface OpDefinition<A = undefined> {
  /** The name in messages and graphs. */
  name: string;
  /** The result's shape from the inputs' shapes; throw a ShapeError where they do not fit. */
  shape: (shapes: InputList<Shape>, attrs: A) => Shape;
  /** Fills `output`. It sees numbers only: nothing that it does is recorded. */
  forward: (call: ForwardCall<A>) => void;
  /**
   * The gradients of ⟨g, output⟩, one for each input and of its shape; null counts as zero. Written with operations, it can be
   * differentiated itself, to any order. Without it the operation has no gradient.
   */
  vjp?: (g: Tensor, call: VjpCall<A>) => readonly (Tensor | null)[];
}

/** The function that applies an operation: its tensors, and then its attributes if it has any. */
export type DefinedOp<A> = [A] extends [undefined]
  ? (...inputs: Tensor[]) => Tensor
  : (...args: [...inputs: Tensor[], attrs: A]) => Tensor;

/**
 * An operation of one's own, with its gradient, that is recorded and compiled like the built-in ones. All inputs have one
 * dtype, which is the result's too.
 *
 * @throws OptionError for a definition without name, shape or forward.
 * @example
 * ```ts
 * import { type DefinedOp, defineOp, grad, tensor, type Tensor } from 'typedgrad';
 *
 * // The type is written out since the vjp uses the operation itself.
 * const power: DefinedOp<number> = defineOp({
 *   name: 'power',
 *   shape: ([x], _exponent: number) => x,
 *   forward({ inputs: [x], output, attrs: exponent }) {
 *     const values = x.toTypedArray();
 *     for (let i = 0; i < output.length; i++) output[i] = values[i]! ** exponent;
 *   },
 *   vjp: (g, { inputs: [x], attrs: n }) => [n === 0 ? null : g.mul(power(x, n - 1)).mul(n)],
 * });
 *
 * power(tensor([1, 2, 3]), 2).toArray(); // → [1, 4, 9]
 * const cube = (x: Tensor) => power(x, 3);
 * grad(cube)(tensor(2)).item(); // → 12
 * grad(grad(cube))(tensor(2)).item(); // → 12
 * ```
 */
export function defineOp<A = undefined>(definition: OpDefinition<A>): DefinedOp<NoInfer<A>> {
  checkDefinition(definition);
  const { name, shape, forward, vjp } = definition;
  const op: ComputeOp<A> = {
    kind: 'compute',
    name,
    infer: (inputs, attrs) => ({
      shape: checkShape(name, shape(inputs.map((x) => x.shape) as unknown as InputList<Shape>, attrs)),
      dtype: inputs[0]!.dtype,
    }),
    compute: (inputs, attrs, _, output) =>
      forward({ inputs: inputs.map(asValues) as unknown as InputList<Tensor>, output, attrs }),
    vjp: vjp === undefined ? null : jointVjp((g, call) => partsOf(name, vjp(g, seenBy(call)), call)),
  };
  const applied = (...args: unknown[]): Tensor => {
    const hasAttrs = args.length > 0 && !(args.at(-1) instanceof Tensor);
    const inputs = (hasAttrs ? args.slice(0, -1) : args) as Tensor[];
    if (inputs.length === 0) throw new DTypeError(`${name}: needs at least one tensor`);
    return apply(op, inputs, (hasAttrs ? args.at(-1) : undefined) as A);
  };
  return applied as DefinedOp<NoInfer<A>>;
}

function checkDefinition(definition: object): void {
  checkKeys('defineOp', definition, ['name', 'shape', 'forward', 'vjp']);
  const { name, shape, forward, vjp } = definition as Record<string, unknown>;
  if (typeof name !== 'string' || name === '')
    throw new OptionError(`defineOp: name must be a string, but is ${show(name)}`);
  for (const [key, value] of Object.entries({ shape, forward, vjp: vjp ?? (() => {}) })) {
    if (typeof value !== 'function')
      throw new OptionError(`defineOp: ${key} of ${name} must be a function, but is ${show(value)}`);
  }
}

/** The same values as a tensor that is not recorded. */
function asValues(x: Strided): Tensor {
  return new Tensor(x instanceof Tensor ? x.storage : new Storage(x.data), x);
}

/** The call as a vjp sees it: what it reads is checked when, and only if, it is read. */
function seenBy<A>(call: Call<A>): VjpCall<A> {
  const inputs: Tensor[] = [];
  for (const i of call.specs.keys()) {
    Object.defineProperty(inputs, i, { get: () => call.input(i), enumerable: true });
  }
  return {
    inputs: inputs as unknown as InputList<Tensor>,
    attrs: call.attrs,
    get output() {
      return call.output();
    },
  };
}

function partsOf<A>(name: string, parts: unknown, call: Call<A>): readonly (Tensor | null)[] {
  const count = call.specs.length;
  const valid = (part: unknown): boolean => part === null || part instanceof Tensor;
  if (Array.isArray(parts) && parts.length === count && parts.every(valid)) return parts;
  throw new GradError(
    `${name}: vjp must return a list of ${count} tensors or nulls, one for each input, but returned ${show(parts)}`,
  );
}
