/** Tensors of random numbers: each made of one fraction of the stream. */
import type { Draw, FloatArray } from '../types.ts';
import { normalOf } from './normal.ts';
import { fraction, philox } from './philox.ts';

export function draw(what: Draw, seed: number, position: number, y: FloatArray): void {
  const words = new Int32Array(4);
  const steps = y instanceof Float32Array ? 2 ** 24 : 2 ** 53;
  // A block of four words holds two numbers.
  let half = position % 2;
  let block = (position - half) / 2;
  for (let i = 0; i < y.length; i++) {
    if (half === 0 || i === 0) philox(seed, block++, words);
    y[i] = made(what, fraction(words, half), steps);
    half = 1 - half;
  }
}

function made(what: Draw, u: number, steps: number): number {
  switch (what.name) {
    case 'uniform':
      return Math.floor(u * steps) / steps;
    case 'range':
      return what.low + (what.high - what.low) * u;
    case 'normal':
      return what.mean + what.std * normalOf(u);
    case 'integer':
      return what.low + Math.floor((what.high - what.low) * u);
    case 'mask':
      return u < what.p ? 0 : what.kept;
  }
}
