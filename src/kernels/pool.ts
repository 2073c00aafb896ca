/** Windows over spatial axes. */
import { family } from './backend.ts';
import { maxPoolIndices, windowSpread, windowSum } from './js/pool.ts';
import type { Kernels } from './types.ts';
import { pools } from './wasm/index.ts';

export const poolKernels: () => Pick<Kernels, 'maxPoolIndices' | 'windowSum' | 'windowSpread'> = family(
  { maxPoolIndices, windowSum, windowSpread },
  pools(),
);
