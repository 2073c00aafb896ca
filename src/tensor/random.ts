/**
 * Streams of random numbers: a seed and a position, of which each number is a function (`kernels/js/philox.ts`), so that a
 * stream can be continued, repeated or divided, and is the same on every machine and engine. Normal numbers come from one
 * uniform each (`kernels/js/normal.ts`).
 */

import { OptionError } from '../errors.ts';
import { drawKernels } from '../kernels/draws.ts';
import { normalOf } from '../kernels/js/normal.ts';
import { fraction, philox } from '../kernels/js/philox.ts';
import type { Draw, FloatArray } from '../kernels/types.ts';
import type { DType } from './dtype.ts';
import { show } from './options.ts';
import type { Shape } from './shape.ts';

/** What a tensor is filled with, and the stream that it comes from, looked up when its turn comes. @internal */
export interface Drawing {
  readonly draw: Draw;
  source(): Generator;
}

/** Fills an array with the next numbers of the stream. @internal */
export function fillDrawn({ draw, source }: Drawing, values: FloatArray): void {
  const { seed, position } = takeNumbers(source(), values.length);
  drawKernels().draw(draw, seed, position, values);
}

/** Moves a stream on by `count` numbers, and gives where they are. @internal */
export function takeNumbers(generator: Generator, count: number): { readonly seed: number; readonly position: number } {
  const { seed, position } = generator;
  generator.position = position + count;
  return { seed, position };
}

/** What happens instead of a draw while a function is traced. @internal */
export interface DrawObserver {
  /** A tensor of draws, made anew at each call (a `Tensor`; this file comes before that class). */
  tensor(operation: string, shape: Shape, dtype: DType, drawing: Drawing): unknown;
  /** Hears of a single number, which would be the same at each call. */
  number(): void;
}

let drawObserver: DrawObserver | null = null;

/** Sets who stands in for draws; for tracing. @internal */
export function observeDraws(observer: DrawObserver | null): void {
  drawObserver = observer;
}

/** Who stands in for the draws from `generator` now; nobody for one that was made within the traced function. @internal */
export function drawObserverOf(generator: Generator): DrawObserver | null {
  return drawObserver !== null && generator.maker !== drawObserver ? drawObserver : null;
}

/**
 * A seeded stream of random numbers.
 *
 * @example
 * ```ts
 * import { Generator } from 'typedgrad';
 * const generator = new Generator(1);
 * const first = generator.uniform();
 * generator.position = 0;
 * generator.uniform() === first; // → true
 * ```
 */
export class Generator {
  /** The seed, a whole number. */
  readonly seed: number;
  #position = 0;
  #block = -1;
  readonly #words = new Int32Array(4);
  /** The tracing during which this was made. @internal */
  readonly maker: DrawObserver | null = drawObserver;

  constructor(seed: number) {
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw new OptionError(`Generator: the seed must be a whole number from 0 to 2^53 - 1, but is ${show(seed)}`);
    }
    this.seed = seed;
  }

  /** How many numbers were drawn; set it to continue or repeat the stream from there. */
  get position(): number {
    return this.#position;
  }

  set position(value: number) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new OptionError(`Generator: position must be a whole number of at least 0, but is ${show(value)}`);
    }
    this.#position = value;
  }

  /** A number in [low, high), a multiple of (high - low) / 2⁵³. */
  uniform(low: number = 0, high: number = 1): number {
    return low + (high - low) * this.#next();
  }

  /** A normal number. */
  normal(mean: number = 0, std: number = 1): number {
    return mean + std * normalOf(this.#next());
  }

  /** A whole number in [low, high). */
  integer(low: number, high: number): number {
    checkBounds('Generator', low, high);
    return low + Math.floor((high - low) * this.#next());
  }

  /** The numbers 0 … n - 1 in random order (Fisher & Yates). */
  permutation(n: number): Int32Array {
    if (!Number.isSafeInteger(n) || n < 0) {
      throw new OptionError(`Generator: a permutation needs a whole number of at least 0, but got ${show(n)}`);
    }
    const order = Int32Array.from({ length: n }, (_, i) => i);
    for (let last = n - 1; last > 0; last--) {
      const other = this.integer(0, last + 1);
      [order[last], order[other]] = [order[other]!, order[last]!];
    }
    return order;
  }

  /** 53 random bits as a number in [0, 1). A block of four words holds two. */
  #next(): number {
    drawObserverOf(this)?.number();
    const block = Math.floor(this.#position / 2);
    if (block !== this.#block) {
      philox(this.seed, block, this.#words);
      this.#block = block;
    }
    return fraction(this.#words, this.#position++ % 2);
  }
}

/** @throws OptionError unless [low, high) is a range that random integers can come from. @internal */
export function checkBounds(operation: string, low: number, high: number): void {
  if (Number.isSafeInteger(low) && Number.isSafeInteger(high) && high > low && high - low <= 2 ** 32) return;
  throw new OptionError(
    `${operation}: integers in [${show(low)}, ${show(high)}) need whole bounds, at most 2^32 apart`,
  );
}

let shared = new Generator(0);

/** The stream that random functions draw from unless given a `generator`. */
export function defaultGenerator(): Generator {
  return shared;
}

/** Starts the default stream anew from `seed` and returns it. */
export function manualSeed(seed: number): Generator {
  drawObserver?.number();
  shared = new Generator(seed);
  return shared;
}

/** Runs `fn` with another default stream, and restores the one before. */
export function withDefaultGenerator<R>(generator: Generator, fn: () => R): R {
  const before = shared;
  shared = generator;
  try {
    return fn();
  } finally {
    shared = before;
  }
}
