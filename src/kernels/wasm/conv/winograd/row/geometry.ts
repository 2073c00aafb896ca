/**
 * Rows of tiles in the transformed domain: tile after tile, each with all its numbers, four channels to a vector,
 *
 *   V[tile][product][channel]      M[tile][position][output of a panel]      U[panel][product][channel][output of a panel]
 *
 * so that neither the length of rows nor the number of images leaves vectors partly used. The sum for one position is a
 * matrix product of neighbouring columns of V.
 *
 * Planes of sizes are rows, [rows, 1, width], and a chunk has so many images, rows (its layers), and tiles of a row (its
 * rows).
 */
import { type FunctionBuilder, i32, type Local, op } from '../../../assembler/assembler.ts';
import { type Chunk, oddLines, type TiledSizes } from '../geometry.ts';
import { type RowAlgorithm, rowAlgorithm, TILE } from './algorithm.ts';

type I = Local<'i32'>;

/** Vectors of a panel of outputs; the last one has a single one if they are odd. */
export const PANEL = 2;

export const round4 = (n: number): number => 4 * Math.ceil(n / 4);
export const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);

const known = new Map<number, RowAlgorithm>();

export function algorithmOf(taps: number): RowAlgorithm {
  const algorithm = known.get(taps) ?? rowAlgorithm(taps);
  known.set(taps, algorithm);
  return algorithm;
}

/** The algorithm of sizes whose filters lie along the rows. */
export const rowOf = (s: TiledSizes): RowAlgorithm => algorithmOf(s.row as number);

export const products = (a: RowAlgorithm): number => sum(a.terms);

/** Tiles of a row. */
export const rowTiles = (width: number): number => Math.ceil(width / TILE);

/** The tiles of a full chunk. */
export const chunkTiles = (c: Chunk): number => c.images * c.layers * c.rows;

/** Floats from tile to tile of numbers for so many products or positions of so many channels. */
export const tilePitch = (numbers: number, channels: number): number => oddLines(numbers * round4(channels));

/** Each part of a series: where it begins. */
export function starts(counts: readonly number[]): number[] {
  let at = 0;
  return counts.map((count) => {
    at += count;
    return at - count;
  });
}

/** Floats of the sums of one product of a weight gradient: an odd number of cache lines. */
export const productItems = ({ channels, outputs }: TiledSizes): number => oddLines(outputs * round4(channels));

/** Sums (items times products) up to which a unit of the weight gradient makes all of them: 256 KB. */
const ONE_BAND = 1 << 16;

/** Positions of a weight gradient in one band, or in four: neighbours with about as many products each. */
export function bandsOf(s: TiledSizes): readonly { readonly first: number; readonly count: number }[] {
  const { terms } = rowOf(s);
  const total = sum(terms);
  if (total * productItems(s) <= ONE_BAND) return [{ first: 0, count: terms.length }];
  const before = starts(terms);
  const band = (i: number): number =>
    Math.min(3, Math.floor((4 * ((before[i] as number) + (terms[i] as number) / 2)) / total));
  return [0, 1, 2, 3].map((b) => {
    const own = terms.flatMap((_, i) => (band(i) === b ? [i] : []));
    return { first: own[0] ?? 0, count: own.length };
  });
}

/** The tiles of a chunk that exist. */
export function tilesIn(
  f: FunctionBuilder,
  { sizes, chunk }: { readonly sizes: TiledSizes; readonly chunk: Chunk },
  images: I,
  row: I,
  tile: I,
): I {
  const left = (total: number, from: I, most: number): I => {
    if (total % most === 0) return f.let(i32(most), 'left');
    const count = f.let(op('i32.sub', i32(total), from), 'left');
    f.if(op('i32.gt_u', count, i32(most)), () => f.set(count, i32(most)));
    return count;
  };
  const rows = left(sizes.y[0], row, chunk.layers);
  const columns = left(rowTiles(sizes.y[2]), tile, chunk.rows);
  return f.let(op('i32.mul', images, op('i32.mul', rows, columns)), 'tiles');
}
