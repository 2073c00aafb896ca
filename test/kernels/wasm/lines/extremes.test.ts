import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsKernels } from '../../../../src/kernels/js/index.ts';
import { differential } from '../../../../src/kernels/wasm/differential/index.ts';
import { createWasmKernels } from '../../../../src/kernels/wasm/index.ts';
import { operand, Random, zeros } from '../random.ts';

const fallbacks: string[] = [];
const tested = differential(createWasmKernels({ threshold: 0, onFallback: (name) => fallbacks.push(name) }), jsKernels);

describe.each(['argMax', 'argMin'] as const)('%s on WebAssembly', (name) => {
  it('finds what the reference finds, along any axis, among equals, NaN and infinities', () => {
    fallbacks.length = 0;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new Random(seed);
        const length = random.pick([() => random.integer(1, 16), () => random.integer(17, 90)])();
        const others = Array.from({ length: random.integer(0, 2) }, () => random.integer(1, 9));
        const axis = random.integer(0, others.length);
        const x = operand(random, others.toSpliced(axis, 0, length), random.pick([0, 0.02, 0.2]));
        // Few different numbers: many are the largest.
        const levels = random.pick([2, 5, 1000]);
        for (let i = 0; i < x.data.length; i++) x.data[i] = Math.round(x.data[i]! * levels) / levels;
        tested.argExtreme(name, x, axis, zeros(others));
      }),
      { numRuns: 200 },
    );
    expect(fallbacks).toEqual([]);
  });

  it('finds the last and the only element, and works in several blocks', () => {
    for (const [shape, axis] of [
      [[3, 20000], 1],
      [[2, 300, 100], 1],
      [[9000, 4], 1],
    ] as const) {
      const x = operand(new Random(4), shape);
      tested.argExtreme(name, x, axis, zeros(shape.toSpliced(axis, 1)));
    }
    const row = { data: new Float32Array(23).fill(1), offset: 0, shape: [1, 23], strides: [23, 1] };
    row.data[22] = name === 'argMax' ? 2 : 0;
    const y = zeros([1]);
    tested.argExtreme(name, row, 1, y);
    expect(y[0]).toBe(22);
  });
});
