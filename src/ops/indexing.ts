/**
 * Reading and adding at computed positions. `gather` and `scatterAdd` are each other's adjoint, so both are
 * differentiable to any order; windows, selections and repetitions along an axis are written with them.
 */

import { IndexError, ShapeError } from '../errors.ts';
import { elementwiseKernels } from '../kernels/elementwise.ts';
import { indexingKernels } from '../kernels/indexing.ts';
import type { FloatArray, Strided } from '../kernels/types.ts';
import { fromStorage } from '../tensor/creation.ts';
import { allocate, type DType } from '../tensor/dtype.ts';
import { show } from '../tensor/options.ts';
import { checkAxis, isDense, type Shape, sameShape, showShape, sizeOf } from '../tensor/shape.ts';
import { type Indices, Tensor } from '../tensor/tensor.ts';
import { apply } from './apply.ts';
import { checkTensor } from './check.ts';
import { add, fullLike } from './elementwise.ts';
import { expandTo } from './expand.ts';
import type { ComputeOp, ViewOp } from './op.ts';
import { embed, flip, permute, reshape, slice } from './views.ts';

export const gatherOp: ComputeOp<number> = {
  kind: 'compute',
  name: 'gather',
  infer: ([, index]) => index!,
  compute([x, index], axis, _, y) {
    checkIndices('gather', index!, x!.shape[axis]!, `axis ${axis} of shape ${showShape(x!.shape)}`);
    indexingKernels().gather(x!, axis, index!, y);
  },
  vjp: [(g, c) => apply(scatterAddOp, [fullLike(c.specs[0]!, 0), c.input(1), g], c.attrs), null],
};

export const scatterAddOp: ComputeOp<number> = {
  kind: 'compute',
  name: 'scatterAdd',
  infer: ([x]) => x!,
  compute([x, index, src], axis, out, y) {
    checkIndices('scatterAdd', index!, x!.shape[axis]!, `axis ${axis} of shape ${showShape(x!.shape)}`);
    if (!isBlank(x!)) elementwiseKernels().copy(x!, y);
    indexingKernels().scatterAdd(src!, axis, index!, out.shape, y);
  },
  vjp: [(g) => g, null, (g, c) => apply(gatherOp, [g, c.input(1)], c.attrs)],
};

/** Whether a view is one zero, repeated: what a fresh result holds anyway. */
function isBlank({ data, offset, shape, strides }: Strided): boolean {
  return strides.every((stride, axis) => stride === 0 || shape[axis] === 1) && Object.is(data[offset], 0);
}

/** Every element of `index` is a whole number in [0, length). */
export function checkIndices(operation: string, index: Strided, length: number, where: string): void {
  const { data, shape, strides } = index;
  const checkRun = (offset: number, count: number, stride: number): void => {
    const bad = firstOutside(data, offset, count, stride, length);
    if (bad < 0) return;
    throw new IndexError(
      `${operation}: index ${data[bad]} is not a whole number from 0 to ${length - 1}, the range of ${where}`,
    );
  };
  const last = shape.length - 1;
  // What is repeated is looked at once.
  const counts = shape.map((length, axis) => (strides[axis] === 0 ? Math.min(1, length) : length));
  const visit = (axis: number, offset: number): void => {
    if (axis === last) checkRun(offset, counts[last]!, strides[last]!);
    else for (let i = 0; i < counts[axis]!; i++) visit(axis + 1, offset + i * strides[axis]!);
  };
  if (isDense(index)) checkRun(index.offset, sizeOf(shape), 1);
  else visit(0, index.offset);
}

/** Where the first of `count` elements lies that is not a whole number in [0, length); -1 if there is none. */
function firstOutside(data: FloatArray, offset: number, count: number, stride: number, length: number): number {
  for (let i = 0, at = offset; i < count; i++, at += stride) {
    const value = data[at]!;
    const whole = value >>> 0;
    if (whole !== value || whole >= length) return at;
  }
  return -1;
}

/** `index` as a tensor of `dtype`; `shape` may tell the shape of a plain list. */
export function indexTensor(operation: string, index: Indices, dtype: DType): Tensor {
  if (index instanceof Tensor) return index.dtype === dtype ? index : index.to(dtype);
  if (!Array.isArray(index) && !ArrayBuffer.isView(index)) {
    throw new IndexError(`${operation}: indices must be a list, an integer array or a tensor, but are ${show(index)}`);
  }
  const data = allocate(dtype, index.length);
  data.set(index as ArrayLike<number>);
  return fromStorage(data, [index.length]);
}

function nestedIndex(operation: string, index: Indices | readonly (readonly number[])[], like: Tensor): Tensor {
  if (Array.isArray(index) && Array.isArray(index[0])) {
    throw new IndexError(`${operation}: nested index lists need tensor(…) around them`);
  }
  return indexTensor(operation, index as Indices, like.dtype);
}

/**
 * y[…, i, …] = x[…, index[…, i, …], …] along `axis`; `index` has x's rank, and no other axis longer than x's.
 *
 * @throws IndexError for an index outside of the axis.
 */
export function gather(x: Tensor, axis: number, index: Indices): Tensor {
  checkTensor('gather', 'x', x);
  const at = checkAxis('gather', axis, x.rank);
  const positions = nestedIndex('gather', index, x);
  const narrowed = narrowTo('gather', x, at, positions);
  return apply(gatherOp, [narrowed, positions], at);
}

/** x cut, on all axes but `axis`, to the sizes of `index`. */
function narrowTo(operation: string, x: Tensor, axis: number, index: Tensor): Tensor {
  if (index.rank !== x.rank || index.shape.some((length, a) => a !== axis && length > x.shape[a]!)) {
    throw new ShapeError(
      `${operation}: index ${showShape(index.shape)} must have the rank of x ${showShape(x.shape)}, and no axis but ${axis} may be longer than x's`,
    );
  }
  if (index.shape.every((length, a) => a === axis || length === x.shape[a])) return x;
  return slice(x, ...index.shape.map((length, a) => (a === axis ? null : ([0, length] as const))));
}

/**
 * x with `src` added at the positions of `index` along `axis`. As in PyTorch, `src` may be longer than `index` (the rest
 * is left out), and x longer than `index` on the other axes (the rest stays).
 */
export function scatterAdd(x: Tensor, axis: number, index: Indices, src: Tensor): Tensor {
  checkTensor('scatterAdd', 'x', x);
  const at = checkAxis('scatterAdd', axis, x.rank);
  const positions = nestedIndex('scatterAdd', index, x);
  const { shape } = positions;
  const fits = src.rank === x.rank && shape.length === x.rank && shape.every((length, a) => length <= src.shape[a]!);
  if (!fits || shape.some((length, a) => a !== at && length > x.shape[a]!)) {
    throw new ShapeError(
      `scatterAdd: index ${showShape(shape)} must have the rank of x ${showShape(x.shape)} and src ${showShape(src.shape)}, ` +
        `no axis longer than src's, and none but ${at} longer than x's`,
    );
  }
  const part = sameShape(src.shape, shape) ? src : slice(src, ...shape.map((length) => [0, length] as const));
  const target = shape.map((length, a) => (a === at ? x.shape[a]! : length));
  if (sameShape(target, x.shape)) return apply(scatterAddOp, [x, positions, part], at);
  const sums = apply(scatterAddOp, [fullLike({ shape: target, dtype: x.dtype }, 0), positions, part], at);
  return add(
    x,
    embed(
      sums,
      target.map(() => 0),
      x.shape,
    ),
  );
}

/** The positions `rows` along `axis`, repeated over the other axes of `shape`. */
function rowIndex(rows: Tensor, axis: number, shape: Shape): Tensor {
  const column = reshape(
    rows,
    shape.map((_, a) => (a === axis ? rows.size : 1)),
  );
  return expandTo(
    column,
    shape.map((length, a) => (a === axis ? rows.size : length)),
  );
}

/** The entries of `axis` that `index` lists, in its order; an entry may come up several times. */
export function indexSelect(x: Tensor, axis: number, index: Indices): Tensor {
  checkTensor('indexSelect', 'x', x);
  const at = checkAxis('indexSelect', axis, x.rank);
  const rows = nestedIndex('indexSelect', index, x);
  if (rows.rank > 1) throw new ShapeError(`indexSelect: index must be a list, but has shape ${showShape(rows.shape)}`);
  return apply(gatherOp, [x, rowIndex(rows, at, x.shape)], at);
}

/** The adjoint of `indexSelect`: zeros with `length` entries on `axis`, and x's entries added at `rows`. */
function scatterRows(x: Tensor, axis: number, rows: readonly number[], length: number): Tensor {
  const zero = fullLike({ shape: x.shape.map((size, a) => (a === axis ? length : size)), dtype: x.dtype }, 0);
  return apply(scatterAddOp, [zero, rowIndex(indexTensor('unfold', rows, x.dtype), axis, x.shape), x], axis);
}

const unfoldOp: ViewOp<{ readonly axis: number; readonly size: number; readonly step: number }> = {
  kind: 'view',
  name: 'unfold',
  layout(x, { axis, size, step }) {
    const windows = Math.floor((x.shape[axis]! - size) / step) + 1;
    return {
      shape: [...x.shape.map((length, a) => (a === axis ? windows : length)), size],
      strides: [...x.strides.map((stride, a) => (a === axis ? stride * step : stride)), x.strides[axis]!],
      offset: x.offset,
    };
  },
  vjp(g, c) {
    const { axis, size, step } = c.attrs;
    const { shape } = c.specs[0]!;
    const windows = g.shape[axis]!;
    const order = g.shape.map((_, a) => a).filter((a) => a < g.rank - 1);
    order.splice(axis + 1, 0, g.rank - 1);
    const flat = reshape(
      permute(g, order),
      shape.map((length, a) => (a === axis ? windows * size : length)),
    );
    const rows = Array.from({ length: windows * size }, (_, i) => Math.floor(i / size) * step + (i % size));
    return scatterRows(flat, axis, rows, shape[axis]!);
  },
};

/** Windows of `size` along `axis`, `step` apart, as a new last axis; windows may overlap, and nothing is copied. */
export function unfold(x: Tensor, axis: number, size: number, step: number): Tensor {
  checkTensor('unfold', 'x', x);
  const at = checkAxis('unfold', axis, x.rank);
  if (!Number.isInteger(size) || !Number.isInteger(step) || size < 0 || size > x.shape[at]! || step < 1) {
    throw new ShapeError(
      `unfold: windows of ${size}, ${step} apart, do not fit axis ${axis} of shape ${showShape(x.shape)}`,
    );
  }
  return apply(unfoldOp, [x], { axis: at, size, step });
}

const cumsumOp: ComputeOp<number> = {
  kind: 'compute',
  name: 'cumsum',
  infer: ([x]) => x!,
  compute: ([x], axis, _, y) => indexingKernels().cumsum(x!, axis, y),
  vjp: (g, c) => flip(cumsum(flip(g, c.attrs), c.attrs), c.attrs),
};

/** The running sum along `axis`. */
export function cumsum(x: Tensor, axis: number): Tensor {
  checkTensor('cumsum', 'x', x);
  return x.rank === 0 ? x.clone() : apply(cumsumOp, [x], checkAxis('cumsum', axis, x.rank));
}
