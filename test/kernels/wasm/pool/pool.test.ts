import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsKernels } from '../../../../src/kernels/js/index.ts';
import type { PoolGeometry, Strided } from '../../../../src/kernels/types.ts';
import { differential } from '../../../../src/kernels/wasm/differential/index.ts';
import { createWasmKernels } from '../../../../src/kernels/wasm/index.ts';
import { blank, operand, Random } from '../random.ts';

const fallbacks: string[] = [];
const tested = differential(createWasmKernels({ threshold: 0, onFallback: (name) => fallbacks.push(name) }), jsKernels);

/** Pooling with random windows: dilated, overlapping, hanging over the end, of padding alone, and sometimes large. */
function pool(random: Random, rank: number, awkward: number, ties: boolean, visit: Visit): void {
  const [x, y] = [[random.integer(1, 3), random.integer(1, 5)], [] as number[]];
  y.push(...x);
  const geometry = { kernel: [] as number[], stride: [] as number[], dilation: [] as number[], before: [] as number[] };
  for (let a = 0; a < rank; a++) {
    const k = random.chance(0.1) ? random.integer(5, 12) : random.integer(1, 4);
    const s = random.chance(0.3) ? k : random.integer(1, 4);
    const dilation = random.chance(0.3) ? random.integer(2, 3) : 1;
    const reach = dilation * (k - 1) + 1;
    const [b, after] = random.chance(0.5) ? [0, 0] : [random.integer(0, k - 1), random.integer(0, k)];
    const size = Math.max(1, reach - b - after) + random.integer(0, 12);
    x.push(size);
    y.push(Math.floor((size + b + after - reach) / s) + 1);
    geometry.kernel.push(k);
    geometry.stride.push(s);
    geometry.dilation.push(dilation);
    geometry.before.push(b);
  }
  const values = operand(random, x, awkward);
  if (ties) for (let i = 0; i < values.data.length; i++) values.data[i] = Math.round(2 * (values.data[i] as number));
  if (y.slice(2).every((n) => n > 0)) visit(values, geometry, x, y, random);
}

type Visit = (
  x: Strided,
  geometry: PoolGeometry,
  shape: readonly number[],
  y: readonly number[],
  random: Random,
) => void;
const maximum: Visit = (x, geometry, shape, y, random) => {
  tested.maxPool(x, geometry, y, blank(y));
  tested.maxPoolIndices(x, geometry, y, blank(y));
  tested.maxPoolPick(operand(random, shape), x, geometry, y, blank(y));
  tested.maxPoolSpread(operand(random, y), x, geometry, shape, blank(shape));
};
const sums: Visit = (x, geometry, shape, y, random) => {
  tested.windowSum(x, geometry, y, blank(y));
  tested.windowSpread(operand(random, y, 0), geometry, shape, blank(shape));
};

describe('max pooling on WebAssembly', () => {
  it.each([1, 2, 3])('agrees with the reference over %i axes, ties included', (rank) => {
    fc.assert(
      fc.property(fc.integer(), fc.boolean(), (seed, ties) => pool(new Random(seed), rank, 0, ties, maximum)),
      { numRuns: 60 },
    );
  });

  it('agrees with it among NaN, infinities and zeros of both signs', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => pool(new Random(seed), 2, 0.3, false, maximum)),
      { numRuns: 60 },
    );
  });

  it('agrees with it over windows of more elements than are unrolled', () => {
    for (const [before, awkward] of [
      [0, 0],
      [0, 0.2],
      [4, 0],
    ] as const) {
      const geometry = { kernel: [9, 8], stride: [3, 2], dilation: [1, 2], before: [before, before] };
      const [x, y] = [
        [2, 3, 15, 26],
        [2, 3, Math.floor((6 + 2 * before) / 3) + 1, Math.floor((11 + 2 * before) / 2) + 1],
      ];
      maximum(operand(new Random(5 + before), x, awkward), geometry, x, y, new Random(6));
    }
  });

  it.each([1, 2, 3])('sums windows and spreads sums as the reference over %i axes', (rank) => {
    fallbacks.length = 0;
    fc.assert(
      fc.property(fc.integer(), (seed) => pool(new Random(seed), rank, 0, false, sums)),
      { numRuns: 40 },
    );
    expect(fallbacks).toEqual([]);
  });

  it('sums among NaN, infinities and zeros of both signs what the windows cover, and nothing else', () => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(1, 2, 3), (seed, rank) =>
        pool(new Random(seed), rank, 0.1, false, (x, geometry, shape, y, random) => {
          sums(x, geometry, shape, y, random);
          tested.windowSpread(operand(random, y, 0.1), geometry, shape, blank(shape));
        }),
      ),
      { numRuns: 40 },
    );
  });

  it.each([
    ['of more elements than are unrolled', [2, 3, 15, 26], [9, 8], [3, 2], [1, 2]],
    ['too wide for registers four at a time', [2, 3, 4, 61], [2, 13], [2, 12], [1, 1]],
    ['too wide for registers at all', [1, 2, 5, 90], [3, 45], [1, 22], [2, 1]],
    ['far apart', [2, 2, 40, 50], [3, 2], [17, 19], [5, 7]],
    ['of a whole plane', [3, 5, 7, 7], [7, 7], [7, 7], [1, 1]],
    ['over volumes', [2, 2, 9, 10, 11], [5, 4, 5], [2, 1, 3], [1, 2, 1]],
  ] as const)('sums windows %s', (_, shape, kernel, stride, dilation) => {
    fallbacks.length = 0;
    for (const pad of [0, 1]) {
      const before = kernel.map(() => pad);
      const y = [...shape] as number[];
      for (const [a, k] of kernel.entries())
        y[a + 2] = Math.floor((shape[a + 2]! + 2 * pad - dilation[a]! * (k - 1) - 1) / stride[a]!) + 1;
      sums(operand(new Random(7), shape), { kernel, stride, dilation, before }, shape, y, new Random(8));
    }
    expect(fallbacks).toEqual([]);
  });

  it('stays on WebAssembly for ordinary numbers, with padding and without', () => {
    fallbacks.length = 0;
    for (const before of [0, 1]) {
      const geometry = { kernel: [3, 3], stride: [2, 2], dilation: [1, 1], before: [before, before] };
      const n = Math.floor((20 + 2 * before - 3) / 2) + 1;
      maximum(operand(new Random(3), [2, 3, 20, 20]), geometry, [2, 3, 20, 20], [2, 3, n, n], new Random(4));
    }
    expect(fallbacks).toEqual([]);
  });
});
