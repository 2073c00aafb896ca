/**
 * Which convolutions are done by minimal filtering, in which chunks, and how they become units of work. All of it depends
 * on sizes alone.
 */
import { product } from '../../../sizes.ts';
import type { ConvSizes } from '../plan.ts';
import type { AxisSizes } from '../rows.ts';
import { splitOutputs } from '../tile.ts';
import {
  type Chunk,
  flatLength,
  oddLines,
  positionsOf,
  type TileDepth,
  type TiledSizes,
  tileColumns,
  tileLayers,
  tileRows,
} from './geometry.ts';
import type { GradientPlan, LinearPlan } from './kernel.ts';
import { isRowTiled, rowGradientPlan, rowLinearPlan, rowPays } from './row/plan.ts';

/** Taps along the depth are unrolled. */
const MOST_TAPS = 8;
/** Tiles of a chunk: the time changes little from 100 to 400 of them; filters want to be read few times. */
const TILES = 200;
/** The same of tiles that are two planes deep, of four times as many positions. */
const DEEP_TILES = 100;
/** Chunks that several threads can share; fewer are divided by outputs as long as each has this many. */
const UNITS = 8;
const LEAST_OUTPUTS = 64;
/** Floats of sums, of all positions, of which several are kept: 128 and 256 KB. */
const FEW_SUMS = 32_768;
const SOME_SUMS = 65_536;

const isPlain = ({ stride, dilation, k }: AxisSizes): boolean => stride === 1 && (dilation === 1 || k === 1);

/** Whether tiles can do it at all: three taps along height and width, neither stride nor dilation. */
export function isTiled({ axes, channels, outputs, images }: ConvSizes): boolean {
  const [d, h, w] = axes;
  return (
    axes.every(isPlain) &&
    h.k === 3 &&
    w.k === 3 &&
    d.k <= MOST_TAPS &&
    channels > 0 &&
    outputs > 0 &&
    images > 0 &&
    axes.every((a) => a.x > 0 && a.y > 0)
  );
}

/** Whether tiles of these can be two planes deep: three taps along the depth. */
export const canBeDeep = ({ axes: [d] }: ConvSizes): boolean => d.k === 3;

function tiledSizes({ groups, channels, outputs, axes }: ConvSizes, tileDepth: TileDepth): TiledSizes {
  const [x, y] = [axes.map((a) => a.x), axes.map((a) => a.y)] as unknown as [TiledSizes['x'], TiledSizes['y']];
  return {
    channels,
    outputs,
    x,
    y,
    before: axes.map((a) => a.before) as unknown as TiledSizes['before'],
    taps: tileDepth === 2 ? 1 : axes[0].k,
    tileDepth,
    xImage: groups * channels * product(x),
    yImage: groups * outputs * product(y),
  };
}

/** The convolution that the input gradient is: x and y, channels and outputs have changed places. */
export function adjointSizes(c: ConvSizes): ConvSizes {
  const axis = (a: AxisSizes): AxisSizes => ({ ...a, x: a.y, y: a.x, before: a.k - 1 - a.before });
  const [d, h, w] = c.axes;
  return { ...c, channels: c.outputs, outputs: c.channels, axes: [axis(d), axis(h), axis(w)] };
}

/** Equal parts of at most `most` (at least 1). */
const part = (total: number, most: number): number => Math.ceil(total / Math.ceil(total / Math.max(1, most)));

/** Parts of at most `most` and not much less that leave the least beyond the end: a chunk is computed in full. */
function evenPart(total: number, most: number): number {
  let best = Math.min(total, Math.max(1, most));
  const beyond = (size: number): number => size * Math.ceil(total / size);
  for (let size = best - 1; 2 * size >= most; size--) if (beyond(size) < beyond(best)) best = size;
  return best;
}

function chunkOf(s: TiledSizes, images: number): Chunk {
  const [columns, rows] = [tileColumns(s), tileRows(s)];
  const [layer, layers] = [rows * columns, tileLayers(s)];
  const tiles = s.tileDepth === 2 ? DEEP_TILES : TILES;
  if (layer > tiles) return { images: 1, layers: 1, rows: evenPart(rows, Math.floor(tiles / columns)) };
  // Neighbouring planes share what they read: many of them rather than few.
  const depth = s.taps > 1 ? 4 * tiles : tiles;
  if (layers * layer > depth) return { images: 1, layers: evenPart(layers, Math.floor(depth / layer)), rows };
  const image = (layers + s.taps - 1) * layer;
  // Each of several threads shall have some, or some of the outputs.
  const units = Math.ceil(UNITS / Math.max(1, Math.floor(s.outputs / LEAST_OUTPUTS)));
  const most = Math.min(Math.floor(tiles / image), Math.ceil(images / units));
  const wide = Math.floor(tiles / 4 / image);
  return { images: part(images, Math.max(most, Math.min(wide, images))), layers, rows };
}

const chunksOf = (s: TiledSizes, c: Chunk, images: number): number =>
  Math.ceil(images / c.images) * Math.ceil(tileLayers(s) / c.layers) * Math.ceil(tileRows(s) / c.rows);

/** The plan for a convolution that tiles can do, whether or not they are faster. */
export function linearPlan(
  c: ConvSizes,
  tileDepth: TileDepth,
  adjoint: boolean,
  bias: boolean,
  fma: boolean,
): LinearPlan {
  const sizes = tiledSizes(c, tileDepth);
  const chunk = chunkOf(sizes, c.images);
  const wanted = Math.ceil(UNITS / (chunksOf(sizes, chunk, c.images) * c.groups));
  const most = Math.max(1, Math.min(wanted, Math.floor(c.outputs / LEAST_OUTPUTS)));
  const widest = fma ? 6 : 5;
  const outputs = most === 1 ? c.outputs : widest * Math.ceil(c.outputs / most / widest);
  return {
    kernel: { sizes, chunk, outputs, bias, fma },
    blocks: Math.ceil(c.outputs / outputs),
    filters: { outer: c.outputs, inner: c.channels, taps: sizes.taps, tileDepth, adjoint },
  };
}

/** The forward convolution by tiles, or null if the direct kernels are as good. */
export function planTiles(c: ConvSizes, bias: boolean, fma: boolean): LinearPlan | null {
  if (isRowTiled(c)) return rowPays(c) ? rowLinearPlan(c, false, bias, fma) : null;
  const tileDepth = tileDepthFor(c, fma);
  return tileDepth && linearPlan(c, tileDepth, false, bias, fma);
}

/** The input gradient by tiles, or null. */
export function planTilesInputGrad(c: ConvSizes, fma: boolean): LinearPlan | null {
  const adjoint = adjointSizes(c);
  if (isRowTiled(c)) return rowPays(adjoint) ? rowLinearPlan(adjoint, true, false, fma) : null;
  const tileDepth = tileDepthFor(adjoint, fma);
  return tileDepth && linearPlan(adjoint, tileDepth, true, false, fma);
}

/** The plan for a weight gradient that tiles can do. */
export function gradientPlan(c: ConvSizes, tileDepth: TileDepth, fma: boolean): GradientPlan {
  const sizes = tiledSizes(c, tileDepth);
  const chunk = chunkOf(sizes, c.images);
  const items = c.channels * c.outputs * sizes.taps;
  const chunks = chunksOf(sizes, chunk, c.images);
  const positions = positionsOf(tileDepth);
  const floats = positions * items;
  // Adding up eight parts of 2048 items: 33 µs; 226 µs if all positions of all parts lay in one set of the cache.
  const position = oddLines(items);
  const parts = floats > SOME_SUMS ? 1 : Math.min(chunks, floats > FEW_SUMS ? UNITS / 2 : UNITS);
  return {
    kernel: { sizes, chunk, position, fma },
    parts,
    bands: floats > SOME_SUMS ? 4 : 1,
    back: { items, tileDepth, position, parts, distance: positions * position },
  };
}

/** The weight gradient by tiles, or null. */
export function planTilesWeightGrad(c: ConvSizes, fma: boolean): GradientPlan | null {
  if (isRowTiled(c)) return rowPays(c) ? rowGradientPlan(c, fma) : null;
  const tileDepth = tileDepthFor(c, fma);
  return tileDepth && gradientPlan(c, tileDepth, fma);
}

/** Of the direct kernels: multiply-adds and the copies that lay out rows. */
function directCost({ images, channels, outputs, axes }: ConvSizes): number {
  const [d, h, w] = axes;
  const rows = images * (channels * d.x * h.x + outputs * d.y * h.y);
  return (images * channels * outputs * d.y * h.y * w.y * 9 * d.k) / 6.4 + 15 * rows;
}

/** Of tiles: multiply-adds, the two transforms, the calls for every position, the filters. */
function tiledCost(c: ConvSizes, tileDepth: TileDepth, fma: boolean): number {
  const sizes = tiledSizes(c, tileDepth);
  const chunk = chunkOf(sizes, c.images);
  const calls = chunksOf(sizes, chunk, c.images);
  const tiles = calls * flatLength(sizes, chunk);
  const { channels, outputs, taps } = sizes;
  const positions = positionsOf(tileDepth);
  const transforms =
    tileDepth === 2 ? 60 * channels + 34 * outputs : 10 * channels * (1 + (taps - 1) / chunk.layers) + 9 * outputs;
  return (
    (tiles * channels * outputs * positions * taps) / 7.2 +
    tiles * transforms +
    positions * calls * splitOutputs(outputs, fma).length * 60 +
    (positions * 3 * channels * outputs * taps) / 4
  );
}

/**
 * The tiles for a convolution, or null where direct kernels are as good, by cycles, roughly, measured on an AMD EPYC of the
 * fourth generation. Is the gain worth it? One channel, or one output, leaves nothing to sum up or to share.
 */
function tileDepthFor(c: ConvSizes, fma: boolean): TileDepth | null {
  if (!isTiled(c) || c.outputs < 2 || c.channels * c.axes[0].k < 2) return null;
  const flat = tiledCost(c, 1, fma);
  const deep = canBeDeep(c) ? tiledCost(c, 2, fma) : Number.POSITIVE_INFINITY;
  if (Math.min(flat, deep) >= 0.85 * directCost(c)) return null;
  return deep < 0.95 * flat ? 2 : 1;
}
