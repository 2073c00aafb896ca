/** The element types of a tensor: `float32` for work, `float64` for checking mathematics. */

import { DTypeError } from '../errors.ts';
import type { FloatArray } from '../kernels/types.ts';

/** The element type of a tensor. */
export type DType = 'float32' | 'float64';

/** A zeroed typed array of `size` elements. */
export function allocate(dtype: DType, size: number): FloatArray {
  return dtype === 'float32' ? new Float32Array(size) : new Float64Array(size);
}

/** The dtype whose storage `data` is. */
export function dtypeOf(data: FloatArray): DType {
  return data instanceof Float64Array ? 'float64' : 'float32';
}

/** `dtype`, or an error that names the ones there are. */
export function checkDType(operation: string, dtype: unknown): DType {
  if (dtype === 'float32' || dtype === 'float64') return dtype;
  throw new DTypeError(`${operation}: dtype is ${String(dtype)}; there are 'float32' and 'float64'`);
}
