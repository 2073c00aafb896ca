/** Convolution and its two adjoints. */
import { family } from './backend.ts';
import { conv, convInputGrad, convWeightGrad } from './js/conv.ts';
import type { Kernels } from './types.ts';
import { convolutions } from './wasm/index.ts';

export const convKernels: () => Pick<Kernels, 'conv' | 'convInputGrad' | 'convWeightGrad'> = family(
  { conv, convInputGrad, convWeightGrad },
  convolutions(),
);
