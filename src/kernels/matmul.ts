/** Products of matrices. */
import { family } from './backend.ts';
import { matmul } from './js/matmul.ts';
import type { Kernels } from './types.ts';
import { products } from './wasm/index.ts';

export const matmulKernels: () => Pick<Kernels, 'matmul'> = family({ matmul }, products());
