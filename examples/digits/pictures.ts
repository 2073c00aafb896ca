import { PNG } from 'pngjs';

/** Values of a picture, row by row. */
export interface Plane {
  readonly width: number;
  readonly height: number;
  readonly values: ArrayLike<number>;
}

type Rgb = readonly [number, number, number];
export type Palette = (value: number) => Rgb;

/** Ink on paper: 0 white, `full` black. */
export const ink =
  (full: number): Palette =>
  (value) => {
    const level = 255 - Math.round(255 * clamp(value / full, 0, 1));
    return [level, level, level];
  };

/** Weights: below zero orange, zero white, above zero blue. */
export const signed =
  (most: number): Palette =>
  (value) => {
    const t = clamp(value / (most || 1), -1, 1);
    return t < 0 ? mixed([255, 255, 255], [194, 65, 12], -t) : mixed([255, 255, 255], [29, 78, 216], t);
  };

/** How strongly a map answers: dark blue over green to yellow (points of matplotlib's viridis). */
export const heat =
  (most: number): Palette =>
  (value) => {
    const t = clamp(value / (most || 1), 0, 1) * (HEAT.length - 1);
    const i = Math.min(HEAT.length - 2, Math.floor(t));
    return mixed(HEAT[i] as Rgb, HEAT[i + 1] as Rgb, t - i);
  };

const HEAT: readonly Rgb[] = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
];

const clamp = (value: number, low: number, high: number): number =>
  Number.isNaN(value) ? low : Math.min(high, Math.max(low, value));

const mixed = (a: Rgb, b: Rgb, t: number): Rgb => [
  Math.round(a[0] + (b[0] - a[0]) * t),
  Math.round(a[1] + (b[1] - a[1]) * t),
  Math.round(a[2] + (b[2] - a[2]) * t),
];

/** A PNG with `zoom`×`zoom` pixels per value: sharp in every viewer, whatever it does to small pictures. */
export function encodePng({ width, height, values }: Plane, palette: Palette, zoom: number): Uint8Array {
  const png = new PNG({ width: width * zoom, height: height * zoom });
  for (let y = 0; y < png.height; y++) {
    for (let x = 0; x < png.width; x++) {
      const value = values[Math.floor(y / zoom) * width + Math.floor(x / zoom)] as number;
      const at = 4 * (y * png.width + x);
      png.data.set([...palette(value), 255], at);
    }
  }
  return PNG.sync.write(png, { colorType: 2, deflateLevel: 9 });
}

/** One picture of a sheet, with a line of text below. */
export interface Tile {
  readonly plane: Plane;
  readonly palette: Palette;
  readonly label?: string;
}

/** A row of pictures under a heading. */
export interface Row {
  readonly heading: string;
  readonly tiles: readonly Tile[];
  /** How many pictures fill a line. */
  readonly perLine: number;
}

const GAP = 8;
const LINE = 18;
const WIDTH = 720;

/**
 * An SVG of labelled pictures, each of them a PNG inside it, so that the one file is all it takes.
 */
export function pictureSheet(rows: readonly Row[]): string {
  const parts: string[] = [];
  let y = 0;
  for (const { heading, tiles, perLine } of rows) {
    if (heading !== '') {
      parts.push(`<text x="0" y="${y + LINE - 4}" font-size="13">${escapeXml(heading)}</text>`);
      y += LINE + 2;
    }
    const side = Math.floor((WIDTH + GAP) / perLine) - GAP;
    const labelled = tiles.some(({ label }) => label !== undefined) ? LINE : 0;
    for (const [i, tile] of tiles.entries()) {
      const left = (i % perLine) * (side + GAP);
      const top = y + Math.floor(i / perLine) * (side + GAP + labelled);
      parts.push(drawTile(tile, left, top, side));
    }
    y += Math.ceil(tiles.length / perLine) * (side + GAP + labelled) + GAP;
  }
  const height = Math.max(1, y - GAP);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" ` +
    `font-family="system-ui, sans-serif" fill="currentColor">${parts.join('')}</svg>`
  );
}

function drawTile({ plane, palette, label }: Tile, left: number, top: number, side: number): string {
  const zoom = Math.max(1, Math.ceil(side / Math.max(plane.width, plane.height)));
  const data = Buffer.from(encodePng(plane, palette, zoom)).toString('base64');
  const scale = side / Math.max(plane.width, plane.height);
  const [width, height] = [plane.width * scale, plane.height * scale];
  const image =
    `<image x="${left}" y="${top}" width="${width}" height="${height}" ` +
    `style="image-rendering:pixelated" href="data:image/png;base64,${data}"/>`;
  const frame =
    `<rect x="${left}" y="${top}" width="${width}" height="${height}" fill="none" ` +
    `stroke="currentColor" stroke-opacity="0.25"/>`;
  const text =
    label === undefined
      ? ''
      : `<text x="${left + side / 2}" y="${top + side + 14}" font-size="11" text-anchor="middle">${escapeXml(label)}</text>`;
  return image + frame + text;
}

export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
