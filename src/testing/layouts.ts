/** Memory layouts as data: the same values, in another order in memory. */
import { ShapeError } from '../errors.ts';
import { type ArrayInput, forEachIndex, type NdArray, rowMajor, sizeOf, toNd } from './nd.ts';
import type { ViewStep } from './views.ts';

/** How the axes of an array lie in memory; one entry per axis in every list. */
export interface Layout {
  /** The axes from the outermost in memory to the innermost; `[0, 1, 2]` is row-major. */
  readonly order: readonly number[];
  /** The distance between neighbours in multiples of the dense one; the elements between belong to nobody. */
  readonly steps: readonly number[];
  /** Whether the axis runs backwards: a negative stride. */
  readonly reversed: readonly boolean[];
  /** Whether all indices of the axis share one element: stride 0. */
  readonly repeated: readonly boolean[];
  /** Elements in front of the array that belong to nobody. */
  readonly offset: number;
}

/** A strided view, and the values that it shows. */
export interface StridedSample {
  readonly data: Float64Array;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  /** What the view shows, dense. */
  readonly array: NdArray;
  /** Views that lead from `data` as a tensor of one axis to this view: `applyViews(tensor(data), views)`. */
  readonly views: readonly ViewStep[];
}

/** The row-major layout of a shape. */
export function denseLayout(shape: readonly number[]): Layout {
  return {
    order: [...shape.keys()],
    steps: shape.map(() => 1),
    reversed: shape.map(() => false),
    repeated: shape.map(() => false),
    offset: 0,
  };
}

/** Lists without an effect are left out, so that a dense layout is no view at all. */
function viewsOf(shape: readonly number[], layout: Layout, extents: readonly number[]): ViewStep[] {
  const { order, steps, reversed, repeated, offset } = layout;
  const inMemory = order.map((axis) => extents[axis] as number);
  const backwards = shape.map((_, axis) => axis).filter((axis) => reversed[axis]);
  const views: ViewStep[] = [{ op: 'narrow', axis: 0, start: offset, length: sizeOf(extents) }];
  views.push({ op: 'reshape', shape: inMemory });
  if (order.some((axis, i) => axis !== i))
    views.push({ op: 'permute', axes: shape.map((_, axis) => order.indexOf(axis)) });
  if (steps.some((step) => step > 1))
    views.push({ op: 'slice', specs: steps.map((step) => (step > 1 ? [null, null, step] : null)) });
  if (backwards.length > 0) views.push({ op: 'flip', axes: backwards });
  if (repeated.some((is) => is)) views.push({ op: 'expand', shape });
  return views;
}

/**
 * Lays an array out in memory. The gaps (steps, offset) hold NaN, so that reading them shows. Along a repeated axis all
 * indices show the values of index 0; the values that the view really shows are in the result's `array`.
 *
 * @throws ShapeError if the layout is for another number of axes.
 * @example
 * ```ts
 * import { denseLayout, strided } from 'typedgrad/testing';
 * const view = strided([[1, 2], [3, 4]], { ...denseLayout([2, 2]), order: [1, 0] });
 * [...view.data]; // → [1, 3, 2, 4]
 * view.strides; // → [1, 2]
 * ```
 */
export function strided(input: ArrayInput, layout: Layout): StridedSample {
  const { shape, data: values } = toNd(input);
  const { order, steps, reversed, repeated, offset } = layout;
  if ([order, steps, reversed, repeated].some((list) => list.length !== shape.length)) {
    throw new ShapeError(`strided: the layout is for ${order.length} axes, but the array has shape [${shape}]`);
  }
  const extents = shape.map((n, axis) =>
    repeated[axis] ? Math.min(n, 1) * (steps[axis] as number) : n * (steps[axis] as number),
  );
  const inMemory = rowMajor(order.map((axis) => extents[axis] as number));
  const strides = new Array<number>(shape.length);
  let first = offset;
  for (let axis = 0; axis < shape.length; axis++) {
    const stride = (inMemory[order.indexOf(axis)] as number) * (steps[axis] as number);
    const n = shape[axis] as number;
    strides[axis] = repeated[axis] ? 0 : reversed[axis] ? -stride : stride;
    if (reversed[axis] && !repeated[axis] && n > 0) first += stride * (n - 1);
  }
  const data = new Float64Array(offset + sizeOf(extents)).fill(Number.NaN);
  const array: NdArray = { shape, data: new Float64Array(values.length) };
  const dense = rowMajor(shape);
  forEachIndex(shape, (index, position) => {
    let target = first;
    let source = 0;
    for (let axis = 0; axis < shape.length; axis++) {
      target += (index[axis] as number) * (strides[axis] as number);
      if (!repeated[axis]) source += (index[axis] as number) * (dense[axis] as number);
    }
    const value = values[source] as number;
    data[target] = value;
    array.data[position] = value;
  });
  return { data, shape, strides, offset: first, array, views: viewsOf(shape, layout, extents) };
}
