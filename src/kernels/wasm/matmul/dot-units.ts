/** Units of products of rows with rows: blocks of rows and columns, and chunks of long sums where y is small. */
import { product } from '../../sizes.ts';
import { type FunctionBuilder, i32, op, select } from '../assembler/assembler.ts';
import { type DotProducts, dotSums, finishSums } from './dots.ts';
import { blocksOf, digit, eachSize, type Lowering, type MatmulSpec, offset, type TaskParams, toBatch } from './spec.ts';
import type { Functions } from './tile.ts';

/** Floats of a block of the sum: ten rows of b are 20 KB then, and stay in the first-level cache. */
const BLOCK = 512;
/** Rows and columns of a unit: its sums are 16 to 32 KB, and its rows of a stay in the second-level cache. */
const ROWS = 16;
const MANY_ROWS = 64;
const COLUMNS = 30;
/** A sum is split into at most this many chunks, of at least so many floats. */
const CHUNKS = 4;
const LEAST_CHUNK = 1024;

export function emitDots(spec: MatmulSpec): Lowering {
  const { m, n, k, fma, epilogue } = spec;
  const batches = product(spec.batch);
  const columns = blocksOf(n, COLUMNS, fma ? 6 : 5);
  const rows = blocksOf(m, columns.count > 1 ? MANY_ROWS : ROWS, 2);
  const whole = batches * rows.count * columns.count;
  const most = whole >= CHUNKS ? 1 : Math.min(CHUNKS, Math.floor(k / LEAST_CHUNK));
  // One row reads b once, faster in long runs than in short ones of many columns: by a sixth for 1280 × 1000.
  const inner = blocksOf(k, m === 1 && most === 1 ? k : BLOCK, 16);
  const chunks = blocksOf(k, Math.ceil(k / Math.max(1, most)), inner.size);
  const dots: DotProducts = {
    depth: k,
    aRow: spec.a.row,
    bColumn: spec.b.column,
    columns: columns.size,
    block: inner.size,
    fma,
  };
  const sums = 4 * rows.size * columns.size;
  const split = chunks.count > 1;
  const blocks = (f: FunctionBuilder, p: TaskParams, body: (height: number, width: number) => void): void => {
    const column = digit(f, p.unit, columns.count);
    const row = digit(f, p.unit, rows.count);
    toBatch(f, spec, p, p.unit);
    offset(f, p.a, row, rows.size * spec.a.row);
    offset(f, p.b, column, columns.size * spec.b.column);
    offset(f, p.y, row, rows.size * n);
    offset(f, p.y, column, columns.size);
    offset(f, p.bias, column, columns.size);
    eachSize(f, row, rows, (height) => eachSize(f, column, columns, (width) => body(height, width)));
  };
  const at = { count: chunks.count, distance: sums };
  const multiply = (f: FunctionBuilder, p: TaskParams, functions: Functions): void => {
    const chunk = digit(f, p.unit, chunks.count);
    const to = split ? f.let(p.shared, 'sums') : p.own;
    if (split) {
      offset(f, to, p.unit, sums * chunks.count);
      offset(f, to, chunk, sums);
    }
    offset(f, p.a, chunk, chunks.size);
    offset(f, p.b, chunk, chunks.size);
    const isLast = chunk === null ? i32(1) : op('i32.eq', chunk, i32(chunks.count - 1));
    const length = chunk === null ? i32(k) : select(i32(chunks.last), i32(chunks.size), isLast);
    blocks(f, p, (height, width) => {
      f.call(dotSums(functions, dots, height, width), p.a, p.b, to, length, isLast);
      if (split) return;
      const finish = finishSums(functions, height, width, columns.size, n, at, epilogue);
      f.call(finish, to, p.y, p.bias);
    });
  };
  const finish = (f: FunctionBuilder, p: TaskParams, functions: Functions): void => {
    offset(f, p.shared, p.unit, sums * chunks.count);
    blocks(f, p, (height, width) =>
      f.call(finishSums(functions, height, width, columns.size, n, at, epilogue), p.shared, p.y, p.bias),
    );
  };
  return {
    shared: split ? whole * chunks.count * sums : 0,
    own: split ? 0 : sums,
    tasks: [
      { name: 'multiply', units: whole * chunks.count, emit: multiply },
      ...(split ? [{ name: 'finish', units: whole, emit: finish }] : []),
    ],
  };
}
