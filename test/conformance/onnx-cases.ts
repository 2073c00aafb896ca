/** ONNX's operator cases as test/golden/onnx/generate.py writes them, and their tensors as the library's. */

import { type Tensor, tensor } from '../../src/index.ts';
import { readLines } from '../golden/load.ts';

/** Shape, NumPy dtype and little-endian bytes in base64. */
export interface OnnxTensor {
  readonly s: readonly number[];
  readonly t: string;
  readonly b: string;
}

export interface OnnxCase {
  readonly name: string;
  readonly ops: readonly string[];
  readonly dtypes: readonly string[];
  /** Numbers in all tensors; 0 if some are not numbers. */
  readonly size: number;
  readonly attributes?: Readonly<Record<string, unknown>>;
  readonly inputs?: readonly (OnnxTensor | null)[];
  readonly outputs?: readonly OnnxTensor[];
}

export function loadCases(): OnnxCase[] {
  return readLines<OnnxCase>(new URL('../golden/onnx/cases.jsonl.gz', import.meta.url));
}

const READERS: Readonly<Record<string, readonly [bytes: number, read: (view: DataView, at: number) => number]>> = {
  float32: [4, (view, at) => view.getFloat32(at, true)],
  float64: [8, (view, at) => view.getFloat64(at, true)],
  int8: [1, (view, at) => view.getInt8(at)],
  int16: [2, (view, at) => view.getInt16(at, true)],
  int32: [4, (view, at) => view.getInt32(at, true)],
  int64: [8, (view, at) => Number(view.getBigInt64(at, true))],
  uint8: [1, (view, at) => view.getUint8(at)],
  uint16: [2, (view, at) => view.getUint16(at, true)],
  uint32: [4, (view, at) => view.getUint32(at, true)],
  uint64: [8, (view, at) => Number(view.getBigUint64(at, true))],
  bool: [1, (view, at) => view.getUint8(at)],
};

export const canRead = (dtype: string): boolean => dtype in READERS;

export function valuesOf({ t, b }: OnnxTensor): Float64Array {
  const bytes = Buffer.from(b, 'base64');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [width, read] = READERS[t]!;
  return Float64Array.from({ length: bytes.length / width }, (_, i) => read(view, i * width));
}

/** float32 stays float32; all other dtypes become float64, which holds their numbers exactly. */
export function toTensor(encoded: OnnxTensor): Tensor {
  return tensor(valuesOf(encoded), [...encoded.s], { dtype: encoded.t === 'float32' ? 'float32' : 'float64' });
}
