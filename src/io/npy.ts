/**
 * NumPy's format of one array: a magic word, a version, the length of the header, the header (a Python dict in text),
 * the numbers. Versions 1 to 3 differ in the length's width and the text's encoding.
 *
 * Source: NEP 1, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */

import { FormatError, OptionError } from '../errors.ts';
import { fromStorage } from '../tensor/creation.ts';
import { show } from '../tensor/options.ts';
import { denseStrides } from '../tensor/shape.ts';
import { Storage } from '../tensor/storage.ts';
import { Tensor } from '../tensor/tensor.ts';
import { asBytes, type Bytes, concat, countElements, decodeText } from './bytes.ts';
import { type Kind, readElements, toBytes, widths } from './elements.ts';

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** The kinds of number by NumPy's letter and width. */
const kinds: Readonly<Record<string, Kind>> = {
  f8: 'F64',
  f4: 'F32',
  f2: 'F16',
  i8: 'I64',
  u8: 'U64',
  i4: 'I32',
  u4: 'U32',
  i2: 'I16',
  u2: 'U16',
  i1: 'I8',
  u1: 'U8',
  b1: 'BOOL',
};

/**
 * The bytes of a `.npy` file (version 1): float32 as `<f4`, float64 as `<f8`, in row-major order.
 *
 * @example
 * ```ts
 * import { arange } from 'typedgrad';
 * import { decodeNpy, encodeNpy } from 'typedgrad/io';
 * decodeNpy(encodeNpy(arange(6).reshape([2, 3]))).toArray(); // → [[0, 1, 2], [3, 4, 5]]
 * ```
 */
export function encodeNpy(x: Tensor): Uint8Array {
  if (!(x instanceof Tensor)) throw new OptionError(`encodeNpy: expected a tensor, but got ${show(x)}`);
  const shape = x.shape.length === 1 ? `(${x.shape[0]},)` : `(${x.shape.join(', ')})`;
  const text = `{'descr': '${x.dtype === 'float64' ? '<f8' : '<f4'}', 'fortran_order': False, 'shape': ${shape}, }`;
  // Spaces and a newline make the numbers start at a multiple of 64.
  const length = Math.ceil((10 + text.length + 1) / 64) * 64 - 10;
  if (length > 0xffff) throw new OptionError(`encodeNpy: a tensor of rank ${x.rank} has too long a header`);
  const header = new TextEncoder().encode(`${text.padEnd(length - 1)}\n`);
  return concat([Uint8Array.of(...magic, 1, 0, length & 255, length >> 8), header, toBytes(x.toTypedArray())]);
}

/**
 * The tensor of a `.npy` file: `f8` as float64; `f4`, `f2`, integers and bools as float32, which holds whole numbers
 * exactly up to 2²⁴. Arrays in Fortran's order become views with the strides they have in the file.
 *
 * @throws FormatError if the bytes are no valid file, or hold other things than real numbers.
 */
export function decodeNpy(bytes: Bytes): Tensor {
  const all = asBytes('decodeNpy', bytes);
  const { text, data } = splitFile(all);
  const { descr, fortran, shape } = readHeader(text);
  const order = descr[0]!;
  const kind = Object.hasOwn(kinds, descr.slice(1)) ? kinds[descr.slice(1)]! : undefined;
  if (!'<>=|'.includes(order) || kind === undefined) {
    throw new FormatError(
      `decodeNpy: dtype '${descr}' is none of real numbers; known are ${Object.keys(kinds).join(', ')}`,
    );
  }
  const count = countElements('decodeNpy', shape);
  if (data.length !== count * widths[kind]) {
    throw new FormatError(
      `decodeNpy: shape (${shape.join(', ')}) of '${descr}' needs ${count * widths[kind]} bytes, but there are ${data.length}`,
    );
  }
  const values = readElements(kind, data, count, order !== '>');
  if (!fortran) return fromStorage(values, shape);
  const strides = denseStrides(shape.toReversed()).toReversed();
  return new Tensor(new Storage(values), { shape, strides, offset: 0 });
}

function splitFile(bytes: Uint8Array): { text: string; data: Uint8Array } {
  if (bytes.length < 12 || magic.some((byte, i) => bytes[i] !== byte))
    throw new FormatError('decodeNpy: this does not begin as a .npy file does');
  const version = bytes[6]!;
  if (version < 1 || version > 3) throw new FormatError(`decodeNpy: version ${version} is unknown; known are 1 to 3`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [start, length] = version === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  if (start + length > bytes.length)
    throw new FormatError(`decodeNpy: the header would have ${length} bytes of ${bytes.length - start} that follow`);
  return { text: decodeText('decodeNpy', bytes.subarray(start, start + length)), data: bytes.subarray(start + length) };
}

/** One `'key': value` of a Python dict with the values that a header of plain arrays has. */
const item = /\s*'(\w+)'\s*:\s*(?:'([^']*)'|(True|False)|\(([\d,\sL]*)\))\s*(,|(?=\}))/y;

function readHeader(text: string): { descr: string; fortran: boolean; shape: number[] } {
  const found = new Map<string, RegExpExecArray>();
  const body = text.trim();
  item.lastIndex = 1;
  let end = 1;
  for (let match = item.exec(body); match !== null; match = item.exec(body)) {
    found.set(match[1]!, match);
    end = item.lastIndex;
  }
  const [descr, fortran, sizes] = [found.get('descr')?.[2], found.get('fortran_order')?.[3], found.get('shape')?.[4]];
  const complete = body.startsWith('{') && body.slice(end).trim() === '}' && found.size === 3;
  if (!complete || descr === undefined || fortran === undefined || sizes === undefined) {
    throw new FormatError(
      `decodeNpy: the header ${JSON.stringify(body.slice(0, 200))} does not describe a plain array`,
    );
  }
  return { descr, fortran: fortran === 'True', shape: readSizes(sizes) };
}

/** The sizes in `2, 3` or `2,`; old versions of Python wrote `2L`. */
function readSizes(text: string): number[] {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.at(-1) === '') parts.pop();
  return parts.map((part) => {
    const size = /^\d+L?$/.test(part) ? Number.parseInt(part, 10) : Number.NaN;
    if (!Number.isSafeInteger(size)) throw new FormatError(`decodeNpy: shape (${text}) is no list of sizes`);
    return size;
  });
}
