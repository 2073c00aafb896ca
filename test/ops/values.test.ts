/** Values and gradients at the edges of what an operation is defined for: its defaults, limits, zeros and empty axes. */

import { describe, expect, it } from 'vitest';
import {
  add,
  assign,
  clamp,
  conv1d,
  crossEntropy,
  cumsum,
  flip,
  gaussianNllLoss,
  grad,
  instanceNorm,
  narrow,
  nllLoss,
  norm,
  ones,
  pad,
  pow,
  prod,
  scatterAdd,
  select,
  slice,
  softplus,
  sum,
  type Tensor,
  tensor,
  to,
  unfold,
  zeros,
} from '../../src/index.ts';

const of64 = (values: number | readonly number[]): Tensor => tensor(values as number[], { dtype: 'float64' });
const slope = (fn: (x: Tensor) => Tensor, x: Tensor): unknown => grad((v: Tensor) => sum(fn(v)))(x).toArray();

describe('elementwise', () => {
  it('clamp takes one limit alone, left out or null', () => {
    const x = tensor([-2, 0.5, 3]);
    expect(clamp(x, 0).toArray()).toEqual([0, 0.5, 3]);
    expect(clamp(x, undefined, 1).toArray()).toEqual([-2, 0.5, 1]);
    expect(clamp(x, 0, null).toArray()).toEqual([0, 0.5, 3]);
    expect(clamp(x, null, 1).toArray()).toEqual([-2, 0.5, 1]);
  });

  it('to gives the tensor itself where it has the dtype already', () => {
    const x = tensor([1]);
    expect(to(x, 'float32')).toBe(x);
    expect(to(x, 'float64')).not.toBe(x);
  });

  it('pow has the gradient 0 in the exponent where the base is 0, but not where the result is infinite', () => {
    expect(slope((b) => pow(0, b), of64([0, 2, -1]))).toEqual([0, 0, Number.NEGATIVE_INFINITY]);
  });

  it('pow has the gradient 0 in the base where the exponent is 0, even at 0 and infinity', () => {
    expect(slope((a) => pow(a, 0), of64([0, 2, Number.POSITIVE_INFINITY]))).toEqual([0, 0, 0]);
  });

  it('softplus is x itself above the threshold of 20, and not below', () => {
    const y = softplus(of64([19.5, 20, 20.5])).toArray() as number[];
    expect(y.map((value, i) => value === [19.5, 20, 20.5][i])).toEqual([false, false, true]);
  });

  it('a sum of numbers alone is a float32 scalar', () => {
    expect([add(1, 2).dtype, add(1, 2).shape, add(1, 2).item()]).toEqual(['float32', [], 3]);
  });
});

describe('assignment', () => {
  it('reads a view of the tensor itself before it is overwritten, and counts the version up', () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const before = x.storage.version;
    assign(x, flip(x));
    expect(x.toArray()).toEqual([
      [6, 5, 4],
      [3, 2, 1],
    ]);
    expect(x.storage.version).toBe(before + 1);
  });
});

describe('convolution', () => {
  it('of no filters and of no channels has empty and zero results', () => {
    expect(conv1d(zeros([1, 1, 4]), zeros([0, 1, 2])).shape).toEqual([1, 0, 3]);
    expect(conv1d(zeros([1, 0, 4]), ones([2, 0, 2])).toArray()).toEqual([
      [
        [0, 0, 0],
        [0, 0, 0],
      ],
    ]);
  });
});

describe('reductions', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15])('prod of %d numbers, and its gradient', (count) => {
    const values = Array.from({ length: count }, (_, i) => i + 1.5);
    const whole = values.reduce((a, b) => a * b);
    const x = of64(values);
    expect(Math.abs(prod(x).item() / whole - 1)).toBeLessThan(1e-14);
    for (const [i, g] of (slope((v) => prod(v), x) as number[]).entries()) {
      expect(Math.abs((g * values[i]!) / whole - 1)).toBeLessThan(1e-13);
    }
  });

  it('prod of no numbers is 1, of the shape asked for', () => {
    expect(prod(zeros([2, 0]), 1).toArray()).toEqual([1, 1]);
    expect(prod(zeros([2, 0]), 1, true).toArray()).toEqual([[1], [1]]);
  });

  it.each([1, 2, 3, Number.POSITIVE_INFINITY])('the norm of p = %d is 0 at the origin, with gradient 0', (p) => {
    const of = (x: Tensor): Tensor => norm(x, undefined, false, { p });
    expect(of(of64([0, 0])).item()).toBe(0);
    expect(slope(of, of64([0, 0]))).toEqual([0, 0]);
  });

  it('the norm of p = 0 counts what is not 0, over the axes asked for', () => {
    const x = tensor([
      [0, -2, 3],
      [0, 0, 5],
    ]);
    expect(norm(x, undefined, false, { p: 0 }).item()).toBe(3);
    expect(norm(x, 1, false, { p: 0 }).toArray()).toEqual([2, 1]);
    expect(norm(x, 0, true, { p: 0 }).toArray()).toEqual([[0, 1, 2]]);
  });

  it('the running sum of a scalar is a copy of it', () => {
    const x = tensor(3);
    expect(cumsum(x, 0).item()).toBe(3);
    expect(cumsum(x, 0).storage).not.toBe(x.storage);
  });

  it('the norm of p = 3 is the cube root of the sum of cubes', () => {
    expect(Math.abs(norm(of64([3, -4, 5]), undefined, false, { p: 3 }).item() - 6)).toBeLessThan(1e-14);
  });
});

describe('views and windows', () => {
  it('an index counts from the end down to the first element', () => {
    expect([slice(tensor([1, 2, 3]), -3).item(), select(tensor([1, 2, 3]), 0, -3).item()]).toEqual([1, 1]);
  });

  it('narrow counts a negative start from the end', () => {
    expect(narrow(tensor([1, 2, 3, 4]), 0, -3, 2).toArray()).toEqual([2, 3]);
  });

  it('unfold with windows of nothing has one more of them than elements', () => {
    expect(unfold(zeros([3]), 0, 0, 1).shape).toEqual([4, 0]);
  });

  it('pad fills with any constant, 1 and NaN included', () => {
    expect(pad(tensor([5]), [[1, 2]], { value: 1 }).toArray()).toEqual([1, 5, 1, 1]);
    expect(pad(tensor([5]), [[0, 1]], { value: Number.NaN }).toArray()).toEqual([5, Number.NaN]);
  });

  it('scatterAdd leaves what the index does not reach, and passes the gradient there', () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const added = (v: Tensor): Tensor => scatterAdd(v, 1, tensor([[2, 2]]), tensor([[10, 20]]));
    expect(added(x).toArray()).toEqual([
      [1, 2, 33],
      [4, 5, 6],
    ]);
    expect(slope(added, x)).toEqual([
      [1, 1, 1],
      [1, 1, 1],
    ]);
  });
});

describe('losses and norms', () => {
  it('crossEntropy with all of the target spread out is the mean of -log p over the classes', () => {
    const logits = of64([0, 1, 3]);
    const total = Math.log(1 + Math.exp(1) + Math.exp(3));
    const expected = total - 4 / 3;
    expect(Math.abs(crossEntropy(logits, 2, { labelSmoothing: 1 }).item() - expected)).toBeLessThan(1e-14);
    const shares = of64([1, 0, 0]);
    expect(Math.abs(crossEntropy(logits, shares, { labelSmoothing: 1 }).item() - expected)).toBeLessThan(1e-14);
  });

  it('a class of probability 0 that is not the label does not make a loss NaN', () => {
    const logs = tensor([[Math.log(0.5), Number.NEGATIVE_INFINITY]]);
    expect(nllLoss(logs, [0]).item()).toBeCloseTo(Math.log(2), 6);
    expect(crossEntropy(tensor([[0, Number.NEGATIVE_INFINITY]]), [0]).item()).toBe(0);
  });

  it('an ignored sample counts neither in the sum nor in the weighted mean, though its scores be infinite', () => {
    const logs = of64([-1, -2, Number.NEGATIVE_INFINITY, -3]).reshape([2, 2]);
    const weight = of64([2, 3]);
    expect(nllLoss(logs, [1, -100]).item()).toBe(2);
    expect(nllLoss(logs, [1, -100], { weight }).item()).toBe(2);
    expect(nllLoss(logs, [1, -100], { weight, reduction: 'none' }).toArray()).toEqual([6, 0]);
  });

  it('gaussianNllLoss takes variances without the last axis, or with it of size 1', () => {
    const x = of64([1, 2, 3, 4]).reshape([2, 2]);
    const target = zeros([2, 2], { dtype: 'float64' });
    const loss = (v: Tensor): unknown => gaussianNllLoss(x, target, v, { reduction: 'none' }).toArray();
    const expected = [
      [0.5 * (Math.log(2) + 1 / 2), 0.5 * (Math.log(2) + 4 / 2)],
      [0.5 * (Math.log(4) + 9 / 4), 0.5 * (Math.log(4) + 16 / 4)],
    ];
    const v = of64([2, 4]);
    expect(loss(v)).toEqual(expected);
    expect(loss(v.reshape([2, 1]))).toEqual(expected);
    expect(loss(of64([2, 2, 4, 4]).reshape([2, 2]))).toEqual(expected);
    const vector = gaussianNllLoss(of64([1, 3]), of64([0, 0]), of64(2), { reduction: 'none' }).toArray();
    expect(vector).toEqual([0.5 * (Math.log(2) + 0.5), 0.5 * (Math.log(2) + 4.5)]);
  });

  it('instanceNorm of no channels has none', () => {
    expect(instanceNorm(zeros([2, 0, 3])).shape).toEqual([2, 0, 3]);
  });
});
