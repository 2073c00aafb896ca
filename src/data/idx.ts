import { FormatError } from '../errors.ts';

/** The typed array an IDX file turns into: one kind per type code of the format. */
export type IdxArray = Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;

/** What an IDX file holds: a shape, and its elements in row-major order. */
export interface IdxData {
  /** One size per dimension: `[60000, 28, 28]` for MNIST's training pictures, `[60000]` for its labels. */
  readonly shape: number[];
  /** The elements, in the machine's own byte order; never a view of the bytes they were read from. */
  readonly data: IdxArray;
}

interface ElementType {
  readonly name: string;
  readonly bytes: number;
  readonly read: (view: DataView, start: number, count: number) => IdxArray;
}

/** The six type codes of the format. Reading is one loop per type, so that no element pays for a decision. */
const TYPES: ReadonlyMap<number, ElementType> = new Map<number, ElementType>([
  [
    0x08,
    {
      name: 'uint8',
      bytes: 1,
      read: (view, start, count) => new Uint8Array(view.buffer, view.byteOffset + start, count).slice(),
    },
  ],
  [
    0x09,
    {
      name: 'int8',
      bytes: 1,
      read: (view, start, count) => new Int8Array(view.buffer, view.byteOffset + start, count).slice(),
    },
  ],
  [
    0x0b,
    {
      name: 'int16',
      bytes: 2,
      read: (view, start, count) => {
        const out = new Int16Array(count);
        for (let i = 0; i < count; i++) out[i] = view.getInt16(start + 2 * i);
        return out;
      },
    },
  ],
  [
    0x0c,
    {
      name: 'int32',
      bytes: 4,
      read: (view, start, count) => {
        const out = new Int32Array(count);
        for (let i = 0; i < count; i++) out[i] = view.getInt32(start + 4 * i);
        return out;
      },
    },
  ],
  [
    0x0d,
    {
      name: 'float32',
      bytes: 4,
      read: (view, start, count) => {
        const out = new Float32Array(count);
        for (let i = 0; i < count; i++) out[i] = view.getFloat32(start + 4 * i);
        return out;
      },
    },
  ],
  [
    0x0e,
    {
      name: 'float64',
      bytes: 8,
      read: (view, start, count) => {
        const out = new Float64Array(count);
        for (let i = 0; i < count; i++) out[i] = view.getFloat64(start + 8 * i);
        return out;
      },
    },
  ],
]);

const hex = (value: number): string => `0x${value.toString(16).padStart(2, '0')}`;

/**
 * Reads an IDX file, the format of MNIST: two zero bytes, a type code, the number of dimensions, each dimension's size
 * as a big-endian 32-bit count, then the elements in row-major order, big-endian.
 *
 * Nothing is allocated before the length of the file has been held against the length its header promises.
 *
 * @param bytes the whole file, already decompressed
 * @returns the shape, and the elements in a typed array of the file's own type
 * @throws FormatError when the bytes are gzipped, too short, too long, or not IDX
 *
 * @example
 * ```ts
 * import { readIdx } from 'typedgrad/data';
 *
 * const file = Uint8Array.of(0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6);
 * const { shape, data } = readIdx(file);
 * console.log(shape.join(' × ')); // → 2 × 3
 * console.log(data.join(' ')); // → 1 2 3 4 5 6
 * ```
 *
 * Source: Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits", section "File formats".
 */
export function readIdx(bytes: Uint8Array | ArrayBuffer): IdxData {
  const view =
    bytes instanceof Uint8Array ? new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) : new DataView(bytes);
  const type = readMagic(view);
  const rank = view.getUint8(3);
  const start = 4 + 4 * rank;
  if (view.byteLength < start) {
    throw new FormatError(
      `readIdx: the header is cut off: ${rank} dimensions need a header of ${start} bytes, the file has ${view.byteLength}`,
    );
  }
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  // A size of 0 settles the product first: 0 times a product that overflowed to Infinity would be NaN.
  const count = shape.includes(0) ? 0 : shape.reduce((product, size) => product * size, 1);
  const expected = start + count * type.bytes;
  if (view.byteLength !== expected) {
    const difference = view.byteLength < expected ? 'the file is cut off' : 'bytes trail behind the data';
    throw new FormatError(
      `readIdx: ${difference}: ${type.name} [${shape.join(', ')}] needs ${expected} bytes with its header, ` +
        `the file has ${view.byteLength}`,
    );
  }
  return { shape, data: type.read(view, start, count) };
}

function readMagic(view: DataView): ElementType {
  if (view.byteLength < 4) {
    throw new FormatError(`readIdx: an IDX file starts with 4 bytes, this one has ${view.byteLength} in all`);
  }
  const [first, second, code, rank] = [view.getUint8(0), view.getUint8(1), view.getUint8(2), view.getUint8(3)];
  if (first === 0x1f && second === 0x8b) {
    throw new FormatError('readIdx: the bytes are gzipped (they start with 0x1f 0x8b); decompress them first');
  }
  if (first !== 0 || second !== 0) {
    throw new FormatError(
      `readIdx: not an IDX file: it must start with two zero bytes, found ${hex(first)} ${hex(second)}`,
    );
  }
  const type = TYPES.get(code);
  if (type === undefined) {
    const known = [...TYPES].map(([key, value]) => `${hex(key)} ${value.name}`).join(', ');
    throw new FormatError(`readIdx: unknown type code ${hex(code)}; the format knows ${known}`);
  }
  if (rank === 0) throw new FormatError('readIdx: the header names 0 dimensions; an IDX file has at least 1');
  return type;
}
