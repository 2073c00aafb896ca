/** Max pooling by taps: the definitions that stand in for kernels, and the bytes that programs keep. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GraphOp } from '../../src/compile/graph.ts';
import { maxPoolTapsOp, pickTapsOp, spreadTapsOp, tapType } from '../../src/compile/pool-taps.ts';
import { compile, grad, maxPool2d, type Tensor, tensor } from '../../src/index.ts';
import { poolKernels } from '../../src/kernels/pool.ts';
import type { FloatArray, Strided } from '../../src/kernels/types.ts';
import { isDense, sizeOf } from '../../src/tensor/shape.ts';
import { expectSame, normals } from './helpers.ts';

/** Windows within their planes, that do not overlap. */
const setups = fc
  .record({
    outer: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 })),
    axes: fc.array(
      fc.record({
        kernel: fc.integer({ min: 1, max: 3 }),
        gap: fc.integer({ min: 0, max: 2 }),
        count: fc.integer({ min: 1, max: 5 }),
        rest: fc.integer({ min: 0, max: 2 }),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    seed: fc.nat(),
  })
  .map(({ outer, axes, seed }) => {
    const stride = axes.map(({ kernel, gap }) => kernel + gap);
    const size = axes.map(({ kernel, count, rest }, i) => (count - 1) * stride[i]! + kernel + rest);
    const ones = axes.map(() => 1);
    const geometry = { kernel: axes.map(({ kernel }) => kernel), stride, dilation: ones, before: axes.map(() => 0) };
    return { geometry, x: [...outer, ...size], pooled: [...outer, ...axes.map(({ count }) => count)], seed };
  });

/** A tensor whose axes lie in another order in memory, with ties and NaN, and no -0. */
function awkward(seed: number, shape: readonly number[]): Tensor {
  const axes = shape.map((_, axis) => axis).reverse();
  const x = normals(seed, ...[...shape].reverse());
  for (let i = 0; i < x.size; i++) x.data[i] = i % 11 === 5 ? Number.NaN : Math.round(2 * x.data[i]!) + 0;
  return x.permute(axes);
}

function result(op: GraphOp, inputs: readonly Strided[], attrs: object, shape: readonly number[]): FloatArray {
  const y = new Float32Array(sizeOf(shape));
  op.compute(inputs, attrs, { shape, dtype: 'float32' }, y);
  return y;
}

describe('the definitions', () => {
  test('pick and spread as the operations by positions do', () => {
    fc.assert(
      fc.property(setups, ({ geometry, x: xShape, pooled, seed }) => {
        const [x, v, g] = [awkward(seed, xShape), normals(seed + 1, ...xShape), awkward(seed + 2, pooled)];
        const data = result(maxPoolTapsOp, [x], { geometry, shape: pooled }, pooled);
        const taps = tensor(data).reshape([...pooled]);
        expect(isDense(taps)).toBe(true);
        const expected = [new Float32Array(data.length), new Float32Array(data.length), new Float32Array(x.size)];
        poolKernels().maxPoolPick(x, x, geometry, pooled, expected[0]!);
        poolKernels().maxPoolPick(v, x, geometry, pooled, expected[1]!);
        poolKernels().maxPoolSpread(g, x, geometry, xShape, expected[2]!);
        const picked = [x, v].map((from) => result(pickTapsOp, [from, taps], { geometry, shape: pooled }, pooled));
        const spread = result(spreadTapsOp, [g, taps], { geometry, shape: xShape }, xShape);
        expect([...picked, spread].map((y) => [...y])).toEqual(expected.map((y) => [...y]));
      }),
    );
  });
});

describe('programs', () => {
  const backward = (size: readonly [number, number]) => (x: Tensor) =>
    grad((y: Tensor) => maxPool2d(y.mul(3), size).square().sum())(x);

  test('keep a byte for each window, or a float where windows have more than 256 taps', () => {
    const bytes = ([h, w]: readonly [number, number]): number => {
      const run = compile(backward([h, w]));
      const x = normals(1, 2, 3, 2 * h, 2 * w);
      expectSame(run(x), backward([h, w])(x));
      return run.report()[0]!.steps.find(({ operations }) => operations.includes('maxPoolTaps'))!.bytes;
    };
    const [windows, values] = [24, 4 * 24];
    expect(bytes([16, 16])).toBe(4 * 24 * 256 + values + windows);
    expect(bytes([16, 17])).toBe(4 * 24 * 272 + values + 4 * windows);
    const geometry = { stride: [1], dilation: [1], before: [0] };
    expect(tapType({ ...geometry, kernel: [256] })).toBe('uint8');
    expect(tapType({ ...geometry, kernel: [257] })).toBe('float32');
  });
});
