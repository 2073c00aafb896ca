/**
 * The tensor that users hold. Its methods are the operations on one tensor; their bodies live in `ops`, which binds
 * them here, so that `tensor` imports nothing from the rooms above it.
 */

import { DTypeError, GradError, ShapeError, TypedgradError } from '../errors.ts';
import { TensorBase } from './base.ts';
import { checkDType, type DType } from './dtype.ts';
import { checkKeys, show } from './options.ts';
import type { Generator } from './random.ts';
import { checkShape, denseStrides, type Shape, showShape, sizeOf } from './shape.ts';
import { Storage } from './storage.ts';

/** What stands on either side of an arithmetic operation. */
export type Operand = Tensor | number;

/** One axis, several, or (undefined or null) all. */
export type Axes = number | readonly number[] | null | undefined;

/** One axis of `slice`: an index (the axis goes), `null` (all) or `[start, stop, step]` as in Python, nulls allowed. */
export type SliceSpec = number | null | readonly [start?: number | null, stop?: number | null, step?: number | null];

/** One side of an axis each: elements added before and after; negative ones crop. */
export type Pads = readonly (readonly [before: number, after: number])[];

/** Options of `pad`. */
export interface PadOptions {
  /** What the added elements are. Default `'constant'`. */
  mode?: 'constant' | 'reflect' | 'replicate' | 'circular';
  /** The constant. Default 0. */
  value?: number;
}

/** Options of `dropout`. */
export interface DropoutOptions {
  /** The probability of an element to be set to 0. Default 0.5. */
  p?: number;
  /** Whether anything happens at all. Default true. */
  training?: boolean;
  /** Where the random numbers come from. Default: the stream that `manualSeed` starts. */
  generator?: Generator;
}

/** Options of `backward`. */
export interface BackwardOptions {
  /** Keep the graph for another `backward`. Default: `createGraph`. */
  retainGraph?: boolean;
  /** Record the backward pass itself, for gradients of gradients. Default false. */
  createGraph?: boolean;
}

/** Options of every function that makes a tensor. */
export interface TensorOptions {
  /** Default `'float32'`; of a Float64Array, `'float64'`. */
  dtype?: DType;
  /** Whether gradients shall flow to it. Default false. */
  requiresGrad?: boolean;
}

/** A typed array that a tensor can be made from. */
export type NumberArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array;

/** The operation that made a tensor, as autograd recorded it. */
export interface GradNode {
  readonly name: string;
}

/**
 * A tensor: numbers of one dtype with a shape, as a view on ordinary garbage-collected memory.
 *
 * @example
 * ```ts
 * import { tensor } from 'typedgrad';
 * const x = tensor([[1, 2, 3], [4, 5, 6]]);
 * x.transpose(0, 1).slice(null, 1).toArray(); // → [4, 5, 6]
 * x.sum(1).toArray(); // → [6, 15]
 * ```
 */
export class Tensor extends TensorBase {
  /** @internal */
  node: GradNode | null = null;
  #grad: Tensor | null = null;
  #requiresGrad = false;

  /**
   * A tensor of `shape` on a typed array; without a copy if it is of the wanted dtype.
   *
   * @throws ShapeError if the array does not fill the shape.
   */
  static from(data: NumberArray, shape: Shape, options: TensorOptions = {}): Tensor {
    checkKeys('tensor', options, ['dtype', 'requiresGrad']);
    if (!ArrayBuffer.isView(data) || data instanceof DataView || typeof data[0] === 'bigint') {
      throw new DTypeError(`tensor: expected a typed array of numbers, but got ${show(data)}`);
    }
    const sizes = checkShape('tensor', shape);
    if (sizeOf(sizes) !== data.length) {
      throw new ShapeError(`tensor: ${data.length} elements do not fill shape ${showShape(sizes)}`);
    }
    const dtype = checkDType('tensor', options.dtype ?? (data instanceof Float64Array ? 'float64' : 'float32'));
    const kind = dtype === 'float32' ? Float32Array : Float64Array;
    const storage = new Storage(data instanceof kind ? data : kind.from(data as ArrayLike<number>));
    storage.isExternal = storage.data === data;
    const result = new Tensor(storage, { shape: sizes, strides: denseStrides(sizes), offset: 0 });
    if (options.requiresGrad) result.requiresGrad = true;
    return result;
  }

  /** The gradient that `backward` left here, of the same shape; null before. */
  get grad(): Tensor | null {
    gradObserver?.(this, this.#grad, false);
    return this.#grad;
  }

  set grad(value: Tensor | null) {
    gradObserver?.(this, this.#grad, true);
    this.#grad = value;
  }

  /** Whether gradients flow to this tensor. Settable on tensors that no operation made. */
  get requiresGrad(): boolean {
    return this.#requiresGrad || this.node !== null;
  }

  set requiresGrad(value: boolean) {
    if (this.node !== null && !value) {
      throw new GradError(
        `requiresGrad: this tensor is a result of ${this.node.name}; detach() gives one without gradient`,
      );
    }
    this.#requiresGrad = value;
  }

  /** Whether no recorded operation made this tensor. */
  get isLeaf(): boolean {
    return this.node === null;
  }

  // Gradients
  /** Adds the gradient of this tensor to `grad` of every leaf it was computed from. `gradient` is needed unless this is one number. */
  backward(gradient?: Tensor, options?: BackwardOptions): void {
    bound.backward(this, gradient, options);
  }
  /** The same values, cut off from the graph; shares memory. */
  detach(): Tensor {
    return bound.detach(this);
  }
  /** Overwrites the elements in place with those of `value` (broadcast to this shape). */
  assign(value: Operand): this {
    bound.assign(this, value);
    return this;
  }

  // Views and copies
  /** The same elements in another shape (-1 for at most one size); a view unless only a copy will do. */
  reshape(shape: number | readonly number[]): Tensor {
    return bound.reshape(this, shape);
  }
  /** As `reshape`, but throws where a copy would be needed. */
  view(shape: number | readonly number[]): Tensor {
    return bound.view(this, shape);
  }
  /** The axes in another order. */
  permute(axes: readonly number[]): Tensor {
    return bound.permute(this, axes);
  }
  /** Two axes exchanged; without arguments the last two. */
  transpose(a?: number, b?: number): Tensor {
    return bound.transpose(this, a, b);
  }
  /** Part of each axis, as in Python. */
  slice(...specs: SliceSpec[]): Tensor {
    return bound.slice(this, ...specs);
  }
  /** `length` elements of `axis` from `start`. */
  narrow(axis: number, start: number, length: number): Tensor {
    return bound.narrow(this, axis, start, length);
  }
  /** One index of `axis`, which goes. */
  select(axis: number, index: number): Tensor {
    return bound.select(this, axis, index);
  }
  /** The given axes reversed. */
  flip(axes?: Axes): Tensor {
    return bound.flip(this, axes);
  }
  /** Axes of size 1 repeated without a copy; -1 keeps a size. */
  expand(shape: readonly number[]): Tensor {
    return bound.expand(this, shape);
  }
  /** Without axes of size 1: all of them, or the given ones. */
  squeeze(axes?: Axes): Tensor {
    return bound.squeeze(this, axes);
  }
  /** With a new axis of size 1 at `axis`. */
  unsqueeze(axis: number): Tensor {
    return bound.unsqueeze(this, axis);
  }
  /** The axes from `startAxis` to `endAxis` as one. */
  flatten(startAxis?: number, endAxis?: number): Tensor {
    return bound.flatten(this, startAxis, endAxis);
  }
  /** Windows of `size` along `axis`, `step` apart, as a new last axis. */
  unfold(axis: number, size: number, step: number): Tensor {
    return bound.unfold(this, axis, size, step);
  }
  /** This tensor if it is dense, else a dense copy. */
  contiguous(): Tensor {
    return bound.contiguous(this);
  }
  /** A dense copy. */
  clone(): Tensor {
    return bound.clone(this);
  }
  /** The values in another dtype; this tensor if it has it. */
  to(dtype: DType): Tensor {
    return bound.to(this, dtype);
  }

  // Arithmetic, with broadcasting
  /** x + y. */
  add(y: Operand): Tensor {
    return bound.add(this, y);
  }
  /** x - y. */
  sub(y: Operand): Tensor {
    return bound.sub(this, y);
  }
  /** x · y, element by element. */
  mul(y: Operand): Tensor {
    return bound.mul(this, y);
  }
  /** x / y. */
  div(y: Operand): Tensor {
    return bound.div(this, y);
  }
  /** x to the power y. */
  pow(y: Operand): Tensor {
    return bound.pow(this, y);
  }
  /** The larger of x and y. */
  maximum(y: Operand): Tensor {
    return bound.maximum(this, y);
  }
  /** The smaller of x and y. */
  minimum(y: Operand): Tensor {
    return bound.minimum(this, y);
  }
  /** 1 where x = y, else 0. */
  eq(y: Operand): Tensor {
    return bound.eq(this, y);
  }
  /** 1 where x ≠ y, else 0. */
  ne(y: Operand): Tensor {
    return bound.ne(this, y);
  }
  /** 1 where x < y, else 0. */
  lt(y: Operand): Tensor {
    return bound.lt(this, y);
  }
  /** 1 where x ≤ y, else 0. */
  le(y: Operand): Tensor {
    return bound.le(this, y);
  }
  /** 1 where x > y, else 0. */
  gt(y: Operand): Tensor {
    return bound.gt(this, y);
  }
  /** 1 where x ≥ y, else 0. */
  ge(y: Operand): Tensor {
    return bound.ge(this, y);
  }
  /** The matrix product. */
  matmul(y: Tensor): Tensor {
    return bound.matmul(this, y);
  }

  // Functions of each element
  /** -x. */
  neg(): Tensor {
    return bound.neg(this);
  }
  /** |x|. */
  abs(): Tensor {
    return bound.abs(this);
  }
  /** e to the power x. */
  exp(): Tensor {
    return bound.exp(this);
  }
  /** The natural logarithm. */
  log(): Tensor {
    return bound.log(this);
  }
  /** log(1 + x), exact for small x. */
  log1p(): Tensor {
    return bound.log1p(this);
  }
  /** exp(x) - 1, exact for small x. */
  expm1(): Tensor {
    return bound.expm1(this);
  }
  /** The square root. */
  sqrt(): Tensor {
    return bound.sqrt(this);
  }
  /** 1 / √x. */
  rsqrt(): Tensor {
    return bound.rsqrt(this);
  }
  /** 1 / x. */
  reciprocal(): Tensor {
    return bound.reciprocal(this);
  }
  /** x². */
  square(): Tensor {
    return bound.square(this);
  }
  /** The sine; x in radians. */
  sin(): Tensor {
    return bound.sin(this);
  }
  /** The cosine; x in radians. */
  cos(): Tensor {
    return bound.cos(this);
  }
  /** The hyperbolic tangent. */
  tanh(): Tensor {
    return bound.tanh(this);
  }
  /** The error function. */
  erf(): Tensor {
    return bound.erf(this);
  }
  /** -1, 0 or 1. */
  sign(): Tensor {
    return bound.sign(this);
  }
  /** The largest whole number ≤ x. */
  floor(): Tensor {
    return bound.floor(this);
  }
  /** The smallest whole number ≥ x. */
  ceil(): Tensor {
    return bound.ceil(this);
  }
  /** The nearest whole number; halves go to the even one. */
  round(): Tensor {
    return bound.round(this);
  }
  /** x limited to [min, max]; either may be left out with null. */
  clamp(min?: Operand | null, max?: Operand | null): Tensor {
    return bound.clamp(this, min, max);
  }
  /** max(x, 0). */
  relu(): Tensor {
    return bound.relu(this);
  }
  /** x where positive, `negativeSlope` · x elsewhere. Default slope 0.01. */
  leakyRelu(options?: { negativeSlope?: number }): Tensor {
    return bound.leakyRelu(this, options);
  }
  /** x where positive, `alpha` · (exp(x) - 1) elsewhere. Default alpha 1. */
  elu(options?: { alpha?: number }): Tensor {
    return bound.elu(this, options);
  }
  /** x · Φ(x), exactly or by the tanh approximation. */
  gelu(options?: { approximate?: 'none' | 'tanh' }): Tensor {
    return bound.gelu(this, options);
  }
  /** 1 / (1 + exp(-x)). */
  sigmoid(): Tensor {
    return bound.sigmoid(this);
  }
  /** log(1 + exp(x)), smoothly max(x, 0). */
  softplus(options?: { beta?: number; threshold?: number }): Tensor {
    return bound.softplus(this, options);
  }
  /** x · sigmoid(x). */
  silu(): Tensor {
    return bound.silu(this);
  }
  /** x · clamp(x + 3, 0, 6) / 6. */
  hardswish(): Tensor {
    return bound.hardswish(this);
  }
  /** exp(x) divided by its sum along `axis`. */
  softmax(axis: number): Tensor {
    return bound.softmax(this, axis);
  }
  /** The logarithm of `softmax`, exact for large logits. */
  logSoftmax(axis: number): Tensor {
    return bound.logSoftmax(this, axis);
  }

  /** Each element set to 0 with probability p (default 0.5), the others divided by 1 - p. */
  dropout(options?: DropoutOptions): Tensor {
    return bound.dropout(this, options);
  }
  /** 1 where x is NaN, else 0. */
  isNaN(): Tensor {
    return bound.isNaN(this);
  }

  // Reductions
  /** The sum over `axes`. */
  sum(axes?: Axes, keepDims?: boolean): Tensor {
    return bound.sum(this, axes, keepDims);
  }
  /** The mean over `axes`. */
  mean(axes?: Axes, keepDims?: boolean): Tensor {
    return bound.mean(this, axes, keepDims);
  }
  /** The product over `axes`. */
  prod(axes?: Axes, keepDims?: boolean): Tensor {
    return bound.prod(this, axes, keepDims);
  }
  /** The largest element over `axes`; its gradient goes to the first one. */
  max(axes?: Axes, keepDims?: boolean): Tensor {
    return bound.max(this, axes, keepDims);
  }
  /** The smallest element over `axes`; its gradient goes to the first one. */
  min(axes?: Axes, keepDims?: boolean): Tensor {
    return bound.min(this, axes, keepDims);
  }
  /** The variance over `axes`, divided by n - `correction` (default 1). */
  variance(axes?: Axes, keepDims?: boolean, options?: { correction?: number }): Tensor {
    return bound.variance(this, axes, keepDims, options);
  }
  /** The square root of the variance. */
  std(axes?: Axes, keepDims?: boolean, options?: { correction?: number }): Tensor {
    return bound.std(this, axes, keepDims, options);
  }
  /** log Σ exp(x), without overflow. */
  logSumExp(axes?: Axes, keepDims?: boolean): Tensor {
    return bound.logSumExp(this, axes, keepDims);
  }
  /** The index of the first largest element; over all axes the index into the flattened tensor. */
  argMax(axis?: Axes, keepDims?: boolean): Tensor {
    return bound.argMax(this, axis, keepDims);
  }
  /** The index of the first smallest element. */
  argMin(axis?: Axes, keepDims?: boolean): Tensor {
    return bound.argMin(this, axis, keepDims);
  }
  /** 1 if any element is not 0. */
  any(axes?: Axes, keepDims?: boolean): Tensor {
    return bound.any(this, axes, keepDims);
  }
  /** 1 if no element is 0. */
  all(axes?: Axes, keepDims?: boolean): Tensor {
    return bound.all(this, axes, keepDims);
  }
  /** The p-norm over `axes` (default p 2; Infinity gives the largest magnitude). */
  norm(axes?: Axes, keepDims?: boolean, options?: { p?: number }): Tensor {
    return bound.norm(this, axes, keepDims, options);
  }

  // Indexing and rearrangement
  /** The running sum along `axis`. */
  cumsum(axis: number): Tensor {
    return bound.cumsum(this, axis);
  }
  /** y[…, i, …] = x[…, index[…, i, …], …] along `axis`. */
  gather(axis: number, index: Indices): Tensor {
    return bound.gather(this, axis, index);
  }
  /** The entries of `axis` that `index` lists. */
  indexSelect(axis: number, index: Indices): Tensor {
    return bound.indexSelect(this, axis, index);
  }
  /** x with `src` added at the positions of `index` along `axis`. */
  scatterAdd(axis: number, index: Indices, src: Tensor): Tensor {
    return bound.scatterAdd(this, axis, index, src);
  }
  /** Elements added around (or, negative, cropped from) the last axes. */
  pad(pads: Pads, options?: PadOptions): Tensor {
    return bound.pad(this, pads, options);
  }
  /** Parts of `axis`: of one size, or of listed sizes. */
  split(sizes: number | readonly number[], axis?: number): Tensor[] {
    return bound.split(this, sizes, axis);
  }
  /** Class labels as rows of zeros with a 1 at the label. */
  oneHot(classes: number): Tensor {
    return bound.oneHot(this, classes);
  }
  /** Elements moved along `axes` by `shifts`, coming back in at the other end. */
  roll(shifts: number | readonly number[], axes?: Axes): Tensor {
    return bound.roll(this, shifts, axes);
  }
  /** The lower triangle of the last two axes, zero above `diagonal`. */
  tril(diagonal?: number): Tensor {
    return bound.tril(this, diagonal);
  }
  /** The upper triangle of the last two axes, zero below `diagonal`. */
  triu(diagonal?: number): Tensor {
    return bound.triu(this, diagonal);
  }
}

/** Whole numbers that index an axis: a list, an integer array, or a tensor. */
export type Indices =
  | Tensor
  | readonly number[]
  | Int32Array
  | Uint32Array
  | Uint8Array
  | Int8Array
  | Int16Array
  | Uint16Array;

type OwnKeys = Exclude<keyof Tensor, keyof TensorBase | 'grad' | 'node' | 'requiresGrad' | 'isLeaf'>;

/** The functions behind the methods: each takes the tensor first. A method without a function is a compile error. */
export type TensorFunctions = {
  [Name in OwnKeys]: Tensor[Name] extends (...args: infer A) => infer R
    ? (x: Tensor, ...args: A) => R extends Tensor ? Tensor : R
    : never;
};

/** Hears of every look at (or, if `isWrite`, change of) a tensor's `grad`, which held `before`. */
export type GradObserver = (x: Tensor, before: Tensor | null, isWrite: boolean) => void;

let gradObserver: GradObserver | null = null;

/** Sets who hears of reads and writes of `grad`; for tracing, to which a gradient is state. @internal */
export function observeGrad(observer: GradObserver | null): void {
  gradObserver = observer;
}

/** Stands behind the methods: one that no entry of the library brought is an error that names the entry which does. */
const missing = new Proxy(
  {},
  {
    get(_, name) {
      throw new TypedgradError(`${String(name)}: typedgrad/core has no such method; import 'typedgrad', which has all`);
    },
  },
);

const bound: TensorFunctions = Object.create(missing);

/** Gives methods their bodies; called when an entry of the library is loaded. @internal */
export function bindMethods(functions: Partial<TensorFunctions>): void {
  Object.assign(bound, functions);
}
