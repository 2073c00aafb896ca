/**
 * The kernels on WebAssembly: each operation chooses by its cost. Small work and float64 stay in TypeScript, and so
 * does what would need more scratch memory than the bound. The choice depends on sizes alone, so that the same call
 * gives the same bits every time.
 */

import * as jsConv from '../js/conv.ts';
import * as jsDraws from '../js/draws.ts';
import * as jsElementwise from '../js/elementwise.ts';
import { jsKernels } from '../js/index.ts';
import * as jsMatmul from '../js/matmul.ts';
import * as jsPool from '../js/pool.ts';
import * as jsReduce from '../js/reduce.ts';
import * as jsSoftmax from '../js/softmax.ts';
import { product } from '../sizes.ts';
import type { FloatArray, Kernels, Strided } from '../types.ts';
import * as convolution from './conv/eager.ts';
import { convWeightGrad } from './conv/eager-weights.ts';
import * as drawing from './draws/eager.ts';
import * as elementwise from './elementwise/eager.ts';
import * as along from './lines/eager.ts';
import { sum } from './lines/sum.ts';
import { gatherRows, scatterAdd } from './lookup/scatter.ts';
import { matmul } from './matmul/eager.ts';
import { kernelCache } from './memory/cache.ts';
import { isDense } from './memory/transfer.ts';
import { copyTransposed } from './memory/transpose.ts';
import * as pooling from './pool/eager.ts';

/**
 * Multiply-adds below which the reference kernels are as good. Once compiled, WebAssembly wins from 2,000 on (a call costs
 * 3 µs); the rest of the bound is for shapes that come once and are not worth compiling.
 */
const LEAST_PRODUCTS = 20_000;
/** Elements below which the same holds for elementwise functions and for pooling. */
const LEAST_ELEMENTS = 1024;

const single = (...arrays: readonly FloatArray[]): boolean => arrays.every((a) => a instanceof Float32Array);

/** Multiply-adds of a convolution, whichever of its three results is asked for: outputs times terms of the forward sum. */
function convProducts(out: readonly number[], w: readonly number[]): number {
  return (product(out) * product(w)) / Math.max(1, w[0] as number);
}

/** How `createWasmKernels` decides. */
export interface WasmOptions {
  /** Work below this fraction of the measured thresholds stays in TypeScript; 0 sends everything to WebAssembly. */
  readonly threshold?: number;
  /** Called with the operation's name when WebAssembly was chosen but had to leave a call to the reference kernels. */
  readonly onFallback?: (name: string) => void;
}

/** Tries WebAssembly where the work is worth it; tells whether the result is there. */
type Try = (name: string, worth: boolean, arrays: readonly FloatArray[], run: () => boolean) => boolean;

function attempt({ onFallback }: WasmOptions): Try {
  return (name, worth, arrays, run) => {
    if (!worth || !single(...arrays)) return false;
    if (run()) return true;
    onFallback?.(name);
    return false;
  };
}

/** Products of matrices. */
export function products(options: WasmOptions = {}): Pick<Kernels, 'matmul'> {
  const [done, least] = [attempt(options), (options.threshold ?? 1) * LEAST_PRODUCTS];
  return {
    matmul(a, b, y) {
      const work = y.length * (a.shape.at(-1) as number);
      if (!done('matmul', work > 0 && work >= least, [a.data, b.data, y], () => matmul(kernelCache(), a, b, y)))
        jsMatmul.matmul(a, b, y);
    },
  };
}

/** Convolution and its two adjoints. */
export function convolutions(options: WasmOptions = {}): Pick<Kernels, 'conv' | 'convInputGrad' | 'convWeightGrad'> {
  const [done, least] = [attempt(options), (options.threshold ?? 1) * LEAST_PRODUCTS];
  const worth = (work: number): boolean => work > 0 && work >= least;
  return {
    conv(x, w, geometry, shape, y, bias) {
      const run = (): boolean => convolution.conv(kernelCache(), x, w, geometry, shape, y, bias);
      if (!done('conv', worth(convProducts(shape, w.shape)), [x.data, w.data, y], run))
        jsConv.conv(x, w, geometry, shape, y, bias);
    },
    convInputGrad(g, w, geometry, shape, y) {
      const run = (): boolean => convolution.convInputGrad(kernelCache(), g, w, geometry, shape, y);
      const chosen = worth(convProducts(g.shape, w.shape)) && y.length > 0;
      if (!done('convInputGrad', chosen, [g.data, w.data, y], run)) jsConv.convInputGrad(g, w, geometry, shape, y);
    },
    convWeightGrad(x, g, geometry, shape, y) {
      const run = (): boolean => convWeightGrad(kernelCache(), x, g, geometry, shape, y);
      if (!done('convWeightGrad', worth(convProducts(g.shape, shape)), [x.data, g.data, y], run)) {
        jsConv.convWeightGrad(x, g, geometry, shape, y);
      }
    },
  };
}

/** Windows over spatial axes. */
export function pools(options: WasmOptions = {}): Pick<Kernels, Pooling> {
  const { threshold = 1 } = options;
  const done = attempt(options);
  const isWorth = (x: Strided, y: FloatArray): boolean =>
    y.length > 0 && product(x.shape) > 0 && product(x.shape) >= threshold * LEAST_ELEMENTS;
  return {
    maxPool(x, geometry, shape, y) {
      const run = (): boolean => pooling.maxPool(kernelCache(), x, geometry, shape, y);
      if (!done('maxPool', isWorth(x, y), [x.data, y], run)) jsPool.maxPool(x, geometry, shape, y);
    },
    maxPoolSpread(g, x, geometry, shape, y) {
      const run = (): boolean => pooling.maxPoolSpread(kernelCache(), g, x, geometry, y);
      const chosen = isWorth(x, y) && product(g.shape) > 0;
      if (!done('maxPoolSpread', chosen, [g.data, x.data, y], run)) jsPool.maxPoolSpread(g, x, geometry, shape, y);
    },
    maxPoolPick(v, x, geometry, shape, y) {
      const run = (): boolean => pooling.maxPoolPick(kernelCache(), v, x, geometry, shape, y);
      if (!done('maxPoolPick', isWorth(x, y), [v.data, x.data, y], run)) jsPool.maxPoolPick(v, x, geometry, shape, y);
    },
    maxPoolIndices(x, geometry, shape, y) {
      const run = (): boolean => pooling.maxPoolIndices(kernelCache(), x, geometry, shape, y);
      if (!done('maxPoolIndices', isWorth(x, y), [x.data, y], run)) jsPool.maxPoolIndices(x, geometry, shape, y);
    },
    ...windowSums(done, threshold * LEAST_PRODUCTS),
  };
}

type Pooling = 'maxPool' | 'maxPoolSpread' | 'maxPoolPick' | 'maxPoolIndices' | 'windowSum' | 'windowSpread';

function windowSums(done: Try, least: number): Pick<Kernels, 'windowSum' | 'windowSpread'> {
  return {
    windowSum(x, geometry, shape, y) {
      const work = y.length * product(geometry.kernel);
      const run = (): boolean => pooling.windowSum(kernelCache(), x, geometry, shape, y);
      if (!done('windowSum', work > 0 && work >= least, [x.data, y], run)) jsPool.windowSum(x, geometry, shape, y);
    },
    windowSpread(g, geometry, shape, y) {
      const work = g.data.length > 0 && y.length > 0 ? product(g.shape) * product(geometry.kernel) : 0;
      const run = (): boolean => pooling.windowSpread(kernelCache(), g, geometry, shape, y);
      if (!done('windowSpread', work > 0 && work >= least, [g.data, y], run))
        jsPool.windowSpread(g, geometry, shape, y);
    },
  };
}

/** Sums over axes. */
export function sums(options: WasmOptions = {}): Pick<Kernels, 'sum'> {
  const [done, least] = [attempt(options), (options.threshold ?? 1) * LEAST_ELEMENTS];
  return {
    sum(x, axes, y) {
      const worth = y.length > 0 && product(x.shape) > 0 && product(x.shape) >= least;
      if (!done('sum', worth, [x.data, y], () => sum(kernelCache(), x, axes, y))) jsReduce.sum(x, axes, y);
    },
  };
}

/** Places along an axis, and sums into them. */
export function scatters(options: WasmOptions = {}): Pick<Kernels, 'argExtreme' | 'cumsum' | 'gather' | 'scatterAdd'> {
  const [done, least] = [attempt(options), (options.threshold ?? 1) * LEAST_ELEMENTS];
  return {
    argExtreme(name, x, axis, y) {
      const worth = product(x.shape) > 0 && product(x.shape) >= 4 * least;
      if (!done(name, worth, [x.data, y], () => along.argExtreme(name, x, axis, y)))
        jsReduce.argExtreme(name, x, axis, y);
    },
    cumsum(x, axis, y) {
      const worth = y.length > 0 && y.length >= 4 * least;
      if (!done('cumsum', worth, [x.data, y], () => along.cumsum(x, axis, y))) jsReduce.cumsum(x, axis, y);
    },
    gather(x, axis, index, y) {
      if (y.length < least || !single(x.data, index.data, y) || !gatherRows(x, axis, index, y))
        jsReduce.gather(x, axis, index, y);
    },
    scatterAdd(src, axis, index, shape, y) {
      const worth = y.length > 0 && y.length >= least;
      const run = (): boolean => scatterAdd(src, axis, index, shape, y);
      if (!done('scatterAdd', worth, [src.data, index.data, y], run)) jsReduce.scatterAdd(src, axis, index, shape, y);
    },
  };
}

/** Softmax and the cross entropy of labels. */
export function softmaxes(
  options: WasmOptions = {},
): Pick<Kernels, 'softmax' | 'logSoftmax' | 'crossEntropy' | 'crossEntropyGrad'> {
  // An exponential each: fewer elements are worth it than of other functions.
  const [done, least] = [attempt(options), ((options.threshold ?? 1) * LEAST_ELEMENTS) / 8];
  const worth = (x: Strided): boolean => product(x.shape) > 0 && product(x.shape) >= least;
  return {
    softmax(x, axis, y) {
      const run = (): boolean => along.softmax('softmax', x, axis, y);
      if (!done('softmax', worth(x), [x.data, y], run)) jsSoftmax.softmax(x, axis, y);
    },
    logSoftmax(x, axis, y) {
      const run = (): boolean => along.softmax('logSoftmax', x, axis, y);
      if (!done('logSoftmax', worth(x), [x.data, y], run)) jsSoftmax.logSoftmax(x, axis, y);
    },
    crossEntropy(x, labels, axis, ignored, y) {
      const run = (): boolean => along.crossEntropy(x, labels, axis, ignored, y);
      if (!done('crossEntropy', worth(x), [x.data, labels.data, y], run))
        jsSoftmax.crossEntropy(x, labels, axis, ignored, y);
    },
    crossEntropyGrad(x, labels, g, axis, ignored, y) {
      const run = (): boolean => along.crossEntropyGrad(x, labels, g, axis, ignored, y);
      if (!done('crossEntropyGrad', worth(x), [x.data, labels.data, g.data, y], run))
        jsSoftmax.crossEntropyGrad(x, labels, g, axis, ignored, y);
    },
  };
}

/** Random numbers. */
export function draws(options: WasmOptions = {}): Pick<Kernels, 'draw'> {
  // Once compiled, which takes some milliseconds, WebAssembly wins from 32 numbers on.
  const [done, least] = [attempt(options), (options.threshold ?? 1) * LEAST_ELEMENTS];
  return {
    draw(what, seed, position, y) {
      const worth = y.length > 0 && y.length >= least;
      const run = (): boolean => drawing.draw(kernelCache(), what, seed, position, y);
      if (!done('draw', worth, [y], run)) jsDraws.draw(what, seed, position, y);
    },
  };
}

/** Element by element. */
export function elementwiseKernels(
  options: WasmOptions = {},
): Pick<Kernels, 'unary' | 'binary' | 'where' | 'copy' | 'assign'> {
  const [done, least] = [attempt(options), (options.threshold ?? 1) * LEAST_ELEMENTS];
  const worth = (y: FloatArray): boolean => y.length > 0 && y.length >= least;
  return {
    unary(name, x, y) {
      if (!done(name, worth(y), [x.data, y], () => elementwise.unary(kernelCache(), name, x, y)))
        jsElementwise.unary(name, x, y);
    },
    binary(name, a, b, y) {
      if (!done(name, worth(y), [a.data, b.data, y], () => elementwise.binary(kernelCache(), name, a, b, y))) {
        jsElementwise.binary(name, a, b, y);
      }
    },
    copy(x, y) {
      const worth = y.length > 0 && y.length >= 4 * least;
      // Copies of rows are as fast in TypeScript: no fallback worth a word.
      if (!worth || !single(x.data, y) || !copyTransposed(x, y, 0)) jsElementwise.copy(x, y);
    },
    assign(target, x) {
      const size = product(x.shape);
      const worth = size > 0 && size >= 4 * least && isDense(target);
      if (!worth || !single(x.data, target.data) || !copyTransposed(x, target.data, target.offset))
        jsElementwise.assign(target, x);
    },
    where(condition, a, b, y) {
      const run = (): boolean => elementwise.where(kernelCache(), condition, a, b, y);
      if (!done('where', worth(y), [condition.data, a.data, b.data, y], run)) jsElementwise.where(condition, a, b, y);
    },
  };
}

/** All kernels over the realm's shared scratch memory; operations import them by family. */
export function createWasmKernels(options: WasmOptions = {}): Kernels {
  return {
    ...jsKernels,
    ...draws(options),
    ...elementwiseKernels(options),
    ...sums(options),
    ...scatters(options),
    ...softmaxes(options),
    ...products(options),
    ...convolutions(options),
    ...pools(options),
  };
}

/** The kernels that `kernels()` gives where WebAssembly can be had. */
export const wasmKernels: Kernels = createWasmKernels();
