/**
 * A chunk of a convolution along rows, or of its input gradient: transform x, multiply, transform back, a panel of outputs
 * after the other, whose filters stay in the first-level cache.
 */
import { FunctionBuilder, i32, type Local, op } from '../../../assembler/assembler.ts';
import { advanceOperands, operandPointers } from '../../chain.ts';
import { oddLines } from '../geometry.ts';
import type { LinearKernel } from '../kernel.ts';
import { GAP } from './filters.ts';
import { chunkTiles, PANEL, products, round4, rowOf, starts, tilePitch, tilesIn } from './geometry.ts';
import { type RowOutput, rowOutputFunction } from './output.ts';
import { productFunction, tileNumbers } from './products.ts';
import { columnFloats, type RowTransform, rowTransformFunction } from './transform.ts';

type I = Local<'i32'>;

interface Parts {
  readonly transform: RowTransform;
  /** Floats of the sums from tile to tile. */
  readonly sumPitch: number;
  /** Tiles that are multiplied: some more than there are, up to a whole number of register tiles. */
  readonly tiles: number;
  readonly columns: number;
}

function partsOf({ sizes, chunk, fma }: LinearKernel): Parts {
  const algorithm = rowOf(sizes);
  const transform: RowTransform = {
    channels: sizes.channels,
    rows: sizes.x[0],
    width: sizes.x[2],
    image: sizes.xImage,
    before: sizes.before[2],
    results: sizes.y[2],
    steps: algorithm.input,
    wanted: Array.from({ length: products(algorithm) }, (_, n) => n),
    pitch: tilePitch(products(algorithm), sizes.channels),
    chunkRows: chunk.layers,
    chunkTiles: chunk.rows,
  };
  const most = Math.max(tileNumbers(PANEL, fma), tileNumbers(1, fma));
  return {
    transform,
    sumPitch: oddLines(algorithm.terms.length * 4 * PANEL),
    tiles: chunkTiles(chunk) + most - 1,
    columns: columnFloats(transform),
  };
}

/** Floats of scratch that one chunk needs. */
export function rowLinearScratch(k: LinearKernel): number {
  const { transform, sumPitch, tiles, columns } = partsOf(k);
  return columns + tiles * (transform.pitch + sumPitch);
}

/** Exported: `chunk`, as of tiles of planes (linear.ts). */
export function rowLinearFunctions(k: LinearKernel): FunctionBuilder[] {
  const { sizes, chunk, fma } = k;
  const algorithm = rowOf(sizes);
  const parts = partsOf(k);
  const { transform, sumPitch } = parts;
  const run = new FunctionBuilder('chunk');
  const [x, u, y] = ['x', 'u', 'y', 'index'].map((n) => run.param('i32', n)) as [I, I, I, I];
  const [bias, scratch, flag] = ['bias', 'scratch', 'flag'].map((n) => run.param('i32', n)) as [I, I, I];
  const [images, row, tile] = ['images', 'row', 'tile'].map((n) => run.param('i32', n)) as [I, I, I];
  const operands = operandPointers(run, k.chain);
  const input = rowTransformFunction('input', transform);
  const made: FunctionBuilder[] = [input];
  const v = run.let(op('i32.add', scratch, i32(4 * parts.columns)), 'v');
  const m = run.let(op('i32.add', v, i32(4 * parts.tiles * transform.pitch)), 'm');
  run.call(input, x, v, scratch, images, row, tile);
  const tiles = tilesIn(run, k, images, row, tile);
  const inner = round4(sizes.channels);
  const before = starts(algorithm.terms);
  const vectors = Math.ceil(k.outputs / 4);
  const panel = (count: number, p: number, outputs: number): void => {
    if (count === 0) return;
    const numbers = tileNumbers(p, fma);
    const product = productFunction(`product_${p}`, {
      vectors: p,
      numbers,
      aStep: 4 * p,
      bStep: 1,
      bRow: transform.pitch,
      sumRow: sumPitch,
      fours: true,
      accumulate: false,
      fma,
    });
    const position = positionFunction(`position_${p}`, product, numbers, transform.pitch, sumPitch);
    const output: RowOutput = {
      algorithm,
      outputs,
      rows: sizes.y[0],
      width: sizes.y[2],
      image: sizes.yImage,
      pitch: sumPitch,
      position: 4 * p,
      chunkRows: chunk.layers,
      chunkTiles: chunk.rows,
      bias: k.bias,
      relu: k.relu ?? false,
      ...(k.chain && { chain: k.chain }),
      fma,
    };
    const back = rowOutputFunction(`output_${outputs}`, output);
    made.push(...(made.some((f) => f.name === position.name) ? [] : [product, position]), back);
    const multiply = made.find((f) => f.name === position.name) as FunctionBuilder;
    run.repeat(count, () => {
      algorithm.terms.forEach((terms, i) => {
        const n = terms * inner;
        const from = op('i32.add', v, i32(4 * (before[i] as number) * inner));
        run.call(multiply, u, from, op('i32.add', m, i32(16 * i * p)), i32(n), tiles);
        run.advance(u, 16 * (n + GAP) * p);
      });
      run.call(back, m, y, bias, flag, images, row, tile, ...operands);
      run.advance(y, 4 * outputs * sizes.y[0] * sizes.y[2]);
      run.advance(bias, 4 * outputs);
      advanceOperands(run, k.chain, operands, outputs);
    });
  };
  const wide = 4 * PANEL;
  const whole = Math.floor(k.outputs / wide);
  panel(whole, PANEL, wide);
  const rest = k.outputs % wide;
  if (rest > 0) panel(1, vectors - whole * PANEL, rest);
  return [...made, run];
}

/** position(u, v, m, count, tiles): a panel's sums of one position, for all tiles. */
function positionFunction(
  name: string,
  product: FunctionBuilder,
  numbers: number,
  pitch: number,
  sumPitch: number,
): FunctionBuilder {
  const f = new FunctionBuilder(name, { exported: false });
  const [u, v, m, count, tiles] = ['u', 'v', 'm', 'count', 'tiles'].map((n) => f.param('i32', n)) as [I, I, I, I, I];
  const tile = f.let(i32(0), 'tile');
  f.while(tile, tiles, numbers, () => {
    f.call(product, u, v, m, count);
    f.advance(v, 4 * numbers * pitch);
    f.advance(m, 4 * numbers * sumPitch);
  });
  return f;
}
