import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsKernels } from '../../../../src/kernels/js/index.ts';
import { differential } from '../../../../src/kernels/wasm/differential/index.ts';
import { createWasmKernels } from '../../../../src/kernels/wasm/index.ts';
import { expanded, operand, Random, zeros } from '../random.ts';

const fallbacks: string[] = [];
const kernels = createWasmKernels({ threshold: 0, onFallback: (name) => fallbacks.push(name) });
const tested = differential(kernels, jsKernels);

describe('sums on WebAssembly', () => {
  it('agree with the reference over any axes of any layout', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new Random(seed);
        const shape = [random.integer(1, 5), random.integer(1, 6), random.integer(1, 9), random.integer(1, 60)].slice(
          random.integer(0, 3),
        );
        const axes = shape.map((_, a) => a).filter(() => random.chance(0.6));
        const rest = shape.filter((_, a) => !axes.includes(a));
        const make = random.chance(0.2) ? expanded : operand;
        tested.sum(make(random, shape, random.pick([0, 0.02])), axes, zeros(rest));
      }),
      { numRuns: 200 },
    );
  });

  it('are rounded once: exact where doubles are', () => {
    fallbacks.length = 0;
    const n = 40_001;
    const data = Float32Array.from({ length: 3 * n }, (_, i) => (i % 2 === 0 ? 16777216 : 1));
    const x = { data, offset: 0, shape: [3, n], strides: [n, 1] };
    const [y, expected] = [zeros([3]), zeros([3])];
    kernels.sum(x, [1], y);
    jsKernels.sum(x, [1], expected);
    expect(y).toEqual(expected);
    const all = zeros([]);
    kernels.sum(x, [0, 1], all);
    expect(all[0]).toBe(Math.fround(data.reduce((a, b) => a + b, 0)));
    expect(fallbacks).toEqual([]);
  });
});
