/** Elements added around the last axes, or cropped from them. */

import { ShapeError } from '../errors.ts';
import { elementwiseKernels } from '../kernels/elementwise.ts';
import { checkChoice, checkKeys, checkNumber, show } from '../tensor/options.ts';
import { denseStrides, type Shape, showShape } from '../tensor/shape.ts';
import type { PadOptions, Pads, Tensor } from '../tensor/tensor.ts';
import { apply } from './apply.ts';
import { checkTensor } from './check.ts';
import { expand } from './expand.ts';
import { cat } from './join.ts';
import type { ComputeOp } from './op.ts';
import { flip, narrow, slice } from './views.ts';

/** What the elements are that a convolution's padding adds. */
export type PaddingMode = 'zeros' | 'reflect' | 'replicate' | 'circular';

/** All padding modes. */
export const paddingModes: readonly PaddingMode[] = ['zeros', 'reflect', 'replicate', 'circular'];

/** Where x begins, the shape of the result, and what lies around x. */
export interface PadAttrs {
  readonly before: readonly number[];
  readonly shape: Shape;
  readonly value: number;
}

/** x in the midst of a constant; no side is negative. */
const padOp: ComputeOp<PadAttrs> = {
  kind: 'compute',
  name: 'pad',
  infer: ([x], { shape }) => ({ shape, dtype: x!.dtype }),
  compute([x], { before, shape, value }, _, data) {
    if (!Object.is(value, 0)) data.fill(value);
    const strides = denseStrides(shape);
    const offset = before.reduce((sum, count, axis) => sum + count * strides[axis]!, 0);
    elementwiseKernels().assign({ data, offset, shape: x!.shape, strides }, x!);
  },
  vjp: (g, c) =>
    slice(
      g,
      ...c.specs[0]!.shape.map((length, axis) => [c.attrs.before[axis]!, c.attrs.before[axis]! + length] as const),
    ),
};

/**
 * Elements added before and after the last axes, one pair of `pads` for each; negative ones crop. The mode says what
 * they are: a constant, the mirror image without the border element (`reflect`), the border element (`replicate`), or
 * the other end (`circular`).
 *
 * @throws ShapeError if a mode needs more elements than the axis has, or more would be cropped than there are.
 * @example
 * ```ts
 * import { pad, tensor } from 'typedgrad';
 * pad(tensor([1, 2, 3]), [[2, 1]]).toArray(); // → [0, 0, 1, 2, 3, 0]
 * pad(tensor([1, 2, 3]), [[2, 1]], { mode: 'reflect' }).toArray(); // → [3, 2, 1, 2, 3, 2]
 * ```
 */
export function pad(x: Tensor, pads: Pads, options: PadOptions = {}): Tensor {
  checkTensor('pad', 'x', x);
  checkKeys('pad', options, ['mode', 'value']);
  const mode = checkChoice('pad', 'mode', options.mode ?? 'constant', ['constant', 'reflect', 'replicate', 'circular']);
  const value = Number.isNaN(options.value) ? Number.NaN : checkNumber('pad', 'value', options.value ?? 0);
  const valid = (pair: unknown): boolean =>
    Array.isArray(pair) && pair.length === 2 && pair.every(Number.isSafeInteger);
  if (!Array.isArray(pads) || pads.length > x.rank || !pads.every(valid)) {
    throw new ShapeError(
      `pad: pads must list [before, after] for at most ${x.rank} axes of ${showShape(x.shape)}, but are ${show(pads)}`,
    );
  }
  const lead = x.rank - pads.length;
  const cropped = crop(x, pads, lead);
  if (mode !== 'constant') {
    return pads.reduce(
      (y: Tensor, [before, after], i) => extendAxis(y, lead + i, Math.max(0, before), Math.max(0, after), mode),
      cropped,
    );
  }
  const sides = x.shape.map((_, axis) => pads[axis - lead] ?? [0, 0]);
  if (sides.every(([before, after]) => before <= 0 && after <= 0)) return cropped;
  const before = sides.map(([count]) => Math.max(0, count));
  const shape = cropped.shape.map((length, axis) => before[axis]! + length + Math.max(0, sides[axis]![1]));
  return apply(padOp, [cropped], { before, shape, value });
}

/** x without what negative pads take away. */
function crop(x: Tensor, pads: Pads, lead: number): Tensor {
  return pads.reduce((y: Tensor, [before, after], i) => {
    const [start, end] = [Math.max(0, -before), Math.max(0, -after)];
    const left = x.shape[lead + i]! - start - end;
    if (left < 0) {
      throw new ShapeError(
        `pad: cannot crop ${start} + ${end} elements from axis ${lead + i} of shape ${showShape(x.shape)}`,
      );
    }
    return start + end === 0 ? y : narrow(y, lead + i, start, left);
  }, x);
}

function extendAxis(
  x: Tensor,
  axis: number,
  before: number,
  after: number,
  mode: 'reflect' | 'replicate' | 'circular',
): Tensor {
  if (before + after === 0) return x;
  const length = x.shape[axis]!;
  const most = { reflect: length - 1, replicate: length === 0 ? 0 : Number.POSITIVE_INFINITY, circular: length }[mode];
  if (before > most || after > most) {
    throw new ShapeError(
      `pad: mode '${mode}' can add at most ${most} elements to axis ${axis} of shape ${showShape(x.shape)}, not ${before} and ${after}`,
    );
  }
  // Sides that are views: joining copies each once, and each has its part of the gradient.
  const side = (start: number, count: number, isFirst: boolean): Tensor => {
    if (mode === 'circular') return narrow(x, axis, isFirst ? length - count : 0, count);
    if (mode === 'reflect') return flip(narrow(x, axis, isFirst ? 1 : length - 1 - count, count), axis);
    const shape = x.shape.map((size, a) => (a === axis ? count : size));
    return expand(narrow(x, axis, start, 1), shape);
  };
  const sides = [before > 0 ? [side(0, before, true)] : [], [x], after > 0 ? [side(length - 1, after, false)] : []];
  return cat(sides.flat(), axis);
}
