/** The plan of the weight gradient: source, kernel and copies, from sizes and geometry alone. */
import { product } from '../../sizes.ts';
import { type DotKernel, splitRow } from './dots.ts';
import { type ConvSizes, pick, three } from './plan.ts';
import {
  channelPitch,
  type Piece,
  packPieces,
  planAxis,
  type Runs,
  type Source,
  sourceOf,
  tapDistances,
} from './rows.ts';

/** dw from x and g. */
export interface WeightPlan {
  readonly source: Source;
  readonly pieces: readonly Piece[];
  readonly images: number;
  readonly kernel: DotKernel;
  readonly runs: Runs;
  /** Floats from run to run of x and of g, and of volumes' planes of rows (level 3). */
  readonly xRun: number;
  readonly gRun: number;
  readonly xOuter: number;
  readonly gOuter: number;
  readonly gPiece: Piece;
  /** Floats from image to image of g within a run (level 0). */
  readonly gImage: number;
  readonly inputSize: number;
  readonly gradSize: number;
}

export function planWeightGrad(c: ConvSizes, fma: boolean): WeightPlan {
  const axes = three(c.axes, planAxis);
  const sizes = three(c.axes, (a) => a.x);
  const counts = three(c.axes, (a) => a.y);
  // 100 floats: what loading and storing a tile's sums costs. Rows are read from end to end, so they may lie further away.
  const chosen = pick(axes, counts, c.images, c.channels / 4, (length) => length + 100);
  const source = sourceOf(
    chosen.images,
    axes,
    sizes,
    three(c.axes, (a) => a.stride),
  );
  const { runs } = chosen;
  const [, s1, s2] = source.strides;
  const row = splitRow(runs.length);
  const gRun = row.length * row.blocks;
  const gOuter = runs.level === 3 ? gRun * runs.segments : gRun;
  const gOutput = channelPitch(gRun * runs.segments * runs.outer);
  const [, gh, gw] = counts;
  return {
    source,
    pieces: packPieces(source, sizes),
    images: chosen.images,
    kernel: {
      channels: c.channels,
      xChannel: source.channel,
      taps: tapDistances(source),
      outputs: c.outputs,
      gOutput,
      ...row,
      fma,
    },
    runs,
    xRun: runs.level === 3 ? s2 : s1,
    gRun,
    xOuter: s1,
    gOuter,
    gImage: source.strides[0],
    gPiece: {
      from: 0,
      to: 0,
      counts,
      fromStrides: [gh * gw, gw, 1],
      toStrides: [runs.level === 3 ? gOuter : runs.level === 2 ? gRun : s1, runs.level === 3 ? gRun : s2, 1],
    },
    inputSize: product(sizes),
    gradSize: product(counts),
  };
}

/** Weights whose four partial sums each lie in the first-level cache are summed up over several series of images. */
const FEW_WEIGHTS = 4096;
const MOST_PARTS = 8;

/**
 * The series of images whose weight gradients are summed apart and added up in the end, so that threads can share them:
 * series p are the blocks from ⌊blocks · p / parts⌋ on. It is a matter of sizes, so that the sums are the same for any
 * number of threads.
 */
export function weightParts(images: number, together: number, weights: number): number {
  return weights <= FEW_WEIGHTS ? Math.min(MOST_PARTS, Math.ceil(images / together)) : 1;
}
