/**
 * Random numbers by a counter: the n-th number of a seed is a function of n alone, so a stream can be continued,
 * repeated or split, and is the same on every machine and engine. Philox4x32-10 of Salmon, Moraes, Dror & Shaw,
 * "Parallel random numbers: as easy as 1, 2, 3", 2011. Normal numbers come from one uniform each, by the inverse of
 * the distribution function (Wichura, "Algorithm AS 241", 1988), in arithmetic that IEEE 754 fixes to the last bit.
 */

import { OptionError } from '../errors.ts';
import type { FloatArray } from '../kernels/types.ts';
import type { DType } from './dtype.ts';
import { show } from './options.ts';
import type { Shape } from './shape.ts';

/** What happens instead of a draw while a function is traced. @internal */
export interface DrawObserver {
  /** A tensor of draws, which `fill` makes at each call (a `Tensor`; this file comes before that class). */
  tensor(operation: string, shape: Shape, dtype: DType, fill: (values: FloatArray) => void): unknown;
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
  readonly #words = new Uint32Array(4);
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
    // Half a step away from 0, where the inverse is infinite.
    return mean + std * normalQuantile(this.#next() + 2 ** -54);
  }

  /** A whole number in [low, high). */
  integer(low: number, high: number): number {
    if (!Number.isSafeInteger(low) || !Number.isSafeInteger(high) || high <= low || high - low > 2 ** 32) {
      throw new OptionError(
        `Generator: integers in [${show(low)}, ${show(high)}) need whole bounds, at most 2^32 apart`,
      );
    }
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
    const word = 2 * (this.#position++ % 2);
    return ((this.#words[word]! >>> 5) * 2 ** 26 + (this.#words[word + 1]! >>> 6)) * 2 ** -53;
  }
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

/** Ten rounds of Philox over the 64-bit counter `block` and the 64-bit key `seed`. */
function philox(seed: number, block: number, words: Uint32Array): void {
  let [c0, c1, c2, c3] = [block >>> 0, Math.floor(block / 2 ** 32) >>> 0, 0, 0];
  let [k0, k1] = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(0xd2511f53, c0);
    const high1 = mulHigh(0xcd9e8d57, c2);
    const low0 = Math.imul(0xd2511f53, c0);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

/** The upper 32 bits of the 64-bit product, by 16-bit halves. */
function mulHigh(a: number, b: number): number {
  const [aHigh, aLow, bHigh, bLow] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = aHigh * bLow + Math.floor((aLow * bLow) / 65536);
  const carry = aLow * bHigh + (middle % 65536);
  return aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(carry / 65536);
}

// Coefficients of AS 241's PPND16, highest power first.
const central = [
  [
    2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457, 13731.693765509461125,
    1971.5909503065514427, 133.14166789178437745, 3.387132872796366608,
  ],
  [
    5226.495278852545925, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867, 5394.1960214247511077,
    687.1870074920579083, 42.313330701600911252, 1,
  ],
] as const;
const middle = [
  [
    7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
    3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734,
  ],
  [
    1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
    0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1,
  ],
] as const;
const tail = [
  [
    2.01033439929228813265e-7, 2.71155556874348757815e-5, 0.0012426609473880784386, 0.026532189526576123093,
    0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772,
  ],
  [
    2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
    0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1,
  ],
] as const;

/** The number below which a standard normal variable falls with probability p, to 1e-16. */
export function normalQuantile(p: number): number {
  const q = p - 0.5;
  if (Math.abs(q) <= 0.425) return q * rational(central, 0.180625 - q * q);
  const r = Math.sqrt(-logarithm(q < 0 ? p : 1 - p));
  const size = r <= 5 ? rational(middle, r - 1.6) : rational(tail, r - 5);
  return q < 0 ? -size : size;
}

function rational([above, below]: readonly [readonly number[], readonly number[]], x: number): number {
  let [numerator, denominator] = [0, 0];
  for (let i = 0; i < above.length; i++) {
    numerator = numerator * x + above[i]!;
    denominator = denominator * x + below[i]!;
  }
  return numerator / denominator;
}

/** The natural logarithm by + - · / alone, since engines may round `Math.log` differently: 2·artanh((m - 1) / (m + 1)) + e·log 2. */
function logarithm(x: number): number {
  let exponent = 0;
  let m = x;
  while (m < Math.SQRT1_2) {
    m *= 2;
    exponent--;
  }
  const s = (m - 1) / (m + 1);
  const square = s * s;
  let series = 0;
  for (let k = 23; k >= 1; k -= 2) series = series * square + 1 / k;
  return 2 * s * series + exponent * Math.LN2;
}
