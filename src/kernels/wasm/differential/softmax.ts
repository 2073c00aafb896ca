/**
 * Softmax and its relatives. An exponential in float32 is off by 2 ulp, a sum of n of them by n/16 + 4 roundings at most (they are
 * added in 16 or more lanes); the logarithm turns that into an absolute error, beside those of its own and of the shifted element.
 */
import { unary } from '../../js/elementwise.ts';
import type { Kernels, Strided } from '../../types.ts';
import { EPSILON, fresh, type Pair } from './pair.ts';

export function softmaxes(pair: Pair): Pick<Kernels, 'softmax' | 'logSoftmax' | 'crossEntropy' | 'crossEntropyGrad'> {
  const terms = (x: Strided, axis: number): number => (6 + x.shape[axis]! / 16) * EPSILON;
  const logarithm = (x: Strided, axis: number) => (e: number) => 2 * EPSILON * Math.abs(e) + terms(x, axis);
  return {
    softmax: (x, axis, y) =>
      pair.within(
        'softmax',
        y,
        (k, out) => k.softmax(x, axis, out),
        // Rounding x - m, which is at most |log e|, makes as large a relative error of its exponential.
        (e) => (e > 0 ? (terms(x, axis) - (EPSILON / 2) * Math.log(e)) * e : 0),
      ),
    logSoftmax: (x, axis, y) =>
      pair.within('logSoftmax', y, (k, out) => k.logSoftmax(x, axis, out), logarithm(x, axis)),
    crossEntropy: (x, labels, axis, ignoreIndex, y) =>
      pair.within('crossEntropy', y, (k, out) => k.crossEntropy(x, labels, axis, ignoreIndex, out), logarithm(x, axis)),
    crossEntropyGrad(x, labels, g, axis, ignoreIndex, y) {
      // The bound is that of softmax, times g: g repeated along the axis, as magnitudes.
      const repeated = fresh(y);
      const strides = g.strides.toSpliced(axis, 0, 0);
      unary('abs', { data: g.data, offset: g.offset, shape: x.shape, strides }, repeated);
      pair.within(
        'crossEntropyGrad',
        y,
        (k, out) => k.crossEntropyGrad(x, labels, g, axis, ignoreIndex, out),
        (_, i) => terms(x, axis) * repeated[i]!,
      );
    },
  };
}
