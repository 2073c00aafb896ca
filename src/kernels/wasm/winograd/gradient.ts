/**
 * A chunk of a weight gradient by minimal filtering: transform x and the gradient, multiply and sum over the tiles.
 *
 *   S[i][o][t][c] += Σ_tile W[i][o][tile] · V[i][c][tile + t planes]      for four of the 16 positions i
 *
 * The four positions of one row of the transforms
 * are handled apart from the others: their transforms cost no more, their sums and operands fit into the cache, and
 * they are what threads share.
 */
import { FunctionBuilder, i32, type Local, op } from '../assembler.ts';
import { emitZeros } from '../conductor.ts';
import { flatLength, flatPitch, oddLines, planePitch, planeTiles, sizesKey, tileColumns } from './geometry.ts';
import type { GradientKernel } from './kernel.ts';
import { type Products, productFunctions } from './products.ts';
import { rowGradientFunctions, rowGradientScratch } from './row/gradient.ts';
import { type Transform, transformFunction, zeroFloats } from './transforms.ts';

type I = Local<'i32'>;

interface Parts {
  readonly x: Transform;
  readonly gradient: Transform;
  readonly products: Products;
  readonly zeros: number;
}

function partsOf({ sizes, chunk, fma }: GradientKernel): Parts {
  const length = 4 * Math.ceil(flatLength(sizes, chunk) / 4);
  const tap = planeTiles(sizes, chunk);
  const shared = {
    images: chunk.images,
    pitch: planePitch(sizes, chunk),
    rows: chunk.rows,
    columns: tileColumns(sizes),
    wanted: [0],
    fill: true,
  };
  const channel = Math.max(flatPitch(sizes, chunk), 4 * Math.ceil((length + tap * (sizes.taps - 1)) / 4));
  const x: Transform = {
    ...shared,
    kind: 'x',
    channels: sizes.channels,
    source: { size: sizes.x, image: sizes.xImage },
    before: sizes.before,
    planes: planePitch(sizes, chunk),
    position: oddLines(sizes.channels * channel + 4),
    channel,
  };
  const gradient: Transform = {
    ...shared,
    kind: 'gradient',
    channels: sizes.outputs,
    source: { size: sizes.y, image: sizes.yImage },
    before: [0, 0, 0],
    planes: chunk.planes,
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
    zeros: Math.max(zeroFloats(x), zeroFloats(gradient)),
  };
}

const SLACK = 64;

/** Floats of scratch that one chunk needs. */
export function gradientScratch(k: GradientKernel): number {
  if (k.sizes.row !== undefined) return rowGradientScratch(k);
  const { x, gradient, zeros } = partsOf(k);
  return zeros + 4 * (x.position + gradient.position) + SLACK;
}

/**
 * Exported: `chunk(x, g, sums, scratch, wanted, images, plane, row)`, x and g at the chunk's first image; `wanted` is the row
 * of positions, `sums` those of its first.
 */
export function gradientFunctions(k: GradientKernel): FunctionBuilder[] {
  if (k.sizes.row !== undefined) return rowGradientFunctions(k);
  const parts = partsOf(k);
  const run = new FunctionBuilder('chunk');
  const [x, g, sums, scratch] = ['x', 'g', 'sums', 'scratch'].map((n) => run.param('i32', n)) as [I, I, I, I];
  const [wanted, images] = [run.param('i32', 'wanted'), run.param('i32', 'images')];
  const [plane, row] = [run.param('i32', 'plane'), run.param('i32', 'row')];
  const made: FunctionBuilder[] = [];
  const v = run.let(op('i32.add', scratch, i32(4 * parts.zeros)), 'v');
  const w = run.let(op('i32.add', v, i32(16 * parts.x.position)), 'w');
  emitZeros(run, scratch, 4 * parts.zeros);
  for (let i = 0; i < 4; i++) {
    const transforms = ([parts.x, parts.gradient] as const).map((t) =>
      transformFunction(`${t.kind}_${i}`, { ...t, wanted: [i] }),
    ) as [FunctionBuilder, FunctionBuilder];
    made.push(...transforms);
    run.if(op('i32.eq', wanted, i32(i)), () => {
      run.call(transforms[0], x, v, scratch, images, plane, row);
      run.call(transforms[1], g, w, scratch, images, plane, row);
    });
  }
  const products = productFunctions(parts.products);
  run.repeat(4, () => {
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
