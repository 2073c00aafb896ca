/** Sums over axes. */
import { family } from './backend.ts';
import { sum } from './js/reduce.ts';
import type { Kernels } from './types.ts';

export const sumKernels: () => Pick<Kernels, 'sum'> = family({ sum });
