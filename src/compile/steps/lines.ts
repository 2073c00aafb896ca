/** Lines along one axis of a dense array, in units: whole rows, or neighbouring columns of one image. */

import { type Expr, type FunctionBuilder, i32, op, select } from '../../kernels/wasm/assembler/assembler.ts';
import { placeAt, type Task } from '../../kernels/wasm/conductor.ts';
import type { Lines } from '../../kernels/wasm/lines/lanes.ts';
import { sizeOf } from '../../tensor/shape.ts';

/** Elements that are worth a unit of their own. */
const unitElements = 2048;

/** How lines are divided. */
export interface LineDivision {
  readonly layout: Lines;
  /** Groups of lines that lie apart, the lines of each, and how many of them a unit has, but for the last of a group. */
  readonly images: number;
  readonly lines: number;
  readonly length: number;
}

export function divideLines(shape: readonly number[], axis: number): LineDivision {
  const classes = shape[axis]!;
  const outer = sizeOf(shape.slice(0, axis));
  const inner = sizeOf(shape.slice(axis + 1));
  const isRows = inner === 1;
  const lines = isRows ? outer : inner;
  return {
    layout: { classes, classStride: inner, lineStride: isRows ? classes : 1 },
    images: isRows ? 1 : outer,
    lines,
    length: Math.min(lines, 16 * Math.ceil(unitElements / classes / 16)),
  };
}

/** What a unit's call is given. */
export interface LinePlaces {
  /** How many lines there are. */
  readonly count: Expr<'i32'>;
  /** Where the first line's elements begin in an array of all. */
  elements(base: number): Expr<'i32'>;
  /** Where the first line's number is in an array of one for each line, `stride` apart. 0 stays 0. */
  lines(base: number, stride: number): Expr<'i32'>;
}

/** The task of all lines. */
export function lineTask(
  { layout, images, lines, length }: LineDivision,
  emit: (f: FunctionBuilder, at: LinePlaces) => void,
): Task {
  const parts = Math.ceil(lines / length);
  return {
    units: images * parts,
    emit(f, unit) {
      const image = f.let(op('i32.div_u', unit, i32(parts)), 'image');
      const part = f.let(op('i32.rem_u', unit, i32(parts)), 'part');
      const isLast = op('i32.eq', part, i32(parts - 1));
      const place = (base: number, perLine: number, perImage: number): Expr<'i32'> =>
        base === 0 ? i32(0) : placeAt(base, [image, 4 * perImage], [part, 4 * perLine * length]);
      emit(f, {
        count: lines % length === 0 ? i32(length) : select(i32(lines % length), i32(length), isLast),
        elements: (base) => place(base, layout.lineStride, layout.classes * lines),
        lines: (base, stride) => place(base, stride, stride * lines),
      });
    },
  };
}
