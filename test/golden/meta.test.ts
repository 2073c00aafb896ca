/** The golden tests themselves: they notice a planted error in every part, and no public function is without cases. */

import { describe, expect, test } from 'vitest';
import * as autograd from '../../src/autograd/index.ts';
import * as library from '../../src/index.ts';
import * as layers from '../../src/layers/index.ts';
import * as optim from '../../src/optim/index.ts';
import * as train from '../../src/train/index.ts';
import { difference } from './compare.ts';
import { type Case, type Encoded, FAMILIES, loadFamily } from './load.ts';
import { runCase } from './run.ts';

/** Rooms that are judged by whole layers and training runs, or by tests of their own. */
const ROOMS = [autograd, layers, optim, train];
/** What computes no values from tensors, or draws random numbers. */
const ELSEWHERE = new Set([
  ...['tensor', 'to', 'detach', 'assign', 'rand', 'randn', 'randint', 'randperm', 'manualSeed'],
  ...['compile', 'setThreads', 'backend'],
  ...ROOMS.flatMap((room) => Object.keys(room)),
]);

const families = FAMILIES.map((family): [string, Case[]] => [family, loadFamily(family)]);

function shifted(encoded: Encoded): Encoded {
  const [head, ...rest] = encoded.d;
  return { ...encoded, d: [(head as number) + (encoded.q ?? 1) * 0.01, ...rest] };
}

/** The case with its first number of one part a hundredth off. */
function plant(c: Case, part: 'out' | 'grads' | 'second' | 'after'): Case | null {
  if (part === 'out')
    return typeof c.out[0]?.d[0] === 'number' ? { ...c, out: [shifted(c.out[0]), ...c.out.slice(1)] } : null;
  const [path, encoded] = Object.entries(c[part] ?? {})[0] ?? [];
  if (!path || typeof encoded?.d[0] !== 'number' || Math.abs(encoded.d[0] / (encoded.q ?? 1)) > 100) return null;
  return { ...c, [part]: { ...c[part], [path]: shifted(encoded) } };
}

describe('the golden tests', () => {
  test.each(families)('notice an element of %s that is a hundredth off, in each part', (_, cases) => {
    for (const part of ['out', 'grads', 'second', 'after'] as const) {
      const planted = cases
        .map((c) => plant(c, part))
        .filter((c) => c !== null)
        .slice(0, 5);
      for (const c of planted) {
        const wrong = runCase(c, 'float64').filter(({ error, tolerance }) => error > tolerance);
        expect(wrong, `${c.fn}, ${part}`).toHaveLength(1);
      }
    }
  });

  test('have cases for every public function that computes', () => {
    const covered = new Set(families.flatMap(([, cases]) => cases.map(({ fn }) => fn)));
    const exported = Object.entries(library).filter(
      ([name, value]) => typeof value === 'function' && /^[a-z]/.test(name),
    );
    const without = exported.map(([name]) => name).filter((name) => !covered.has(name) && !ELSEWHERE.has(name));
    expect(without).toEqual([]);
  });
});

describe('difference', () => {
  const t = (...values: number[]): { shape: number[]; toTypedArray(): number[] } => ({
    shape: [values.length],
    toTypedArray: () => values,
  });

  test.each([
    ['NaN instead of a number', t(Number.NaN), [1]],
    ['a number instead of NaN', t(1), [Number.NaN]],
    ['the wrong infinity', t(Number.POSITIVE_INFINITY), [Number.NEGATIVE_INFINITY]],
    ['a finite number instead of an infinity', t(1e300), [Number.POSITIVE_INFINITY]],
  ])('is infinite for %s', (_, actual, expected) => {
    expect(difference(actual, [1], expected).error).toBe(Number.POSITIVE_INFINITY);
  });

  test('is infinite for another shape of as many elements', () => {
    expect(difference(t(1, 2), [2, 1], [1, 2])).toEqual({
      error: Number.POSITIVE_INFINITY,
      message: 'shape [2] instead of [2,1]',
    });
  });

  test('names the worst element, relative to the largest or to itself', () => {
    expect(difference(t(1, 100.5), [2], [1.25, 100]).message).toBe('element [1] is 100.5 instead of 100');
    expect(difference(t(1, 100.5), [2], [1.25, 100], 0)).toEqual({
      error: 0.2,
      message: 'element [0] is 1 instead of 1.25',
    });
  });

  test('takes a missing gradient for zeros', () => {
    expect(difference(null, [2], [0, 0]).error).toBe(0);
    expect(difference(null, [2], [0, 1]).error).toBe(1);
  });
});
