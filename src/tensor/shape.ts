/**
 * Arithmetic of shapes and strides. A shape lists the sizes of the axes; the strides say how many elements apart
 * neighbours along each axis lie. Both are in elements, and a stride may be zero (an expanded axis) or negative.
 */

import { IndexError, ShapeError } from '../errors.ts';
import { show } from './options.ts';

/** Sizes of the axes, outermost first. */
export type Shape = readonly number[];

/** Where the elements of a view lie in its storage. */
export interface Layout {
  readonly shape: Shape;
  readonly strides: readonly number[];
  readonly offset: number;
}

/** The number of elements of a shape; 1 for a scalar's `[]`. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}

/** The strides of a dense tensor in row-major order. */
export function denseStrides(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= Math.max(1, shape[axis]!);
  }
  return strides;
}

/** Whether the elements lie densely in row-major order; axes of size 1 may have any stride. */
export function isDense(layout: Layout): boolean {
  let stride = 1;
  for (let axis = layout.shape.length - 1; axis >= 0; axis--) {
    const length = layout.shape[axis]!;
    if (length === 0) return true;
    if (length !== 1 && layout.strides[axis] !== stride) return false;
    stride *= length;
  }
  return true;
}

/** Whether two shapes are equal. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((length, axis) => length === b[axis]);
}

/** A shape as an error message shows it: `[2, 3]`. */
export function showShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** `shape` if it is a list of sizes; `-1` is not one of them. */
export function checkShape(operation: string, shape: unknown): number[] {
  const sizes = typeof shape === 'number' ? [shape] : shape;
  if (!Array.isArray(sizes) || !sizes.every((length) => Number.isSafeInteger(length) && length >= 0)) {
    throw new ShapeError(`${operation}: a shape is a list of whole numbers of at least 0, but got ${show(shape)}`);
  }
  if (!Number.isSafeInteger(sizeOf(sizes))) throw new ShapeError(`${operation}: ${showShape(sizes)} is too large`);
  return [...sizes];
}

/** The axis counted from the front; negative ones count from the end. */
export function checkAxis(operation: string, axis: unknown, rank: number): number {
  if (typeof axis !== 'number' || !Number.isInteger(axis) || axis < -rank || axis >= rank) {
    const range = rank === 0 ? 'a scalar has no axes' : `the axes are ${-rank} to ${rank - 1}`;
    throw new IndexError(`${operation}: axis ${show(axis)} does not exist; ${range}`);
  }
  return axis < 0 ? axis + rank : axis;
}

/** One axis, a list, or all (undefined) as an ascending list of distinct axes. */
export function checkAxes(
  operation: string,
  axes: number | readonly number[] | null | undefined,
  rank: number,
): number[] {
  if (axes === undefined || axes === null) return Array.from({ length: rank }, (_, axis) => axis);
  const given = typeof axes === 'number' ? [axes] : axes;
  if (!Array.isArray(given))
    throw new IndexError(`${operation}: axes must be a number or a list of numbers, but are ${show(axes)}`);
  const found = given.map((axis) => checkAxis(operation, axis, rank)).sort((a, b) => a - b);
  if (new Set(found).size !== found.length) {
    throw new IndexError(`${operation}: axes [${given.join(', ')}] name an axis twice (rank ${rank})`);
  }
  return found;
}

/** `axes` as a permutation of all axes of a tensor of `rank`. */
export function checkPermutation(operation: string, axes: readonly number[], rank: number): number[] {
  if (!Array.isArray(axes) || axes.length !== rank) {
    throw new ShapeError(`${operation}: axes ${show(axes)} must list all ${rank} axes of the tensor once`);
  }
  checkAxes(operation, axes, rank);
  return axes.map((axis) => (axis < 0 ? axis + rank : axis));
}

/** The common shape that NumPy's broadcasting gives; sizes agree from the last axis on, 1 fits any. */
export function broadcastShapes(operation: string, ...shapes: readonly Shape[]): number[] {
  const rank = Math.max(0, ...shapes.map((shape) => shape.length));
  const result = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    const lead = rank - shape.length;
    for (let axis = 0; axis < shape.length; axis++) {
      const length = shape[axis]!;
      if (length === 1 || length === result[lead + axis]) continue;
      if (result[lead + axis] !== 1) {
        throw new ShapeError(
          `${operation}: shapes ${shapes.map(showShape).join(' and ')} do not broadcast; ` +
            `axis ${lead + axis - rank} has sizes ${result[lead + axis]} and ${length}`,
        );
      }
      result[lead + axis] = length;
    }
  }
  return result;
}

/** `shape` with a single -1 replaced by the size that makes it hold `size` elements. */
export function inferShape(operation: string, shape: readonly number[], from: Shape): number[] {
  if (!Array.isArray(shape)) throw new ShapeError(`${operation}: a shape is a list of sizes, but got ${show(shape)}`);
  const size = sizeOf(from);
  const unknown = shape.indexOf(-1);
  const known = shape.filter((_, axis) => axis !== unknown);
  const rest = sizeOf(checkShape(operation, known));
  if (unknown < 0) {
    if (rest !== size) throw misfit(operation, shape, from);
    return [...shape];
  }
  if (rest === 0 || size % rest !== 0) throw misfit(operation, shape, from);
  return shape.map((length, axis) => (axis === unknown ? size / rest : length));
}

function misfit(operation: string, shape: Shape, from: Shape): ShapeError {
  return new ShapeError(
    `${operation}: ${showShape(from)} holds ${sizeOf(from)} elements, which shape ${showShape(shape)} cannot hold`,
  );
}

/**
 * The strides with which `shape` (of as many elements) reads the same elements in the same order, or null when only a
 * copy can. Runs of axes that are dense among themselves are split and merged freely; other borders must stay.
 */
export function reshapeStrides(layout: Layout, shape: Shape): number[] | null {
  if (sizeOf(shape) === 0) return denseStrides(shape);
  const from = layout.shape.map((length, axis) => [length, layout.strides[axis]!] as const).filter(([n]) => n !== 1);
  const strides = new Array<number>(shape.length).fill(1);
  let old = from.length - 1;
  let axis = shape.length - 1;
  while (old >= 0) {
    // Grow the run of old axes until the new axes from here on fill it exactly.
    let [run, stride] = from[old]!;
    const unit = stride;
    let filled = 1;
    while (filled < run || shape[axis] === 1) {
      if (axis < 0) return null;
      strides[axis] = unit * filled;
      filled *= shape[axis--]!;
      while (filled > run) {
        const next = from[--old];
        if (next === undefined || next[1] !== stride * from[old + 1]![0]) return null;
        run *= next[0];
        stride = next[1];
      }
    }
    old--;
  }
  return strides;
}
