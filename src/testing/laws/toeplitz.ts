import { forEachIndex, type NdArray, plus, positionOf, sizeOf, times, zeros } from '../nd.ts';
import { placesOf } from '../reference/options.ts';
import type { Geometry } from './arrays.ts';

/**
 * The matrix [O·P, C·S] of a convolution with zero padding on pictures of spatial size S: one row per output element, with
 * the filter's taps where the window lies. In one axis with one channel it is a Toeplitz matrix (constant diagonals).
 * `places` may cut off the last windows.
 */
export function convolutionMatrix(
  w: NdArray,
  size: readonly number[],
  geometry: Geometry,
  places?: readonly number[],
): { matrix: NdArray; output: number[] } {
  const { kernel, stride, dilation, pairs, reach, groups } = geometry;
  const [filters = 0, channelsPerGroup = 0] = w.shape;
  const padded = size.map((n, axis) => n + (pairs[axis]?.[0] ?? 0) + (pairs[axis]?.[1] ?? 0));
  const output = [filters, ...(places ?? placesOf('convolutionMatrix', padded, reach, stride))];
  const input = [channelsPerGroup * groups, ...size];
  const matrix = zeros([sizeOf(output), sizeOf(input)]);
  const before = pairs.map(([b]) => -b);
  forEachIndex(output, ([o, ...p], row) => {
    const firstChannel = Math.floor(o / (filters / groups)) * channelsPerGroup;
    const corner = plus(times(p, stride), before);
    forEachIndex([channelsPerGroup, ...kernel], ([c, ...k], tap) => {
      const column = positionOf(input, [firstChannel + c, ...plus(corner, times(k, dilation))]);
      if (column < 0) return;
      matrix.data[row * sizeOf(input) + column] = w.data[o * channelsPerGroup * sizeOf(kernel) + tap] as number;
    });
  });
  return { matrix, output };
}

/** matrix · vector, or its transpose · vector, for each entry of a batch `[N, ...]`. */
export function applyMatrix(
  { shape: [rows = 0, columns = 0], data }: NdArray,
  batch: NdArray,
  output: readonly number[],
  transposed = false,
): NdArray {
  const [n = 0] = batch.shape;
  const result = zeros([n, ...output]);
  for (let b = 0; b < n; b++) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const [to, from] = transposed ? [b * columns + j, b * rows + i] : [b * rows + i, b * columns + j];
        result.data[to] =
          (result.data[to] as number) + (data[i * columns + j] as number) * (batch.data[from] as number);
      }
    }
  }
  return result;
}
