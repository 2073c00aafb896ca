import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type IdxData, readIdx, syntheticDigits } from 'typedgrad/data';
import { UsageError } from './options.ts';

/** Pictures of digits as bytes, one after the other, and what they show. */
export interface Digits {
  readonly pixels: Uint8Array;
  readonly labels: Int32Array;
  readonly count: number;
  readonly size: number;
}

export interface Source {
  readonly name: string;
  readonly train: Digits;
  readonly test: Digits;
}

/** The README's first command: enough to learn from, few enough for a coffee's length. */
const DRAWN = { train: 15_000, test: 2_000 };
/** 784 MB of float pixels; a training set of more wants a generator, not an array. */
const MOST_DRAWN = 250_000;

/** Digits that the project draws itself. The two splits come from disjoint random numbers. */
export function drawDigits(limit: number | undefined, seed: number): Source {
  const train = limit ?? DRAWN.train;
  if (train > MOST_DRAWN) throw new UsageError(`--limit: at most ${MOST_DRAWN} digits are drawn, but it is ${train}`);
  const test = Math.min(DRAWN.test, train);
  const sets = syntheticDigits({ train, test, seed });
  const digits = ({ pixels, labels }: { pixels: Uint8Array; labels: Int32Array }): Digits => ({
    pixels,
    labels,
    count: labels.length,
    size: 28,
  });
  return { name: 'digits drawn by the project', train: digits(sets.train), test: digits(sets.test) };
}

/** MNIST, or anything in its format, from a folder. */
export function readFolder(folder: string, limit: number | undefined): Source {
  const train = readSplit(folder, 'train', limit);
  const test = readSplit(folder, 't10k', limit);
  if (train.size !== test.size) {
    throw new UsageError(`training pictures are ${train.size} pixels wide, test pictures ${test.size}`);
  }
  return { name: folder, train, test };
}

/** The test digits of a folder in MNIST's format. */
export const readTestDigits = (folder: string): Digits => readSplit(folder, 't10k', undefined);

function readSplit(folder: string, split: string, limit: number | undefined): Digits {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) throw new UsageError(`there is no folder '${folder}'`);
  const images = readIdxFile(folder, `${split}-images-idx3-ubyte`);
  const labels = readIdxFile(folder, `${split}-labels-idx1-ubyte`);
  const [count = 0, height = 0, width = 0] = images.data.shape;
  if (images.data.shape.length !== 3 || height !== width || height < 8) {
    const shape = images.data.shape.join(', ');
    throw new UsageError(`${images.path}: expected square pictures [count, size, size], found [${shape}]`);
  }
  if (labels.data.shape.length !== 1 || labels.data.shape[0] !== count) {
    const shape = labels.data.shape.join(', ');
    throw new UsageError(`${labels.path}: expected ${count} labels for as many pictures, found [${shape}]`);
  }
  if (!(images.data.data instanceof Uint8Array) || !(labels.data.data instanceof Uint8Array)) {
    throw new UsageError(`${images.path} and ${labels.path} must hold bytes`);
  }
  const wrong = labels.data.data.findIndex((label) => label > 9);
  if (wrong >= 0) {
    throw new UsageError(`${labels.path}: label ${labels.data.data[wrong]} at ${wrong} is not a digit 0 to 9`);
  }
  if (count === 0) throw new UsageError(`${images.path} holds no pictures`);
  const kept = Math.min(count, limit ?? count);
  return {
    pixels: images.data.data.subarray(0, kept * height * width),
    labels: Int32Array.from(labels.data.data.subarray(0, kept)),
    count: kept,
    size: height,
  };
}

function readIdxFile(folder: string, name: string): { path: string; data: IdxData } {
  const path = [name, `${name}.gz`, name.replace('-idx', '.idx')].map((file) => join(folder, file)).find(existsSync);
  if (path === undefined) throw new UsageError(`neither ${name} nor ${name}.gz is in '${folder}'`);
  try {
    const bytes = readFileSync(path);
    const gzipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
    return { path, data: readIdx(gzipped ? gunzipSync(bytes) : bytes) };
  } catch (error) {
    throw new UsageError(`${path}: ${(error as Error).message}`);
  }
}
