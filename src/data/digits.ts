import { OptionError } from '../errors.ts';
import { checkChoice, checkInteger, checkKeys } from '../tensor/options.ts';
import { Generator } from '../tensor/random.ts';
import { Tensor } from '../tensor/tensor.ts';
import { bend, press, slant } from './hand.ts';
import { boundingBox, drawTrace, sampleStroke, type Trace } from './pen.ts';
import { digitStrokes } from './strokes.ts';

/** Options of `syntheticDigits` for one set. */
export interface DigitsOptions {
  /** How many digits. Default 1,000. */
  count?: number;
  /** Which of two sets that share nothing. Default `'train'`. */
  split?: 'train' | 'test';
  /** A whole number; another seed makes other pictures. Default 0. */
  seed?: number;
  /** Height and width in pixels, 12 to 224. Default 28. */
  size?: number;
}

/** Options of `syntheticDigits` for a training set and a test set at once. */
export interface DigitsSplitOptions {
  /** How many digits to train on. Default 1,000. */
  train?: number;
  /** How many digits to judge by. Default 1,000. */
  test?: number;
  /** As in `DigitsOptions`. Default 0. */
  seed?: number;
  /** As in `DigitsOptions`. Default 28. */
  size?: number;
}

/** Pictures of digits and what they show. */
export interface DigitSet {
  /** `[count, 1, size, size]`, float32, ink 1 on paper 0. */
  readonly images: Tensor;
  /** The digit on each picture, 0 to 9; every ten pictures in a row show each digit once. */
  readonly labels: Int32Array;
  /** The same pictures as bytes, 0 to 255, one picture after the other. */
  readonly pixels: Uint8Array;
}

/** The positions of a Generator that one digit may draw from: strokes take some hundred, the grain one per pixel. */
const DRAWS_PER_DIGIT = 2 ** 16;
/** Where each split starts in the stream: 2³⁵ digits fit before the next one. */
const SPLIT_START = { train: 0, test: 2 ** 51 };
/** Where the order of the labels starts, beyond all digits. */
const ORDER_START = 2 ** 52;

/**
 * Handwritten-looking digits, drawn by strokes: for each digit a few habits of writing it, then random proportions,
 * elastic bend, slant, rotation, thickness, pressure, grain and offset; fitted to a 20-pixel box and centred by mass in
 * 28 pixels, as MNIST's digits are.
 *
 * The two splits draw from disjoint parts of the random stream, so no digit of one is in the other. Digit i depends on
 * the seed, the split, the size and i alone: a longer set starts with the shorter one. Every engine and machine draws
 * the same bytes.
 *
 * @param options `{ count, split }` for one set, or `{ train, test }` for two at once; `seed` and `size`
 * @returns a set, or `{ train, test }`
 * @throws OptionError for an unknown key, or a count, size or seed that is no whole number in its range
 *
 * @example
 * ```ts
 * import { syntheticDigits } from 'typedgrad/data';
 *
 * const { images, labels } = syntheticDigits({ count: 20, seed: 1 });
 * images.shape; // → [20, 1, 28, 28]
 * labels.filter((label) => label === 7).length; // → 2
 *
 * const both = syntheticDigits({ train: 30, test: 10 });
 * both.test.images.shape; // → [10, 1, 28, 28]
 * ```
 */
export function syntheticDigits(options: DigitsSplitOptions & ({ train: number } | { test: number })): {
  train: DigitSet;
  test: DigitSet;
};
export function syntheticDigits(options?: DigitsOptions): DigitSet;
export function syntheticDigits(
  options: DigitsOptions & DigitsSplitOptions = {},
): DigitSet | { train: DigitSet; test: DigitSet } {
  const name = 'syntheticDigits';
  const pair = options !== null && typeof options === 'object' && ('train' in options || 'test' in options);
  checkKeys(name, options, pair ? ['train', 'test', 'seed', 'size'] : ['count', 'split', 'seed', 'size']);
  const { count = 1000, split = 'train', train = 1000, test = 1000, seed = 0, size = 28 } = options;
  checkInteger(name, 'seed', seed);
  if (checkInteger(name, 'size', size, 12) > 224) {
    throw new OptionError(`${name}: size must be at most 224, but is ${size}`);
  }
  if (pair) {
    checkInteger(name, 'train', train);
    checkInteger(name, 'test', test);
    return { train: drawSet(train, 'train', seed, size), test: drawSet(test, 'test', seed, size) };
  }
  checkInteger(name, 'count', count);
  checkChoice(name, 'split', split, ['train', 'test']);
  return drawSet(count, split, seed, size);
}

function drawSet(count: number, split: keyof typeof SPLIT_START, seed: number, size: number): DigitSet {
  const area = size * size;
  const pixels = new Uint8Array(count * area);
  const labels = new Int32Array(count);
  const chance = new Generator(seed);
  let order = chance.permutation(10);
  for (let i = 0; i < count; i++) {
    if (i % 10 === 0) {
      chance.position = ORDER_START + SPLIT_START[split] + 16 * (i / 10);
      order = chance.permutation(10);
    }
    const digit = order[i % 10] as number;
    labels[i] = digit;
    chance.position = SPLIT_START[split] + DRAWS_PER_DIGIT * i;
    drawDigit(digit, chance, size, pixels.subarray(i * area, (i + 1) * area));
  }
  const images = Tensor.from(
    Float32Array.from(pixels, (value) => value / 255),
    [count, 1, size, size],
  );
  return { images, labels, pixels };
}

function drawDigit(digit: number, chance: Generator, size: number, out: Uint8Array): void {
  const traces = digitStrokes(digit, chance).map(sampleStroke);
  bend(traces, chance);
  slant(traces, digit, chance);
  press(traces, digit, chance);
  const unit = size / 28;
  fit(traces, unit, chance);
  const edge = chance.uniform(0.9, 1.7) * unit;
  const canvas = new Float64Array(size * size);
  for (const trace of traces) drawTrace(canvas, size, trace, edge);
  const [dx, dy] = massOffset(canvas, size);
  const wander = 0.7 * unit;
  shift(traces, dx + chance.uniform(-wander, wander), dy + chance.uniform(-wander, wander));
  canvas.fill(0);
  for (const trace of traces) drawTrace(canvas, size, trace, edge);
  expose(canvas, chance, out);
}

/** Scales the ink's box to about 20 of 28 pixels, keeping its proportions, as MNIST does. */
function fit(traces: readonly Trace[], unit: number, chance: Generator): void {
  const { x0, y0, x1, y1 } = boundingBox(traces);
  const scale = (chance.uniform(18.5, 20.5) * unit) / Math.max(x1 - x0, y1 - y0);
  const [cx, cy] = [(x0 + x1) / 2, (y0 + y1) / 2];
  for (const trace of traces) {
    for (let i = 0; i < trace.length; i += 3) {
      trace[i] = ((trace[i] as number) - cx) * scale + 14 * unit;
      trace[i + 1] = ((trace[i + 1] as number) - cy) * scale + 14 * unit;
      trace[i + 2] = (trace[i + 2] as number) * scale;
    }
  }
}

/** How far the ink's centre of mass is from the picture's centre, in pixels. */
function massOffset(canvas: Float64Array, size: number): [number, number] {
  let [mass, mx, my] = [0, 0, 0];
  for (let row = 0, at = 0; row < size; row++) {
    for (let column = 0; column < size; column++, at++) {
      const ink = canvas[at] as number;
      mass += ink;
      mx += ink * (column + 0.5);
      my += ink * (row + 0.5);
    }
  }
  return [size / 2 - mx / mass, size / 2 - my / mass];
}

function shift(traces: readonly Trace[], dx: number, dy: number): void {
  for (const trace of traces) {
    for (let i = 0; i < trace.length; i += 3) {
      trace[i] = (trace[i] as number) + dx;
      trace[i + 1] = (trace[i + 1] as number) + dy;
    }
  }
}

/** Ink to bytes, with a little grain where there is ink. */
function expose(canvas: Float64Array, chance: Generator, out: Uint8Array): void {
  const full = chance.uniform(235, 262);
  const grain = chance.uniform(0, 20);
  for (let i = 0; i < canvas.length; i++) {
    const ink = canvas[i] as number;
    if (ink <= 0) continue;
    out[i] = Math.min(255, Math.max(0, Math.round(ink * full + chance.uniform(-grain, grain))));
  }
}
