import { describe, expect, it } from 'vitest';
import { AssertionError, ShapeError } from '../../src/errors.ts';
import { allClose, toNd, toNested } from '../../src/testing/index.ts';

const messageOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(AssertionError);
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
};

describe('allClose', () => {
  it('shows the worst element: where it is, both values, both errors, how many differ, the tolerances', () => {
    const message = messageOf(() =>
      allClose(
        [
          [1, 2],
          [3, 4.5],
        ],
        [
          [1, 2.001],
          [3, 4],
        ],
        { rtol: 1e-4, atol: 1e-6 },
      ),
    );
    expect(message).toBe(
      [
        'allClose: 2 of 4 elements differ (rtol 0.0001, atol 0.000001)',
        '  worst at [1, 1] of shape [2, 2]',
        '  actual   4.5',
        '  expected 4',
        '  absolute error 0.5000, relative error 0.1250',
      ].join('\n'),
    );
  });

  it('ranks by tolerances exceeded, not by absolute error', () => {
    expect(messageOf(() => allClose([1000.5, 0.2], [1000, 0.1]))).toContain('worst at [1] of');
    expect(messageOf(() => allClose([3, 0.2], [1, 0.1], { rtol: 0, atol: 0 }))).toContain('worst at [0] of');
  });

  it('accepts within |actual - expected| ≤ atol + rtol · |expected|, and not beyond', () => {
    expect(allClose([100.5], [100], { rtol: 0.004, atol: 0.1 })).toBe(true);
    expect(() => allClose([100.51], [100], { rtol: 0.004, atol: 0.1 })).toThrow(AssertionError);
  });

  it('treats NaN, infinities and signed zeros as values', () => {
    allClose([Number.NaN, Infinity, -Infinity, -0], [Number.NaN, Infinity, -Infinity, 0]);
    expect(() => allClose([Number.NaN], [Number.NaN], { equalNaN: false })).toThrow(AssertionError);
    expect(() => allClose([Number.NaN], [0], { atol: Infinity })).toThrow(AssertionError);
    expect(() => allClose([0], [Number.NaN], { atol: Infinity })).toThrow(AssertionError);
    expect(() => allClose([Infinity], [-Infinity])).toThrow(AssertionError);
    expect(() => allClose([1e308], [Infinity])).toThrow(AssertionError);
  });

  it('requires the same shape', () => {
    expect(messageOf(() => allClose([[1, 2]], [1, 2]))).toBe(
      'allClose: shapes differ: actual is [1, 2], expected is [2]',
    );
    allClose({ shape: [0, 3], data: [] }, { shape: [0, 3], data: [] });
    expect(() => allClose({ shape: [0, 3], data: [] }, { shape: [3, 0], data: [] })).toThrow(/shapes differ/);
  });

  it('refuses a tolerance that is not one', () => {
    expect(() => allClose([1], [1], { rtol: -1 })).toThrow(/rtol must be a number of at least 0/);
    expect(() => allClose([1], [1], { atol: Number.NaN })).toThrow(/atol/);
  });
});

describe('toNd', () => {
  it('reads numbers, nested arrays, typed arrays, { shape, data }, strided views and tensors', () => {
    const expected = [
      [1, 2, 3],
      [4, 5, 6],
    ];
    expect(toNested(5)).toBe(5);
    expect(toNested(Float32Array.of(1, 2))).toEqual([1, 2]);
    expect(toNested({ shape: [2, 3], data: [1, 2, 3, 4, 5, 6] })).toEqual(expected);
    expect(toNested({ shape: [2, 3], strides: [1, 2], offset: 1, data: [9, 1, 4, 2, 5, 3, 6] })).toEqual(expected);
    expect(toNested({ shape: [2, 2], strides: [-2, 0], offset: 3, data: [1, 2, 3, 4] })).toEqual([
      [4, 4],
      [2, 2],
    ]);
    expect(toNested({ shape: [2], dataSync: () => Float32Array.of(1, 2) })).toEqual([1, 2]);
    const permuted = { shape: [2], data: [9, 9, 9], strides: [2], toTypedArray: () => [1, 2] };
    expect(toNested(permuted)).toEqual([1, 2]);
    expect(toNd([[], []]).shape).toEqual([2, 0]);
  });

  it('copies', () => {
    const data = Float64Array.of(1, 2);
    toNd({ shape: [2], data }).data[0] = 9;
    expect(data[0]).toBe(1);
  });

  it('refuses ragged lists and data that does not fill the shape', () => {
    expect(() => toNd([[1, 2], [3]])).toThrow(ShapeError);
    expect(() => toNd([[1], 2])).toThrow(/ragged: 2 at depth 1 where a list of 1/);
    expect(() => toNd([1, [2]])).toThrow(/ragged/);
    expect(() => toNd({ shape: [3], data: [1] })).toThrow(/3 elements, but the data has 1/);
    expect(() => toNd('x' as never)).toThrow(ShapeError);
  });
});
