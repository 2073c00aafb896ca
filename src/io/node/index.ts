/**
 * Reading and writing files of tensors in Node: `typedgrad/io/node`.
 *
 * @packageDocumentation
 */

import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { Tensor } from '../../tensor/tensor.ts';
import { decodeNpy, decodeNpz, decodeSafetensors, encodeNpy, encodeNpz, encodeSafetensors } from '../index.ts';

/** The tensors of a safetensors file by name. @throws FormatError if it is no valid one. */
export async function loadSafetensors(path: string | URL): Promise<Record<string, Tensor>> {
  return decodeSafetensors(await readFile(path));
}

/** Writes tensors, and perhaps texts, to a safetensors file. */
export function saveSafetensors(
  path: string | URL,
  record: Readonly<Record<string, Tensor>>,
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  return replace(path, encodeSafetensors(record, metadata));
}

/** The tensor of a `.npy` file. @throws FormatError if it is no valid one. */
export async function loadNpy(path: string | URL): Promise<Tensor> {
  return decodeNpy(await readFile(path));
}

/** Writes a tensor to a `.npy` file. */
export function saveNpy(path: string | URL, x: Tensor): Promise<void> {
  return replace(path, encodeNpy(x));
}

/** The tensors of an `.npz` file by name. @throws FormatError if it is no valid one. */
export async function loadNpz(path: string | URL): Promise<Record<string, Tensor>> {
  return decodeNpz(await readFile(path));
}

/** Writes tensors to an `.npz` file. */
export function saveNpz(path: string | URL, record: Readonly<Record<string, Tensor>>): Promise<void> {
  return replace(path, encodeNpz(record));
}

/** Writes beside the file and renames, so that a crash leaves the old content rather than half of the new. */
async function replace(path: string | URL, bytes: Uint8Array): Promise<void> {
  const part = path instanceof URL ? new URL(`${path.href}.${process.pid}.part`) : `${path}.${process.pid}.part`;
  try {
    await writeFile(part, bytes);
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}
