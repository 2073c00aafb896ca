/** The kernels in TypeScript: the specification of what kernels compute, the oracle in tests, and the fallback everywhere. */
import type { Kernels } from '../types.ts';
import { conv, convInputGrad, convWeightGrad } from './conv.ts';
import { draw } from './draws.ts';
import { assign, binary, copy, unary, where } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { maxPool, maxPoolIndices, maxPoolPick, maxPoolSpread, windowSpread, windowSum } from './pool.ts';
import { argExtreme, cumsum, gather, scatterAdd, sum } from './reduce.ts';
import { crossEntropy, crossEntropyGrad, logSoftmax, softmax } from './softmax.ts';

export const jsKernels: Kernels = {
  draw,
  unary,
  binary,
  where,
  copy,
  assign,
  sum,
  argExtreme,
  cumsum,
  gather,
  scatterAdd,
  matmul,
  conv,
  convInputGrad,
  convWeightGrad,
  maxPool,
  maxPoolSpread,
  maxPoolPick,
  maxPoolIndices,
  windowSum,
  windowSpread,
  softmax,
  logSoftmax,
  crossEntropy,
  crossEntropyGrad,
};
