/** Convolutions whose filters extend along rows alone: how they are cut into chunks, and what they cost. */
import { product } from '../../../../sizes.ts';
import type { ConvSizes } from '../../plan.ts';
import { type Chunk, type TiledSizes, unitsOf } from '../geometry.ts';
import type { GradientPlan, LinearPlan } from '../kernel.ts';
import { bandsOf, PANEL, products, round4, rowOf, rowTiles } from './geometry.ts';
import { productPlaces, quarterFloats } from './gradient.ts';

/** Taps beyond which the products of a patch would be more than registers and first-level cache hold well. */
const MOST_TAPS = 16;
/**
 * Floats of a transformed chunk of x, half a megabyte of a second-level cache of one; and of x and a gradient together, which
 * leave room for sums.
 */
const LINEAR_CHUNK = 1 << 17;
const GRADIENT_CHUNK = 1 << 16;
/** Tiles of a chunk: few enough for the sums of a panel to stay in the first-level cache, enough to read filters rarely. */
const MOST_TILES = 192;
const LEAST_TILES = 24;
/** Chunks, or chunks times blocks of outputs, that several threads can share. */
const UNITS = 8;
const LEAST_OUTPUTS = 64;
/** Sums of all parts of a weight gradient: 1 MB. */
const SUMS = 1 << 18;

/** Whether rows can do it at all: several taps along the width and one along the others, neither stride nor dilation. */
export function isRowTiled({ axes, channels, outputs, images }: ConvSizes): boolean {
  const [d, h, w] = axes;
  return (
    [d, h].every((a) => a.k === 1 && a.stride === 1 && a.x === a.y && a.before === 0 && a.x > 0) &&
    w.k >= 2 &&
    w.k <= MOST_TAPS &&
    w.stride === 1 &&
    w.dilation === 1 &&
    Math.min(channels, outputs, images, w.x, w.y) > 0
  );
}

function rowSizes({ groups, channels, outputs, axes: [d, h, w] }: ConvSizes): TiledSizes {
  const rows = d.x * h.x;
  return {
    channels,
    outputs,
    x: [rows, 1, w.x],
    y: [rows, 1, w.y],
    before: [0, 0, w.before],
    taps: 1,
    tileDepth: 1,
    row: w.k,
    xImage: groups * channels * rows * w.x,
    yImage: groups * outputs * rows * w.y,
  };
}

/** Equal parts of at most `most` (at least 1). */
const part = (total: number, most: number): number => Math.ceil(total / Math.ceil(total / Math.max(1, most)));

/** The chunk of so many tiles, about. */
function chunkOf(s: TiledSizes, images: number, wanted: number): Chunk {
  const tiles = Math.max(LEAST_TILES, Math.min(MOST_TILES, Math.floor(wanted)));
  const row = rowTiles(s.y[2]);
  if (row > tiles) return { images: 1, layers: 1, rows: part(row, tiles) };
  const image = s.y[0] * row;
  if (image > tiles) return { images: 1, layers: part(s.y[0], Math.floor(tiles / row)), rows: row };
  // Each of several threads shall have some.
  const shared = Math.max(Math.ceil(images / UNITS), Math.ceil(LEAST_TILES / image));
  return { images: part(images, Math.min(Math.floor(tiles / image), shared)), layers: s.y[0], rows: row };
}

const linearChunk = (s: TiledSizes, images: number): Chunk =>
  chunkOf(s, images, LINEAR_CHUNK / (products(rowOf(s)) * round4(s.channels)));

const gradientChunk = (s: TiledSizes, images: number): Chunk => {
  const floats = products(rowOf(s)) * round4(s.channels) + rowOf(s).terms.length * round4(s.outputs);
  return chunkOf(s, images, (GRADIENT_CHUNK * bandsOf(s).length) / floats);
};

/** The plan for a convolution that rows can do, whether or not they are faster. */
export function rowLinearPlan(c: ConvSizes, adjoint: boolean, bias: boolean, fma: boolean): LinearPlan {
  const sizes = rowSizes(c);
  const chunk = linearChunk(sizes, c.images);
  const wanted = Math.ceil(UNITS / (unitsOf(sizes, chunk, c.images).length * c.groups));
  const most = Math.max(1, Math.min(wanted, Math.floor(c.outputs / LEAST_OUTPUTS)));
  const panel = 4 * PANEL;
  const outputs = most === 1 ? c.outputs : panel * Math.ceil(c.outputs / most / panel);
  return {
    kernel: { sizes, chunk, outputs, bias, fma },
    blocks: Math.ceil(c.outputs / outputs),
    filters: { outer: c.outputs, inner: c.channels, taps: 1, tileDepth: 1, row: sizes.row as number, adjoint },
  };
}

/** The plan for a weight gradient that rows can do. */
export function rowGradientPlan(c: ConvSizes, fma: boolean): GradientPlan {
  const sizes = rowSizes(c);
  const chunk = gradientChunk(sizes, c.images);
  const quarter = quarterFloats(sizes);
  const isWhole = bandsOf(sizes).length === 1;
  const parts = isWhole ? Math.min(UNITS, Math.floor(SUMS / (4 * quarter)), unitsOf(sizes, chunk, c.images).length) : 1;
  return {
    kernel: { sizes, chunk, position: quarter / 4, fma },
    parts,
    bands: isWhole ? 1 : 4,
    back: {
      items: c.outputs * round4(c.channels),
      tileDepth: 1,
      position: quarter / 4,
      parts,
      distance: 4 * quarter,
      row: { taps: sizes.row as number, channels: c.channels, places: productPlaces(sizes) },
    },
  };
}

/**
 * Cycles, roughly, of the direct kernels and of rows, as in the plan of tiles: multiply-adds, the transforms of both
 * sides, the calls for every register tile, the filters.
 */
export function rowCosts(c: ConvSizes): { readonly direct: number; readonly tiled: number } {
  const sizes = rowSizes(c);
  const { terms } = rowOf(sizes);
  const [channels, outputs] = [round4(c.channels), round4(c.outputs)];
  const tiles = c.images * sizes.y[0] * rowTiles(sizes.y[2]);
  const count = products(rowOf(sizes));
  const rows = c.images * (c.channels + c.outputs) * sizes.y[0];
  return {
    direct: (c.images * c.channels * c.outputs * product(sizes.y) * (sizes.row as number)) / 6.4 + 15 * rows,
    tiled:
      (tiles * channels * outputs * count) / 7.2 +
      (tiles * (channels * (1.3 * count + 20) + outputs * (0.65 * terms.length + 20))) / 4 +
      (tiles * terms.length * outputs * 20) / 48 +
      1.5 * channels * outputs * count,
  };
}

/** Is the gain worth it? One channel, or one output, leaves nothing to sum up or to share. */
export function rowPays(c: ConvSizes): boolean {
  const { direct, tiled } = rowCosts(c);
  return c.outputs > 1 && c.channels > 1 && tiled < 0.8 * direct;
}
