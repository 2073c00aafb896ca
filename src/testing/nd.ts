/**
 * The plain arrays that `typedgrad/testing` computes with: a shape and float64 numbers in row-major order. Nothing
 * here knows a tensor class, so that the reference stays independent of what it judges; whatever a library returns
 * is read by `toNd`.
 */
import { ShapeError } from '../errors.ts';

/** A dense array in row-major order. */
export interface NdArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** Nested arrays of numbers; all the lists of one depth have the same length. */
export type Nested = number | readonly Nested[];

/** A view on a flat array: element `i` lies at `offset + Σ i[axis] · strides[axis]`, counted in elements. */
export interface StridedArray {
  readonly data: ArrayLike<number>;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset?: number;
}

/** A tensor of a library that copies its values out in row-major order by `toTypedArray()` (ours) or `dataSync()` (TensorFlow.js, jax-js). */
export type TensorLike =
  | { readonly shape: readonly number[]; toTypedArray(): ArrayLike<number> }
  | { readonly shape: readonly number[]; dataSync(): ArrayLike<number> };

/** Everything that `toNd` reads: numbers, nested arrays, flat typed arrays, `{ shape, data }`, strided views, tensors. */
export type ArrayInput =
  | Nested
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint8Array
  | { readonly shape: readonly number[]; readonly data: ArrayLike<number> }
  | StridedArray
  | TensorLike;

/** An index into `[N, C, ...spatial]`, or into a filter `[O, C, ...kernel]`. */
export type Index = [number, number, ...number[]];

/** The number of elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

/** A row of zeros of the given shape. */
export const zeros = (shape: readonly number[]): NdArray => ({
  shape: [...shape],
  data: new Float64Array(sizeOf(shape)),
});

/** Row-major strides: the last axis has stride 1. */
export function rowMajor(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis] as number;
  }
  return strides;
}

/** Calls `visit` with every index of `shape` in row-major order. The index is one list, changed between calls. */
export function forEachIndex(shape: readonly number[], visit: (index: Index, position: number) => void): void {
  const count = sizeOf(shape);
  const index = new Array<number>(shape.length).fill(0) as Index;
  for (let position = 0; position < count; position++) {
    visit(index, position);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = (index[axis] as number) + 1;
      if ((index[axis] as number) < (shape[axis] as number)) break;
      index[axis] = 0;
    }
  }
}

/** Where the element at `index` lies in a dense array of `shape`, or -1 if the index is outside of the shape. */
export function positionOf(shape: readonly number[], index: readonly number[]): number {
  let position = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    const i = index[axis] as number;
    const n = shape[axis] as number;
    if (i < 0 || i >= n) return -1;
    position = position * n + i;
  }
  return position;
}

/** The element at `index`; outside of the shape, `outside`. */
export function at(array: NdArray, index: readonly number[], outside = 0): number {
  const position = positionOf(array.shape, index);
  return position < 0 ? outside : (array.data[position] as number);
}

/** An array whose element at each index is `f(index)`. `f` must not keep the index it is given. */
export function build(shape: readonly number[], f: (index: Index, position: number) => number): NdArray {
  const result = zeros(shape);
  forEachIndex(shape, (index, position) => {
    result.data[position] = f(index, position);
  });
  return result;
}

/** Element by element. */
export function map(a: NdArray, f: (value: number) => number): NdArray {
  return { shape: a.shape, data: a.data.map(f) };
}

/** Element by element over two arrays of one shape. */
export function zip(a: NdArray, b: NdArray, f: (a: number, b: number) => number): NdArray {
  if (!sameShape(a.shape, b.shape)) throw new ShapeError(`zip: shapes differ: [${a.shape}] and [${b.shape}]`);
  return { shape: a.shape, data: a.data.map((value, i) => f(value, b.data[i] as number)) };
}

/** Whether two shapes are equal. */
export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((n, axis) => n === b[axis]);

/** Lists of one length, added entry by entry. */
export const plus = (a: readonly number[], b: readonly number[]): number[] => a.map((v, i) => v + (b[i] as number));

/** Lists of one length, multiplied entry by entry. */
export const times = (a: readonly number[], b: readonly number[]): number[] => a.map((v, i) => v * (b[i] as number));

function nestedShape(data: Nested): number[] {
  const shape: number[] = [];
  for (let level: Nested | undefined = data; typeof level === 'object'; level = level[0]) shape.push(level.length);
  return shape;
}

function fromNested(data: Nested): NdArray {
  const shape = nestedShape(data);
  const flat: number[] = [];
  const visit = (level: Nested, depth: number): void => {
    if (typeof level === 'number' && depth === shape.length) {
      flat.push(level);
    } else if (typeof level === 'object' && level.length === shape[depth]) {
      for (const entry of level) visit(entry, depth + 1);
    } else {
      const found = typeof level === 'object' ? `a list of ${level.length}` : `${level}`;
      const expected = depth === shape.length ? 'a number' : `a list of ${shape[depth]}`;
      throw new ShapeError(`toNd: nested arrays are ragged: ${found} at depth ${depth} where ${expected} was expected`);
    }
  };
  visit(data, 0);
  return { shape, data: Float64Array.from(flat) };
}

function fromStrided(view: StridedArray): NdArray {
  const offset = view.offset ?? 0;
  return build(view.shape, (index) => {
    const position = index.reduce((sum, i, axis) => sum + i * (view.strides[axis] as number), offset);
    return view.data[position] as number;
  });
}

function fromFlat(shape: readonly number[], data: ArrayLike<number>): NdArray {
  if (data.length !== sizeOf(shape)) {
    throw new ShapeError(`toNd: shape [${shape}] has ${sizeOf(shape)} elements, but the data has ${data.length}`);
  }
  return { shape: [...shape], data: Float64Array.from(data) };
}

/**
 * Reads an array of any kind into a plain float64 one: a copy in row-major order.
 *
 * Nested lists keep their shape, a flat typed array has one axis, a number has none; `{ shape, data }` is taken as
 * row-major unless it has `strides`; a tensor's `toTypedArray()` or `dataSync()` is preferred over its `data`.
 *
 * @throws ShapeError if nested lists are ragged, or if the data does not fill the shape.
 * @example
 * ```ts
 * import { toNd } from 'typedgrad/testing';
 * toNd([[1, 2], [3, 4]]).shape; // → [2, 2]
 * ```
 */
export function toNd(input: ArrayInput): NdArray {
  if (typeof input === 'number' || Array.isArray(input)) return fromNested(input as Nested);
  if (ArrayBuffer.isView(input)) return fromFlat([input.length], input);
  const source = Object(input) as Exclude<ArrayInput, Nested | ArrayBufferView>;
  if ('toTypedArray' in source) return fromFlat(source.shape, source.toTypedArray());
  if ('dataSync' in source) return fromFlat(source.shape, source.dataSync());
  if ('strides' in source && source.strides !== undefined) return fromStrided(source);
  if ('data' in source && 'shape' in source) return fromFlat(source.shape, source.data);
  throw new ShapeError(
    'toNd: expected a number, nested arrays, a typed array, { shape, data }, or a tensor with shape and toTypedArray() or dataSync()',
  );
}

/**
 * The values as nested lists.
 *
 * @example
 * ```ts
 * import { toNested } from 'typedgrad/testing';
 * toNested({ shape: [2, 2], data: [1, 2, 3, 4] }); // → [[1, 2], [3, 4]]
 * ```
 */
export function toNested(input: ArrayInput): Nested {
  const { shape, data } = toNd(input);
  const nest = (axis: number, start: number): Nested => {
    if (axis === shape.length) return data[start] as number;
    const step = sizeOf(shape.slice(axis + 1));
    return Array.from({ length: shape[axis] as number }, (_, i) => nest(axis + 1, start + i * step));
  };
  return nest(0, 0);
}
