/**
 * What a matrix product is, and what its algorithms share: blocks of rows and columns, and a unit of work's way from
 * its number to its addresses. Distances are in floats, addresses in bytes.
 */
import { product } from '../../sizes.ts';
import { type Expr, type FunctionBuilder, i32, type Local, op } from '../assembler/assembler.ts';
import type { Functions, MatmulEpilogue } from './tile.ts';

/** Strides of an operand, in floats. */
export interface Operand {
  readonly row: number;
  readonly column: number;
  readonly batch: readonly number[];
}

export interface MatmulSpec {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly batch: readonly number[];
  readonly a: Operand;
  readonly b: Operand;
  readonly epilogue: MatmulEpilogue;
  readonly fma: boolean;
}

/** The addresses that a task's function is given. */
export interface TaskParams {
  readonly a: Local<'i32'>;
  readonly b: Local<'i32'>;
  readonly y: Local<'i32'>;
  readonly bias: Local<'i32'>;
  readonly shared: Local<'i32'>;
  readonly own: Local<'i32'>;
  readonly unit: Local<'i32'>;
}

/** What an algorithm makes of a shape. */
export interface Lowering {
  readonly shared: number;
  readonly own: number;
  readonly tasks: readonly {
    readonly name: string;
    readonly units: number;
    readonly emit: (f: FunctionBuilder, params: TaskParams, functions: Functions) => void;
  }[];
}

/** Near-equal blocks of at most `most`, each a multiple of `grain` but the last. */
export function blocksOf(total: number, most: number, grain: number): { size: number; count: number; last: number } {
  const size = Math.min(Math.max(total, 1), grain * Math.ceil(total / Math.ceil(total / most) / grain));
  const count = Math.ceil(total / size);
  return { size, count, last: total - (count - 1) * size };
}

/** `index`'s lowest digit in base `count`; the rest stays in `index`. */
export function digit(f: FunctionBuilder, index: Local<'i32'>, count: number): Expr<'i32'> | null {
  if (count === 1) return null;
  const low = f.let(op('i32.rem_u', index, i32(count)), 'digit');
  f.set(index, op('i32.div_u', index, i32(count)));
  return low;
}

/** pointer += index · floats; nothing if there is no index. */
export function offset(f: FunctionBuilder, pointer: Local<'i32'>, index: Expr<'i32'> | null, floats: number): void {
  if (index !== null && floats !== 0) f.advance(pointer, op('i32.mul', index, i32(4 * floats)));
}

/** Moves the addresses to the matrices of batch `index`. */
export function toBatch(f: FunctionBuilder, spec: MatmulSpec, p: TaskParams, index: Local<'i32'>): void {
  if (product(spec.batch) === 1) return;
  offset(f, p.y, index, spec.m * spec.n);
  const rest = f.let(index, 'rest');
  for (let axis = spec.batch.length - 1; axis >= 0; axis--) {
    const at = digit(f, rest, spec.batch[axis] as number);
    offset(f, p.a, at, spec.a.batch[axis] as number);
    offset(f, p.b, at, spec.b.batch[axis] as number);
  }
}

/** The body for whole blocks, and the one for the last block where that is smaller. */
export function eachSize(
  f: FunctionBuilder,
  index: Expr<'i32'> | null,
  { size, count, last }: { size: number; count: number; last: number },
  body: (size: number) => void,
): void {
  if (index === null || last === size) body(count === 1 ? last : size);
  else
    f.if(
      op('i32.eq', index, i32(count - 1)),
      () => body(last),
      () => body(size),
    );
}
