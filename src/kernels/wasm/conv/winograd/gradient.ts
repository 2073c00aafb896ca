/**
 * A chunk of a weight gradient by minimal filtering: transform x and the gradient, multiply and sum over the tiles.
 *
 *   S[i][o][t][c] += Σ_tile W[i][o][tile] · V[i][c][tile + t layers]      for a quarter of the 16 or 64 positions i
 *
 * The positions of one row of the first transform, that of the columns or of the depth, are handled apart from the others:
 * their transforms cost no more, their sums and operands fit into the cache, and they are what threads share.
 */
import { FunctionBuilder, i32, type Local, op } from '../../assembler/assembler.ts';
import { emitZeros } from '../../conductor.ts';
import {
  flatLength,
  flatPitch,
  layerPitch,
  layerTiles,
  oddLines,
  positionsOf,
  sizesKey,
  tileColumns,
} from './geometry.ts';
import type { GradientKernel } from './kernel.ts';
import { type Products, productFunctions } from './products.ts';
import { rowGradientFunctions, rowGradientScratch } from './row/gradient.ts';
import { planeFloats, type Transform, transformFunctions, zeroFloats } from './transforms.ts';

type I = Local<'i32'>;

interface Parts {
  readonly x: Transform;
  readonly gradient: Transform;
  readonly products: Products;
  /** Positions of a band: one quarter of all. */
  readonly positions: number;
  readonly zeros: number;
  readonly combined: number;
}

function partsOf({ sizes, chunk, fma }: GradientKernel): Parts {
  const length = 4 * Math.ceil(flatLength(sizes, chunk) / 4);
  const tap = layerTiles(sizes, chunk);
  const shared = {
    tileDepth: sizes.tileDepth,
    images: chunk.images,
    pitch: layerPitch(sizes, chunk),
    rows: chunk.rows,
    columns: tileColumns(sizes),
    wanted: sizes.tileDepth === 2 ? [0, 1, 2, 3] : [0],
    fill: true,
  };
  const channel = Math.max(flatPitch(sizes, chunk), 4 * Math.ceil((length + tap * (sizes.taps - 1)) / 4));
  const x: Transform = {
    ...shared,
    kind: 'x',
    channels: sizes.channels,
    source: { size: sizes.x, image: sizes.xImage },
    before: sizes.before,
    layers: layerPitch(sizes, chunk),
    position: oddLines(sizes.channels * channel + 4),
    channel,
  };
  const gradient: Transform = {
    ...shared,
    kind: 'gradient',
    channels: sizes.outputs,
    source: { size: sizes.y, image: sizes.yImage },
    before: [0, 0, 0],
    layers: chunk.layers,
    position: oddLines(sizes.outputs * channel + 4),
    channel,
  };
  return {
    x,
    gradient,
    products: {
      channels: sizes.channels,
      outputs: sizes.outputs,
      taps: sizes.taps,
      tap,
      channel,
      length,
      fma,
    },
    positions: positionsOf(sizes.tileDepth) / 4,
    zeros: Math.max(zeroFloats(x), zeroFloats(gradient)),
    combined: Math.max(planeFloats(x), planeFloats(gradient)),
  };
}

const SLACK = 64;

/** Floats of scratch that one chunk needs. */
export function gradientScratch(k: GradientKernel): number {
  if (k.sizes.row !== undefined) return rowGradientScratch(k);
  const { x, gradient, positions, zeros, combined } = partsOf(k);
  return zeros + combined + positions * (x.position + gradient.position) + SLACK;
}

/**
 * Exported: `chunk(x, g, sums, scratch, band, images, layer, row)`, x and g at the chunk's first image; `band` is the quarter
 * of the positions, `sums` those of its first.
 */
export function gradientFunctions(k: GradientKernel): FunctionBuilder[] {
  if (k.sizes.row !== undefined) return rowGradientFunctions(k);
  const parts = partsOf(k);
  const run = new FunctionBuilder('chunk');
  const [x, g, sums, scratch] = ['x', 'g', 'sums', 'scratch'].map((n) => run.param('i32', n)) as [I, I, I, I];
  const [band, images] = [run.param('i32', 'band'), run.param('i32', 'images')];
  const [layer, row] = [run.param('i32', 'layer'), run.param('i32', 'row')];
  const made: FunctionBuilder[] = [];
  const combined = run.let(op('i32.add', scratch, i32(4 * parts.zeros)), 'combined');
  const v = run.let(op('i32.add', combined, i32(4 * parts.combined)), 'v');
  const w = run.let(op('i32.add', v, i32(4 * parts.positions * parts.x.position)), 'w');
  emitZeros(run, scratch, 4 * parts.zeros);
  const transforms = (wanted: readonly number[]): void => {
    for (const t of [parts.x, parts.gradient]) {
      const functions = transformFunctions(`${t.kind}_${wanted.join('')}`, { ...t, wanted });
      made.push(...functions);
      const [from, to] = t.kind === 'x' ? [x, v] : [g, w];
      const end = op('i32.add', band, i32(1));
      run.call(functions.at(-1) as FunctionBuilder, from, to, scratch, combined, images, layer, row, band, end);
    }
  };
  if (k.sizes.tileDepth === 2) transforms([0, 1, 2, 3]);
  else for (let i = 0; i < 4; i++) run.if(op('i32.eq', band, i32(i)), () => transforms([i]));
  const products = productFunctions(parts.products);
  run.repeat(parts.positions, () => {
    run.call(products.at(-1) as FunctionBuilder, v, w, sums);
    run.advance(v, 4 * parts.x.position);
    run.advance(w, 4 * parts.gradient.position);
    run.advance(sums, 4 * k.position);
  });
  return [...made, ...products, run];
}

export function gradientKey({ sizes, chunk, position, fma }: GradientKernel): string {
  return `winogradGradient ${sizesKey(sizes, chunk)},${position}${fma ? ' f' : ''}`;
}
