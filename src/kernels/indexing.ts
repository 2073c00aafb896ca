/** What goes by places along an axis. */
import { family } from './backend.ts';
import { argExtreme, cumsum, gather, scatterAdd } from './js/reduce.ts';
import type { Kernels } from './types.ts';
import { scatters } from './wasm/index.ts';

export const indexingKernels: () => Pick<Kernels, 'argExtreme' | 'cumsum' | 'gather' | 'scatterAdd'> = family(
  { argExtreme, cumsum, gather, scatterAdd },
  scatters(),
);
