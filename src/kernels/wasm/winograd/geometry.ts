/**
 * Tiles. Height and width of the result are cut into tiles of 2 × 2, each of which reads a patch of 4 × 4; planes along
 * the depth stay apart, and the filter's taps along it are summed one by one. A chunk is what is transformed, multiplied
 * and transformed back at once: so many images, planes and rows of tiles that all of it stays in the second-level cache.
 *
 * In the transformed domain a channel is one row of floats: image after image, plane after plane, tile after tile. A tap
 * along the depth is then a constant distance, as in the direct kernels (plan.ts).
 */

type Three = readonly [number, number, number];

/** A convolution with stride 1 and dilation 1, within its groups; axes are depth, height and width. */
export interface TiledSizes {
  readonly channels: number;
  readonly outputs: number;
  readonly x: Three;
  readonly y: Three;
  readonly before: Three;
  /** Taps along the depth. Along height and width there are three. */
  readonly taps: number;
  /** Taps of a filter that lies along the rows: tiles are four elements of a row (row/geometry.ts). */
  readonly row?: number;
  /** Floats from image to image of x and of y. */
  readonly xImage: number;
  readonly yImage: number;
}

export interface Chunk {
  readonly images: number;
  /** Planes of the result. */
  readonly planes: number;
  /** Rows of tiles. */
  readonly rows: number;
}

/** A dense array of planes [channels, D, H, W] per image. */
export interface Planes {
  readonly size: Three;
  readonly image: number;
}

export const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);

/** Tiles of a row, and rows of tiles of a plane. */
export const tileColumns = (s: TiledSizes): number => Math.ceil(s.y[2] / 2);
export const tileRows = (s: TiledSizes): number => Math.ceil(s.y[1] / 2);

/** What a chunk's rows count: rows of tiles, or the tiles of a row where filters lie along it. */
export const chunkedRows = (s: TiledSizes): number => (s.row === undefined ? tileRows(s) : Math.ceil(s.y[2] / 4));

/** Tiles of one plane of a chunk. */
export const planeTiles = (s: TiledSizes, c: Chunk): number => c.rows * tileColumns(s);

/** Planes from image to image in the transformed domain. */
export const planePitch = (s: TiledSizes, c: Chunk): number => c.planes + s.taps - 1;

/** Floats of a transformed channel of the result: the planes between images included. */
export const flatLength = (s: TiledSizes, c: Chunk): number =>
  ((c.images - 1) * planePitch(s, c) + c.planes) * planeTiles(s, c);

/** Floats that hold a transformed channel of x, and of the gradient. */
export const flatPitch = (s: TiledSizes, c: Chunk): number =>
  4 * Math.ceil((c.images * planePitch(s, c) * planeTiles(s, c)) / 4);

/** Floats rounded up to an odd number of cache lines, so that equal places of 16 positions lie in different sets. */
export function oddLines(floats: number): number {
  const lines = Math.ceil(floats / 16);
  return 16 * (lines % 2 === 0 ? lines + 1 : lines);
}

/** Where chunks begin: every unit of work of a convolution. */
export interface Unit {
  readonly image: number;
  readonly plane: number;
  readonly row: number;
  /** Images of this chunk: the last one may have fewer. */
  readonly images: number;
}

export function unitsOf(s: TiledSizes, c: Chunk, images: number): Unit[] {
  const units: Unit[] = [];
  for (let image = 0; image < images; image += c.images) {
    for (let plane = 0; plane < s.y[0]; plane += c.planes) {
      for (let row = 0; row < chunkedRows(s); row += c.rows) {
        units.push({ image, plane, row, images: Math.min(c.images, images - image) });
      }
    }
  }
  return units;
}

/** All numbers of both, as a part of a cache's key. */
export function sizesKey(s: TiledSizes, c: Chunk): string {
  const { channels, outputs, taps, xImage, yImage } = s;
  const numbers = [
    channels,
    outputs,
    ...s.x,
    ...s.y,
    ...s.before,
    taps,
    s.row ?? 0,
    xImage,
    yImage,
    c.images,
    c.planes,
    c.rows,
  ];
  return numbers.join(',');
}
