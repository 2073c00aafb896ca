/**
 * The safetensors format: named tensors in one file, without code.
 *
 *   8 bytes: the length n of the header | n bytes: JSON | the numbers
 *   { "__metadata__": { text: text }, name: { "dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end] }, … }
 *
 * Source: https://huggingface.co/docs/safetensors
 */

import { FormatError, OptionError } from '../errors.ts';
import { fromStorage } from '../tensor/creation.ts';
import { show } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { asBytes, type Bytes, concat, countElements, decodeText, tensorEntries } from './bytes.ts';
import { type Kind, readElements, toBytes, widths } from './elements.ts';

/** The most that a header may have, as in the reference implementation. */
const maxHeader = 100_000_000;
const metadataKey = '__metadata__';

/**
 * The bytes of a safetensors file. float32 is stored as F32, float64 as F64; views are stored dense. The numbers start
 * at a multiple of 8, as other readers like them.
 *
 * @param metadata texts by name, such as `{ format: 'pt' }`.
 * @throws OptionError if a value is no tensor, a metadata value no text, or a tensor is called `__metadata__`.
 * @example
 * ```ts
 * import { tensor } from 'typedgrad';
 * import { decodeSafetensors, encodeSafetensors } from 'typedgrad/io';
 * const bytes = encodeSafetensors({ weight: tensor([[1, 2], [3, 4]]) });
 * decodeSafetensors(bytes).weight?.toArray(); // → [[1, 2], [3, 4]]
 * ```
 */
export function encodeSafetensors(
  record: Readonly<Record<string, Tensor>>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  const entries = tensorEntries('encodeSafetensors', record);
  const header: [string, unknown][] = [];
  if (metadata !== undefined) header.push([metadataKey, checkMetadata(metadata)]);
  const parts = new Map<string, Uint8Array>();
  const offsets = new Map<string, [number, number]>();
  let end = 0;
  // The wider numbers first, so that all are aligned to their width.
  for (const [name, x] of entries.toSorted(
    ([, a], [, b]) => Number(b.dtype === 'float64') - Number(a.dtype === 'float64'),
  )) {
    if (name === metadataKey)
      throw new OptionError(`encodeSafetensors: a tensor cannot be called '${metadataKey}'; the format uses that name`);
    const bytes = toBytes(x.toTypedArray());
    parts.set(name, bytes);
    offsets.set(name, [end, end + bytes.length]);
    end += bytes.length;
  }
  for (const [name, x] of entries) {
    header.push([
      name,
      { dtype: x.dtype === 'float64' ? 'F64' : 'F32', shape: x.shape, data_offsets: offsets.get(name) },
    ]);
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const padded = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(0x20);
  padded.set(text);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(padded.length), true);
  return concat([length, padded, ...parts.values()]);
}

function checkMetadata(metadata: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [key, value] of Object.entries(metadata)) {
    if (typeof value !== 'string')
      throw new OptionError(`encodeSafetensors: metadata '${key}' must be a text, but is ${show(value)}`);
  }
  return metadata;
}

/**
 * The tensors of a safetensors file by name: F64 as float64, everything else (F32, F16, BF16, integers, BOOL) as
 * float32, which holds whole numbers exactly up to 2²⁴. The tensors do not share memory with `bytes`.
 *
 * @throws FormatError if the bytes are no valid file.
 */
export function decodeSafetensors(bytes: Bytes): Record<string, Tensor> {
  const { header, data } = readHeader('decodeSafetensors', asBytes('decodeSafetensors', bytes));
  const entries = Object.entries(header).filter(([name]) => name !== metadataKey);
  const specs = entries.map(([name, entry]) => ({ name, ...readEntry(name, entry, data.length) }));
  checkCover(specs, data.length);
  return Object.fromEntries(
    specs.map(({ name, kind, shape, count, begin, end }) => [
      name,
      fromStorage(readElements(kind, data.subarray(begin, end), count), shape),
    ]),
  );
}

/** The texts that a safetensors file holds besides tensors. @throws FormatError if the bytes are no valid file. */
export function readSafetensorsMetadata(bytes: Bytes): Record<string, string> {
  const { header } = readHeader('readSafetensorsMetadata', asBytes('readSafetensorsMetadata', bytes));
  const metadata = Object.hasOwn(header, metadataKey) ? header[metadataKey] : {};
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === 'string')) {
    throw new FormatError(`readSafetensorsMetadata: ${metadataKey} must map names to texts`);
  }
  return metadata as Record<string, string>;
}

function readHeader(operation: string, bytes: Uint8Array): { header: Record<string, unknown>; data: Uint8Array } {
  if (bytes.length < 8)
    throw new FormatError(`${operation}: ${bytes.length} bytes are too few for the length of the header`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > maxHeader || 8 + length > bytes.length) {
    throw new FormatError(
      `${operation}: the header would have ${length} bytes of ${bytes.length - 8} that follow (at most ${maxHeader}); the file is cut short, or of another format`,
    );
  }
  const text = decodeText(operation, bytes.subarray(8, 8 + length));
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch {
    throw new FormatError(`${operation}: the header is no JSON`);
  }
  if (!isObject(header)) throw new FormatError(`${operation}: the header must be a JSON object`);
  return { header, data: bytes.subarray(8 + length) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

interface Spec {
  readonly kind: Kind;
  readonly shape: readonly number[];
  readonly count: number;
  readonly begin: number;
  readonly end: number;
}

function readEntry(name: string, entry: unknown, available: number): Spec {
  const fail = (problem: string): FormatError => new FormatError(`decodeSafetensors: tensor '${name}' ${problem}`);
  if (!isObject(entry)) throw fail('has no dtype, shape and data_offsets');
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(widths, dtype)) {
    throw fail(`has dtype ${JSON.stringify(dtype)}; known are ${Object.keys(widths).join(', ')}`);
  }
  if (!isCounts(shape)) throw fail(`has shape ${JSON.stringify(shape)}, which is no list of sizes`);
  if (!isCounts(offsets) || offsets.length !== 2)
    throw fail(`has data_offsets ${JSON.stringify(offsets)} instead of [begin, end]`);
  const [begin, end] = offsets as [number, number];
  const count = countElements('decodeSafetensors', shape);
  const kind = dtype as Kind;
  if (begin > end || end > available) throw fail(`lies at [${begin}, ${end}] of ${available} bytes`);
  if (count * widths[kind] !== end - begin) {
    throw fail(`has ${end - begin} bytes, but shape [${shape.join(', ')}] of ${kind} needs ${count * widths[kind]}`);
  }
  return { kind, shape, count, begin, end };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((entry) => Number.isSafeInteger(entry) && entry >= 0);
}

/** The tensors must fill the data without gap or overlap, so that a file cannot hide anything. */
function checkCover(specs: readonly ({ name: string } & Spec)[], available: number): void {
  let covered = 0;
  for (const { name, begin, end } of specs.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered)
      throw new FormatError(
        `decodeSafetensors: tensor '${name}' begins at byte ${begin}, but the ones before end at ${covered}`,
      );
    covered = end;
  }
  if (covered !== available)
    throw new FormatError(`decodeSafetensors: ${available - covered} bytes at the end belong to no tensor`);
}
