/**
 * Into the transformed domain: patches of a row of x, and tiles of four of a gradient, each to a number for every product,
 * or for every position. Four channels at once, one per lane: their rows are laid out column by column first, with zeros
 * where there are none.
 */
import {
  type Expr,
  FunctionBuilder,
  i32,
  type Local,
  load,
  loadLane,
  op,
  plus,
  select,
} from '../../../assembler/assembler.ts';
import { emitZeros } from '../../../conductor.ts';
import { transpose4 } from '../../../memory/transpose.ts';
import { vectorAt } from '../../tile.ts';
import { combine, type Matrix, TILE } from './algorithm.ts';
import { round4, rowTiles } from './geometry.ts';

type V = Expr<'v128'>;
type I = Local<'i32'>;

export interface RowTransform {
  readonly channels: number;
  /** Rows of a channel, and their floats. */
  readonly rows: number;
  readonly width: number;
  /** Floats from image to image. */
  readonly image: number;
  /** Zeros before the row; negative: elements that are not read. */
  readonly before: number;
  /** Results of a row, which tiles cover. */
  readonly results: number;
  /** Elements of a patch to numbers, in one or two steps; of the numbers those `wanted`. */
  readonly steps: readonly Matrix[];
  readonly wanted: readonly number[];
  /** Floats from tile to tile. */
  readonly pitch: number;
  /** Of the chunk: rows of an image, and tiles of a row. */
  readonly chunkRows: number;
  readonly chunkTiles: number;
}

/** Elements of a patch. */
const patch = (t: RowTransform): number => (t.steps[0] as Matrix)[0]?.length as number;

/** Columns that are laid out for a row. */
const columns = (t: RowTransform): number => TILE * (t.chunkTiles - 1) + patch(t);

/** Floats of scratch for them. */
export const columnFloats = (t: RowTransform): number => 4 * columns(t);

const smaller = (a: I, b: Expr<'i32'>): Expr<'i32'> => select(a, b, op('i32.lt_s', a, b));

/** The numbers of a linear map in steps, made when they are asked for. */
export function mapped(f: FunctionBuilder, steps: readonly Matrix[], given: (i: number) => V): (i: number) => V {
  const add = (a: V, b: V): V => op('f32x4.add', a, b);
  const sub = (a: V, b: V): V => op('f32x4.sub', a, b);
  return steps.reduce<(i: number) => V>((value, matrix) => {
    const made = new Map<number, V>();
    return (i) => {
      const row = matrix[i] as readonly number[];
      const kept = made.get(i) ?? f.let(combine(row, value, add, sub), 'number');
      made.set(i, kept);
      return kept;
    };
  }, given);
}

/** Lays out `count` columns of four rows from `at` on, as far apart as `step`. */
function emitColumns(f: FunctionBuilder, rows: readonly I[], count: I, to: I): void {
  const [i, whole] = [f.let(i32(0), 'i'), f.let(op('i32.and', count, i32(-4)), 'whole')];
  f.while(i, whole, 4, () => {
    const four = transpose4(
      f,
      rows.map((row) => vectorAt(row, 0)),
    );
    four.forEach((v, j) => f.store('v128.store', to, v, 16 * j));
    for (const row of rows) f.advance(row, 16);
    f.advance(to, 64);
  });
  f.while(i, count, 1, () => {
    const [first, ...rest] = rows as [I, ...I[]];
    const start: V = load('v128.load32_splat', first);
    const column = rest.reduce<V>((v, row, l) => loadLane('v128.load32_lane', l + 1, row, v), start);
    f.store('v128.store', to, column);
    for (const row of rows) f.advance(row, 4);
    f.advance(to, 16);
  });
}

/**
 * transform(source, target, columns, images, row0, tile0): images from `source` on; scratch for the columns; the chunk's first
 * row and tile. Tiles of the target follow each other, those that do not exist left out.
 */
export function rowTransformFunction(name: string, t: RowTransform): FunctionBuilder {
  const f = new FunctionBuilder(name, { exported: false });
  const [source, target, scratch] = ['source', 'target', 'columns'].map((n) => f.param('i32', n)) as [I, I, I];
  const [images, row0, tile0] = ['images', 'row0', 'tile0'].map((n) => f.param('i32', n)) as [I, I, I];
  const plane = 4 * t.rows * t.width;
  const groups = round4(t.channels) / 4;
  const tiles = f.let(smaller(f.let(op('i32.sub', i32(rowTiles(t.results)), tile0)), i32(t.chunkTiles)), 'tiles');
  const begin = f.let(plus(op('i32.mul', tile0, i32(TILE)), -t.before), 'begin');
  const from = f.let(select(begin, i32(0), op('i32.gt_s', begin, i32(0))), 'from');
  const reach = f.let(op('i32.add', begin, plus(op('i32.mul', tiles, i32(TILE)), patch(t) - TILE)), 'reach');
  const count = f.let(op('i32.sub', smaller(reach, i32(t.width)), from), 'count');
  f.set(count, select(count, i32(0), op('i32.gt_s', count, i32(0))));
  const start = f.let(op('i32.add', scratch, op('i32.shl', op('i32.sub', from, begin), i32(4))), 'start');
  const end = f.let(op('i32.add', row0, i32(t.chunkRows)), 'end');
  if (t.rows % t.chunkRows > 0) f.set(end, smaller(end, i32(t.rows)));
  emitZeros(f, scratch, 4 * columnFloats(t));
  f.advance(source, op('i32.shl', from, i32(2)));
  const image = f.let(i32(0), 'image');
  f.while(image, images, 1, () => {
    const row = f.let(row0, 'row');
    f.while(row, end, 1, () => {
      const at = f.let(op('i32.add', source, op('i32.mul', row, i32(4 * t.width))), 'at');
      const to = f.let(target, 'to');
      const group = f.let(i32(0), 'group');
      f.while(group, i32(4 * groups), 4, () => {
        const rows = [0, 1, 2, 3].map((l): I => {
          const own = plus(at, l * plane);
          if (t.channels % 4 === 0 || l === 0) return f.let(own, 'r');
          // Lanes without a channel repeat the first of the four.
          return f.let(select(own, at, op('i32.lt_u', plus(group, l), i32(t.channels))), 'r');
        });
        emitColumns(f, rows, count, f.let(start, 'columns'));
        emitTiles(f, t, f.let(scratch, 'patch'), f.let(to, 'tile'), tiles);
        f.advance(at, 4 * plane);
        f.advance(to, 16);
      });
      f.advance(target, op('i32.mul', tiles, i32(4 * t.pitch)));
    });
    f.advance(source, 4 * t.image);
  });
  return f;
}

function emitTiles(f: FunctionBuilder, t: RowTransform, at: I, to: I, tiles: I): void {
  const tile = f.let(i32(0), 'i');
  f.while(tile, tiles, 1, () => {
    const number = mapped(f, t.steps, (i) => vectorAt(at, 4 * i));
    t.wanted.forEach((n, slot) => {
      f.store('v128.store', to, number(n), 4 * slot * round4(t.channels));
    });
    f.advance(at, 16 * TILE);
    f.advance(to, 4 * t.pitch);
  });
}
