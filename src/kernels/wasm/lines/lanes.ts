/**
 * Lines in lanes: four lines at a time, element by element, one line in each lane. Lines that lie side by side are read as
 * they are, rows are transposed in registers:
 *
 *   rows  a₀ a₁ a₂ a₃        lanes  a₀ b₀ c₀ d₀
 *         b₀ b₁ b₂ b₃   →           a₁ b₁ c₁ d₁    so that what goes along a line needs nothing across lanes
 *
 * Sizes and strides are in floats.
 */
import { type Expr, type FunctionBuilder, type Local, load, loadLane } from '../assembler/assembler.ts';
import { transpose4 } from '../memory/transpose.ts';

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
    const rows = [0, 1, 2, 3].map((line) => load('v128.load', from, at(line, x.length)));
    x.push(...transpose4(f, rows).map((lanes) => f.let(lanes, 'x')));
  }
  for (let c = x.length; c < classes; c++) {
    const first: V = load('v128.load32_zero', from, at(0, c));
    const all = [1, 2, 3].reduce((v, line) => loadLane('v128.load32_lane', line, from, v, at(line, c)), first);
    x.push(f.let(all, 'x'));
  }
  return x;
}
