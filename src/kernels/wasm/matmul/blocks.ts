/** The blocks into which large products are split (see panels.ts), and loops over them. */
import { product } from '../../sizes.ts';
import { type FunctionBuilder, i32, type Local, op } from '../assembler/assembler.ts';
import { splitOutputs } from '../conv/tile.ts';
import { blocksOf, type MatmulSpec } from './spec.ts';
import { ROUND } from './tile.ts';

/** Columns of a panel: two vectors, the widest tile's. */
export const PANEL = 8;
/**
 * Length of a block of the sum. Two panels of 16 KB and a tile of a of 12 KB are a little more than a first-level cache,
 * but y is moved half as often as with blocks of 256: 2 % faster.
 */
export const BLOCK_K = 512;
/** Tiles of rows in a unit: 20 × 6 × 512 floats, 245 KB, lie in the second-level cache. */
const TILES = 20;
/** Units that a product should have at least, so that threads can share it. */
const UNITS = 8;
/** Columns of a unit where the rows alone are too few. */
const LEAST_COLUMNS = 64;
/** Columns that are packed by one unit. */
const PACKED = 64;

export interface Blocks {
  readonly tiles: readonly number[];
  readonly inner: { size: number; count: number; last: number };
  readonly rows: { size: number; count: number; last: number };
  readonly columns: { size: number; count: number; last: number };
  readonly packed: { size: number; count: number; last: number };
  readonly panels: number;
}

export function blocks({ m, n, k, batch, fma }: MatmulSpec): Blocks {
  const tiles = splitOutputs(m, fma);
  const rows = blocksOf(tiles.length, TILES, 1);
  const units = product(batch) * rows.count;
  const most = Math.max(LEAST_COLUMNS, Math.ceil((n * Math.min(units, UNITS)) / UNITS));
  return {
    tiles,
    rows,
    inner: blocksOf(k, BLOCK_K, ROUND),
    columns: blocksOf(n, most, 2 * PANEL),
    packed: blocksOf(n, PACKED, PANEL),
    panels: Math.ceil(n / PANEL),
  };
}

const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

/** Calls `body` for each block of the sum, with its length and whether it is the last. */
export function eachBlock(
  f: FunctionBuilder,
  s: Blocks,
  body: (depth: Local<'i32'>, isLast: Local<'i32'>) => void,
): void {
  const left = f.let(i32((s.inner.count - 1) * s.inner.size + s.inner.last), 'left');
  const [depth, isLast] = [f.local('i32', 'depth'), f.local('i32', 'isLast')];
  f.loop((again) => {
    f.set(isLast, op('i32.le_u', left, i32(s.inner.size)));
    f.set(depth, i32(s.inner.size));
    f.if(isLast, () => f.set(depth, left));
    body(depth, isLast);
    f.set(left, op('i32.sub', left, depth));
    again(left);
  });
}

/** The tiles of one unit. */
function tilesOfBlock(s: Blocks, index: number): readonly number[] {
  return s.tiles.slice(index * s.rows.size, (index + 1) * s.rows.size);
}

/** Runs `body` with the tiles of block `row`: those of the last two blocks may be of several sizes. */
export function eachTiles(
  f: FunctionBuilder,
  s: Blocks,
  row: Local<'i32'>,
  body: (tiles: readonly number[]) => void,
): void {
  const lists = Array.from({ length: s.rows.count }, (_, i) => tilesOfBlock(s, i));
  const kinds = [...new Set(lists.map((list) => list.join()))];
  const from = (kind: number): void => {
    const first = lists.findIndex((list) => list.join() === kinds[kind]);
    const tiles = lists[first] as readonly number[];
    if (kind === kinds.length - 1) body(tiles);
    else {
      const next = lists.findIndex((list) => list.join() === kinds[kind + 1]);
      f.if(
        op('i32.lt_u', row, i32(next)),
        () => body(tiles),
        () => from(kind + 1),
      );
    }
  };
  from(0);
}

/** Rows of y before block `row` of tiles: blocks before are of the widest tiles, but perhaps the last two. */
export function rowsBefore(f: FunctionBuilder, s: Blocks, row: Local<'i32'>): Local<'i32'> {
  const starts = Array.from({ length: s.rows.count }, (_, i) => sum(s.tiles.slice(0, i * s.rows.size)));
  const each = starts[1] ?? 0;
  const rows = f.let(op('i32.mul', row, i32(each)), 'rows');
  starts.forEach((start, i) => {
    if (start !== i * each) f.if(op('i32.eq', row, i32(i)), () => f.set(rows, i32(start)));
  });
  return rows;
}
