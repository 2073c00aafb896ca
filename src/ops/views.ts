/**
 * Views: another shape, order or part of the same memory, never a copy. Each has an adjoint that is an operation too:
 * a permutation's is the inverse one, a part's is `embed` (zeros around it). Repetition is in expand.ts.
 */

import { IndexError, ShapeError } from '../errors.ts';
import { elementwiseKernels } from '../kernels/elementwise.ts';
import { show } from '../tensor/options.ts';
import {
  checkAxes,
  checkAxis,
  checkPermutation,
  denseStrides,
  inferShape,
  isDense,
  type Layout,
  reshapeStrides,
  type Shape,
  showShape,
} from '../tensor/shape.ts';
import type { Axes, SliceSpec, Tensor } from '../tensor/tensor.ts';
import { apply } from './apply.ts';
import { checkTensor } from './check.ts';
import type { ComputeOp, ViewOp } from './op.ts';

const reshapeOp: ViewOp<Shape> = {
  kind: 'view',
  name: 'view',
  layout(x, shape) {
    const strides = reshapeStrides(x, shape);
    if (strides !== null) return { shape, strides, offset: x.offset };
    throw new ShapeError(
      `view: ${showShape(x.shape)} with strides ${showShape(x.strides)} cannot be seen as ${showShape(shape)} without a copy; use reshape()`,
    );
  },
  vjp: (g, c) => reshape(g, c.specs[0]!.shape),
};

/** The same elements in another shape (-1 for at most one size), as a view. @throws ShapeError if only a copy will do. */
export function view(x: Tensor, shape: number | readonly number[]): Tensor {
  checkTensor('view', 'x', x);
  return apply(reshapeOp, [x], inferShape('view', typeof shape === 'number' ? [shape] : shape, x.shape));
}

/** The same elements in another shape (-1 for at most one size); a view unless only a copy will do. */
export function reshape(x: Tensor, shape: number | readonly number[]): Tensor {
  checkTensor('reshape', 'x', x);
  const sizes = inferShape('reshape', typeof shape === 'number' ? [shape] : shape, x.shape);
  return apply(reshapeOp, [reshapeStrides(x, sizes) === null ? clone(x) : x], sizes);
}

/** The axes from `startAxis` to `endAxis` as one. */
export function flatten(x: Tensor, startAxis: number = 0, endAxis: number = -1): Tensor {
  checkTensor('flatten', 'x', x);
  if (x.rank === 0) return reshape(x, [1]);
  const start = checkAxis('flatten', startAxis, x.rank);
  const end = checkAxis('flatten', endAxis, x.rank);
  if (end < start)
    throw new IndexError(`flatten: startAxis ${startAxis} lies behind endAxis ${endAxis} (rank ${x.rank})`);
  const merged = x.shape.slice(start, end + 1).reduce((size, length) => size * length, 1);
  return reshape(x, [...x.shape.slice(0, start), merged, ...x.shape.slice(end + 1)]);
}

/** Without axes of size 1: all of them, or the given ones (those of another size stay). */
export function squeeze(x: Tensor, axes?: Axes): Tensor {
  checkTensor('squeeze', 'x', x);
  const chosen = checkAxes('squeeze', axes, x.rank);
  return reshape(
    x,
    x.shape.filter((length, axis) => length !== 1 || !chosen.includes(axis)),
  );
}

/** With a new axis of size 1 at `axis`. */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  checkTensor('unsqueeze', 'x', x);
  const at = checkAxis('unsqueeze', axis, x.rank + 1);
  return reshape(x, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
}

const permuteOp: ViewOp<readonly number[]> = {
  kind: 'view',
  name: 'permute',
  layout: (x, axes) => ({
    shape: axes.map((axis) => x.shape[axis]!),
    strides: axes.map((axis) => x.strides[axis]!),
    offset: x.offset,
  }),
  vjp: (g, c) =>
    permute(
      g,
      c.attrs.map((_, axis) => c.attrs.indexOf(axis)),
    ),
};

/** The axes in another order. */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  checkTensor('permute', 'x', x);
  return apply(permuteOp, [x], checkPermutation('permute', axes, x.rank));
}

/** Two axes exchanged; by default the last two. */
export function transpose(x: Tensor, a: number = -2, b: number = -1): Tensor {
  checkTensor('transpose', 'x', x);
  const [first, second] = [checkAxis('transpose', a, x.rank), checkAxis('transpose', b, x.rank)];
  const axes = x.shape.map((_, axis) => (axis === first ? second : axis === second ? first : axis));
  return permute(x, axes);
}

/** A part of an axis: `count` elements from `start`, `step` (perhaps negative) apart. */
export interface Range {
  readonly start: number;
  readonly step: number;
  readonly count: number;
}

const sliceOp: ViewOp<readonly Range[]> = {
  kind: 'view',
  name: 'slice',
  layout: rangesLayout,
  vjp: (g, c) => apply(embedOp, [g], { ranges: c.attrs, shape: c.specs[0]!.shape }),
};

/** Where `ranges` of a view lie. */
export function rangesLayout(x: Layout, ranges: readonly Range[]): Layout {
  let offset = x.offset;
  for (const [axis, { start, count }] of ranges.entries()) if (count > 0) offset += start * x.strides[axis]!;
  return {
    shape: ranges.map((range) => range.count),
    strides: ranges.map((range, axis) => range.step * x.strides[axis]!),
    offset,
  };
}

/** The adjoint of `slice`: zeros of `shape`, with x in the part that the slice would read. */
const embedOp: ComputeOp<{ readonly ranges: readonly Range[]; readonly shape: Shape }> = {
  kind: 'compute',
  name: 'embed',
  infer: ([x], { shape }) => ({ shape, dtype: x!.dtype }),
  compute([x], { ranges }, out, data) {
    const whole = { shape: out.shape, strides: denseStrides(out.shape), offset: 0 };
    elementwiseKernels().assign({ data, ...rangesLayout(whole, ranges) }, x!);
  },
  vjp: (g, c) => apply(sliceOp, [g], c.attrs.ranges),
};

/** Zeros of the shape, with `x` from index `starts` on. */
export function embed(x: Tensor, starts: readonly number[], shape: Shape): Tensor {
  const ranges = x.shape.map((count, axis) => ({ start: starts[axis]!, step: 1, count }));
  return apply(embedOp, [x], { ranges, shape });
}

/** Part of each axis, as in Python: an index (the axis goes), null (all) or `[start, stop, step]`. */
export function slice(x: Tensor, ...specs: SliceSpec[]): Tensor {
  checkTensor('slice', 'x', x);
  if (specs.length > x.rank) {
    throw new IndexError(`slice: ${specs.length} specifications for the ${x.rank} axes of shape ${showShape(x.shape)}`);
  }
  const ranges = x.shape.map((length, axis) => rangeOf(specs[axis] ?? null, axis, x.shape, length));
  const part = apply(sliceOp, [x], ranges);
  if (!specs.some((spec) => typeof spec === 'number')) return part;
  return reshape(
    part,
    part.shape.filter((_, axis) => typeof specs[axis] !== 'number'),
  );
}

function rangeOf(spec: SliceSpec, axis: number, shape: Shape, length: number): Range {
  if (spec === null) return { start: 0, step: 1, count: length };
  if (typeof spec === 'number') {
    if (!Number.isInteger(spec) || spec < -length || spec >= length) {
      throw new IndexError(`slice: index ${spec} is outside of axis ${axis} of shape ${showShape(shape)}`);
    }
    return { start: spec < 0 ? spec + length : spec, step: 1, count: 1 };
  }
  const parts = Array.isArray(spec) ? (spec as readonly unknown[]) : [undefined, undefined, Number.NaN];
  if (
    parts.length > 3 ||
    !parts.every((part) => part === null || part === undefined || Number.isInteger(part)) ||
    parts[2] === 0
  ) {
    throw new IndexError(
      `slice: axis ${axis} needs an index, null or [start, stop, step] of whole numbers, step not 0; got ${show(spec)}`,
    );
  }
  const step = (parts[2] as number | null | undefined) ?? 1;
  // As Python: negative positions count from the end, and positions beyond an end mean that end.
  const [first, last] = step > 0 ? [0, length] : [-1, length - 1];
  const clip = (position: unknown, otherwise: number): number => {
    if (position === null || position === undefined) return otherwise;
    const from = (position as number) < 0 ? (position as number) + length : (position as number);
    return Math.min(Math.max(from, first), last);
  };
  const start = clip(parts[0], step > 0 ? first : last);
  const stop = clip(parts[1], step > 0 ? last : first);
  return { start, step, count: Math.max(0, Math.ceil((stop - start) / step)) };
}

/** `length` elements of `axis` from `start`. */
export function narrow(x: Tensor, axis: number, start: number, length: number): Tensor {
  checkTensor('narrow', 'x', x);
  const at = checkAxis('narrow', axis, x.rank);
  const from = start < 0 ? start + x.shape[at]! : start;
  if (!Number.isInteger(from) || !Number.isInteger(length) || from < 0 || length < 0 || from + length > x.shape[at]!) {
    throw new IndexError(
      `narrow: ${length} elements from ${start} do not lie within axis ${axis} of shape ${showShape(x.shape)}`,
    );
  }
  return apply(
    sliceOp,
    [x],
    x.shape.map((count, a) => (a === at ? { start: from, step: 1, count: length } : { start: 0, step: 1, count })),
  );
}

/** One index of `axis`, which goes. */
export function select(x: Tensor, axis: number, index: number): Tensor {
  checkTensor('select', 'x', x);
  const at = checkAxis('select', axis, x.rank);
  const length = x.shape[at]!;
  if (!Number.isInteger(index) || index < -length || index >= length) {
    throw new IndexError(`select: index ${show(index)} is outside of axis ${at} of shape ${showShape(x.shape)}`);
  }
  return slice(x, ...x.shape.slice(0, at + 1).map((_, a) => (a === at ? index : null)));
}

/** The given axes (by default all) reversed, by negative strides. */
export function flip(x: Tensor, axes?: Axes): Tensor {
  checkTensor('flip', 'x', x);
  const chosen = checkAxes('flip', axes, x.rank);
  const ranges = x.shape.map((count, axis) =>
    chosen.includes(axis) ? { start: count - 1, step: -1, count } : { start: 0, step: 1, count },
  );
  return apply(sliceOp, [x], ranges);
}

const detachOp: ViewOp = { kind: 'view', name: 'detach', layout: (x) => x, vjp: null };

/** The same values, cut off from the graph; shares memory. */
export function detach(x: Tensor): Tensor {
  return apply(detachOp, [x], undefined);
}

const aliasOp: ViewOp = { kind: 'view', name: 'alias', layout: (x) => x, vjp: (g) => g };

/** The same values as a tensor of its own in the graph; shares memory. */
export function alias(x: Tensor): Tensor {
  return apply(aliasOp, [x], undefined);
}

/** A dense copy. */
export const cloneOp: ComputeOp = {
  kind: 'compute',
  name: 'clone',
  infer: ([x]) => x!,
  compute: ([x], _, __, y) => elementwiseKernels().copy(x!, y),
  vjp: (g) => g,
};

/** A dense copy. */
export function clone(x: Tensor): Tensor {
  return apply(cloneOp, [x], undefined);
}

/** `x` if it is dense, else a dense copy. */
export function contiguous(x: Tensor): Tensor {
  checkTensor('contiguous', 'x', x);
  return isDense(x) ? x : clone(x);
}
