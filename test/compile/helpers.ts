/** What several tests of compiled functions need. */

import { expect } from 'vitest';
import { compile, Generator, randn, type Tensor } from '../../src/index.ts';

/** A function that counts how often it is carried out, which a compiled one is only when it is traced. */
export function counted<A extends unknown[], R>(
  fn: (...args: A) => R,
): { run: (...args: A) => R; traces: () => number } {
  let count = 0;
  const program = compile((...args: A): R => {
    count++;
    return fn(...args);
  });
  return { run: program, traces: () => count };
}

/** Normal random numbers of a seed. */
export function normals(seed: number, ...shape: number[]): Tensor {
  return randn(shape, { generator: new Generator(seed) });
}

/** All elements equal, bit for bit, NaN to NaN, and 0 apart from -0. */
export function expectSame(actual: Tensor, expected: Tensor, what = ''): void {
  expect(actual.shape, what).toEqual(expected.shape);
  expect(actual.dtype, what).toBe(expected.dtype);
  expect([...actual.toTypedArray()], what).toEqual([...expected.toTypedArray()]);
}

/** No element further away than `tolerance`, relative to the largest of the expected ones (or to `floor`, where that is larger). */
export function expectClose(actual: Tensor, expected: Tensor, tolerance: number, what = '', floor = 1e-30): void {
  expect(actual.shape, what).toEqual(expected.shape);
  const [a, e] = [actual.toTypedArray(), expected.toTypedArray()];
  let scale = floor;
  for (const value of e) if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value));
  for (let i = 0; i < e.length; i++) {
    if (Object.is(a[i], e[i]) || a[i] === e[i]) continue;
    const error = Math.abs(a[i]! - e[i]!) / scale;
    if (!(error <= tolerance))
      expect.fail(`${what}: element ${i} is ${a[i]} instead of ${e[i]}, ${error} > ${tolerance} of ${scale}`);
  }
}
