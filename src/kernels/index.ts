/** The kernels in use. */

import { jsKernels } from './js/index.ts';
import type { Kernels } from './types.ts';

/** The set of kernels that operations call. */
export function kernels(): Kernels {
  return jsKernels;
}
