import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsKernels } from '../../../../src/kernels/js/index.ts';
import { differential } from '../../../../src/kernels/wasm/differential/index.ts';
import { createWasmKernels } from '../../../../src/kernels/wasm/index.ts';
import { gatherRows } from '../../../../src/kernels/wasm/lookup/scatter.ts';
import { operand, Random, zeros } from '../random.ts';

const fallbacks: string[] = [];
const tested = differential(createWasmKernels({ threshold: 0, onFallback: (name) => fallbacks.push(name) }), jsKernels);

describe('gathering', () => {
  it('is that of the reference, by whole rows where the index repeats', () => {
    let whole = 0;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new Random(seed);
        const shape = [random.integer(1, 4), random.integer(1, 6), random.integer(12, 40)].slice(random.integer(0, 1));
        const axis = random.integer(0, shape.length - 1);
        const counts = shape.map((n, a) => (a === axis ? random.integer(1, n + 3) : n));
        const column = operand(
          random,
          counts.map((n, a) => (a > axis ? 1 : n)),
        );
        for (let i = 0; i < column.data.length; i++) column.data[i] = random.integer(0, (shape[axis] as number) - 1);
        const index = { ...column, shape: counts, strides: column.strides.map((s, a) => (a > axis ? 0 : s)) };
        const x = operand(random, shape, 0.02);
        if (gatherRows(x, axis, index, zeros(counts))) whole++;
        tested.gather(x, axis, index, zeros(counts));
      }),
      { numRuns: 150 },
    );
    expect(whole).toBeGreaterThan(20);
  });
});

describe('scattering in float32', () => {
  it('agrees with the reference for any axis, places hit more than once included, and keeps what y holds', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new Random(seed);
        const shape = [random.integer(1, 4), random.integer(1, 6), random.integer(1, 20)].slice(random.integer(0, 2));
        const axis = random.integer(0, shape.length - 1);
        const counts = shape.map((n, a) => (a === axis ? random.integer(1, n + 3) : n));
        const index = operand(random, counts);
        for (let i = 0; i < index.data.length; i++) index.data[i] = random.integer(0, (shape[axis] as number) - 1);
        const y = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.next() - 0.5);
        tested.scatterAdd(operand(random, counts), axis, index, shape, y);
      }),
      { numRuns: 150 },
    );
  });

  it('adds rows in place when they are dense', () => {
    fallbacks.length = 0;
    const y = Float32Array.of(1, 0, 0, 0, 0, 2);
    const strides = [2, 1];
    const src = { data: Float32Array.of(5, 6, 7, 8), offset: 0, shape: [2, 2], strides };
    tested.scatterAdd(src, 1, { data: Float32Array.of(0, 2, 1, 1), offset: 0, shape: [2, 2], strides }, [2, 3], y);
    expect([...y]).toEqual([6, 0, 6, 0, 15, 2]);
    expect(fallbacks).toEqual([]);
  });
});
