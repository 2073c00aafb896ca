import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsKernels } from '../../../../src/kernels/js/index.ts';
import type { Strided } from '../../../../src/kernels/types.ts';
import { differential } from '../../../../src/kernels/wasm/differential/index.ts';
import { createWasmKernels } from '../../../../src/kernels/wasm/index.ts';
import { copyTransposed } from '../../../../src/kernels/wasm/memory/transpose.ts';
import { operand, Random, zeros } from '../random.ts';

const fallbacks: string[] = [];
const wasm = createWasmKernels({ threshold: 0, onFallback: (name) => fallbacks.push(name) });
const tested = differential(wasm, jsKernels);

/** A dense array of `shape`, seen with its axes in another order, some of it cut off. */
function permuted(random: Random, shape: readonly number[], order: readonly number[], cut: number): Strided {
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) + 5 }, () => random.next());
  return { data, offset: 3, shape: order.map((a) => shape[a]! - cut), strides: order.map((a) => strides[a]!) };
}

describe('copies on WebAssembly', () => {
  it('exchange axes as the reference does, with tails of every residue', () => {
    let moved = 0;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new Random(seed);
        const shape = [random.integer(1, 4), random.integer(1, 40), random.integer(30, 90)];
        const order = random.pick([
          [0, 2, 1],
          [2, 0, 1],
          [2, 1, 0],
          [0, 1, 2],
        ]);
        const x = permuted(random, shape, order, random.pick([0, 0, 1]));
        const y = zeros(x.shape);
        tested.copy(x, y);
        if (y.length > 0 && copyTransposed(x, zeros(x.shape), 0)) moved++;
        const target = new Float32Array(y.length + 4).fill(7);
        const strides = x.shape.map((_, i) => x.shape.slice(i + 1).reduce((a, b) => a * b, 1));
        wasm.assign({ data: target, offset: 2, shape: x.shape, strides }, x);
        expect(target.subarray(2, -2)).toEqual(y);
        expect([target[1], target.at(-2)]).toEqual([7, 7]);
      }),
      { numRuns: 60 },
    );
    expect(moved).toBeGreaterThan(15);
  });

  it('of any view are those of the reference, in several blocks too', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new Random(seed);
        const shape = [random.integer(1, 5), random.integer(1, 40), random.integer(1, 40)];
        tested.copy(operand(random, shape, 0.02), zeros(shape));
      }),
    );
    expect(copyTransposed(permuted(new Random(1), [90, 90], [1, 0], 60), zeros([30, 30]), 0)).toBe(false);
    for (const [shape, order] of [
      [
        [3, 1000],
        [1, 0],
      ],
      [
        [700, 901],
        [1, 0],
      ],
      [
        [2, 5, 9001],
        [0, 2, 1],
      ],
    ] as const) {
      const x = permuted(new Random(1), shape, order, 0);
      expect(copyTransposed(x, zeros(x.shape), 0)).toBe(true);
      tested.copy(x, zeros(x.shape));
    }
  });
});

describe('running sums on WebAssembly', () => {
  it('are those of the reference, to the last bit, along any axis', () => {
    fallbacks.length = 0;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new Random(seed);
        const shape = [random.integer(1, 9), random.integer(1, 9), random.integer(1, 30)].slice(random.integer(0, 2));
        const axis = random.integer(0, shape.length - 1);
        const x = operand(random, shape, random.pick([0, 0.01]));
        const [y, expected] = [zeros(shape), zeros(shape)];
        wasm.cumsum(x, axis, y);
        jsKernels.cumsum(x, axis, expected);
        expect(y).toEqual(expected);
      }),
      { numRuns: 150 },
    );
    expect(fallbacks).toEqual([]);
  });
});
