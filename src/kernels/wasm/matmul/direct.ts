/**
 * Products whose vectors lie where they are needed: along b's rows (direct), or along a's columns (turned: yᵀ = bᵀ·aᵀ,
 * stored back by columns). A unit is a block of rows and columns:
 *
 *   for each tile of rows:  for each tile of columns of the block (whose part of b stays in the first-level cache)
 */
import { product } from '../../sizes.ts';
import { type FunctionBuilder, i32, type Local } from '../assembler/assembler.ts';
import { splitOutputs, tileVectors } from '../conv/tile.ts';
import { blocksOf, digit, eachSize, type Lowering, type MatmulSpec, offset, type TaskParams, toBatch } from './spec.ts';
import { coverExactly, FIRST, type Functions, LAST, type ProductTile, productTile, ROUND } from './tile.ts';

/** Multiply-adds of a unit, about 5 µs: many enough that handing it out costs nothing. */
const UNIT = 250_000;
/** Floats of b's block: half of a first-level cache. */
const BLOCK = 4096;

/** Rows and columns of tiles, which are y's or those of yᵀ. */
interface Roles {
  readonly rows: number;
  readonly columns: number;
  /** Strides of what is read in vectors (x) and by floats (w). */
  readonly xStep: number;
  readonly wRow: number;
  readonly wStep: number;
}

function rolesOf({ m, n, a, b }: MatmulSpec, turned: boolean): Roles {
  if (turned) return { rows: n, columns: m, xStep: a.column, wRow: b.column, wStep: b.row };
  return { rows: m, columns: n, xStep: b.row, wRow: a.row, wStep: a.column };
}

/** @param turned whether the vectors lie along a's columns instead of b's rows. */
export function emitDirect(spec: MatmulSpec, turned: boolean): Lowering {
  const roles = rolesOf(spec, turned);
  const { k, n } = spec;
  const widest = spec.fma ? 6 : 5;
  // With several tiles of rows, a tile's columns are used again; else long rows are read as far as possible.
  const least = roles.rows > widest ? 16 : 48;
  const columns = blocksOf(roles.columns, Math.max(least, 16 * Math.floor(BLOCK / k / 16)), 16);
  const most = Math.max(widest, Math.floor(UNIT / k / columns.size));
  const rows = blocksOf(roles.rows, most, widest);
  const units = product(spec.batch) * rows.count * columns.count;
  const emit = (f: FunctionBuilder, p: TaskParams, functions: Functions): void => {
    const column = digit(f, p.unit, columns.count);
    const row = digit(f, p.unit, rows.count);
    toBatch(f, spec, p, p.unit);
    const [x, w] = turned ? [p.a, p.b] : [p.b, p.a];
    offset(f, x, column, columns.size);
    offset(f, w, row, rows.size * roles.wRow);
    offset(f, p.y, column, columns.size * (turned ? n : 1));
    offset(f, p.y, row, rows.size * (turned ? 1 : n));
    offset(f, p.bias, turned ? row : column, turned ? rows.size : columns.size);
    eachSize(f, row, rows, (height) =>
      eachSize(f, column, columns, (width) => emitBlock(f, functions, spec, turned, roles, height, width, { x, w, p })),
    );
  };
  return { shared: 0, own: 0, tasks: [{ name: 'multiply', units, emit }] };
}

function emitBlock(
  f: FunctionBuilder,
  functions: Functions,
  spec: MatmulSpec,
  turned: boolean,
  roles: Roles,
  height: number,
  width: number,
  at: { readonly x: Local<'i32'>; readonly w: Local<'i32'>; readonly p: TaskParams },
): void {
  const { n, k, fma, epilogue } = spec;
  const [w, y, bias] = [f.let(at.w, 'w'), f.let(at.p.y, 'y'), f.let(at.p.bias, 'bias')];
  const [x, out, from] = [f.local('i32', 'x'), f.local('i32', 'out'), f.local('i32', 'from')];
  const tiles = splitOutputs(height, fma);
  for (const outputs of new Set(tiles)) {
    const { vectors, count, tail } = coverExactly(width, tileVectors(outputs, fma));
    const call = (v: number, lanes: number): void => {
      const { xStep, wRow, wStep } = roles;
      const shape: ProductTile = {
        outputs,
        vectors: v,
        lanes,
        depth: k,
        blocked: false,
        xStep,
        wStep,
        wRow,
        yRow: n,
        turned,
        fma,
        epilogue,
      };
      f.call(productTile(functions, shape), x, w, out, from, i32(Math.floor(k / ROUND)), i32(FIRST | LAST));
    };
    f.repeat(tiles.filter((t) => t === outputs).length, () => {
      f.set(x, at.x);
      f.set(out, y);
      f.set(from, bias);
      f.repeat(count, () => {
        call(vectors, 4);
        f.advance(x, 16 * vectors);
        f.advance(out, 16 * vectors * (turned ? n : 1));
        if (!turned) f.advance(from, 16 * vectors);
      });
      if (tail !== null) call(tail.vectors, tail.lanes);
      f.advance(w, 4 * outputs * roles.wRow);
      f.advance(y, 4 * outputs * (turned ? 1 : n));
      if (turned) f.advance(bias, 4 * outputs);
    });
  }
}
