/**
 * How far results along rows can be off (../bound.ts tells how such a bound is derived). Each product of a magnitude of the
 * window and one of the filter occurs at most four times, at most twice by each of the two steps, and windows have an even
 * number of elements: one more than the taps, if those are odd. With n products in the longest sum, which is channels times
 * the products of a position (1 up to 6 taps, 2 up to 12, 3 up to 16),
 *
 *   V: 2 roundings, U: 3, the sum: n, the way back: 3, a bias: 1        |ŷ - y| ≤ 4 (n + 11) u Σ ‖window‖₁ ‖filter‖₁
 *
 * For the weight gradient n are the tiles, and patches and tiles of four take the places of windows and filters.
 */
import type { FloatArray } from '../../../../types.ts';
import type { ConvSizes } from '../../plan.ts';
import { TILE } from './algorithm.ts';
import { algorithmOf, rowTiles } from './geometry.ts';

/** Products of the longest sum: for results, and for the weight gradient. */
export const resultTerms = ({ channels, axes }: ConvSizes): number =>
  channels * Math.max(...algorithmOf(axes[2].k).terms);
export const weightTerms = ({ images, axes: [d, h, w] }: ConvSizes): number => images * d.x * h.x * rowTiles(w.y);

/** Σ of magnitudes from each element of rows on, over `length` elements, from `begin` to `begin + count - 1`. */
function rowSums(row: FloatArray, begin: number, count: number, step: number, length: number): number[] {
  return Array.from({ length: count }, (_, p) => {
    const from = begin + p * step;
    let sum = 0;
    for (let i = Math.max(0, from); i < Math.min(row.length, from + length); i++) sum += row[i] as number;
    return sum;
  });
}

/** Calls `visit` with a group, an image, and a row of one of its channels and one of its outputs. */
function eachPair(
  { images, groups, channels, outputs, axes }: ConvSizes,
  visit: (x: number, y: number, weight: number) => void,
): void {
  const rows = axes[0].x * axes[1].x;
  for (let n = 0; n < images * groups; n++) {
    for (let o = 0; o < outputs; o++) {
      for (let c = 0; c < channels; c++) {
        for (let r = 0; r < rows; r++) {
          visit(
            (n * channels + c) * rows + r,
            (n * outputs + o) * rows + r,
            (n % groups) * outputs * channels + o * channels + c,
          );
        }
      }
    }
  }
}

/** Σ ‖window‖₁ ‖filter‖₁ of each result; dense magnitudes. `isAdjoint`: filters are [inputs, outputs, taps] in each group. */
export function windowSums(c: ConvSizes, x: FloatArray, w: FloatArray, isAdjoint: boolean): Float64Array {
  const [, , { x: width, y: results, k, before }] = c.axes;
  const sums = new Float64Array(c.images * c.groups * c.outputs * c.axes[0].x * c.axes[1].x * results);
  eachPair(c, (xRow, yRow, weight) => {
    const pairs = c.channels * c.outputs;
    const [group, pair] = [Math.floor(weight / pairs), weight % pairs];
    const at = isAdjoint ? (pair % c.channels) * c.outputs + Math.floor(pair / c.channels) : pair;
    const from = (group * pairs + at) * k;
    const [filter] = rowSums(w.subarray(from, from + k), 0, 1, 1, k) as [number];
    const row = x.subarray(xRow * width, (xRow + 1) * width);
    rowSums(row, -before, results, 1, k + (k % 2)).forEach((window, p) => {
      sums[yRow * results + p] = (sums[yRow * results + p] as number) + window * filter;
    });
  });
  return sums;
}

/** Σ over tiles of ‖patch‖₁ ‖gradient's tile‖₁ for each weight; dense magnitudes. */
export function patchSums(c: ConvSizes, x: FloatArray, g: FloatArray): Float64Array {
  const [, , { x: width, y: results, k, before }] = c.axes;
  const tiles = rowTiles(results);
  const sums = new Float64Array(c.groups * c.outputs * c.channels * k);
  eachPair(c, (xRow, gRow, weight) => {
    const patches = rowSums(x.subarray(xRow * width, (xRow + 1) * width), -before, tiles, TILE, k + TILE - 1);
    const own = rowSums(g.subarray(gRow * results, (gRow + 1) * results), 0, tiles, TILE, TILE);
    const total = patches.reduce((sum, v, t) => sum + v * (own[t] as number), 0);
    for (let i = 0; i < k; i++) sums[weight * k + i] = (sums[weight * k + i] as number) + total;
  });
  return sums;
}
