import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { jsKernels } from '../../../../src/kernels/js/index.ts';
import { differential } from '../../../../src/kernels/wasm/differential/index.ts';
import { forceFeatures } from '../../../../src/kernels/wasm/features.ts';
import { createWasmKernels } from '../../../../src/kernels/wasm/index.ts';
import { blank, expanded, operand, Random } from '../random.ts';

const fallbacks: string[] = [];
const tested = differential(createWasmKernels({ threshold: 0, onFallback: (name) => fallbacks.push(name) }), jsKernels);

function product(random: Random, batch: readonly number[], m: number, k: number, n: number, awkward = 0): void {
  const make = random.chance(0.3) ? expanded : operand;
  tested.matmul(
    make(random, [...batch, m, k], awkward),
    make(random, [...batch, k, n], awkward),
    blank([...batch, m, n]),
  );
}

describe.each([true, false])('matmul on WebAssembly, relaxed SIMD %s', (relaxed) => {
  afterEach(() => forceFeatures({}));

  it('agrees with the reference for random sizes, batches and layouts', () => {
    forceFeatures(relaxed ? {} : { relaxed: false });
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new Random(seed);
        const large = random.chance(0.1) ? 200 : 30;
        const batch = random.pick([[], [], [random.integer(1, 3)], [2, random.integer(1, 3)]]);
        product(random, batch, random.integer(1, large), random.integer(1, 2 * large), random.integer(1, large));
      }),
      { numRuns: 60 },
    );
    expect(fallbacks).toEqual([]);
  });

  it('agrees on NaN, infinities, denormals and numbers that overflow', () => {
    forceFeatures(relaxed ? {} : { relaxed: false });
    const random = new Random(11);
    for (let i = 0; i < 60; i++)
      product(random, [], random.integer(1, 30), random.integer(1, 30), random.integer(1, 30), 0.05);
  });

  it('sums over several blocks of the inner axis and of rows', () => {
    forceFeatures(relaxed ? {} : { relaxed: false });
    product(new Random(1), [], 400, 600, 17);
    product(new Random(2), [], 17, 1024, 33);
    expect(fallbacks).toEqual([]);
  });

  it('agrees where an axis is empty', () => {
    for (const [m, k, n] of [
      [0, 3, 4],
      [3, 0, 4],
      [3, 4, 0],
    ] as const)
      product(new Random(4), [], m, k, n);
  });
});
