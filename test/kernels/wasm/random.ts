/** Seeded random operands for agreement tests: dense or strided in odd ways, plain numbers or the awkward ones. */
import type { Strided } from '../../../src/kernels/types.ts';

/** Small, fast, good enough to fill arrays: xorshift on 32 bits. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0 || 1;
  }

  next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (this.#state >>> 0) / 2 ** 32;
  }

  integer(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  chance(p: number): boolean {
    return this.next() < p;
  }

  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.next() * list.length)] as T;
  }
}

export const AWKWARD: readonly number[] = [Number.NaN, Infinity, -Infinity, 1e-40, -1e-42, 0, -0, 3e38, -3e38, 1e-30];

const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);

/** An operand of this shape: sometimes permuted in memory, flipped, sliced with a step or behind an offset. */
export function operand(random: Random, shape: readonly number[], awkward = 0): Strided {
  const value = (): number => (random.chance(awkward) ? random.pick(AWKWARD) : 2 * random.next() - 1);
  const order = shape.map((_, i) => i);
  if (random.chance(0.4)) order.sort(() => random.next() - 0.5);
  const step = random.chance(0.2) ? 2 : 1;
  const strides = new Array<number>(shape.length).fill(0);
  let size = step;
  for (const axis of [...order].reverse()) {
    strides[axis] = size;
    size *= shape[axis] as number;
  }
  let offset = random.chance(0.3) ? random.integer(1, 5) : 0;
  const data = new Float32Array(size + offset + 3);
  for (let i = 0; i < data.length; i++) data[i] = value();
  shape.forEach((n, axis) => {
    if (n < 2 || !random.chance(0.1)) return;
    offset += (n - 1) * (strides[axis] as number);
    strides[axis] = -(strides[axis] as number);
  });
  return { data, offset, shape, strides };
}

/** The same with some axes expanded: stride 0. */
export function expanded(random: Random, shape: readonly number[], awkward = 0): Strided {
  const kept = shape.map((n) => (random.chance(0.25) ? 1 : n));
  const base = operand(random, kept, awkward);
  return { ...base, shape, strides: base.strides.map((s, i) => (kept[i] === 1 ? 0 : s)) };
}

export const zeros = (shape: readonly number[]): Float32Array => new Float32Array(product(shape));

/** An output that kernels overwrite as a whole. */
export const blank = (shape: readonly number[]): Float32Array => zeros(shape).fill(Number.NaN);
