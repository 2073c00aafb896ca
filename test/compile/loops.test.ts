/** Fused loops over all kinds of shapes: which axes are summed, where they lie, and how long rows are. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compile, maximum, minimum, noGrad, type Tensor, tensor, zeros } from '../../src/index.ts';
import { expectClose, expectSame, normals } from './helpers.ts';

/** A tensor of a shape, its axes lying in memory in another order. */
function permuted(seed: number, shape: readonly number[], order: readonly number[]): Tensor {
  const inverse = shape.map((_, axis) => order.indexOf(axis));
  return normals(seed, ...order.map((axis) => shape[axis]!)).permute(inverse);
}

/** Two sums, of which one is of what is stored as well. */
function sums(x: Tensor, y: Tensor, axes: readonly number[]): Tensor[] {
  const product = x.mul(y);
  const shifted = product.add(1);
  return [shifted.sum(axes), product.sum(axes, true), shifted];
}

/** Compiled in float32 and eager in float64, within the rounding of terms and of short sums. */
function compare(x: Tensor, y: Tensor, axes: readonly number[], what: string): void {
  const run = compile((a: Tensor, b: Tensor) => sums(a, b, axes));
  const expected = sums(x.to('float64'), y.to('float64'), axes);
  const size = sums(x.to('float64').abs(), y.to('float64').abs(), axes);
  for (const [i, actual] of run(x, y).entries()) {
    const scale = size[i]!.max().item();
    expectClose(actual.to('float64'), expected[i]!, 1e-6, `${what}, result ${i}`, scale);
  }
  expect(run.report()[0]!.steps.every(({ eager }) => eager === null)).toBe(true);
  run.dispose();
}

const spaces = fc
  .array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(12, 16, 30)), { minLength: 1, maxLength: 4 })
  .filter((shape) => shape.reduce((a, b) => a * b) <= 20000)
  .chain((shape) => {
    const axes = shape.map((_, axis) => axis);
    return fc.record({
      shape: fc.constant(shape),
      summed: fc.subarray(axes, { minLength: 1 }),
      order: fc.shuffledSubarray(axes, { minLength: shape.length, maxLength: shape.length }),
      wide: fc.subarray(axes),
    });
  });

describe('loops with sums', () => {
  test('over any axes, of operands that lie in any order or are broadcast along some axes', () => {
    fc.assert(
      fc.property(spaces, ({ shape, summed, order, wide }) => {
        const x = permuted(1, shape, order);
        const y = normals(2, ...shape.map((length, axis) => (wide.includes(axis) ? 1 : length)));
        compare(x, y, summed, `[${shape}] in order ${order}, broadcast along ${wide}, over ${summed}`);
      }),
      { numRuns: 60 },
    );
  });

  test.each([
    { shape: [64, 24, 12], summed: [0, 2] },
    { shape: [16, 64, 100], summed: [0, 2] },
    { shape: [5, 127, 33], summed: [0, 2] },
    { shape: [4, 6, 1500], summed: [0, 2] },
    { shape: [3, 2000, 5], summed: [0, 2] },
    { shape: [3, 40, 5, 30, 2], summed: [0, 2, 4] },
    { shape: [40, 6, 5, 30, 2], summed: [1, 3] },
    { shape: [300, 520], summed: [0] },
    { shape: [300, 521], summed: [1] },
    { shape: [200, 30, 18], summed: [1, 2] },
    { shape: [70001], summed: [0] },
    { shape: [1, 5], summed: [0] },
  ])('in blocks, units and remainders: $shape over $summed', ({ shape, summed }) => {
    compare(normals(1, ...shape), normals(2, ...shape), summed, `[${shape}] over ${summed}`);
  });

  test('add up long rows in double precision', () => {
    const n = 4_000_000;
    const x = zeros([n]).add(0.1);
    expect(compile((y: Tensor) => y.mul(1.5).sum())(x).item() / (1.5 * Math.fround(0.1) * n)).toBeCloseTo(1, 6);
  });

  test('give 0 for the sum of -0, and NaN and infinities their way', () => {
    const rows = tensor([
      [-0, NaN, Infinity, -Infinity, 1],
      [-0, 1, Infinity, Infinity, 2],
    ]);
    const run = compile((x: Tensor) => {
      const y = x.mul(1.25);
      return [y.sum(0), y.sum(1), y.sum(), y.narrow(0, 0, 1).sum(0)];
    });
    const expected = [[0, NaN, Infinity, NaN, 3.75], [NaN, Infinity], NaN, [0, NaN, Infinity, -Infinity, 1.25]];
    expect(run(rows).map((y) => y.toArray())).toEqual(expected);
  });
});

describe('loops without sums', () => {
  test.each([[1], [3], [4], [63], [64], [65], [32768], [70003], [7, 5], [300, 130]])(
    'write all of [%s] and nothing behind it',
    (...shape) => {
      const x = normals(1, ...shape);
      const y = normals(2, shape.at(-1)!);
      const fn = (a: Tensor, b: Tensor): Tensor => a.sub(b).abs();
      expectSame(compile(fn)(x, y), fn(x, y));
      const state = zeros([shape[0]! + 9, ...shape.slice(1)]);
      compile((a: Tensor, b: Tensor) => noGrad(() => void state.narrow(0, 4, shape[0]!).assign(fn(a, b))))(x, y);
      expectSame(state.narrow(0, 4, shape[0]!).contiguous(), fn(x, y));
      expect(state.narrow(0, 0, 4).abs().sum().item()).toBe(0);
      expect(
        state
          .narrow(0, 4 + shape[0]!, 5)
          .abs()
          .sum()
          .item(),
      ).toBe(0);
    },
  );

  test('take the larger and the smaller of an element and a number bit for bit, whichever comes first', () => {
    const special = [0, -0, 0.5, -0.5, 7, -7, Infinity, -Infinity, NaN];
    const x = tensor(special);
    const fn = (y: Tensor): Tensor[] =>
      special.flatMap((c) => [maximum(y, c), maximum(c, y), minimum(y, c), minimum(c, y), y.clamp(-1, c)]);
    const [actual, expected] = [compile(fn)(x), fn(x)];
    expected.forEach((y, i) => expectSame(actual[i]!, y, `${special[Math.floor(i / 5)]}, ${i % 5}`));
  });
});
