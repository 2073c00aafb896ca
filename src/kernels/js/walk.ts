/**
 * One loop nest over several strided operands: the only iteration scheme of the reference kernels.
 *
 * Axes of size 1 are dropped and neighbouring axes are merged where the strides of every operand allow it, so that a
 * dense tensor of any rank is one row. The innermost axis that is left is handed to `row` in one call; the
 * axes outside of it are counted by an odometer. Nothing is called for an empty shape, and one row of one
 * element for a scalar.
 */

/** Where an operand starts and how far apart its elements lie along each axis. */
export interface Operand {
  readonly offset: number;
  readonly strides: readonly number[];
}

/**
 * Handles one row of `n` elements: element i of operand k lies at `at[k] + i·step[k]`.
 * Both lists belong to the walk and `at` changes from row to row: read them at once.
 */
export type Row = (n: number, at: readonly number[], step: readonly number[]) => void;

/** Strides of a dense row-major array. */
export function denseStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

/** A dense row-major operand of this shape. */
export function dense(shape: readonly number[]): Operand {
  return { offset: 0, strides: denseStrides(shape) };
}

/** The list without the entry at `axis`. */
export function without(list: readonly number[], axis: number): number[] {
  return list.filter((_, k) => k !== axis);
}

/** Calls `row` for every innermost row of the operands, in row-major order. */
export function walk(shape: readonly number[], operands: readonly Operand[], row: Row): void {
  if (shape.includes(0)) return;
  const { sizes, strides } = mergeAxes(shape, operands);
  const inner = sizes.length - 1;
  const at = operands.map((operand) => operand.offset);
  const n = sizes[inner] ?? 1;
  const step = strides.map((list) => list[inner] ?? 0);
  const count = new Array<number>(Math.max(0, inner)).fill(0);
  for (;;) {
    row(n, at, step);
    let axis = inner - 1;
    while (axis >= 0 && ++count[axis]! === sizes[axis]) {
      for (let k = 0; k < at.length; k++) at[k]! -= strides[k]![axis]! * (sizes[axis]! - 1);
      count[axis--] = 0;
    }
    if (axis < 0) return;
    for (let k = 0; k < at.length; k++) at[k]! += strides[k]![axis]!;
  }
}

/** The fewest axes that visit the same elements in the same order. `strides[k]` belongs to operand k. */
export function mergeAxes(
  shape: readonly number[],
  operands: readonly Operand[],
): { sizes: number[]; strides: number[][] } {
  const sizes: number[] = [];
  const strides = operands.map((): number[] => []);
  for (const [axis, size] of shape.entries()) {
    if (size === 1) continue;
    const last = sizes.length - 1;
    const joins = last >= 0 && operands.every((op, k) => strides[k]![last] === op.strides[axis]! * size);
    if (joins) sizes[last]! *= size;
    else sizes.push(size);
    for (const [k, op] of operands.entries()) strides[k]![joins ? last : last + 1] = op.strides[axis]!;
  }
  return { sizes, strides };
}
