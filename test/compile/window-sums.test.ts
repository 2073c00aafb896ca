/** Average pooling in programs, with windows of all kinds. */

import { describe, expect, test } from 'vitest';
import { avgPool1d, avgPool2d, avgPool3d, compile, grad, setThreads, type Tensor, tensor } from '../../src/index.ts';
import { expectClose, expectSame, normals } from './helpers.ts';

const cases = [
  ['side by side', avgPool2d, [3, 5, 10, 14], 2, {}],
  ['side by side, of odd sizes', avgPool2d, [2, 3, 9, 25], [2, 3], {}],
  ['of a whole plane', avgPool2d, [4, 9, 7, 7], 7, {}],
  ['overlapping', avgPool2d, [2, 3, 9, 11], 3, { stride: 1 }],
  ['padded', avgPool2d, [3, 5, 9, 10], 3, { stride: 2, padding: 1 }],
  ['padded, which does not count', avgPool2d, [3, 5, 9, 10], 3, { stride: 2, padding: 1, countIncludePad: false }],
  ['hanging over', avgPool2d, [2, 3, 8, 8], 3, { stride: 2, ceilMode: true }],
  ['apart', avgPool2d, [2, 3, 11, 16], 2, { stride: 3 }],
  ['wide', avgPool2d, [2, 2, 20, 61], [3, 40], { stride: [2, 7], padding: 1 }],
  ['with a divisor', avgPool2d, [2, 3, 6, 8], 2, { divisorOverride: 3 }],
  ['in many units', avgPool2d, [7, 9, 31, 33], 3, { stride: 2, padding: 1 }],
  ['of one axis', avgPool1d, [4, 3, 50], 5, { stride: 3, padding: 2 }],
  ['of three axes', avgPool3d, [2, 2, 5, 6, 7], 3, { stride: 2, padding: 1 }],
] as const;

type Pool = (x: Tensor, size: number | readonly number[], options: object) => Tensor;

describe.each(cases)('average pooling, %s', (_, pool, shape, size, options) => {
  const value = (x: Tensor): Tensor => (pool as Pool)(x, size, options);
  const weight = normals(4, ...value(normals(1, ...shape)).shape);
  const first = (x: Tensor): Tensor => grad((y: Tensor) => value(y).square().mul(weight).sum())(x);
  const second = (x: Tensor): Tensor => grad((y: Tensor) => first(y).square().sum())(x);
  const all = (x: Tensor): Tensor[] => [value(x), first(x), second(x)];

  test('gives what eager code gives, and so do its gradients, without an eager step', () => {
    const x = normals(1, ...shape);
    const run = compile(all);
    // A window of n elements is summed in another order: n roundings at most, of which errors of this size remain.
    for (const [i, got] of run(x).entries()) expectClose(got, all(x)[i]!, 1e-5);
    expect(run.report()[0]!.steps.filter(({ eager }) => eager !== null)).toEqual([]);
  });

  test('spreads no infinity and no NaN any further', () => {
    const x = normals(2, ...shape);
    const odd = [NaN, Infinity, -Infinity, -0];
    for (let i = 0; i < x.size; i += 23) x.data[i] = odd[(i / 23) % odd.length]!;
    const kinds = ({ data }: Tensor): number[] => Array.from(data, (v) => (Number.isFinite(v) ? 0 : v));
    const both = (y: Tensor): Tensor[] => [value(y), first(y)];
    for (const [i, got] of compile(both)(x).entries()) expect(kinds(got)).toEqual(kinds(both(x)[i]!));
  });
});

test('a mean is the sum divided, to the last bit, and one step', () => {
  const x = normals(3, 5, 6, 12, 14);
  const run = compile((y: Tensor) => avgPool2d(y, 3, { stride: 2 }));
  const sums = compile((y: Tensor) => avgPool2d(y, 3, { stride: 2, divisorOverride: 1 }));
  expectSame(run(x), sums(x).div(9));
  expect(run.report()[0]!.steps.map(({ name }) => name)).toEqual(['windowMean over windows']);
});

test('sums that are read otherwise too are kept', () => {
  const x = normals(3, 2, 3, 8, 8);
  const both = (y: Tensor): Tensor[] => {
    const sums = avgPool2d(y, 2, { divisorOverride: 1 });
    return [sums.div(4), sums.relu()];
  };
  for (const [i, got] of compile(both)(x).entries()) expectClose(got, both(x)[i]!, 1e-6);
});

test('what is pooled may be overwritten before the sums are divided', () => {
  const state = tensor([[[1, 2, 3, 4]]]);
  const run = compile((x: Tensor) => {
    const sums = avgPool1d(state, 2, { divisorOverride: 1 });
    state.assign(x);
    return sums.div(2);
  });
  expect(run(tensor([[[5, 6, 7, 8]]])).toArray()).toEqual([[[1.5, 3.5]]]);
});

test('the bits are the same on 1, 2 and 3 threads', async () => {
  const x = normals(5, 9, 7, 33, 35);
  const fn = (y: Tensor): Tensor[] => [
    avgPool2d(y, 2),
    grad((z: Tensor) => avgPool2d(z, 3, { stride: 2, padding: 1 }).square().sum())(y),
  ];
  const bits: string[] = [];
  try {
    for (const threads of [1, 2, 3]) {
      await setThreads(threads);
      bits.push(
        compile(fn)(x)
          .map((y) => new Uint32Array(y.toTypedArray().buffer).join())
          .join(),
      );
    }
  } finally {
    await setThreads(1);
  }
  expect(bits.map((own) => own === bits[0])).toEqual([true, true, true]);
});
