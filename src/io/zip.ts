/**
 * Archives of files. A zip ends in a directory, whose place its last record tells; every file has a header of its own
 * too. Source: PKWARE's APPNOTE.TXT, sections 4.3.7 (file header), 4.3.12 (directory), 4.3.16 (last record).
 */

import { FormatError } from '../errors.ts';
import { concat, decodeText } from './bytes.ts';
import { inflate } from './inflate.ts';

const fileSignature = 0x04034b50;
const entrySignature = 0x02014b50;
const endSignature = 0x06054b50;
/** Names are UTF-8. */
const utf8Flag = 0x800;
/** The first day that the format can tell, so that the same content gives the same bytes. */
const firstDate = 0x21;

let table: Uint32Array | null = null;

/** The cyclic redundancy check of zip, gzip and PNG. */
export function crc32(bytes: Uint8Array): number {
  table ??= Uint32Array.from({ length: 256 }, (_, byte) => {
    let c = byte;
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c;
  });
  let crc = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]!) & 255]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** An archive of files, not compressed. */
export function zip(files: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const parts: Uint8Array[] = [];
  const entries: Uint8Array[] = [];
  let offset = 0;
  for (const [name, content] of files) {
    const encoded = new TextEncoder().encode(name);
    const common = record(26, [
      [2, 20],
      [2, utf8Flag],
      [2, 0],
      [2, 0],
      [2, firstDate],
      [4, crc32(content)],
      [4, content.length],
      [4, content.length],
      [2, encoded.length],
      [2, 0],
    ]);
    parts.push(record(4, [[4, fileSignature]]), common, encoded, content);
    entries.push(
      record(6, [
        [4, entrySignature],
        [2, 20],
      ]),
      common,
      record(14, [
        [2, 0],
        [2, 0],
        [2, 0],
        [4, 0],
        [4, offset],
      ]),
      encoded,
    );
    offset += 30 + encoded.length + content.length;
  }
  const directory = concat(entries);
  const end = record(22, [
    [4, endSignature],
    [2, 0],
    [2, 0],
    [2, files.size],
    [2, files.size],
    [4, directory.length],
    [4, offset],
    [2, 0],
  ]);
  return concat([...parts, directory, end]);
}

/** Fields of 2 or 4 bytes one after the other. */
function record(size: number, fields: readonly (readonly [width: 2 | 4, value: number])[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(size));
  let at = 0;
  for (const [width, value] of fields) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += width;
  }
  return new Uint8Array(view.buffer);
}

/**
 * The files of an archive by name, decompressed and checked.
 *
 * @throws FormatError if the bytes are no valid archive, are encrypted, or need extensions for more than 4 GiB.
 */
export function unzip(bytes: Uint8Array): Map<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = findEnd(view);
  const [count, start] = [view.getUint16(end + 10, true), view.getUint32(end + 16, true)];
  const files = new Map<string, Uint8Array>();
  let at = start;
  for (let i = 0; i < count; i++) {
    if (at + 46 > end || view.getUint32(at, true) !== entrySignature)
      throw new FormatError(`unzip: entry ${i} of the directory is missing`);
    const nameLength = view.getUint16(at + 28, true);
    const next = at + 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (next > end) throw new FormatError(`unzip: entry ${i} of the directory is cut short`);
    const name = decodeText('unzip', bytes.subarray(at + 46, at + 46 + nameLength));
    if (files.has(name)) throw new FormatError(`unzip: '${name}' is there twice`);
    files.set(name, readFile(bytes, view, at, name));
    at = next;
  }
  return files;
}

/** The last record: at the end, but for a comment. */
function findEnd(view: DataView): number {
  for (let at = view.byteLength - 22; at >= Math.max(0, view.byteLength - 22 - 0xffff); at--) {
    if (view.getUint32(at, true) === endSignature && at + 22 + view.getUint16(at + 20, true) === view.byteLength)
      return at;
  }
  throw new FormatError('unzip: this does not end as a zip archive does; the file is cut short, or of another format');
}

function readFile(bytes: Uint8Array, view: DataView, entry: number, name: string): Uint8Array {
  const [flags, method] = [view.getUint16(entry + 8, true), view.getUint16(entry + 10, true)];
  const [crc, packed, size, header] = [16, 20, 24, 42].map((field) => view.getUint32(entry + field, true)) as [
    number,
    number,
    number,
    number,
  ];
  if (flags & 1) throw new FormatError(`unzip: '${name}' is encrypted`);
  if ([packed, size, header].includes(0xffffffff)) throw new FormatError(`unzip: '${name}' is larger than 4 GiB`);
  if (header + 30 > bytes.length || view.getUint32(header, true) !== fileSignature)
    throw new FormatError(`unzip: '${name}' is not where the directory says`);
  const start = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
  if (start + packed > bytes.length) throw new FormatError(`unzip: '${name}' is cut short`);
  const data = bytes.subarray(start, start + packed);
  if (method !== 0 && method !== 8)
    throw new FormatError(
      `unzip: '${name}' is compressed by method ${method}; known are 0 (not at all) and 8 (deflate)`,
    );
  if (method === 0 && packed !== size) throw new FormatError(`unzip: '${name}' has ${packed} bytes instead of ${size}`);
  const content = method === 0 ? data : inflate(data, size);
  if (crc32(content) !== crc)
    throw new FormatError(`unzip: the content of '${name}' is damaged (its checksum is wrong)`);
  return content;
}
