/** Softmax and the cross entropy of labels. */
import { family } from './backend.ts';
import { crossEntropy, crossEntropyGrad, logSoftmax, softmax } from './js/softmax.ts';
import type { Kernels } from './types.ts';
import { softmaxes } from './wasm/index.ts';

export const softmaxKernels: () => Pick<Kernels, 'softmax' | 'logSoftmax' | 'crossEntropy' | 'crossEntropyGrad'> =
  family({ softmax, logSoftmax, crossEntropy, crossEntropyGrad }, softmaxes());
