/**
 * Large products: both sides are packed once, a into tiles of 6 rows and b into panels of 8 columns, block by block of
 * the sum.
 *
 *   for each block of k:  for each pair of panels (kept in the first-level cache, with a tile of a):
 *     for each tile of rows (a block of a stays in the second-level cache):   y tile += a tile · panel
 *
 * Two panels are the 16 columns of a cache line, so that y's lines are moved once. Packed operands are read in the order
 * in which they lie, which is what the processor fetches ahead; read in place, rows that lie a power of two apart push
 * each other out of the cache: 97 % of the inner loop's peak against 89 % for 1024 × 1024.
 */
import { type FunctionBuilder, i32, type Local, op } from './assembler.ts';
import { packFunction } from './matmulPack.ts';
import {
  blocksOf,
  digit,
  eachSize,
  type Lowering,
  type MatmulSpec,
  offset,
  product,
  type TaskParams,
  toBatch,
} from './matmulSpec.ts';
import { FIRST, type Functions, LAST, productTile, ROUND } from './matmulTile.ts';
import { splitOutputs } from './tile.ts';

/** Columns of a panel: two vectors, the widest tile's. */
const PANEL = 8;
/**
 * Length of a block of the sum. Two panels of 16 KB and a tile of a of 12 KB are a little more than a first-level cache,
 * but y is moved half as often as with blocks of 256: 2 % faster.
 */
const BLOCK_K = 512;
/** Tiles of rows in a unit: 20 × 6 × 512 floats, 245 KB, lie in the second-level cache. */
const TILES = 20;
/** Units that a product should have at least, so that threads can share it. */
const UNITS = 8;
/** Columns of a unit where the rows alone are too few. */
const LEAST_COLUMNS = 64;
/** Columns that are packed by one unit. */
const PACKED = 64;

interface Blocks {
  readonly tiles: readonly number[];
  readonly inner: { size: number; count: number; last: number };
  readonly rows: { size: number; count: number; last: number };
  readonly columns: { size: number; count: number; last: number };
  readonly packed: { size: number; count: number; last: number };
  readonly panels: number;
}

function blocks({ m, n, k, batch, fma }: MatmulSpec): Blocks {
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

export function emitPanels(spec: MatmulSpec): Lowering {
  const { m, k } = spec;
  const s = blocks(spec);
  const batches = product(spec.batch);
  // What is the same for all of the batch is packed once.
  const [aCount, bCount] = [spec.a, spec.b].map((side) => (side.batch.every((d) => d === 0) ? 1 : batches)) as [
    number,
    number,
  ];
  const [aSize, bSize] = [m * k, s.panels * PANEL * k];
  const bUnits = bCount * s.packed.count;
  const aUnits = aCount * s.rows.count;
  const at = { aSize: aCount === 1 ? 0 : aSize, bSize: bCount === 1 ? 0 : bSize, aFirst: bCount * bSize };
  return {
    shared: aCount * aSize + bCount * bSize + 16,
    own: 0,
    tasks: [
      {
        name: 'pack',
        units: bUnits + aUnits,
        emit: (f, p, functions) =>
          f.if(
            op('i32.lt_u', p.unit, i32(bUnits)),
            () => emitPackB(f, functions, spec, s, p, at.bSize),
            () => {
              f.advance(p.unit, -bUnits);
              f.advance(p.shared, 4 * at.aFirst);
              emitPackA(f, functions, spec, s, p, at.aSize);
            },
          ),
      },
      {
        name: 'multiply',
        units: batches * s.rows.count * s.columns.count,
        emit: (f, p, functions) => emitMultiply(f, functions, spec, s, p, at),
      },
    ],
  };
}

/** Calls `body` for each block of the sum, with its length; `k` counts the floats before it. */
function eachBlock(f: FunctionBuilder, s: Blocks, body: (depth: Local<'i32'>, isLast: Local<'i32'>) => void): void {
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

/** Panels of one unit's columns, all along the sum: [block of k][panel][k][8]. */
function emitPackB(
  f: FunctionBuilder,
  functions: Functions,
  spec: MatmulSpec,
  s: Blocks,
  p: TaskParams,
  step: number,
): void {
  const { b } = spec;
  const column = digit(f, p.unit, s.packed.count);
  offset(f, p.shared, p.unit, step);
  toBatch(f, spec, p, p.unit);
  offset(f, p.b, column, s.packed.size * b.column);
  const pack = (width: number) =>
    packFunction(functions, 'panel', { width, pitch: PANEL, item: b.column, step: b.row });
  const [from, to, first] = [f.local('i32', 'from'), f.local('i32', 'to'), f.let(i32(0), 'first')];
  if (column !== null) f.set(first, op('i32.mul', column, i32(s.packed.size)));
  const bytes = (depth: Local<'i32'>, floats: number) => op('i32.mul', depth, i32(4 * floats));
  eachSize(f, column, s.packed, (width) =>
    eachBlock(f, s, (depth) => {
      f.set(from, p.b);
      f.set(to, op('i32.add', p.shared, op('i32.mul', first, bytes(depth, 1))));
      f.repeat(Math.floor(width / PANEL), () => {
        f.call(pack(PANEL), from, to, depth);
        f.advance(from, 4 * PANEL * b.column);
        f.advance(to, bytes(depth, PANEL));
      });
      if (width % PANEL > 0) f.call(pack(width % PANEL), from, to, depth);
      f.advance(p.b, bytes(depth, b.row));
      f.advance(p.shared, bytes(depth, PANEL * s.panels));
    }),
  );
}

/** The tiles of a unit: the first `size` blocks hold the widest alone, if the list begins with enough of them. */
function tilesOfBlock(s: Blocks, index: number): readonly number[] {
  return s.tiles.slice(index * s.rows.size, (index + 1) * s.rows.size);
}

/** Runs `body` with the tiles of block `row`: those of the last two blocks may be of several sizes. */
function eachTiles(f: FunctionBuilder, s: Blocks, row: Local<'i32'>, body: (tiles: readonly number[]) => void): void {
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
function rowsBefore(f: FunctionBuilder, s: Blocks, row: Local<'i32'>): Local<'i32'> {
  const starts = Array.from({ length: s.rows.count }, (_, i) => sum(s.tiles.slice(0, i * s.rows.size)));
  const each = starts[1] ?? 0;
  const rows = f.let(op('i32.mul', row, i32(each)), 'rows');
  starts.forEach((start, i) => {
    if (start !== i * each) f.if(op('i32.eq', row, i32(i)), () => f.set(rows, i32(start)));
  });
  return rows;
}

/** Tiles of one unit's rows, all along the sum: [block of k][tile][k][rows of the tile]. */
function emitPackA(
  f: FunctionBuilder,
  functions: Functions,
  spec: MatmulSpec,
  s: Blocks,
  p: TaskParams,
  step: number,
): void {
  const { a, m } = spec;
  const row = f.let(digit(f, p.unit, s.rows.count) ?? i32(0), 'row');
  offset(f, p.shared, p.unit, step);
  toBatch(f, spec, p, p.unit);
  const rows = rowsBefore(f, s, row);
  f.advance(p.a, op('i32.mul', rows, i32(4 * a.row)));
  const [from, to] = [f.local('i32', 'from'), f.local('i32', 'to')];
  const bytes = (depth: Local<'i32'>, floats: number) => op('i32.mul', depth, i32(4 * floats));
  eachTiles(f, s, row, (tiles) =>
    eachBlock(f, s, (depth) => {
      f.set(from, p.a);
      f.set(to, op('i32.add', p.shared, op('i32.mul', rows, bytes(depth, 1))));
      for (const width of new Set(tiles)) {
        const packing = { width, pitch: width, item: a.row, step: a.column };
        f.repeat(tiles.filter((t) => t === width).length, () => {
          f.call(packFunction(functions, 'rows', packing), from, to, depth);
          f.advance(from, 4 * width * a.row);
          f.advance(to, bytes(depth, width));
        });
      }
      f.advance(p.a, bytes(depth, a.column));
      f.advance(p.shared, bytes(depth, m));
    }),
  );
}

function emitMultiply(
  f: FunctionBuilder,
  functions: Functions,
  spec: MatmulSpec,
  s: Blocks,
  p: TaskParams,
  at: { aSize: number; bSize: number; aFirst: number },
): void {
  const { m, n } = spec;
  const column = digit(f, p.unit, s.columns.count);
  const row = f.let(digit(f, p.unit, s.rows.count) ?? i32(0), 'row');
  const [a, b] = [f.let(p.shared, 'aPacked'), f.let(p.shared, 'bPacked')];
  f.advance(a, 4 * at.aFirst);
  offset(f, a, p.unit, at.aSize);
  offset(f, b, p.unit, at.bSize);
  toBatch(f, spec, p, p.unit);
  const rows = rowsBefore(f, s, row);
  f.advance(p.y, op('i32.mul', rows, i32(4 * n)));
  offset(f, p.y, column, s.columns.size);
  offset(f, p.bias, column, s.columns.size);
  const first = f.let(i32(0), 'first');
  if (column !== null) f.set(first, op('i32.mul', column, i32(s.columns.size)));
  const state = f.let(i32(FIRST), 'state');
  const [x, w] = [f.local('i32', 'x'), f.local('i32', 'w')];
  eachTiles(f, s, row, (tiles) =>
    eachSize(f, column, s.columns, (width) =>
      eachBlock(f, s, (depth, isLast) => {
        f.if(isLast, () => f.set(state, op('i32.or', state, i32(LAST))));
        f.set(w, op('i32.add', a, op('i32.mul', rows, op('i32.shl', depth, i32(2)))));
        f.set(x, op('i32.add', b, op('i32.mul', first, op('i32.shl', depth, i32(2)))));
        emitBlock(f, functions, spec, tiles, width, { x, w, y: p.y, bias: p.bias, depth, state });
        f.advance(a, op('i32.mul', depth, i32(4 * m)));
        f.advance(b, op('i32.mul', depth, i32(4 * PANEL * s.panels)));
        f.set(state, i32(0));
      }),
    ),
  );
}

interface Pointers {
  readonly x: Local<'i32'>;
  readonly w: Local<'i32'>;
  readonly y: Local<'i32'>;
  readonly bias: Local<'i32'>;
  readonly depth: Local<'i32'>;
  readonly state: Local<'i32'>;
}

/** One block of the sum: pairs of panels, then tiles, then the panels of the pair. */
function emitBlock(
  f: FunctionBuilder,
  functions: Functions,
  spec: MatmulSpec,
  tiles: readonly number[],
  width: number,
  at: Pointers,
): void {
  const { n, k, fma, epilogue } = spec;
  const [y, bias, panel] = [f.let(at.y, 'y'), f.let(at.bias, 'bias'), f.let(at.x, 'panel')];
  const [x, w, out, from, side] = ['x', 'w', 'out', 'from', 'side'].map((name) => f.local('i32', name)) as [
    Local<'i32'>,
    Local<'i32'>,
    Local<'i32'>,
    Local<'i32'>,
    Local<'i32'>,
  ];
  const rounds = f.let(op('i32.div_u', at.depth, i32(ROUND)), 'rounds');
  const bytes = (floats: number) => op('i32.mul', at.depth, i32(4 * floats));
  /** Panels of these widths, side by side. */
  const pair = (widths: readonly number[]): void => {
    f.set(w, at.w);
    f.set(out, y);
    for (const outputs of new Set(tiles)) {
      f.repeat(tiles.filter((t) => t === outputs).length, () => {
        f.set(x, panel);
        f.set(side, out);
        f.set(from, bias);
        widths.forEach((columns, i) => {
          const vectors = Math.ceil(columns / 4);
          const shape = {
            outputs,
            vectors,
            lanes: columns - 4 * (vectors - 1),
            depth: k,
            blocked: k > BLOCK_K,
            xStep: PANEL,
            wStep: outputs,
            wRow: 1,
            yRow: n,
            turned: false,
            fma,
            epilogue,
          };
          f.call(productTile(functions, shape), x, w, side, from, rounds, at.state);
          if (i === widths.length - 1) return;
          f.advance(x, bytes(PANEL));
          f.advance(side, 4 * PANEL);
          f.advance(from, 4 * PANEL);
        });
        f.advance(w, bytes(outputs));
        f.advance(out, 4 * outputs * n);
      });
    }
    f.advance(panel, bytes(2 * PANEL));
    f.advance(y, 8 * PANEL);
    f.advance(bias, 8 * PANEL);
  };
  f.repeat(Math.floor(width / (2 * PANEL)), () => pair([PANEL, PANEL]));
  const rest = width % (2 * PANEL);
  if (rest > 0) pair(rest > PANEL ? [PANEL, rest - PANEL] : [rest]);
}
