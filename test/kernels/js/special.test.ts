/** The scalar functions to the last bits, where samples at random seldom fall. */
import { describe, expect, it } from 'vitest';
import { erf, power, roundEven } from '../../../src/kernels/js/special.ts';

/** By mpmath 1.2.1 with 40 digits, of the double next to each number: float(mp.erf(mp.mpf(x))). */
const erfValues: readonly (readonly [number, number])[] = [
  [0.01, 0.011283415555849618],
  [0.1, 0.1124629160182849],
  [0.25, 0.27632639016823696],
  [0.46875, 0.49261347321793797],
  [0.46876, 0.4926225311068465],
  [0.5, 0.5204998778130465],
  [0.75, 0.7111556336535151],
  [1, 0.8427007929497149],
  [1.5, 0.9661051464753108],
  [2, 0.9953222650189527],
  [2.5, 0.999593047982555],
  [3, 0.9999779095030014],
  [3.5, 0.9999992569016276],
  [3.999, 0.9999999844552505],
  [4, 0.9999999845827421],
  [4.001, 0.9999999847092178],
  [4.5, 0.9999999998033839],
  [5, 0.9999999999984626],
  [5.5, 0.9999999999999927],
  [5.9, 0.9999999999999999],
  [6, 1],
  [7, 1],
];

describe('erf', () => {
  it.each(erfValues)('of %d and its negative is right to two units in the last place', (x, expected) => {
    expect(Math.abs(erf(x) - expected)).toBeLessThanOrEqual(2 * 2 ** -53);
    expect(erf(-x)).toBe(-erf(x));
  });

  it('keeps its limits, its zeros and NaN', () => {
    const limits = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN, 0, -0].map(erf);
    expect(limits).toEqual([1, -1, Number.NaN, 0, -0]);
  });
});

describe('roundEven', () => {
  it.each([
    [104.5, 104],
    [105.5, 106],
    [1e6 + 0.5, 1e6],
    [1e9 + 1.5, 1e9 + 2],
    [2 ** 51 + 0.5, 2 ** 51],
    [2 ** 51 + 1.5, 2 ** 51 + 2],
    [2 ** 52 + 1, 2 ** 52 + 1],
    [2 ** 53 - 1, 2 ** 53 - 1],
  ])('gives of %d the nearest whole number, halves to the even one: %d', (x, expected) => {
    expect(roundEven(x)).toBe(expected);
    expect(roundEven(-x)).toBe(-expected);
  });

  it('keeps the sign of zero', () => {
    expect([0, -0, 0.5, -0.5, -0.25].map(roundEven)).toEqual([0, -0, 0, -0, -0]);
  });
});

describe('power', () => {
  it('is 1 for the base 1, and for -1 with an infinite exponent, but NaN for -1 with NaN', () => {
    const infinite = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    expect([...infinite, Number.NaN, 0.5].map((exponent) => power(1, exponent))).toEqual([1, 1, 1, 1]);
    expect([...infinite, Number.NaN, 0.5, 3].map((exponent) => power(-1, exponent))).toEqual([
      1,
      1,
      Number.NaN,
      Number.NaN,
      -1,
    ]);
    expect(infinite.map((exponent) => power(0.5, exponent))).toEqual([0, Number.POSITIVE_INFINITY]);
  });
});
