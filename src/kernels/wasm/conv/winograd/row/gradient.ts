/**
 * A chunk of the weight gradient of filters along rows: the transpose of what linear.ts does,
 *
 *   S[product][o][c] += Σ_tile W[tile][position][o] · V[tile][product][c]
 *
 * for the positions of one of four bands, which threads share; sums of a band's products follow each other.
 */
import { FunctionBuilder, i32, type Local, op } from '../../../assembler/assembler.ts';
import { splitOutputs } from '../../tile.ts';
import type { Chunk, TiledSizes } from '../geometry.ts';
import type { GradientKernel } from '../kernel.ts';
import { transposed } from './algorithm.ts';
import {
  bandsOf,
  chunkTiles,
  PANEL,
  productItems,
  round4,
  rowOf,
  starts,
  sum,
  tilePitch,
  tilesIn,
} from './geometry.ts';
import { productFunction } from './products.ts';
import { columnFloats, type RowTransform, rowTransformFunction } from './transform.ts';

type I = Local<'i32'>;

interface Band {
  /** Products of each position, and which they are. */
  readonly terms: readonly number[];
  readonly x: RowTransform;
  readonly gradient: RowTransform;
}

function bandParts({ sizes, chunk }: { readonly sizes: TiledSizes; readonly chunk: Chunk }): Band[] {
  const algorithm = rowOf(sizes);
  const before = starts(algorithm.terms);
  return bandsOf(sizes).map(({ first, count }) => {
    const terms = algorithm.terms.slice(first, first + count);
    const numbers = (from: number, n: number): number[] => Array.from({ length: n }, (_, i) => from + i);
    const shared = { results: sizes.y[2], chunkRows: chunk.layers, chunkTiles: chunk.rows };
    return {
      terms,
      x: {
        ...shared,
        channels: sizes.channels,
        rows: sizes.x[0],
        width: sizes.x[2],
        image: sizes.xImage,
        before: sizes.before[2],
        steps: algorithm.input,
        wanted: numbers(before[first] ?? 0, sum(terms)),
        pitch: tilePitch(sum(terms), sizes.channels),
      },
      gradient: {
        ...shared,
        channels: sizes.outputs,
        rows: sizes.y[0],
        width: sizes.y[2],
        image: sizes.yImage,
        before: 0,
        steps: [transposed(algorithm.output[1]), transposed(algorithm.output[0])],
        wanted: numbers(first, count),
        pitch: tilePitch(count, sizes.outputs),
      },
    };
  });
}

const mostOf = (bands: readonly Band[], of: (band: Band) => number): number => Math.max(...bands.map(of));

/** Floats of scratch that one chunk needs. */
export function rowGradientScratch(k: GradientKernel): number {
  const bands = bandParts(k);
  const columns = mostOf(bands, ({ x, gradient }) => Math.max(columnFloats(x), columnFloats(gradient)));
  return columns + chunkTiles(k.chunk) * mostOf(bands, ({ x, gradient }) => x.pitch + gradient.pitch);
}

const bandProducts = (s: TiledSizes): number[] =>
  bandsOf(s).map(({ first, count }) => sum(rowOf(s).terms.slice(first, first + count)));

/** Floats of a quarter of all sums: of each band, if there are four. */
export const quarterFloats = (s: TiledSizes): number => {
  const most = Math.max(...bandProducts(s));
  return productItems(s) * (bandsOf(s).length === 1 ? Math.ceil(most / 4) : most);
};

/** Where the sums of each product lie. */
export const productPlaces = (s: TiledSizes): number[] =>
  bandProducts(s).flatMap((count, band) =>
    Array.from({ length: count }, (_, i) => band * quarterFloats(s) + i * productItems(s)),
  );

/** Exported: `chunk`, as of tiles of planes (gradient.ts); `wanted` is the band, `sums` those of it. */
export function rowGradientFunctions(k: GradientKernel): FunctionBuilder[] {
  const bands = bandParts(k);
  const run = new FunctionBuilder('chunk');
  const [x, g, sums, scratch] = ['x', 'g', 'sums', 'scratch'].map((n) => run.param('i32', n)) as [I, I, I, I];
  const [wanted, images] = [run.param('i32', 'wanted'), run.param('i32', 'images')];
  const [row, tile] = [run.param('i32', 'row'), run.param('i32', 'tile')];
  const columns = mostOf(bands, (band) => Math.max(columnFloats(band.x), columnFloats(band.gradient)));
  const v = run.let(op('i32.add', scratch, i32(4 * columns)), 'v');
  const made: FunctionBuilder[] = [];
  bands.forEach((band, b) => {
    if (band.terms.length === 0) return;
    const multiply = new FunctionBuilder(`band_${b}`, { exported: false });
    const w = op('i32.add', v, i32(4 * chunkTiles(k.chunk) * band.x.pitch));
    const transforms = [rowTransformFunction(`x_${b}`, band.x), rowTransformFunction(`g_${b}`, band.gradient)] as const;
    const products = bandFunction(multiply, k, band);
    made.push(...transforms, ...products, multiply);
    run.if(op('i32.eq', wanted, i32(b)), () => {
      run.call(transforms[0], x, v, scratch, images, row, tile);
      run.call(transforms[1], g, w, scratch, images, row, tile);
      run.call(multiply, v, w, sums, tilesIn(run, k, images, row, tile));
    });
  });
  return [...made, run];
}

/** band(v, w, sums, tiles): the products of a band, outputs after outputs, channels after channels. */
function bandFunction(f: FunctionBuilder, k: GradientKernel, band: Band): FunctionBuilder[] {
  const { sizes, fma } = k;
  const [v, w, sums, tiles] = ['v', 'w', 'sums', 'tiles'].map((n) => f.param('i32', n)) as [I, I, I, I];
  const inner = round4(sizes.channels);
  const blocks = splitOutputs(sizes.outputs, fma);
  const made = new Map<string, FunctionBuilder>();
  const product = (vectors: number, numbers: number): FunctionBuilder => {
    const name = `${f.name}_${vectors}_${numbers}`;
    const known =
      made.get(name) ??
      productFunction(name, {
        vectors,
        numbers,
        aStep: band.x.pitch,
        bStep: band.gradient.pitch,
        bRow: 1,
        sumRow: inner,
        fours: false,
        accumulate: true,
        fma,
      });
    made.set(name, known);
    return known;
  };
  const whole = Math.floor(inner / 4 / PANEL);
  const position = (): void => {
    const [wo, so] = [f.let(w, 'wo'), f.let(sums, 'so')];
    for (const q of new Set(blocks)) {
      f.repeat(blocks.filter((b) => b === q).length, () => {
        const [from, to] = [f.let(v, 'from'), f.let(so, 'to')];
        f.repeat(whole, () => {
          f.call(product(PANEL, q), from, wo, to, tiles);
          f.advance(from, 16 * PANEL);
          f.advance(to, 16 * PANEL);
        });
        if ((inner / 4) % PANEL > 0) f.call(product(1, q), from, wo, to, tiles);
        f.advance(wo, 4 * q);
        f.advance(so, 4 * q * inner);
      });
    }
    f.advance(v, 4 * inner);
    f.advance(sums, 4 * productItems(sizes));
  };
  for (const terms of band.terms) {
    f.repeat(terms, position);
    f.advance(w, 4 * round4(sizes.outputs));
  }
  return [...made.values()];
}
