/**
 * Scattering rows in float32, without the reference kernel's array of doubles, which costs more than the scatter where
 * most elements receive one value (the gradient of max pooling). Plain TypeScript: single elements at random places
 * leave nothing for vectors to do.
 */
import type { FloatArray, Strided } from '../types.ts';
import { isDense } from './transfer.ts';

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
