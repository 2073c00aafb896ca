/** Numbers as files hold them: widths, byte orders, and formats that JavaScript has no array for. */

import type { Tensor } from '../tensor/tensor.ts';

type FloatArray = Tensor['data'];

/** The kinds of number that the formats share, named as safetensors does. */
export const widths = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  U64: 8,
  I32: 4,
  U32: 4,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
} as const;

/** A kind of number. */
export type Kind = keyof typeof widths;

type Reader = (view: DataView, at: number, little: boolean) => number;

const readers: Readonly<Record<Kind, Reader>> = {
  F64: (view, at, little) => view.getFloat64(at, little),
  F32: (view, at, little) => view.getFloat32(at, little),
  F16: (view, at, little) => halfToNumber(view.getUint16(at, little)),
  BF16: (view, at, little) => bfloatToNumber(view.getUint16(at, little)),
  I64: (view, at, little) => Number(view.getBigInt64(at, little)),
  U64: (view, at, little) => Number(view.getBigUint64(at, little)),
  I32: (view, at, little) => view.getInt32(at, little),
  U32: (view, at, little) => view.getUint32(at, little),
  I16: (view, at, little) => view.getInt16(at, little),
  U16: (view, at, little) => view.getUint16(at, little),
  I8: (view, at) => view.getInt8(at),
  U8: (view, at) => view.getUint8(at),
  BOOL: (view, at) => (view.getUint8(at) === 0 ? 0 : 1),
};

/** 1 sign bit, 5 bits of exponent, 10 of fraction (IEEE 754 binary16). */
function halfToNumber(bits: number): number {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const pun = new DataView(new ArrayBuffer(4));

/** The upper half of a float32. */
function bfloatToNumber(bits: number): number {
  pun.setUint32(0, bits * 65536);
  return pun.getFloat32(0);
}

const littleHost: boolean = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The first `count` numbers of `bytes`, which hold them: float64 for F64, float32 for all other kinds. */
export function readElements(kind: Kind, bytes: Uint8Array, count: number, little = true): FloatArray {
  if ((kind === 'F32' || kind === 'F64') && little === littleHost) {
    // slice() starts at an aligned address, wherever the file put the numbers.
    const { buffer } = bytes.slice(0, count * widths[kind]);
    return kind === 'F32' ? new Float32Array(buffer) : new Float64Array(buffer);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = kind === 'F64' ? new Float64Array(count) : new Float32Array(count);
  const read = readers[kind];
  const width = widths[kind];
  for (let i = 0; i < count; i++) values[i] = read(view, i * width, little);
  return values;
}

/** The bytes of `values`, the lowest of each first. */
export function toBytes(values: FloatArray): Uint8Array {
  if (littleHost) return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const view = new DataView(new ArrayBuffer(values.byteLength));
  const width = values.BYTES_PER_ELEMENT;
  for (const [i, value] of values.entries()) {
    if (width === 4) view.setFloat32(i * width, value, true);
    else view.setFloat64(i * width, value, true);
  }
  return new Uint8Array(view.buffer);
}
