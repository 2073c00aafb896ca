/**
 * A chunk of a convolution, or of an input gradient, by minimal filtering: transform x, multiply, transform back.
 *
 *   M[i][o][tile] = Σ_c Σ_t U[i][o][t][c] · V[i][c][tile + t layers]      for the 16 or 64 positions i
 *
 * The product is the row kernel of the direct convolution (../taps.ts) with the positions one after the other. As soon as
 * the sums of a few outputs are complete they are transformed back, while they are in the cache.
 */
import { product } from '../../../sizes.ts';
import { FunctionBuilder, i32, type Local, op } from '../../assembler/assembler.ts';
import { emitZeros } from '../../conductor.ts';
import { advanceOperands, chainKey, operandPointers } from '../chain.ts';
import { rowFunction, type TapKernel, writtenLength } from '../taps.ts';
import { splitOutputs } from '../tile.ts';
import {
  flatLength,
  flatPitch,
  layerPitch,
  layerTiles,
  oddLines,
  positionsOf,
  sizesKey,
  type TiledSizes,
  tileColumns,
} from './geometry.ts';
import type { LinearKernel } from './kernel.ts';
import { type Output, outputFunction, poolFunction } from './output.ts';
import { rowLinearFunctions, rowLinearScratch } from './row/linear.ts';
import { planeFloats, type Transform, transformFunctions, zeroFloats } from './transforms.ts';
import { type Filters, filterPosition, innerPitch, outerPitch } from './weights.ts';

type I = Local<'i32'>;

interface Parts {
  readonly transform: Transform;
  readonly taps: TapKernel;
  readonly sumPosition: number;
  /** Floats of the scratch's parts. */
  readonly zeros: number;
  readonly combined: number;
  readonly transformed: number;
  readonly sums: number;
}

/** Floats that a row's last tile may read beyond its end. */
const SLACK = 64;

const filtersOf = ({ channels, outputs, taps, tileDepth }: TiledSizes): Filters => ({
  outer: outputs,
  inner: channels,
  taps,
  tileDepth,
  adjoint: false,
});

function partsOf({ sizes, chunk, outputs, fma }: LinearKernel): Parts {
  const channel = flatPitch(sizes, chunk);
  const position = oddLines(sizes.channels * channel + 4);
  const length = flatLength(sizes, chunk);
  const { tileDepth } = sizes;
  const filters = filtersOf(sizes);
  const positions = positionsOf(tileDepth);
  const yOutput = writtenLength(length, outputs, fma);
  const most = Math.max(...splitOutputs(outputs, fma));
  const transform: Transform = {
    kind: 'x',
    channels: sizes.channels,
    source: { size: sizes.x, image: sizes.xImage },
    before: sizes.before,
    tileDepth,
    images: chunk.images,
    layers: layerPitch(sizes, chunk),
    pitch: layerPitch(sizes, chunk),
    rows: chunk.rows,
    columns: tileColumns(sizes),
    wanted: [0, 1, 2, 3],
    position,
    channel,
    fill: false,
  };
  const sumPosition = oddLines(most * yOutput);
  return {
    transform,
    taps: {
      channels: sizes.channels,
      xChannel: channel,
      taps: Array.from({ length: sizes.taps }, (_, t) => ({
        x: t * layerTiles(sizes, chunk),
        w: t * innerPitch(filters),
      })),
      wChannel: 1,
      outputs,
      wOutput: outerPitch(filters),
      yOutput,
      length,
      fma,
    },
    sumPosition,
    zeros: zeroFloats(transform),
    combined: planeFloats(transform),
    transformed: positions * position + SLACK,
    sums: positions * sumPosition,
  };
}

/** Floats of scratch that one chunk needs. */
export function linearScratch(k: LinearKernel): number {
  if (k.sizes.row !== undefined) return rowLinearScratch(k);
  const { zeros, combined, transformed, sums } = partsOf(k);
  return zeros + combined + transformed + sums;
}

/**
 * Exported: `chunk(x, u, y, pooledTaps, bias, scratch, flag, images, layer, row, ...operands)`, x and y (the
 * pooled values, and the numbers of their taps in `pooledTaps`, if there is pooling) at the chunk's first image. The vector at
 * `flag` gets a NaN if a result is not finite.
 */
export function linearFunctions(k: LinearKernel): FunctionBuilder[] {
  if (k.sizes.row !== undefined) return rowLinearFunctions(k);
  const { sizes, chunk, fma } = k;
  const parts = partsOf(k);
  const { transform, taps } = parts;
  const run = new FunctionBuilder('chunk');
  const [x, u, y, pooledTaps] = ['x', 'u', 'y', 'pooledTaps'].map((n) => run.param('i32', n)) as [I, I, I, I];
  const bias = run.param('i32', 'bias');
  const [scratch, flag, images] = ['scratch', 'flag', 'images'].map((n) => run.param('i32', n)) as [I, I, I];
  const [layer, row] = ['layer', 'row'].map((n) => run.param('i32', n)) as [I, I];
  const operands = operandPointers(run, k.chain);
  const made = transformFunctions('input', transform);
  const input = made.at(-1) as FunctionBuilder;
  emitZeros(run, scratch, 4 * parts.zeros);
  const combined = run.let(op('i32.add', scratch, i32(4 * parts.zeros)), 'combined');
  const v = run.let(op('i32.add', combined, i32(4 * parts.combined)), 'v');
  const m = run.let(op('i32.add', v, i32(4 * parts.transformed)), 'm');
  run.call(input, x, v, scratch, combined, images, layer, row, i32(0), i32(4));
  const blocks = splitOutputs(k.outputs, fma);
  const uPosition = filterPosition(filtersOf(sizes));
  const [depth, height, width] = sizes.y;
  const pooled = Math.floor(depth / sizes.tileDepth) * Math.floor(height / 2) * Math.floor(width / 2);
  const ySize = k.pool === undefined ? product(sizes.y) : pooled;
  for (const q of new Set(blocks)) {
    const rows = rowFunction(taps, q);
    const output: Output = {
      outputs: q,
      target: { size: sizes.y, image: sizes.yImage },
      tileDepth: sizes.tileDepth,
      images: chunk.images,
      layers: chunk.layers,
      pitch: layerPitch(sizes, chunk),
      rows: chunk.rows,
      columns: tileColumns(sizes),
      position: parts.sumPosition,
      channel: taps.yOutput,
      bias: k.bias,
      relu: k.relu ?? false,
      ...(k.chain && { chain: k.chain }),
      fma,
      ...(k.pool && { pool: k.pool }),
    };
    const back = k.pool ? poolFunction(`pool_${q}`, output) : outputFunction(`output_${q}`, output);
    made.push(rows, back);
    run.repeat(blocks.filter((b) => b === q).length, () => {
      const [vi, ui, mi] = [run.let(v, 'vi'), run.let(u, 'ui'), run.let(m, 'mi')];
      run.repeat(positionsOf(sizes.tileDepth), () => {
        run.call(rows, vi, ui, mi, i32(0), i32(0));
        run.advance(vi, 4 * transform.position);
        run.advance(ui, 4 * uPosition);
        run.advance(mi, 4 * parts.sumPosition);
      });
      run.call(back, m, y, ...(k.pool ? [pooledTaps] : []), bias, flag, images, layer, row, ...operands);
      run.advance(u, 4 * q * taps.wOutput);
      run.advance(y, 4 * q * ySize);
      if (k.pool) run.advance(pooledTaps, q * ySize);
      run.advance(bias, 4 * q);
      advanceOperands(run, k.chain, operands, q);
    });
  }
  return [...made, run];
}

export function linearKey({ sizes, chunk, outputs, bias, relu, chain, fma, pool }: LinearKernel): string {
  const after = chain ? ` ${chainKey(chain)}` : '';
  return `winograd ${sizesKey(sizes, chunk)},${outputs} ${bias ? 'b' : ''}${relu ? 'r' : ''}${fma ? 'f' : ''}${pool ? `p${pool.image}${pool.hasTaps ? 'i' : ''}${pool.relu ? 'r' : ''}` : ''}${after}`;
}
