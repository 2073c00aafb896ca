/** What every tensor is: a view on a storage, and the ways of reading its values. */

import { IndexError, ShapeError } from '../errors.ts';
import type { FloatArray, Strided } from '../kernels/types.ts';
import { allocate, type DType, dtypeOf } from './dtype.ts';
import { formatTensor } from './print.ts';
import { isDense, type Layout, type Shape, showShape, sizeOf } from './shape.ts';
import type { Storage } from './storage.ts';

/** Numbers nested as deep as a tensor has axes. */
export type NestedArray = number | NestedArray[];

/** A view on a storage: shape, strides and offset, counted in elements. */
export class TensorBase implements Strided {
  /** @internal */
  readonly storage: Storage;
  /** The sizes of the axes, outermost first; `[]` for a scalar. */
  readonly shape: Shape;
  /** How many elements apart neighbours along each axis lie; zero and negative strides are views. */
  readonly strides: readonly number[];
  /** The index in `data` of the first element. */
  readonly offset: number;
  /** The number of elements. */
  readonly size: number;
  /** The element type. */
  readonly dtype: DType;

  /** @internal */
  constructor(storage: Storage, layout: Layout, dtype: DType = dtypeOf(storage.data)) {
    this.storage = storage;
    this.shape = layout.shape;
    this.strides = layout.strides;
    this.offset = layout.offset;
    this.size = sizeOf(layout.shape);
    this.dtype = dtype;
  }

  /** The number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /**
   * The storage itself, without a copy: all elements of the tensor this one is a view of. Read it through `offset` and
   * `strides`; a write is seen by every view, but not by the versions that guard gradients.
   */
  get data(): FloatArray {
    return this.storage.data;
  }

  /** Whether the elements lie densely in row-major order. */
  isContiguous(): boolean {
    return isDense(this);
  }

  /** A new typed array of the elements in row-major order. */
  toTypedArray(): FloatArray {
    const data = this.data;
    if (this.isContiguous()) return data.slice(this.offset, this.offset + this.size);
    const values = allocate(this.dtype, this.size);
    let next = 0;
    const visit = (axis: number, offset: number): void => {
      const length = this.shape[axis]!;
      const stride = this.strides[axis]!;
      if (axis === this.rank - 1) for (let i = 0; i < length; i++) values[next++] = data[offset + i * stride]!;
      else for (let i = 0; i < length; i++) visit(axis + 1, offset + i * stride);
    };
    visit(0, this.offset);
    return values;
  }

  /** The elements as nested arrays; a scalar gives its number. */
  toArray(): NestedArray {
    const values = this.toTypedArray();
    let next = 0;
    const build = (axis: number): NestedArray =>
      axis === this.rank ? values[next++]! : Array.from({ length: this.shape[axis]! }, () => build(axis + 1));
    return build(0);
  }

  /** The only element's value. @throws ShapeError if there is not exactly one. */
  item(): number {
    if (this.size === 1) return this.data[this.offset]!;
    throw new ShapeError(
      `item: only a tensor of one element has one value, but the shape is ${showShape(this.shape)}; use at() or toArray()`,
    );
  }

  /** The value at one index per axis; negative ones count from the end. */
  at(...indices: number[]): number {
    if (indices.length !== this.rank) {
      throw new IndexError(`at: ${indices.length} indices for the ${this.rank} axes of shape ${showShape(this.shape)}`);
    }
    let position = this.offset;
    for (const [axis, index] of indices.entries()) {
      const length = this.shape[axis]!;
      if (!Number.isInteger(index) || index < -length || index >= length) {
        throw new IndexError(`at: index ${index} is outside of axis ${axis} of shape ${showShape(this.shape)}`);
      }
      position += (index < 0 ? index + length : index) * this.strides[axis]!;
    }
    return this.data[position]!;
  }

  /** The values as NumPy prints them: aligned, and abridged above 1,000 elements. */
  toString(): string {
    return formatTensor(this);
  }

  /** What `console.log` shows in Node. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}
