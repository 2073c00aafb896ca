import { conv, convTranspose } from './conv.ts';
import { linear } from './linear.ts';
import { pad } from './pad.ts';
import { adaptiveAvgPool, adaptiveMaxPool, avgPool, maxPool, maxPoolWithIndices } from './pool.ts';
import { view } from './view.ts';

export interface Reference {
  readonly conv: typeof conv;
  readonly convTranspose: typeof convTranspose;
  readonly maxPool: typeof maxPool;
  readonly maxPoolWithIndices: typeof maxPoolWithIndices;
  readonly avgPool: typeof avgPool;
  readonly adaptiveAvgPool: typeof adaptiveAvgPool;
  readonly adaptiveMaxPool: typeof adaptiveMaxPool;
  readonly linear: typeof linear;
  readonly dense: typeof linear;
  readonly pad: typeof pad;
  readonly view: typeof view;
}

/**
 * Plain float64 implementations of the operations of a convolutional network, written for reading: the definition,
 * index by index, over any number of spatial axes, and independent of the kernels of this or any other library.
 *
 * Inputs are whatever `toNd` reads (nested arrays, `{ shape, data }`, tensors); results are `{ shape, data }` with a
 * Float64Array. Options are those of `conv2d`, `maxPool2d`, … of `typedgrad`. Slow on purpose: for sizes of tests.
 *
 * @example
 * ```ts
 * import { reference, toNested } from 'typedgrad/testing';
 * const x = [[[1, 2, 3, 4]]]; // [batch 1, channel 1, 4]
 * toNested(reference.conv(x, [[[1, 1]]], { stride: 2 })); // → [[[3, 7]]]
 * toNested(reference.avgPool(x, 2)); // → [[[1.5, 3.5]]]
 * ```
 */
export const reference: Reference = {
  conv,
  convTranspose,
  maxPool,
  maxPoolWithIndices,
  avgPool,
  adaptiveAvgPool,
  adaptiveMaxPool,
  linear,
  dense: linear,
  pad,
  view,
};
