/** Eager operations along lines on WebAssembly: lines are copied in, computed and copied out, some thousand elements at a time. */

import { copy } from '../../js/elementwise.ts';
import { denseStrides } from '../../js/walk.ts';
import { product } from '../../sizes.ts';
import type { FloatArray, Strided } from '../../types.ts';
import { features } from '../features.ts';
import { type KernelCache, type KernelFunction, kernelCache } from '../memory/cache.ts';
import { denseOrder, isDense } from '../memory/transfer.ts';
import { extremeFunctions, extremeKey, MOST_POSITIONS } from './extremes.ts';
import type { Lines } from './lanes.ts';
import { runningFunctions, runningKey } from './running.ts';
import { type SoftmaxKernel, type SoftmaxResult, softmaxFunctions, softmaxKey } from './softmax.ts';

/** Floats of x that are computed at a time, unless a line has more: of rows, and of lines side by side, whose copies come in runs. */
const BLOCK = 16384;
const WIDE_BLOCK = 2 ** 18;
/** Fewer neighbouring lines than these are not worth a run for each of their elements. */
const LEAST_RUN = 64;

/** The elements in row-major order, and where they begin. */
interface Dense {
  readonly data: Float32Array;
  readonly offset: number;
}

function denseOf(x: Strided): Dense {
  if (isDense(x)) return x as { data: Float32Array; offset: number };
  const data = new Float32Array(product(x.shape));
  copy(x, data);
  return { data, offset: 0 };
}

/** What a call reads besides x. */
interface Labelled {
  readonly labels: Strided;
  readonly g?: Strided;
}

/** Where a block's parts lie in the kernel's memory. */
interface Places {
  readonly x: number;
  readonly y: number;
  readonly labels: number;
  readonly g: number;
  readonly loss: number;
}

class Runner {
  readonly #cache: KernelCache = kernelCache();
  readonly #run: KernelFunction;
  readonly #x: Dense;
  readonly #labels: Dense | null;
  readonly #g: Dense | null;
  readonly #isOneGradient: boolean;
  readonly #y: Float32Array;
  readonly #isPerLine: boolean;
  readonly #outer: number;
  readonly #classes: number;
  readonly #inner: number;
  /** Neighbouring lines of a block. */
  readonly #lines: number;

  /** @param kernel gives run(count, x, labels, g, result, y); its results are either one per line or y. */
  constructor(
    kernel: (lines: Lines, gStride: 0 | 1, cache: KernelCache) => KernelFunction,
    isPerLine: boolean,
    x: Strided,
    axis: number,
    target: Labelled | null,
    y: FloatArray,
  ) {
    this.#outer = product(x.shape.slice(0, axis));
    this.#classes = x.shape[axis] as number;
    this.#inner = product(x.shape.slice(axis + 1));
    this.#x = denseOf(x);
    this.#labels = target && denseOf(target.labels);
    const g = target?.g;
    this.#isOneGradient = g?.strides.every((stride, a) => stride === 0 || g.shape[a] === 1) ?? false;
    this.#g = g === undefined ? null : this.#isOneGradient ? (g as unknown as Dense) : denseOf(g);
    this.#y = y as Float32Array;
    this.#isPerLine = isPerLine;
    const isRows = this.#inner === 1;
    const most = isRows
      ? Math.max(4, Math.floor(BLOCK / this.#classes))
      : Math.max(LEAST_RUN, Math.floor(WIDE_BLOCK / this.#classes));
    this.#lines = Math.min(most, isRows ? this.#outer : this.#inner);
    const lines: Lines = {
      classes: this.#classes,
      classStride: isRows ? 1 : this.#lines,
      lineStride: isRows ? this.#classes : 1,
    };
    this.#run = kernel(lines, this.#isOneGradient ? 0 : 1, this.#cache);
  }

  /** False if the lines are too long for the kernel's memory. */
  run(): boolean {
    const { memory } = this.#cache;
    const size = this.#lines * this.#classes;
    if (!memory.begin(2 * size + 3 * this.#lines, 5)) return false;
    const at: Places = {
      x: memory.allocate(size),
      y: memory.allocate(size),
      labels: memory.allocate(this.#lines),
      g: memory.allocate(this.#lines),
      loss: memory.allocate(this.#lines),
    };
    if (this.#isOneGradient) memory.write(at.g, (this.#g as Dense).data, (this.#g as Dense).offset, 1);
    const total = this.#inner === 1 ? this.#outer : this.#inner;
    const images = this.#inner === 1 ? 1 : this.#outer;
    for (let image = 0; image < images; image++) {
      for (let from = 0; from < total; from += this.#lines) {
        this.#block(at, image, from, Math.min(this.#lines, total - from));
      }
    }
    return true;
  }

  #block(at: Places, image: number, from: number, count: number): void {
    const { memory } = this.#cache;
    const first = image * this.#inner + from;
    this.#move(image, from, count, (local, global, n) =>
      memory.write(at.x + 4 * local, this.#x.data, this.#x.offset + global, n),
    );
    if (this.#labels) memory.write(at.labels, this.#labels.data, this.#labels.offset + first, count);
    if (this.#g && !this.#isOneGradient) memory.write(at.g, this.#g.data, this.#g.offset + first, count);
    this.#run(count, at.x, at.labels, at.g, at.loss, at.y);
    if (this.#isPerLine) memory.read(at.loss, this.#y, first, count);
    else this.#move(image, from, count, (local, global, n) => memory.read(at.y + 4 * local, this.#y, global, n));
  }

  /** The runs of neighbours of `count` lines: where they lie in the block and in the dense array, and how long they are. */
  #move(image: number, from: number, count: number, copyRun: (local: number, global: number, n: number) => void): void {
    const classes = this.#classes;
    if (this.#inner === 1) copyRun(0, from * classes, count * classes);
    else if (count === this.#inner) copyRun(0, image * classes * count, classes * count);
    else {
      for (let c = 0; c < classes; c++) copyRun(c * this.#lines, (image * classes + c) * this.#inner + from, count);
    }
  }
}

function softmaxKernel(
  result: SoftmaxResult,
  ignoreIndex: number = -1,
): (lines: Lines, gStride: 0 | 1, cache: KernelCache) => KernelFunction {
  return (lines, gStride, cache) => {
    const kernel: SoftmaxKernel = { ...lines, result, gStride, ignoreIndex, inFours: false, fma: features().relaxed };
    return cache.get(softmaxKey(kernel), () => softmaxFunctions(kernel)).run as KernelFunction;
  };
}

export function softmax(result: 'softmax' | 'logSoftmax', x: Strided, axis: number, y: FloatArray): boolean {
  return new Runner(softmaxKernel(result), false, x, axis, null, y).run();
}

export function crossEntropy(x: Strided, labels: Strided, axis: number, ignoreIndex: number, y: FloatArray): boolean {
  return new Runner(softmaxKernel('loss', ignoreIndex), true, x, axis, { labels }, y).run();
}

// biome-ignore format: operands side by side
export function crossEntropyGrad(
  x: Strided, labels: Strided, g: Strided, axis: number, ignoreIndex: number, y: FloatArray,
): boolean {
  return new Runner(softmaxKernel('gradient', ignoreIndex), false, x, axis, { labels, g }, y).run();
}

export function cumsum(x: Strided, axis: number, y: FloatArray): boolean {
  const kernel = (lines: Lines, _: 0 | 1, cache: KernelCache): KernelFunction => {
    const run = cache.get(runningKey(lines), () => runningFunctions(lines)).run as KernelFunction;
    return (count, from, _labels, _g, _loss, to) => run(count as number, from as number, to as number);
  };
  return new Runner(kernel, false, x, axis, null, y).run();
}

export function argExtreme(name: 'argMax' | 'argMin', x: Strided, axis: number, y: FloatArray): boolean {
  if ((x.shape[axis] as number) > MOST_POSITIONS) return false;
  const kernel = (lines: Lines, _: 0 | 1, cache: KernelCache): KernelFunction => {
    const own = { ...lines, name };
    const run = cache.get(extremeKey(own), () => extremeFunctions(own)).run as KernelFunction;
    return (count, from, _labels, _g, to) => run(count as number, from as number, to as number);
  };
  // Lines that were made the last axis lie dense where they came from.
  const order = denseOrder(x, axis);
  const home =
    order === null
      ? { x, axis }
      : {
          x: { data: x.data, offset: x.offset, shape: order.shape, strides: denseStrides(order.shape) },
          axis: order.axis,
        };
  return new Runner(kernel, true, home.x, home.axis, null, y).run();
}
