/**
 * Products of rows with rows: y[m][n] = Σ_k a[m·aRow + k] · b[n·bColumn + k], both read in vectors along k, where they
 * lie. This is a dense layer's forward pass, x · weightᵀ: nothing is packed, and few outputs cost as little as many.
 *
 *   for each block of k (of a chunk):  for each tile of P rows × Q columns:   sums[m][n] += four partial sums
 *   then: y[m][n] = the sum of the four (and of all chunks) + bias[n]
 *
 * A sum that is long where y is small is split into chunks, so that several threads can share it.
 */
import { type Expr, type FunctionBuilder, f32x4, i32, type Local, load, loadLane, op } from '../assembler/assembler.ts';
import { splitOutputs, Tile, tileVectors, vectorAt } from '../conv/tile.ts';
import { transpose4 } from '../memory/transpose.ts';
import { type Functions, finished, type MatmulEpilogue, storeLanes } from './tile.ts';

/** Vectors per round. */
const UNROLL = 4;
const ROUND_FLOATS = 4 * UNROLL;

export interface DotProducts {
  readonly depth: number;
  readonly aRow: number;
  readonly bColumn: number;
  /** Columns of the block of sums: the distance of its rows, in vectors. */
  readonly columns: number;
  /** Floats of a block of the sum, whole rounds. */
  readonly block: number;
  readonly fma: boolean;
}

type Four = [Local<'i32'>, Local<'i32'>, Local<'i32'>, Local<'i32'>];

/** The first `lanes` floats, zeros behind: zero times zero adds nothing, whatever lies there. */
function partial(base: Expr<'i32'>, floats: number, lanes: number): Expr<'v128'> {
  if (lanes === 1) return load('v128.load32_zero', base, 4 * floats);
  const two = load('v128.load64_zero', base, 4 * floats);
  return lanes === 2 ? two : loadLane('v128.load32_lane', 2, base, two, 4 * (floats + 2));
}

/** dot(a, b, sums, rounds, first, last): P rows of a and Q columns of b, over `rounds` rounds and, at last, the rest. */
function dotTile(functions: Functions, d: DotProducts, rows: number, columns: number): FunctionBuilder {
  return functions.get(`dot_${rows}x${columns}`, (f) => {
    const [a, b, sums, rounds] = ['a', 'b', 'sums', 'rounds'].map((n) => f.param('i32', n)) as Four;
    const [first, last] = [f.param('i32', 'first'), f.param('i32', 'last')];
    const tile = new Tile(f, rows, columns, d.fma);
    const at = (i: number): number => 4 * ((i % rows) * d.columns + Math.floor(i / rows));
    f.if(
      first,
      () => {
        for (const acc of tile.accumulators) f.set(acc, f32x4(0));
      },
      () => tile.accumulators.forEach((acc, i) => f.set(acc, vectorAt(sums, at(i)))),
    );
    const step = (floats: number, read: (base: Expr<'i32'>, floats: number) => Expr<'v128'> = vectorAt): void =>
      tile.step(
        (p) => read(a, p * d.aRow + floats),
        (q) => read(b, q * d.bColumn + floats),
      );
    f.if(rounds, () =>
      f.loop((again) => {
        for (let u = 0; u < UNROLL; u++) step(4 * u);
        f.advance(a, 4 * ROUND_FLOATS);
        f.advance(b, 4 * ROUND_FLOATS);
        f.set(rounds, op('i32.sub', rounds, i32(1)));
        again(rounds);
      }),
    );
    const rest = d.depth % ROUND_FLOATS;
    if (rest > 0) {
      f.if(last, () => {
        for (let u = 0; 4 * u + 4 <= rest; u++) step(4 * u);
        if (rest % 4 > 0) step(rest - (rest % 4), (base, floats) => partial(base, floats, rest % 4));
      });
    }
    tile.accumulators.forEach((acc, i) => f.store('v128.store', sums, acc, 4 * at(i)));
  });
}

/** Which tile: columns by the efficiencies of tiles, and as many rows as registers allow. */
function tilesOf(d: DotProducts, rows: number, columns: number): { columns: number; rows: number[] }[] {
  return splitOutputs(columns, d.fma).map((q) => {
    const most = tileVectors(q, d.fma);
    const count = Math.ceil(rows / most);
    return {
      columns: q,
      rows: Array.from(
        { length: count },
        (_, i) => Math.floor(((i + 1) * rows) / count) - Math.floor((i * rows) / count),
      ),
    };
  });
}

/** A block of b no larger than this stays in the first-level cache while rows of a pass by: floats. */
const RESIDENT = 5120;

/**
 * sums(a, b, sums, from, blocks, last): `rows` × `columns` sums over `blocks` blocks, the last of them (if `last` says
 * so) with the rest of the sum.
 */
export function dotSums(functions: Functions, d: DotProducts, rows: number, columns: number): FunctionBuilder {
  const block = dotBlock(functions, d, rows, columns);
  return functions.get(`sums_${rows}x${columns}`, (f) => {
    const [a, b, sums, floats] = ['a', 'b', 'sums', 'floats'].map((n) => f.param('i32', n)) as Four;
    const last = f.param('i32', 'last');
    const first = f.let(i32(1), 'first');
    const full = d.block / ROUND_FLOATS;
    f.loop((again) => {
      const isEnd = f.let(op('i32.le_u', floats, i32(d.block)), 'isEnd');
      const rounds = f.let(op('i32.shr_u', floats, i32(4)), 'rounds');
      f.if(op('i32.gt_u', rounds, i32(full)), () => f.set(rounds, i32(full)));
      f.call(block, a, b, sums, rounds, first, op('i32.and', last, isEnd));
      f.advance(a, 4 * d.block);
      f.advance(b, 4 * d.block);
      f.set(first, i32(0));
      f.set(floats, op('i32.sub', floats, i32(d.block)));
      again(op('i32.eqz', isEnd));
    });
  });
}

function dotBlock(functions: Functions, d: DotProducts, rows: number, columns: number): FunctionBuilder {
  const tiles = tilesOf(d, rows, columns);
  return functions.get(`block_${rows}x${columns}`, (f) => {
    const [a, b, sums, rounds] = ['a', 'b', 'sums', 'rounds'].map((n) => f.param('i32', n)) as Four;
    const [first, last] = [f.param('i32', 'first'), f.param('i32', 'last')];
    const [ap, bp, sp] = [f.local('i32', 'ap'), f.local('i32', 'bp'), f.local('i32', 'sp')];
    const strip = (q: number, p: number): void => f.call(dotTile(functions, d, p, q), ap, bp, sp, rounds, first, last);
    const isFew = columns * Math.min(d.block, d.depth) <= RESIDENT;
    const sameRows = tiles.every((t) => t.rows.join() === tiles[0]!.rows.join());
    if (isFew && sameRows) {
      // All of b's block stays in the cache: rows of a pass by once.
      f.set(ap, a);
      runsOf(tiles[0]!.rows).forEach(({ value: p, count }) =>
        f.repeat(count, () => {
          f.set(bp, b);
          f.set(sp, sums);
          for (const { value: q, count: c } of runsOf(tiles.map((t) => t.columns))) {
            f.repeat(c, () => {
              strip(q, p);
              f.advance(bp, 4 * q * d.bColumn);
              f.advance(sp, 16 * q);
            });
          }
          f.advance(ap, 4 * p * d.aRow);
          f.advance(sums, 16 * p * d.columns);
        }),
      );
      return;
    }
    // A tile's columns of b stay there.
    f.set(bp, b);
    for (const { value: q, count } of runsOf(tiles.map((t) => t.columns))) {
      const heights = tiles.find((t) => t.columns === q)!.rows;
      f.repeat(count, () => {
        f.set(ap, a);
        f.set(sp, sums);
        for (const { value: p, count: c } of runsOf(heights)) {
          f.repeat(c, () => {
            strip(q, p);
            f.advance(ap, 4 * p * d.aRow);
            f.advance(sp, 16 * p * d.columns);
          });
        }
        f.advance(bp, 4 * q * d.bColumn);
        f.advance(sums, 16 * q);
      });
    }
  });
}

/** Equal neighbours together. */
function runsOf(list: readonly number[]): { value: number; count: number }[] {
  const runs: { value: number; count: number }[] = [];
  for (const value of list) {
    const last = runs.at(-1);
    if (last?.value === value) last.count++;
    else runs.push({ value, count: 1 });
  }
  return runs;
}

/** finish(sums, y, bias): the four lanes of each sum together, and all chunks, `distance` floats apart. */
export function finishSums(
  functions: Functions,
  rows: number,
  columns: number,
  pitch: number,
  yRow: number,
  chunks: { readonly count: number; readonly distance: number },
  epilogue: MatmulEpilogue,
): FunctionBuilder {
  return functions.get(`finish_${rows}x${columns}`, (f) => {
    const [sums, y, bias] = [f.param('i32', 'sums'), f.param('i32', 'y'), f.param('i32', 'bias')];
    const group = (at: Expr<'i32'>, out: Expr<'i32'>, from: Expr<'i32'>, count: number): void => {
      const totals = Array.from({ length: count }, (_, i) => {
        const total = f.let(vectorAt(at, 4 * i), 'total');
        for (let c = 1; c < chunks.count; c++)
          f.set(total, op('f32x4.add', total, vectorAt(at, 4 * i + c * chunks.distance)));
        return total;
      });
      while (totals.length < 4) totals.push(totals[0] as Local<'v128'>);
      const [p, q, r, s] = transpose4(f, totals) as [Expr<'v128'>, Expr<'v128'>, Expr<'v128'>, Expr<'v128'>];
      const sum = op('f32x4.add', op('f32x4.add', p, q), op('f32x4.add', r, s));
      const value = epilogue.bias === true ? op('f32x4.add', sum, vectorAt(from, 0)) : sum;
      storeLanes(f, out, finished(value, epilogue), 0, count);
    };
    f.repeat(rows, () => {
      const [at, out, from] = [f.let(sums, 'at'), f.let(y, 'out'), f.let(bias, 'from')];
      f.repeat(Math.floor(columns / 4), () => {
        group(at, out, from, 4);
        f.advance(at, 64);
        f.advance(out, 16);
        f.advance(from, 16);
      });
      if (columns % 4 > 0) group(at, out, from, columns % 4);
      f.advance(sums, 16 * pitch);
      f.advance(y, 4 * yRow);
    });
  });
}
