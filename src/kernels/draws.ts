/** Random numbers. */
import { family } from './backend.ts';
import { draw } from './js/draws.ts';
import type { Kernels } from './types.ts';

export const drawKernels: () => Pick<Kernels, 'draw'> = family({ draw });
