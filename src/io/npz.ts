/** NumPy's format of named arrays: a zip archive of `.npy` files. */

import { FormatError } from '../errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { asBytes, type Bytes, tensorEntries } from './bytes.ts';
import { decodeNpy, encodeNpy } from './npy.ts';
import { unzip, zip } from './zip.ts';

/**
 * The bytes of an `.npz` file, not compressed, as `numpy.savez` writes it. The same tensors give the same bytes.
 *
 * @example
 * ```ts
 * import { ones } from 'typedgrad';
 * import { decodeNpz, encodeNpz } from 'typedgrad/io';
 * decodeNpz(encodeNpz({ a: ones([2]) })).a?.toArray(); // → [1, 1]
 * ```
 * @throws OptionError if a value is no tensor, or there are 65535 tensors, or 4 GiB, or more.
 */
export function encodeNpz(record: Readonly<Record<string, Tensor>>): Uint8Array {
  return zip(new Map(tensorEntries('encodeNpz', record).map(([name, x]) => [`${name}.npy`, encodeNpy(x)])));
}

/**
 * The tensors of an `.npz` file by name, of `numpy.savez` or `numpy.savez_compressed`; see `decodeNpy` for dtypes.
 *
 * @throws FormatError if the bytes are no valid file, or an array holds other things than real numbers.
 */
export function decodeNpz(bytes: Bytes): Record<string, Tensor> {
  const entries = [...unzip(asBytes('decodeNpz', bytes))].map(([file, content]) => {
    if (!file.endsWith('.npy')) throw new FormatError(`decodeNpz: the archive holds '${file}', which is no .npy file`);
    return [file.slice(0, -'.npy'.length), decodeNpy(content)] as const;
  });
  return Object.fromEntries(entries);
}
