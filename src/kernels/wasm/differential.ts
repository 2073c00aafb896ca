/**
 * The differential mode: every operation runs on two sets of kernels, and the first result in which they differ by more
 * than rounding explains is an error. A sum of n products computed in any order in float32 is off by at most about
 * n · 2⁻²⁴ · Σ|terms| (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1), so sums are compared
 * against a bound made by the same operation on absolute values.
 */
import { TypedgradError } from '../../errors.ts';
import { unary } from '../js/elementwise.ts';
import type { ConvGeometry, FloatArray, Kernels, Strided } from '../types.ts';
import { sizesOf } from './conv/parts.ts';
import type { ConvSizes } from './conv/plan.ts';
import { filterSums, tileRoundings, tileSums } from './conv/winograd/bound.ts';
import { adjointSizes } from './conv/winograd/plan.ts';
import { patchSums, resultTerms, weightTerms, windowSums } from './conv/winograd/row/bound.ts';
import { isRowTiled } from './conv/winograd/row/plan.ts';

const EPSILON = 2 ** -23;
/** Below this, float32 rounds to denormals and relative bounds do not hold. */
const TINY = 2 ** -126;

const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);

function absolute(x: Strided): Strided {
  const data = new (x.data.constructor as Float32ArrayConstructor)(product(x.shape));
  unary('abs', x, data);
  const strides = x.shape.map((_, i) => product(x.shape.slice(i + 1)));
  return { data, offset: 0, shape: x.shape, strides };
}

/** A bound by other magnitudes than the operation's own on absolute values. */
interface Tiled {
  readonly roundings: number;
  magnitudes(inputs: readonly Strided[]): FloatArray;
}

/** Throws at the first element of `actual` that is further from `expected` than `allowed(i)`. */
function compare(name: string, actual: FloatArray, expected: FloatArray, allowed: (i: number) => number): void {
  for (let i = 0; i < actual.length; i++) {
    const [a, e] = [actual[i] as number, expected[i] as number];
    if (a === e || Math.abs(a - e) <= allowed(i) || (Number.isNaN(a) && Number.isNaN(e))) continue;
    if (allowed(i) === Number.POSITIVE_INFINITY) continue;
    throw new TypedgradError(
      `differential mode: ${name} gives ${a} on the kernels under test but ${e} on the reference kernels, at element ${i} of ` +
        `${actual.length}; rounding explains a difference of ${allowed(i)}`,
    );
  }
}

const fresh = (y: FloatArray): FloatArray => new (y.constructor as Float32ArrayConstructor)(y.length);

/** Kernels that run `tested` and `reference` side by side; results are those of `tested`. Of a family, its kernels alone. */
export function differential<K extends Partial<Kernels>>(tested: K, reference: K): K {
  const all = comparing(tested as unknown as Kernels, reference as unknown as Kernels);
  return Object.fromEntries(Object.entries(all).filter(([name]) => name in tested)) as unknown as K;
}

function comparing(tested: Kernels, reference: Kernels): Kernels {
  const relative = (name: string, y: FloatArray, run: (kernels: Kernels, y: FloatArray) => void, ulps = 4): void => {
    const expected = fresh(y);
    expected.set(y);
    // The reference first: y may be an operand, whose place the result takes.
    run(reference, expected);
    run(tested, y);
    compare(name, y, expected, (i) => ulps * EPSILON * Math.abs(expected[i] as number) + TINY);
  };
  const sums = (
    name: string,
    terms: number,
    y: FloatArray,
    inputs: readonly Strided[],
    run: (kernels: Kernels, y: FloatArray, inputs: readonly Strided[]) => void,
    tiled?: Tiled | null,
  ): void => {
    const expected = fresh(y);
    const bound = fresh(y);
    run(tested, y, inputs);
    run(reference, expected, inputs);
    const magnitudes = inputs.map(absolute);
    run(reference, bound, magnitudes);
    const more = tiled?.magnitudes(magnitudes);
    // An infinite bound (magnitudes that overflow) allows anything: partial sums may overflow in one order of terms only.
    const most = (i: number): number =>
      (terms + 4) * EPSILON * (bound[i] as number) +
      terms * TINY +
      (more === undefined ? 0 : (tiled as Tiled).roundings * EPSILON * (more[i] as number));
    compare(name, y, expected, most);
  };
  /** What convolutions by tiles may be off by in addition (winograd/bound.ts, winograd/row/bound.ts). */
  const byTiles = (
    filter: readonly number[],
    { stride, dilation }: ConvGeometry,
    terms: number,
    magnitudes: (inputs: readonly Strided[], axes: 2 | 3) => FloatArray,
    alongRows: () => Tiled | null,
  ): Tiled | null => {
    const isTiled = filter.length > 3 && filter.slice(-2).join() === '3,3' && stride.every((s) => s === 1);
    if (!isTiled || dilation.slice(-2).some((d) => d !== 1)) return alongRows();
    // Tiles may be two planes deep, whose magnitudes are larger, or not, whose sums are longer.
    const axes = filter.length === 5 && filter[2] === 3 ? 3 : 2;
    const roundings = Math.max(tileRoundings(terms, 2), tileRoundings(terms, axes));
    return { roundings, magnitudes: (inputs) => magnitudes(inputs, axes) };
  };
  const byRows = (sizes: ConvSizes, isAdjoint: boolean): Tiled | null => {
    if (!isRowTiled(sizes)) return null;
    const own = isAdjoint ? adjointSizes(sizes) : sizes;
    const magnitudes: Tiled['magnitudes'] = ([x, w]) =>
      windowSums(own, (x as Strided).data, (w as Strided).data, isAdjoint);
    return { roundings: tileRoundings(resultTerms(own), 2), magnitudes };
  };
  const byRowPatches = (sizes: ConvSizes): Tiled | null =>
    isRowTiled(sizes)
      ? {
          roundings: tileRoundings(weightTerms(sizes), 2),
          magnitudes: ([x, g]) => patchSums(sizes, (x as Strided).data, (g as Strided).data),
        }
      : null;
  const filled = (y: FloatArray, run: (out: FloatArray) => void): FloatArray => {
    const out = fresh(y);
    run(out);
    return out;
  };
  return {
    unary: (name, x, y) => relative(name, y, (k, out) => k.unary(name, x, out)),
    binary: (name, a, b, y) => relative(name, y, (k, out) => k.binary(name, a, b, out)),
    where: (c, a, b, y) => relative('where', y, (k, out) => k.where(c, a, b, out), 0),
    copy: (x, y) => relative('copy', y, (k, out) => k.copy(x, out), 0),
    assign: (target, x) => tested.assign(target, x),
    sum: (x, axes, y) =>
      sums('sum', product(axes.map((a) => x.shape[a] as number)), y, [x], (k, out, [v]) =>
        k.sum(v as Strided, axes, out),
      ),
    argExtreme: (name, x, axis, y) => relative(name, y, (k, out) => k.argExtreme(name, x, axis, out), 0),
    cumsum: (x, axis, y) =>
      sums('cumsum', x.shape[axis] as number, y, [x], (k, out, [v]) => k.cumsum(v as Strided, axis, out)),
    gather: (x, axis, index, y) => relative('gather', y, (k, out) => k.gather(x, axis, index, out), 0),
    scatterAdd: (src, axis, index, shape, y) => {
      const start = y.slice();
      const run = (k: Kernels, out: FloatArray, [v]: readonly Strided[]): void => {
        // What y holds already is a term of every sum; the bound, made of magnitudes, needs its magnitude.
        for (let i = 0; i < out.length; i++) out[i] = v === src ? (start[i] as number) : Math.abs(start[i] as number);
        k.scatterAdd(v as Strided, axis, index, shape, out);
      };
      sums('scatterAdd', (index.shape[axis] as number) + 1, y, [src], run);
    },
    matmul: (a, b, y) =>
      sums('matmul', a.shape.at(-1) as number, y, [a, b], (k, out, [p, q]) =>
        k.matmul(p as Strided, q as Strided, out),
      ),
    conv: (x, w, geometry, shape, y, bias) =>
      sums(
        'conv',
        product(w.shape.slice(1)) + 1,
        y,
        bias ? [x, w, bias] : [x, w],
        (k, out, [p, q, b]) => k.conv(p as Strided, q as Strided, geometry, shape, out, b),
        byTiles(
          w.shape,
          geometry,
          product(w.shape.slice(1)) / 9,
          ([p, q, b], axes) =>
            filled(y, (out) => reference.conv(p as Strided, filterSums(q as Strided, axes), geometry, shape, out, b)),
          () => byRows(sizesOf(x.shape, w.shape, shape, geometry), false),
        ),
      ),
    convInputGrad: (g, w, geometry, shape, y) =>
      sums(
        'convInputGrad',
        product(w.shape),
        y,
        [g, w],
        (k, out, [p, q]) => k.convInputGrad(p as Strided, q as Strided, geometry, shape, out),
        byTiles(
          w.shape,
          geometry,
          product(w.shape) / 9,
          ([p, q], axes) =>
            filled(y, (out) =>
              reference.convInputGrad(p as Strided, filterSums(q as Strided, axes), geometry, shape, out),
            ),
          () => byRows(sizesOf(shape, w.shape, g.shape, geometry), true),
        ),
      ),
    convWeightGrad: (x, g, geometry, shape, y) =>
      sums(
        'convWeightGrad',
        product(g.shape),
        y,
        [x, g],
        (k, out, [p, q]) => k.convWeightGrad(p as Strided, q as Strided, geometry, shape, out),
        byTiles(
          shape,
          geometry,
          product(g.shape),
          ([p, q], axes) => tileSums(reference, p as Strided, q as Strided, geometry, shape, axes),
          () => byRowPatches(sizesOf(x.shape, shape, g.shape, geometry)),
        ),
      ),
    maxPool: (x, geometry, shape, y) => relative('maxPool', y, (k, out) => k.maxPool(x, geometry, shape, out), 0),
    maxPoolSpread: (g, x, geometry, shape, y) =>
      sums('maxPoolSpread', product(geometry.kernel), y, [g], (k, out, [v]) =>
        k.maxPoolSpread(v as Strided, x, geometry, shape, out),
      ),
    maxPoolPick: (v, x, geometry, shape, y) =>
      relative('maxPoolPick', y, (k, out) => k.maxPoolPick(v, x, geometry, shape, out), 0),
    maxPoolIndices: (x, geometry, shape, y) =>
      relative('maxPoolIndices', y, (k, out) => k.maxPoolIndices(x, geometry, shape, out), 0),
    windowSum: (x, geometry, shape, y) =>
      sums('windowSum', product(geometry.kernel), y, [x], (k, out, [v]) =>
        k.windowSum(v as Strided, geometry, shape, out),
      ),
    windowSpread: (g, geometry, shape, y) =>
      sums('windowSpread', product(geometry.kernel), y, [g], (k, out, [v]) =>
        k.windowSpread(v as Strided, geometry, shape, out),
      ),
    ...softmaxes(tested, reference),
  };
}

/**
 * Softmax and its relatives. An exponential in float32 is off by 2 ulp, a sum of n of them by n/16 + 4 roundings at most (they are
 * added in 16 or more lanes); the logarithm turns that into an absolute error, beside those of its own and of the shifted element.
 */
function softmaxes(
  tested: Kernels,
  reference: Kernels,
): Pick<Kernels, 'softmax' | 'logSoftmax' | 'crossEntropy' | 'crossEntropyGrad'> {
  const check = (
    name: string,
    y: FloatArray,
    run: (kernels: Kernels, y: FloatArray) => void,
    allowed: (expected: number, i: number) => number,
  ): void => {
    const expected = fresh(y);
    run(tested, y);
    run(reference, expected);
    compare(name, y, expected, (i) => allowed(expected[i] as number, i) + TINY);
  };
  const terms = (x: Strided, axis: number): number => (6 + (x.shape[axis] as number) / 16) * EPSILON;
  return {
    softmax: (x, axis, y) =>
      check(
        'softmax',
        y,
        (k, out) => k.softmax(x, axis, out),
        // Rounding x - m, which is at most |log e|, makes as large a relative error of its exponential.
        (e) => (e > 0 ? (terms(x, axis) - (EPSILON / 2) * Math.log(e)) * e : 0),
      ),
    logSoftmax: (x, axis, y) =>
      check(
        'logSoftmax',
        y,
        (k, out) => k.logSoftmax(x, axis, out),
        (e) => 2 * EPSILON * Math.abs(e) + terms(x, axis),
      ),
    crossEntropy: (x, labels, axis, ignoreIndex, y) =>
      check(
        'crossEntropy',
        y,
        (k, out) => k.crossEntropy(x, labels, axis, ignoreIndex, out),
        (e) => 2 * EPSILON * Math.abs(e) + terms(x, axis),
      ),
    crossEntropyGrad(x, labels, g, axis, ignoreIndex, y) {
      const shape = x.shape;
      // The bound is that of softmax, times g: g repeated along the axis, as magnitudes.
      const repeated = fresh(y);
      const strides = g.strides.toSpliced(axis, 0, 0);
      unary('abs', { data: g.data, offset: g.offset, shape, strides }, repeated);
      check(
        'crossEntropyGrad',
        y,
        (k, out) => k.crossEntropyGrad(x, labels, g, axis, ignoreIndex, out),
        (_, i) => terms(x, axis) * (repeated[i] as number),
      );
    },
  };
}
