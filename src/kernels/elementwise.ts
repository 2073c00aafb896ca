/** Element by element, and copies between layouts. */
import { family } from './backend.ts';
import { assign, binary, copy, unary, where } from './js/elementwise.ts';
import type { Kernels } from './types.ts';

export const elementwiseKernels: () => Pick<Kernels, 'unary' | 'binary' | 'where' | 'copy' | 'assign'> = family({
  unary,
  binary,
  where,
  copy,
  assign,
});
