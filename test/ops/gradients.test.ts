/** The gradient of every operation and function, first and second, against differences in float64. */

import { describe, expect, it } from 'vitest';
import * as exported from '../../src/index.ts';
import { checkGrads, type Tensor } from '../../src/index.ts';
import { inputsOf, type Sample, samples, without } from './samples.ts';

declare global {
  interface ImportMeta {
    glob<T>(pattern: string, options: { eager: true }): Record<string, T>;
  }
}

const library = { ...exported };
const modules = import.meta.glob<Record<string, unknown>>('../../src/ops/*.ts', { eager: true });

/** The names under which functions of src/ops are public. */
function publicFunctions(): string[] {
  const internal = new Set(Object.values(modules).flatMap((module) => Object.values(module)));
  return Object.entries(library)
    .filter(([, value]) => typeof value === 'function' && internal.has(value))
    .map(([name]) => name);
}

function check({ fn, eps, tolerance }: Sample, inputs: readonly Tensor[], order: number): void {
  checkGrads(fn, inputs, { order, ...(eps && { eps }), ...(tolerance && { tolerance }) });
}

/** The same values in memory with all axes in reverse order, and every other element of the last unused. */
function scattered(x: Tensor): { stored: Tensor; seen: (stored: Tensor) => Tensor } {
  const axes = x.shape.map((_, i) => x.rank - 1 - i);
  const seen = (stored: Tensor): Tensor => stored.select(-1, 1).permute(axes);
  const turned = x.permute(axes);
  return { stored: library.stack([turned.mul(0), turned], -1), seen };
}

describe('the table of samples', () => {
  it('has every public function of operations', () => {
    const functions = publicFunctions();
    expect(functions.length).toBeGreaterThan(100);
    expect(functions.filter((name) => !(name in samples) && !(name in without))).toEqual([]);
  });

  it('names nothing that does not exist, and nothing twice', () => {
    const names = [...Object.keys(samples), ...Object.keys(without)];
    expect(names.filter((name) => !(name in library))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
    expect(Object.entries(samples).filter(([, list]) => list.length === 0)).toEqual([]);
  });
});

describe.each(Object.entries(samples))('%s', (_, list) => {
  it('has the gradients of first and second order that differences give', () => {
    for (const sample of list) check(sample, inputsOf(sample), 2);
  });

  it('has them for inputs that are not contiguous', () => {
    for (const sample of list) {
      const inputs = inputsOf(sample).map(scattered);
      const fn = (...stored: Tensor[]): Tensor | readonly Tensor[] =>
        sample.fn(...stored.map((x, i) => inputs[i]!.seen(x)));
      check(
        { ...sample, fn },
        inputs.map(({ stored }) => stored),
        1,
      );
    }
  });
});

describe('functions without a gradient', () => {
  it('give results that require none', () => {
    const x = library.tensor([0, 1, 2], { requiresGrad: true });
    for (const name of ['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const)
      expect(library[name](x, 1).requiresGrad).toBe(false);
    for (const name of ['isNaN', 'all', 'any', 'argMax', 'argMin', 'detach'] as const)
      expect(library[name](x).requiresGrad).toBe(false);
    expect(library.oneHot(x, 3).requiresGrad).toBe(false);
  });
});
