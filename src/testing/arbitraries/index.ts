import { viewChain } from './chains.ts';
import { convCase, convConfig, convTransposeCase, convTransposeConfig } from './conv.ts';
import { layout, stridedArray } from './memory.ts';
import { poolCase, poolConfig } from './pool.ts';
import { array, broadcastPair, shape, values } from './values.ts';

export interface Arbitraries {
  readonly shape: typeof shape;
  readonly values: typeof values;
  readonly array: typeof array;
  readonly broadcastPair: typeof broadcastPair;
  readonly layout: typeof layout;
  readonly stridedArray: typeof stridedArray;
  readonly viewChain: typeof viewChain;
  readonly convConfig: typeof convConfig;
  readonly convCase: typeof convCase;
  readonly convTransposeConfig: typeof convTransposeConfig;
  readonly convTransposeCase: typeof convTransposeCase;
  readonly poolConfig: typeof poolConfig;
  readonly poolCase: typeof poolCase;
}

/**
 * fast-check arbitraries for tests of tensor code. All are valid by construction, so nothing is drawn in vain, and every
 * number in them shrinks by itself: a failing configuration ends with the smallest kernel, stride, padding and size that
 * still fail.
 *
 * @example
 * ```ts
 * import fc from 'fast-check';
 * import { allClose, arbitraries, reference } from 'typedgrad/testing';
 * fc.assert(
 *   fc.property(arbitraries.convConfig({ rank: 2 }), ({ input, weight, output, options }) => {
 *     const zeros = (shape: number[]) => ({ shape, data: new Float64Array(shape.reduce((a, b) => a * b, 1)) });
 *     return allClose(reference.conv(zeros(input), zeros(weight), options), zeros(output));
 *   }),
 * );
 * ```
 */
export const arbitraries: Arbitraries = {
  shape,
  values,
  array,
  broadcastPair,
  layout,
  stridedArray,
  viewChain,
  convConfig,
  convCase,
  convTransposeConfig,
  convTransposeCase,
  poolConfig,
  poolCase,
};
