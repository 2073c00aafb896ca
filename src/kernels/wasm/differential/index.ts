/**
 * The differential mode: every operation runs on two sets of kernels, and the first result in which they differ by more
 * than rounding explains is an error. A sum of n products computed in any order in float32 is off by at most about
 * n · 2⁻²⁴ · Σ|terms| (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1), so sums are compared
 * against a bound made by the same operation on absolute values.
 */
import { product } from '../../sizes.ts';
import type { FloatArray, Kernels, Strided } from '../../types.ts';
import { convolutions } from './conv.ts';
import { Pair } from './pair.ts';
import { softmaxes } from './softmax.ts';

/** Kernels that run `tested` and `reference` side by side; results are those of `tested`. Of a family, its kernels alone. */
export function differential<K extends Partial<Kernels>>(tested: K, reference: K): K {
  const pair = new Pair(tested as unknown as Kernels, reference as unknown as Kernels);
  const all: Kernels = {
    ...draws(pair),
    ...elementwise(pair),
    ...sums(pair),
    ...indexing(pair),
    ...convolutions(pair),
    ...maxima(pair),
    ...windows(pair),
    ...softmaxes(pair),
  };
  return Object.fromEntries(Object.entries(all).filter(([name]) => name in tested)) as unknown as K;
}

const draws = (pair: Pair): Pick<Kernels, 'draw'> => ({
  draw: (what, seed, position, y) => pair.relative('draw', y, (k, out) => k.draw(what, seed, position, out), 0),
});

const elementwise = (pair: Pair): Pick<Kernels, 'unary' | 'binary' | 'where' | 'copy' | 'assign'> => ({
  unary: (name, x, y) => pair.relative(name, y, (k, out) => k.unary(name, x, out)),
  binary: (name, a, b, y) => pair.relative(name, y, (k, out) => k.binary(name, a, b, out)),
  where: (c, a, b, y) => pair.relative('where', y, (k, out) => k.where(c, a, b, out), 0),
  copy: (x, y) => pair.relative('copy', y, (k, out) => k.copy(x, out), 0),
  assign: (target, x) => pair.tested.assign(target, x),
});

const sums = (pair: Pair): Pick<Kernels, 'sum' | 'cumsum' | 'matmul'> => ({
  sum: (x, axes, y) =>
    pair.sums('sum', product(axes.map((a) => x.shape[a]!)), y, [x], (k, out, [v]) => k.sum(v!, axes, out)),
  cumsum: (x, axis, y) => pair.sums('cumsum', x.shape[axis]!, y, [x], (k, out, [v]) => k.cumsum(v!, axis, out)),
  matmul: (a, b, y) => pair.sums('matmul', a.shape.at(-1)!, y, [a, b], (k, out, [p, q]) => k.matmul(p!, q!, out)),
});

const indexing = (pair: Pair): Pick<Kernels, 'argExtreme' | 'gather' | 'scatterAdd'> => ({
  argExtreme: (name, x, axis, y) => pair.relative(name, y, (k, out) => k.argExtreme(name, x, axis, out), 0),
  gather: (x, axis, index, y) => pair.relative('gather', y, (k, out) => k.gather(x, axis, index, out), 0),
  scatterAdd: (src, axis, index, shape, y) => {
    const start = y.slice();
    const run = (k: Kernels, out: FloatArray, [v]: readonly Strided[]): void => {
      // What y holds already is a term of every sum; the bound, made of magnitudes, needs its magnitude.
      for (let i = 0; i < out.length; i++) out[i] = v === src ? start[i]! : Math.abs(start[i]!);
      k.scatterAdd(v!, axis, index, shape, out);
    };
    pair.sums('scatterAdd', index.shape[axis]! + 1, y, [src], run);
  },
});

const maxima = (pair: Pair): Pick<Kernels, 'maxPool' | 'maxPoolSpread' | 'maxPoolPick' | 'maxPoolIndices'> => ({
  maxPool: (x, geometry, shape, y) => pair.relative('maxPool', y, (k, out) => k.maxPool(x, geometry, shape, out), 0),
  maxPoolSpread: (g, x, geometry, shape, y) =>
    pair.sums('maxPoolSpread', product(geometry.kernel), y, [g], (k, out, [v]) =>
      k.maxPoolSpread(v!, x, geometry, shape, out),
    ),
  maxPoolPick: (v, x, geometry, shape, y) =>
    pair.relative('maxPoolPick', y, (k, out) => k.maxPoolPick(v, x, geometry, shape, out), 0),
  maxPoolIndices: (x, geometry, shape, y) =>
    pair.relative('maxPoolIndices', y, (k, out) => k.maxPoolIndices(x, geometry, shape, out), 0),
});

const windows = (pair: Pair): Pick<Kernels, 'windowSum' | 'windowSpread'> => ({
  windowSum: (x, geometry, shape, y) =>
    pair.sums('windowSum', product(geometry.kernel), y, [x], (k, out, [v]) => k.windowSum(v!, geometry, shape, out)),
  windowSpread: (g, geometry, shape, y) =>
    pair.sums('windowSpread', product(geometry.kernel), y, [g], (k, out, [v]) =>
      k.windowSpread(v!, geometry, shape, out),
    ),
});
