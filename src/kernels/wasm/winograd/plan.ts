/**
 * Which convolutions are done by minimal filtering, in which chunks, and how they become units of work. All of it depends
 * on sizes alone.
 */
import type { ConvSizes } from '../convPlan.ts';
import type { AxisSizes } from '../plan.ts';
import { splitOutputs } from '../tile.ts';
import { type Chunk, flatLength, product, type TiledSizes, tileColumns, tileRows } from './geometry.ts';
import type { GradientPlan, LinearPlan } from './kernel.ts';
import { isRowTiled, rowGradientPlan, rowLinearPlan, rowPays } from './row/plan.ts';

/** Taps along the depth are unrolled. */
const MOST_TAPS = 8;
/** Tiles of a chunk: the time changes little from 100 to 400 of them; filters want to be read few times. */
const TILES = 200;
/** Chunks that several threads can share; fewer are divided by outputs as long as each has this many. */
const UNITS = 8;
const LEAST_OUTPUTS = 64;
/** Sums (items) of which several are kept: all 16 positions of them are 128 and 256 KB. */
const FEW_ITEMS = 2048;
const SOME_ITEMS = 4096;

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

function tiledSizes({ groups, channels, outputs, axes }: ConvSizes): TiledSizes {
  const [x, y] = [axes.map((a) => a.x), axes.map((a) => a.y)] as unknown as [TiledSizes['x'], TiledSizes['y']];
  return {
    channels,
    outputs,
    x,
    y,
    before: axes.map((a) => a.before) as unknown as TiledSizes['before'],
    taps: axes[0].k,
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

function chunkOf(s: TiledSizes, images: number): Chunk {
  const [columns, rows] = [tileColumns(s), tileRows(s)];
  const plane = rows * columns;
  if (plane > TILES) return { images: 1, planes: 1, rows: part(rows, Math.floor(TILES / columns)) };
  // Neighbouring planes share what they read: many of them rather than few.
  const depth = s.taps > 1 ? 4 * TILES : TILES;
  if (s.y[0] * plane > depth) return { images: 1, planes: part(s.y[0], Math.floor(depth / plane)), rows };
  const image = (s.y[0] + s.taps - 1) * plane;
  // Each of several threads shall have some, or some of the outputs.
  const units = Math.ceil(UNITS / Math.max(1, Math.floor(s.outputs / LEAST_OUTPUTS)));
  const most = Math.min(Math.floor(TILES / image), Math.ceil(images / units));
  const wide = Math.floor(TILES / 4 / image);
  return { images: part(images, Math.max(most, Math.min(wide, images))), planes: s.y[0], rows };
}

const chunksOf = (s: TiledSizes, c: Chunk, images: number): number =>
  Math.ceil(images / c.images) * Math.ceil(s.y[0] / c.planes) * Math.ceil(tileRows(s) / c.rows);

/** The plan for a convolution that tiles can do, whether or not they are faster. */
export function linearPlan(c: ConvSizes, adjoint: boolean, bias: boolean, fma: boolean): LinearPlan {
  const sizes = tiledSizes(c);
  const chunk = chunkOf(sizes, c.images);
  const wanted = Math.ceil(UNITS / (chunksOf(sizes, chunk, c.images) * c.groups));
  const most = Math.max(1, Math.min(wanted, Math.floor(c.outputs / LEAST_OUTPUTS)));
  const widest = fma ? 6 : 5;
  const outputs = most === 1 ? c.outputs : widest * Math.ceil(c.outputs / most / widest);
  return {
    kernel: { sizes, chunk, outputs, bias, fma },
    blocks: Math.ceil(c.outputs / outputs),
    filters: { outer: c.outputs, inner: c.channels, taps: sizes.taps, adjoint },
  };
}

/** The forward convolution by tiles, or null if the direct kernels are as good. */
export function planTiles(c: ConvSizes, bias: boolean, fma: boolean): LinearPlan | null {
  if (isRowTiled(c)) return rowPays(c) ? rowLinearPlan(c, false, bias, fma) : null;
  return isTiled(c) && pays(c, fma) ? linearPlan(c, false, bias, fma) : null;
}

/** The input gradient by tiles, or null. */
export function planTilesInputGrad(c: ConvSizes, fma: boolean): LinearPlan | null {
  const adjoint = adjointSizes(c);
  if (isRowTiled(c)) return rowPays(adjoint) ? rowLinearPlan(adjoint, true, false, fma) : null;
  if (!isTiled(c)) return null;
  return pays(adjoint, fma) ? linearPlan(adjoint, true, false, fma) : null;
}

/** The plan for a weight gradient that tiles can do. */
export function gradientPlan(c: ConvSizes, fma: boolean): GradientPlan {
  const sizes = tiledSizes(c);
  const chunk = chunkOf(sizes, c.images);
  const items = c.channels * c.outputs * sizes.taps;
  const chunks = chunksOf(sizes, chunk, c.images);
  const parts = items > SOME_ITEMS ? 1 : Math.min(chunks, items > FEW_ITEMS ? UNITS / 2 : UNITS);
  return {
    kernel: { sizes, chunk, position: items, fma },
    parts,
    bands: items > SOME_ITEMS ? 4 : 1,
    back: { items, position: items, parts, distance: 16 * items },
  };
}

/** The weight gradient by tiles, or null. */
export function planTilesWeightGrad(c: ConvSizes, fma: boolean): GradientPlan | null {
  if (isRowTiled(c)) return rowPays(c) ? rowGradientPlan(c, fma) : null;
  return isTiled(c) && pays(c, fma) ? gradientPlan(c, fma) : null;
}

/**
 * Cycles, roughly, of the direct kernels and of tiles, measured on an AMD EPYC of the fourth generation: multiply-adds, the
 * copies that lay out rows, the two transforms, the calls for every position, the filters.
 */
function costs(c: ConvSizes, fma: boolean): { readonly direct: number; readonly tiled: number } {
  const sizes = tiledSizes(c);
  const chunk = chunkOf(sizes, c.images);
  const calls = chunksOf(sizes, chunk, c.images);
  const tiles = calls * flatLength(sizes, chunk);
  const { channels, outputs, taps, x, y } = sizes;
  const rows = c.images * (channels * x[0] * x[1] + outputs * y[0] * y[1]);
  const blocks = splitOutputs(outputs, fma).length;
  return {
    direct: (c.images * channels * outputs * product(y) * 9 * taps) / 6.4 + 15 * rows,
    tiled:
      (tiles * channels * outputs * 16 * taps) / 7.2 +
      tiles * (10 * channels * (1 + (taps - 1) / chunk.planes) + 9 * outputs) +
      16 * calls * blocks * 60 +
      12 * channels * outputs * taps,
  };
}

/** Is the gain worth it? One channel, or one output, leaves nothing to sum up or to share. */
function pays(c: ConvSizes, fma: boolean): boolean {
  const { direct, tiled } = costs(c, fma);
  return c.outputs > 1 && c.channels * c.axes[0].k > 1 && tiled < 0.85 * direct;
}
