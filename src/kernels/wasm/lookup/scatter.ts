/**
 * Rows of a table by their numbers, each in one copy. And scattering rows in float32, without the reference kernel's array of doubles, which costs more than the scatter where
 * most elements receive one value (the gradient of max pooling). Plain TypeScript: single elements at random places
 * leave nothing for vectors to do.
 */

import { walk } from '../../js/walk.ts';
import type { FloatArray, Strided } from '../../types.ts';
import { isDense } from '../memory/transfer.ts';

/** Rows of fewer elements are copied as fast one element at a time. */
const LEAST_ROW = 16;

/** y[…, i, …] = x[…, index[…, i], …] where the index is the same for all that follows `axis`; false if it is not, or rows are short. */
export function gatherRows(x: Strided, axis: number, index: Strided, y: FloatArray): boolean {
  const after = (list: readonly number[]): readonly number[] => list.slice(axis + 1);
  const n = after(index.shape).reduce((a, b) => a * b, 1);
  const repeats = after(index.strides).every((stride, a) => stride === 0 || after(index.shape)[a] === 1);
  if (n < LEAST_ROW || !repeats || !isDense({ shape: after(x.shape), strides: after(x.strides) })) return false;
  const shape = index.shape.slice(0, axis + 1);
  const along = x.strides[axis] as number;
  const { data } = x;
  const places = { offset: index.offset, strides: index.strides.slice(0, axis + 1) };
  const rows = { offset: x.offset, strides: [...x.strides.slice(0, axis), 0] };
  let to = 0;
  walk(shape, [places, rows], (count, at, step) => {
    for (let i = 0; i < count; i++, to += n) {
      const row = index.data[(at[0] as number) + i * (step[0] as number)] as number;
      const from = (at[1] as number) + i * (step[1] as number) + row * along;
      y.set(data.subarray(from, from + n), to);
    }
  });
  return true;
}

/** y[…, index[…, i]] += src[…, i] along the last axis; false if the layout or the number of terms does not suit. */
export function scatterAdd(
  src: Strided,
  axis: number,
  index: Strided,
  shape: readonly number[],
  y: FloatArray,
): boolean {
  const last = shape.length - 1;
  const count = index.shape[last] as number;
  const size = shape[last] as number;
  // More values than places: many may add up in one place, where rounding each time would be felt.
  if (axis !== last || count > size || !isDense(src) || !isDense(index)) return false;
  for (let a = 0; a < last; a++) if (shape[a] !== index.shape[a]) return false;
  const [from, at] = [src.data, index.data];
  const rows = shape.slice(0, last).reduce((a, b) => a * b, 1);
  for (let row = 0; row < rows; row++) {
    const base = row * size;
    const [s, i] = [src.offset + row * count, index.offset + row * count];
    for (let k = 0; k < count; k++) y[base + at[i + k]!]! += from[s + k]!;
  }
  return true;
}
