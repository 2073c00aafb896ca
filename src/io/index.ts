/**
 * Reading and writing tensors: `typedgrad/io`. Bytes in, bytes out; see `typedgrad/io/node` for files.
 *
 * @packageDocumentation
 */

import '../autograd/index.ts';

export type { Bytes } from './bytes.ts';
export { decodeNpy, encodeNpy } from './npy.ts';
export { decodeNpz, encodeNpz } from './npz.ts';
export { decodeSafetensors, encodeSafetensors, readSafetensorsMetadata } from './safetensors.ts';
