import { AssertionError, OptionError } from '../errors.ts';
import { type ArrayInput, forEachIndex, type NdArray, sameShape, toNd } from './nd.ts';

/** How far an element may be away: |actual - expected| ≤ atol + rtol · |expected|. */
export interface Tolerance {
  /** Relative tolerance, 1e-5 by default. */
  readonly rtol?: number;
  /** Absolute tolerance, 1e-8 by default. */
  readonly atol?: number;
  /** Whether NaN equals NaN, as a test usually wants; true by default. */
  readonly equalNaN?: boolean;
}

interface Worst {
  index: number[];
  actual: number;
  expected: number;
  /** How many tolerances the element is away; Infinity where only one of the two is NaN or infinite. */
  excess: number;
}

/** How many tolerances `actual` is away from `expected`: at most 1 is close. */
function excessOf(actual: number, expected: number, rtol: number, atol: number, equalNaN: boolean): number {
  if (actual === expected) return 0;
  if (Number.isNaN(actual) && Number.isNaN(expected)) return equalNaN ? 0 : Infinity;
  if (!Number.isFinite(actual) || !Number.isFinite(expected)) return Infinity;
  const allowed = atol + rtol * Math.abs(expected);
  const error = Math.abs(actual - expected);
  // With both tolerances 0, any difference is infinitely many tolerances away, but larger ones should count as worse.
  return allowed > 0 ? error / allowed : Number.MAX_VALUE * Math.min(1, error);
}

function compare(
  actual: NdArray,
  expected: NdArray,
  rtol: number,
  atol: number,
  equalNaN: boolean,
): { wrong: number; worst: Worst | undefined } {
  let wrong = 0;
  let worst: Worst | undefined;
  forEachIndex(actual.shape, (index, position) => {
    const a = actual.data[position] as number;
    const e = expected.data[position] as number;
    const excess = excessOf(a, e, rtol, atol, equalNaN);
    if (excess <= 1) return;
    wrong += 1;
    if (worst === undefined || excess > worst.excess) worst = { index: [...index], actual: a, expected: e, excess };
  });
  return { wrong, worst };
}

function checkTolerance(name: string, value: number): void {
  if (!(value >= 0)) throw new OptionError(`allClose: ${name} must be a number of at least 0, got ${value}`);
}

/**
 * Asserts that two arrays have the same shape and that each element of `actual` is within tolerance of `expected`:
 * |actual - expected| ≤ atol + rtol · |expected|. Equal infinities are close; NaN is close to NaN only.
 *
 * It throws rather than returning false, since only the message tells where and by how much: the worst element (the one
 * that exceeds its tolerance by the largest factor) with its index, both values, its absolute and relative error, and how
 * many elements differ. It returns `true`, so that it can be the last expression of a property.
 *
 * @param actual what was computed: nested arrays, a typed array, `{ shape, data }`, or a tensor.
 * @param expected what is right, in any of the same forms.
 * @throws AssertionError if the shapes differ or an element is not close.
 * @example
 * ```ts
 * import { tensor } from 'typedgrad';
 * import { allClose } from 'typedgrad/testing';
 * allClose(tensor([1, 2, 3]).mul(2), [2, 4, 6]); // → true
 * ```
 */
export function allClose(actual: ArrayInput, expected: ArrayInput, tolerance: Tolerance = {}): true {
  const { rtol = 1e-5, atol = 1e-8, equalNaN = true } = tolerance;
  checkTolerance('rtol', rtol);
  checkTolerance('atol', atol);
  const a = toNd(actual);
  const e = toNd(expected);
  if (!sameShape(a.shape, e.shape)) {
    throw new AssertionError(
      `allClose: shapes differ: actual is [${a.shape.join(', ')}], expected is [${e.shape.join(', ')}]`,
    );
  }
  const { wrong, worst } = compare(a, e, rtol, atol, equalNaN);
  if (worst === undefined) return true;
  const error = Math.abs(worst.actual - worst.expected);
  throw new AssertionError(
    [
      `allClose: ${wrong} of ${a.data.length} elements differ (rtol ${rtol}, atol ${atol})`,
      `  worst at [${worst.index.join(', ')}] of shape [${a.shape.join(', ')}]`,
      `  actual   ${worst.actual}`,
      `  expected ${worst.expected}`,
      `  absolute error ${error.toPrecision(4)}, relative error ${(error / Math.abs(worst.expected)).toPrecision(4)}`,
    ].join('\n'),
  );
}
