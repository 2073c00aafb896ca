/** Bytes given and bytes made. */

import { FormatError, OptionError } from '../errors.ts';
import { show } from '../tensor/options.ts';
import { Tensor } from '../tensor/tensor.ts';

/** A file's content. */
export type Bytes = Uint8Array | ArrayBuffer;

/** `bytes` as a Uint8Array, without a copy. */
export function asBytes(operation: string, bytes: unknown): Uint8Array {
  // Not as it is: slice() of Node's Buffer, a subclass, does not copy.
  if (bytes instanceof Uint8Array) return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes instanceof ArrayBuffer) return new Uint8Array(bytes);
  throw new OptionError(
    `${operation}: expected the bytes of a file as a Uint8Array or ArrayBuffer, but got ${show(bytes)}`,
  );
}

/** The named tensors of `record`. */
export function tensorEntries(operation: string, record: unknown): [name: string, x: Tensor][] {
  if (typeof record !== 'object' || record === null || record instanceof Tensor || Array.isArray(record)) {
    throw new OptionError(`${operation}: expected tensors by name, but got ${show(record)}`);
  }
  return Object.entries(record).map(([name, x]) => {
    if (x instanceof Tensor) return [name, x];
    throw new OptionError(`${operation}: '${name}' must be a tensor, but is ${show(x)}`);
  });
}

/** One after the other. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Text of UTF-8 bytes. @throws FormatError if they are none. */
export function decodeText(operation: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new FormatError(`${operation}: the header is no UTF-8 text`);
  }
}

/** The number of elements of a shape read from a file, which must be small enough to count. */
export function countElements(operation: string, shape: readonly number[]): number {
  if (shape.includes(0)) return 0;
  const count = shape.reduce((product, length) => product * length, 1);
  if (!Number.isSafeInteger(count)) throw new FormatError(`${operation}: shape [${shape.join(', ')}] is too large`);
  return count;
}
