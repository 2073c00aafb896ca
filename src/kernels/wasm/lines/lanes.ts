/**
 * Lines in lanes: four lines at a time, element by element, one line in each lane. Lines that lie side by side are read as
 * they are, rows are transposed in registers:
 *
 *   rows  a₀ a₁ a₂ a₃        lanes  a₀ b₀ c₀ d₀
 *         b₀ b₁ b₂ b₃   →           a₁ b₁ c₁ d₁    so that what goes along a line needs nothing across lanes
 *
 * Sizes and strides are in floats.
 */
import { type Expr, type FunctionBuilder, type Local, load, loadLane, shuffle } from '../assembler/assembler.ts';

type V = Expr<'v128'>;

/** How lines lie. */
export interface Lines {
  /** Elements of a line. */
  readonly classes: number;
  /** From one element of a line to the next; 1 for rows. */
  readonly classStride: number;
  /** From one line to the next: 1 for lines side by side. */
  readonly lineStride: number;
}

/** Four lines, or one in lane 0. */
export type Width = 1 | 4;

/** Lines of up to this length are kept in registers (some of them on the stack: V8 has 15 to give). */
export const MOST_HELD = 16;

/** All elements of four lines, or of one. */
export function loadLanes(f: FunctionBuilder, from: Local<'i32'>, k: Lines, width: Width): Local<'v128'>[] {
  const { classes, classStride, lineStride } = k;
  const x: Local<'v128'>[] = [];
  const at = (line: number, c: number): number => 4 * (line * lineStride + c * classStride);
  if (width === 1 || lineStride === 1) {
    const name = width === 1 ? 'v128.load32_zero' : 'v128.load';
    for (let c = 0; c < classes; c++) x.push(f.let(load(name, from, at(0, c)), 'x'));
    return x;
  }
  while (x.length + 4 <= classes) {
    const rows = [0, 1, 2, 3].map((line) => f.let(load('v128.load', from, at(line, x.length)), 'row'));
    x.push(...transposed(f, rows));
  }
  for (let c = x.length; c < classes; c++) {
    const first: V = load('v128.load32_zero', from, at(0, c));
    const all = [1, 2, 3].reduce((v, line) => loadLane('v128.load32_lane', line, from, v, at(line, c)), first);
    x.push(f.let(all, 'x'));
  }
  return x;
}

/** The 4 × 4 elements of four vectors with rows and columns exchanged. */
export function transposed(f: FunctionBuilder, rows: readonly V[]): Local<'v128'>[] {
  const [a, b, c, d] = rows as [V, V, V, V];
  const [ab, cd] = [f.let(shuffle(a, b, [0, 4, 1, 5]), 't'), f.let(shuffle(c, d, [0, 4, 1, 5]), 't')];
  const [AB, CD] = [f.let(shuffle(a, b, [2, 6, 3, 7]), 't'), f.let(shuffle(c, d, [2, 6, 3, 7]), 't')];
  return [
    f.let(shuffle(ab, cd, [0, 1, 4, 5]), 'x'),
    f.let(shuffle(ab, cd, [2, 3, 6, 7]), 'x'),
    f.let(shuffle(AB, CD, [0, 1, 4, 5]), 'x'),
    f.let(shuffle(AB, CD, [2, 3, 6, 7]), 'x'),
  ];
}
