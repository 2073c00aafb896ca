/**
 * Tiles. Height and width of the result are cut into tiles of 2 × 2, each of which reads a patch of 4 × 4. Along the depth
 * either planes stay apart, and the filter's taps are summed one by one; or tiles are two planes deep, 2 × 2 × 2 of patches
 * of 4 × 4 × 4. A layer of tiles is a plane of the former and two planes of the latter. A chunk is what is transformed,
 * multiplied and transformed back at once: so many images, layers and rows of tiles that all of it stays in the second-level
 * cache.
 *
 * In the transformed domain a channel is one row of floats: image after image, layer after layer, tile after tile. A tap
 * along the depth is then a constant distance, as in the direct kernels (../rows.ts).
 */

export type TileDepth = 1 | 2;

type Three = readonly [number, number, number];

/** A convolution with stride 1 and dilation 1, within its groups; axes are depth, height and width. */
export interface TiledSizes {
  readonly channels: number;
  readonly outputs: number;
  readonly x: Three;
  readonly y: Three;
  readonly before: Three;
  /** Taps along the depth that are summed one by one. Along height and width there are three. */
  readonly taps: number;
  /** Taps of a filter that lies along the rows: tiles are four elements of a row (row/geometry.ts). */
  readonly row?: number;
  /** Planes of a tile: with two, the filter's three taps along the depth are transformed, and `taps` is 1. */
  readonly tileDepth: TileDepth;
  /** Floats from image to image of x and of y. */
  readonly xImage: number;
  readonly yImage: number;
}

export interface Chunk {
  readonly images: number;
  /** Layers of tiles. */
  readonly layers: number;
  /** Rows of tiles. */
  readonly rows: number;
}

/** A dense array of planes [channels, D, H, W] per image. */
export interface Planes {
  readonly size: Three;
  readonly image: number;
}

/** Places of the transformed domain: what a patch becomes. */
export const positionsOf = (tileDepth: TileDepth): number => (tileDepth === 2 ? 64 : 16);

/** Tiles of a row, rows of tiles of a layer, and layers. */
export const tileColumns = (s: TiledSizes): number => Math.ceil(s.y[2] / 2);
export const tileRows = (s: TiledSizes): number => Math.ceil(s.y[1] / 2);
export const tileLayers = (s: TiledSizes): number => Math.ceil(s.y[0] / s.tileDepth);

/** What a chunk's rows count: rows of tiles, or the tiles of a row where filters lie along it. */
export const chunkedRows = (s: TiledSizes): number => (s.row === undefined ? tileRows(s) : Math.ceil(s.y[2] / 4));

/** Tiles of one layer of a chunk. */
export const layerTiles = (s: TiledSizes, c: Chunk): number => c.rows * tileColumns(s);

/** Layers from image to image in the transformed domain. */
export const layerPitch = (s: TiledSizes, c: Chunk): number => c.layers + s.taps - 1;

/** Floats of a transformed channel of the result: the layers between images included. */
export const flatLength = (s: TiledSizes, c: Chunk): number =>
  ((c.images - 1) * layerPitch(s, c) + c.layers) * layerTiles(s, c);

/** Floats that hold a transformed channel of x, and of the gradient. */
export const flatPitch = (s: TiledSizes, c: Chunk): number =>
  4 * Math.ceil((c.images * layerPitch(s, c) * layerTiles(s, c)) / 4);

/** Floats rounded up to an odd number of cache lines, so that equal places of all positions lie in different sets. */
export function oddLines(floats: number): number {
  const lines = Math.ceil(floats / 16);
  return 16 * (lines % 2 === 0 ? lines + 1 : lines);
}

/** Where chunks begin: every unit of work of a convolution. */
export interface Unit {
  readonly image: number;
  readonly layer: number;
  readonly row: number;
  /** Images of this chunk: the last one may have fewer. */
  readonly images: number;
}

export function unitsOf(s: TiledSizes, c: Chunk, images: number): Unit[] {
  const units: Unit[] = [];
  for (let image = 0; image < images; image += c.images) {
    for (let layer = 0; layer < tileLayers(s); layer += c.layers) {
      for (let row = 0; row < chunkedRows(s); row += c.rows) {
        units.push({ image, layer, row, images: Math.min(c.images, images - image) });
      }
    }
  }
  return units;
}

/** All numbers of both, as a part of a cache's key. */
export function sizesKey(s: TiledSizes, c: Chunk): string {
  const { channels, outputs, taps, tileDepth, row = 0, xImage, yImage } = s;
  const chunk = [c.images, c.layers, c.rows];
  return [channels, outputs, ...s.x, ...s.y, ...s.before, taps, tileDepth, row, xImage, yImage, ...chunk].join(',');
}
