/**
 * Arrays that held a gradient on its way, which nobody can see any more, for the next results of the same size: a large array
 * from the engine costs its zeroing, its first touch of every page and a share of a garbage collection.
 */

import type { FloatArray } from '../kernels/types.ts';

/** Elements from which on an array is worth keeping: 64 KB. */
const least = 16_384;
/** What is kept at most, in bytes. */
const mostBytes = 2 ** 26;

interface Spares {
  readonly bySize: Map<number, Float32Array[]>;
  bytes: number;
}

const none = (): Spares => ({ bySize: new Map(), bytes: 0 });

/** What was given since the last backward pass began, and before. */
let [recent, older] = [none(), none()];

/** An array of `size` numbers, which holds anything, or null. */
export function takeSpare(size: number): Float32Array | null {
  if (size < least) return null;
  for (const spares of [recent, older]) {
    const array = spares.bySize.get(size)?.pop();
    if (array === undefined) continue;
    spares.bytes -= array.byteLength;
    return array;
  }
  return null;
}

/** Takes an array that nobody else will read or write. */
export function giveSpare(array: FloatArray): void {
  if (!(array instanceof Float32Array) || array.length < least || !(array.buffer instanceof ArrayBuffer)) return;
  if (recent.bytes + older.bytes + array.byteLength > mostBytes) return;
  recent.bytes += array.byteLength;
  const same = recent.bySize.get(array.length);
  if (same === undefined) recent.bySize.set(array.length, [array]);
  else same.push(array);
}

/** Lets go of what nobody took since the call before: arrays of sizes that do not come any more. */
export function renewSpares(): void {
  older = recent;
  recent = none();
}

/** Bytes that are kept. */
export function spareBytes(): number {
  return recent.bytes + older.bytes;
}
