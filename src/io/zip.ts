/**
 * Archives of files. Writing and DEFLATE (RFC 1951) are those of fflate (https://github.com/101arrowz/fflate, MIT
 * license), which the published package contains. fflate checks neither sizes nor checksums when it reads, so the
 * directory of an archive is read here, and what it says of every file is held against the content. Source: PKWARE's
 * APPNOTE.TXT, sections 4.3.7 (file header), 4.3.12 (directory), 4.3.16 (last record).
 */

import { inflateSync, zipSync } from 'fflate';
import { FormatError, OptionError } from '../errors.ts';
import { decodeText } from './bytes.ts';

const fileSignature = 0x04034b50;
const entrySignature = 0x02014b50;
const endSignature = 0x06054b50;
/** A field of 2 or of 4 bytes with this value means that the number is elsewhere, in an extension. */
const [largest16, largest32] = [0xffff, 0xffffffff];
/** A compressed byte holds at most so many: the longest copy, 258 bytes, takes two bits. */
const mostExpansion = 1032;

let table: Uint32Array | null = null;

/** The cyclic redundancy check of zip, gzip and PNG; fflate keeps its own to itself. */
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

/**
 * An archive of files, not compressed; the same files give the same bytes. Names must not be such that an object orders
 * or treats them specially (`1`, `__proto__`): those of arrays end in `.npy`, so they are not.
 *
 * @throws OptionError if the files are too many, or they or a name too large, for the format without its extensions,
 *   where fflate would write wrong numbers.
 */
export function zip(files: ReadonlyMap<string, Uint8Array>): Uint8Array {
  if (files.size >= largest16) throw new OptionError(`zip: ${files.size} files are more than ${largest16 - 1}`);
  let size = 22;
  for (const [name, content] of files) {
    const { length } = new TextEncoder().encode(name);
    if (length > largest16)
      throw new OptionError(`zip: the name '${name.slice(0, 20)}…' has ${length} bytes, more than ${largest16}`);
    size += 30 + 46 + 2 * length + content.length;
  }
  if (size >= largest32)
    throw new OptionError(`zip: an archive of ${size} bytes is larger than 4 GiB; split the files`);
  // The first day that the format can tell. fflate writes local time, so it must be that day where the program runs.
  return zipSync(Object.fromEntries(files), { level: 0, mtime: new Date(1980, 0, 1) });
}

/** What the directory says of a file. */
interface Entry {
  readonly name: string;
  readonly encodedName: Uint8Array;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  /** Bytes in the archive. */
  readonly packed: number;
  /** Bytes of the content. */
  readonly size: number;
  /** Where the file's own header is. */
  readonly header: number;
}

/**
 * The files of an archive by name, decompressed and checked.
 *
 * @throws FormatError if the bytes are no valid archive, are encrypted, or need extensions for more than 4 GiB.
 */
export function unzip(bytes: Uint8Array): Map<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries = readDirectory(bytes, view);
  // Files that share bytes could ask for any amount of memory.
  const packed = entries.reduce((sum, entry) => sum + entry.packed, 0);
  if (packed > bytes.length) throw new FormatError(`unzip: files of ${packed} bytes in an archive of ${bytes.length}`);
  const files = new Map<string, Uint8Array>();
  for (const entry of entries) {
    if (files.has(entry.name)) throw new FormatError(`unzip: '${entry.name}' is there twice`);
    files.set(entry.name, readFile(bytes, view, entry));
  }
  return files;
}

function readDirectory(bytes: Uint8Array, view: DataView): Entry[] {
  const end = findEnd(view);
  const count = view.getUint16(end + 10, true);
  const entries: Entry[] = [];
  let at = view.getUint32(end + 16, true);
  for (let i = 0; i < count; i++) {
    if (at + 46 > end || view.getUint32(at, true) !== entrySignature)
      throw new FormatError(`unzip: entry ${i} of the directory is missing`);
    const nameLength = view.getUint16(at + 28, true);
    const next = at + 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
    if (next > end) throw new FormatError(`unzip: entry ${i} of the directory is cut short`);
    const encodedName = bytes.subarray(at + 46, at + 46 + nameLength);
    entries.push({
      name: decodeText('unzip', encodedName),
      encodedName,
      flags: view.getUint16(at + 8, true),
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      header: view.getUint32(at + 42, true),
    });
    at = next;
  }
  // A count that is too small would leave files out.
  if (at !== end)
    throw new FormatError(
      `unzip: the directory of ${count} files ends at byte ${at} instead of ${end}; the archive is damaged, ` +
        'or has extensions for more than 4 GiB or 65534 files, which are not supported',
    );
  return entries;
}

/** The last record: at the end, but for a comment. */
function findEnd(view: DataView): number {
  for (let at = view.byteLength - 22; at >= Math.max(0, view.byteLength - 22 - largest16); at--) {
    if (view.getUint32(at, true) === endSignature && at + 22 + view.getUint16(at + 20, true) === view.byteLength)
      return at;
  }
  throw new FormatError('unzip: this does not end as a zip archive does; the file is cut short, or of another format');
}

function readFile(bytes: Uint8Array, view: DataView, entry: Entry): Uint8Array {
  const { name, encodedName, method, packed, size, header } = entry;
  if (entry.flags & 1) throw new FormatError(`unzip: '${name}' is encrypted`);
  if ([packed, size, header].includes(largest32)) throw new FormatError(`unzip: '${name}' is larger than 4 GiB`);
  if (header + 30 > bytes.length || view.getUint32(header, true) !== fileSignature)
    throw new FormatError(`unzip: '${name}' is not where the directory says`);
  const nameLength = view.getUint16(header + 26, true);
  const ownName = bytes.subarray(header + 30, header + 30 + nameLength);
  if (nameLength !== encodedName.length || ownName.some((byte, i) => byte !== encodedName[i]))
    throw new FormatError(`unzip: '${name}' has another name in its own header`);
  const start = header + 30 + nameLength + view.getUint16(header + 28, true);
  if (start + packed > bytes.length) throw new FormatError(`unzip: '${name}' is cut short`);
  if (method !== 0 && method !== 8)
    throw new FormatError(
      `unzip: '${name}' is compressed by method ${method}; known are 0 (not at all) and 8 (deflate)`,
    );
  const data = bytes.subarray(start, start + packed);
  const content = method === 0 ? data : inflate(name, data, size);
  if (content.length !== size)
    throw new FormatError(`unzip: '${name}' does not hold the ${size} bytes that the directory says`);
  if (crc32(content) !== entry.crc)
    throw new FormatError(`unzip: the content of '${name}' is damaged (its checksum is wrong)`);
  return content;
}

/** The content of compressed `data`; of another length than `size` if it does not hold as many bytes. */
function inflate(name: string, data: Uint8Array, size: number): Uint8Array {
  if (size > data.length * mostExpansion)
    throw new FormatError(`unzip: the ${data.length} bytes of '${name}' cannot hold ${size}`);
  try {
    // fflate drops what does not fit; with room for one byte more, too much shows as well as too little.
    return inflateSync(data, { out: new Uint8Array(size + 1) });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new FormatError(`unzip: '${name}' cannot be decompressed: ${reason}`, { cause: error });
  }
}
