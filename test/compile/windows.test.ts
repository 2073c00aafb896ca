/** Max pooling in programs, with windows of all kinds. */

import { describe, expect, test } from 'vitest';
import { compile, grad, maxPool1d, maxPool2d, maxPool2dWithIndices, maxPool3d, type Tensor } from '../../src/index.ts';
import { expectClose, expectSame, normals } from './helpers.ts';

const cases = [
  ['padded', maxPool2d, [3, 5, 9, 10], 3, { stride: 2, padding: 1 }],
  ['padded on one axis', maxPool2d, [2, 3, 6, 7], [1, 3], { stride: 1, padding: [0, 1] }],
  ['dilated', maxPool2d, [2, 3, 9, 11], 2, { dilation: 2, stride: 1 }],
  ['dilated and disjoint', maxPool2d, [2, 3, 9, 11], 2, { dilation: 2, stride: 3 }],
  ['hanging over', maxPool2d, [2, 3, 7, 8], 3, { stride: 2, ceilMode: true }],
  ['large', maxPool2d, [2, 2, 20, 21], 9, { stride: 4, padding: 4 }],
  ['of padding alone', maxPool1d, [2, 3, 3], 2, { stride: 3, dilation: 4, padding: 1, ceilMode: true }],
  ['in many units', maxPool2d, [7, 9, 31, 33], 3, { stride: 2, padding: 1 }],
  ['of one axis', maxPool1d, [4, 3, 50], 5, { stride: 3, padding: 2 }],
  ['of three axes', maxPool3d, [2, 2, 5, 6, 7], 3, { stride: 2, padding: 1 }],
  ['side by side', maxPool2d, [3, 5, 9, 21], 2, {}],
  ['side by side, of odd sizes', maxPool2d, [2, 3, 9, 25], [2, 3], {}],
  ['apart', maxPool2d, [2, 3, 11, 16], 2, { stride: 3 }],
  ['within the input, overlapping', maxPool2d, [2, 3, 9, 11], 3, { stride: 2 }],
  ['of more taps than a byte can number', maxPool2d, [2, 3, 17, 48], [17, 16], {}],
  ['of three axes, side by side', maxPool3d, [2, 3, 4, 6, 11], 2, {}],
] as const;

type Pool = (x: Tensor, size: number | readonly number[], options: object) => Tensor;

describe.each(cases)('max pooling, %s', (_, pool, shape, size, options) => {
  const value = (x: Tensor): Tensor => (pool as Pool)(x, size, options);
  const inputs = (): Tensor[] => {
    const [plain, special, low] = [1, 2, 3].map((seed) => normals(seed, ...shape)) as [Tensor, Tensor, Tensor];
    const odd = [NaN, Infinity, -Infinity, 0, -0];
    for (let i = 0; i < special.size; i += 4) special.data[i] = odd[(i / 4) % odd.length]!;
    // Windows in which nothing is larger than padding.
    for (let i = 0; i < low.size; i++) if (i % 7 > 0) low.data[i] = -Infinity;
    return [plain, special, low];
  };

  test('gives the same maxima as eager code', () => {
    const run = compile(value);
    for (const x of inputs()) expectSame(run(x), value(x));
  });

  test('goes back the same way, twice, without an eager step', () => {
    for (const x of inputs()) {
      const weight = normals(4, ...value(x).shape);
      const first = (y: Tensor): Tensor => grad((z: Tensor) => value(z).mul(value(z)).mul(weight).sum())(y);
      const finite = x.isNaN().any().item() === 0 && x.data.every(Number.isFinite);
      const all = (y: Tensor): Tensor[] =>
        finite ? [first(y), grad((z: Tensor) => first(z).square().sum())(y)] : [first(y)];
      const run = compile(all);
      for (const [i, got] of run(x).entries()) expectClose(got, all(x)[i]!, 1e-5);
      expect(run.report()[0]!.steps.filter(({ eager }) => eager !== null)).toEqual([]);
    }
  });
});

test('positions with padding count in the input', () => {
  const positions = (x: Tensor): Tensor => maxPool2dWithIndices(x, 3, { stride: 2, padding: 1 })[1];
  const x = normals(5, 3, 4, 12, 13);
  expectSame(compile(positions)(x), positions(x));
});
