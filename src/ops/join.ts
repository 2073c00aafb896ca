/** Joining tensors and taking them apart. */

import { DTypeError, IndexError, ShapeError } from '../errors.ts';
import { elementwiseKernels } from '../kernels/elementwise.ts';
import { show } from '../tensor/options.ts';
import { checkAxes, checkAxis, denseStrides, showShape } from '../tensor/shape.ts';
import type { Axes, Tensor } from '../tensor/tensor.ts';
import { apply } from './apply.ts';
import { checkTensor } from './check.ts';
import type { ComputeOp } from './op.ts';
import { flatten, narrow, reshape, unsqueeze } from './views.ts';

const catOp: ComputeOp<number> = {
  kind: 'compute',
  name: 'cat',
  infer: (parts, axis) => ({
    shape: parts[0]!.shape.map((length, a) =>
      a === axis ? parts.reduce((sum, part) => sum + part.shape[axis]!, 0) : length,
    ),
    dtype: parts[0]!.dtype,
  }),
  compute(parts, axis, { shape }, data) {
    const strides = denseStrides(shape);
    let offset = 0;
    for (const part of parts) {
      if (!part.shape.includes(0)) elementwiseKernels().assign({ data, offset, shape: part.shape, strides }, part);
      offset += part.shape[axis]! * strides[axis]!;
    }
  },
  vjp(g, { attrs: axis, specs }, i) {
    const start = specs.slice(0, i).reduce((sum, spec) => sum + spec.shape[axis]!, 0);
    return narrow(g, axis, start, specs[i]!.shape[axis]!);
  },
};

/** Tensors one after the other along an axis that exists; all other axes agree. */
export function cat(list: readonly Tensor[], axis: number = 0): Tensor {
  const [first] = checkList('cat', list);
  const at = checkAxis('cat', axis, first!.rank);
  for (const x of list) {
    if (x.rank !== first!.rank || x.shape.some((length, a) => a !== at && length !== first!.shape[a])) {
      throw new ShapeError(
        `cat: shapes ${list.map((t) => showShape(t.shape)).join(', ')} must agree on all axes but ${at}`,
      );
    }
  }
  return apply(catOp, list, at);
}

/** Tensors of one shape along a new axis. */
export function stack(list: readonly Tensor[], axis: number = 0): Tensor {
  const [first] = checkList('stack', list);
  if (list.some((x) => x.rank !== first!.rank || x.shape.some((length, a) => length !== first!.shape[a]))) {
    throw new ShapeError(`stack: shapes ${list.map((x) => showShape(x.shape)).join(', ')} must be the same`);
  }
  return cat(
    list.map((x) => unsqueeze(x, axis)),
    checkAxis('stack', axis, first!.rank + 1),
  );
}

function checkList(operation: string, list: readonly Tensor[]): readonly Tensor[] {
  if (Array.isArray(list) && list.length > 0) {
    for (const x of list) checkTensor(operation, 'each entry of the list', x);
    return list;
  }
  throw new DTypeError(`${operation}: expected a list of at least one tensor, but got ${show(list)}`);
}

/** Parts of `axis`, as views: all of one size (the last may be shorter), or of the listed sizes, which fill the axis. */
export function split(x: Tensor, sizes: number | readonly number[], axis: number = 0): Tensor[] {
  checkTensor('split', 'x', x);
  const at = checkAxis('split', axis, x.rank);
  const length = x.shape[at]!;
  const list = Array.isArray(sizes) ? (sizes as readonly number[]) : evenSizes(sizes as number, length);
  const total = list.reduce((sum, size) => sum + size, 0);
  if (total !== length || !list.every((size) => Number.isInteger(size) && size >= 0)) {
    throw new ShapeError(`split: sizes ${show(sizes)} do not fill axis ${at} of shape ${showShape(x.shape)}`);
  }
  let start = 0;
  return list.map((size) => {
    const part = narrow(x, at, start, size);
    start += size;
    return part;
  });
}

function evenSizes(size: number, length: number): number[] {
  if (!Number.isInteger(size) || size < 1) {
    throw new ShapeError(`split: the size of a part must be a whole number of at least 1, but is ${show(size)}`);
  }
  const count = Math.max(1, Math.ceil(length / size));
  return Array.from({ length: count }, (_, i) => Math.min(size, length - i * size));
}

/** Elements moved along `axes` by `shifts`, coming back in at the other end; without axes, of the flattened tensor. */
export function roll(x: Tensor, shifts: number | readonly number[], axes?: Axes): Tensor {
  checkTensor('roll', 'x', x);
  const steps = Array.isArray(shifts) ? (shifts as readonly number[]) : [shifts as number];
  if ((axes ?? null) === null) return reshape(roll(flatten(x), steps, 0), x.shape);
  const list = typeof axes === 'number' ? [axes] : (axes as readonly number[]);
  checkAxes('roll', [...new Set(list)], x.rank);
  if (list.length !== steps.length || !steps.every(Number.isSafeInteger)) {
    throw new IndexError(`roll: shifts ${show(shifts)} must be one whole number for each of axes ${show(axes)}`);
  }
  return list.reduce((y: Tensor, axis, i) => rollAxis(y, steps[i]!, checkAxis('roll', axis, x.rank)), x);
}

function rollAxis(x: Tensor, shift: number, axis: number): Tensor {
  const length = x.shape[axis]!;
  const by = length === 0 ? 0 : ((shift % length) + length) % length;
  return by === 0 ? x : cat([narrow(x, axis, length - by, by), narrow(x, axis, 0, length - by)], axis);
}
