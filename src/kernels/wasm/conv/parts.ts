/** What convolutions, eager and compiled, share: sizes from shapes, cache keys, and copies by the pieces of a plan. */
import type { ConvGeometry, Strided } from '../../types.ts';
import { features } from '../features.ts';
import type { KernelCache } from '../memory/cache.ts';
import type { LayoutKernels } from '../memory/layout.ts';
import { writeStrided } from '../memory/transfer.ts';
import type { ConvPlan, ConvSizes } from './plan.ts';
import type { AxisSizes, Piece } from './rows.ts';
import type { WeightPlan } from './weight-plan.ts';

/** Sizes within a group, missing leading spatial axes being 1. */
export function sizesOf(
  x: readonly number[],
  w: readonly number[],
  y: readonly number[],
  geometry: ConvGeometry,
): ConvSizes {
  const rank = x.length - 2;
  const axis = (a: number): AxisSizes => {
    const i = a - (3 - rank);
    if (i < 0) return { x: 1, k: 1, y: 1, stride: 1, dilation: 1, before: 0 };
    return {
      x: x[i + 2] as number,
      k: w[i + 2] as number,
      y: y[i + 2] as number,
      stride: geometry.stride[i] as number,
      dilation: geometry.dilation[i] as number,
      before: geometry.before[i] as number,
    };
  };
  const { groups } = geometry;
  return {
    images: x[0] as number,
    groups,
    channels: (x[1] as number) / groups,
    outputs: (y[1] as number) / groups,
    axes: [axis(0), axis(1), axis(2)],
  };
}

export function keyOf(kind: string, c: ConvSizes, fma: boolean): string {
  const axes = c.axes.map((a) => `${a.x},${a.k},${a.y},${a.stride},${a.dilation},${a.before}`).join(';');
  return `${kind} ${c.images},${c.groups},${c.channels},${c.outputs};${axes}${fma ? ' f' : ''}`;
}

/** What `copy` takes after the two addresses to carry out a plan's piece over `channels` channels; distances in floats. */
export function pieceSizes(p: Piece, channels: number, fromChannel: number, toChannel: number): number[] {
  const bytes = (channel: number, strides: readonly number[]): number[] => [channel, ...strides].map((s) => 4 * s);
  return [channels, ...p.counts, ...bytes(fromChannel, p.fromStrides), ...bytes(toChannel, p.toStrides)];
}

/** One copy of a plan's piece; addresses in bytes. */
export function copyPiece(
  k: LayoutKernels,
  p: Piece,
  source: number,
  target: number,
  channels: number,
  fromChannel: number,
  toChannel: number,
): void {
  k.copy(source + 4 * p.from, target + 4 * p.to, ...pieceSizes(p, channels, fromChannel, toChannel));
}

/** Images of x, dense first, then spread into the source's planes. */
export function pack(
  cache: KernelCache,
  k: LayoutKernels,
  plan: ConvPlan | WeightPlan,
  at: { staged: number; source: number },
  x: Strided,
  channels: number,
): void {
  if (plan.source.dense) {
    writeStrided(cache.memory, at.source, x);
    return;
  }
  writeStrided(cache.memory, at.staged, x);
  for (let i = 0; i < (x.shape[0] as number); i++) {
    const from = at.staged + 4 * i * channels * plan.inputSize;
    const to = at.source + 4 * i * plan.source.strides[0];
    for (const piece of plan.pieces) copyPiece(k, piece, from, to, channels, plan.inputSize, plan.source.channel);
  }
}

/** May kernels use fused multiply-adds? */
export const isFused = (): boolean => features().relaxed;
