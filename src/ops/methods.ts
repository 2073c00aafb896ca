/** The bodies of the tensor's methods. What belongs to autograd is given by it. */

import type { TensorFunctions } from '../tensor/tensor.ts';
import { elu, gelu, hardswish, leakyRelu, logSoftmax, silu, softmax, softplus } from './activations.ts';
import { coreMethods } from './core-methods.ts';
import { dropout } from './dropout.ts';
import { cumsum, gather, indexSelect, scatterAdd, unfold } from './indexing.ts';
import { roll, split } from './join.ts';
import { oneHot } from './labels.ts';
import { matmul } from './matmul.ts';
import { pad } from './pad.ts';
import { all, any, argMax, argMin, logSumExp, max, min, norm, prod } from './reduce.ts';
import { tril, triu } from './triangle.ts';

/** Every method but those of autograd. */
export const methods: Omit<TensorFunctions, 'backward'> = {
  ...coreMethods,
  all,
  any,
  argMax,
  argMin,
  logSumExp,
  max,
  min,
  norm,
  prod,
  elu,
  gelu,
  hardswish,
  leakyRelu,
  logSoftmax,
  silu,
  softmax,
  softplus,
  dropout,
  cumsum,
  gather,
  indexSelect,
  scatterAdd,
  unfold,
  roll,
  split,
  matmul,
  oneHot,
  pad,
  tril,
  triu,
};
