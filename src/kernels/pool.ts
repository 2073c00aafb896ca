/** Windows over spatial axes. */
import { family } from './backend.ts';
import { maxPool, maxPoolIndices, maxPoolPick, maxPoolSpread, windowSpread, windowSum } from './js/pool.ts';
import type { Kernels } from './types.ts';
import { pools } from './wasm/index.ts';

type Name = 'maxPool' | 'maxPoolSpread' | 'maxPoolPick' | 'maxPoolIndices' | 'windowSum' | 'windowSpread';

export const poolKernels: () => Pick<Kernels, Name> = family(
  { maxPool, maxPoolSpread, maxPoolPick, maxPoolIndices, windowSum, windowSpread },
  pools(),
);
