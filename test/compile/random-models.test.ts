/** Small random models, losses and optimizers: ten steps of training, compiled and not. */

import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { resetProgramMemory } from '../../src/compile/memory.ts';
import type { DType } from '../../src/index.ts';
import * as tg from '../../src/index.ts';
import { resetBackend } from '../../src/kernels/index.ts';
import { forceFeatures } from '../../src/kernels/wasm/features.ts';
import { expectClose } from './helpers.ts';
import { type Setting, setting, train } from './random-training.ts';

/**
 * Float32: one step is close to within the rounding of its sums (up to some thousand terms, 1e-5). Ten steps of training
 * let differences grow, by the curvature of the loss times the learning rate and where a ReLU or a maximum tips over.
 */
const tolerances = { float32: { 1: 5e-5, 10: 1e-2 }, float64: { 1: 1e-12, 10: 1e-9 } } as const;

function compare(setting: Setting, dtype: DType, steps: 1 | 10): void {
  const expected = train(setting, dtype, steps, false);
  // Where training diverges, each step multiplies the differences as it does the loss, and no tolerance holds.
  fc.pre(Object.entries(expected).every(([name, x]) => !name.startsWith('loss') || x.item() < 1000));
  const actual = train(setting, dtype, steps, true);
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [name, x] of Object.entries(expected)) expectClose(actual[name]!, x, tolerances[dtype][steps], name, 0.1);
}

const runs = (count: number): { numRuns: number } => ({
  numRuns: process.env.TYPEDGRAD_DEEP === undefined ? count : 15 * count,
});

describe('training a random model', { timeout: 120_000 }, () => {
  test('comes to the same after one step, within rounding', () => {
    fc.assert(
      fc.property(setting, (s) => compare(s, 'float32', 1)),
      runs(30),
    );
  });
  test('comes to about the same after ten steps', () => {
    fc.assert(
      fc.property(setting, (s) => compare(s, 'float32', 10)),
      runs(18),
    );
  });
  test('comes to the same in float64, within its rounding', () => {
    fc.assert(
      fc.property(setting, (s) => compare(s, 'float64', 10)),
      runs(10),
    );
  });
});

describe('without WebAssembly, programs', { timeout: 120_000 }, () => {
  const switchTo = (features: Parameters<typeof forceFeatures>[0]): void => {
    forceFeatures(features);
    resetBackend();
    resetProgramMemory();
  };
  afterEach(() => switchTo({}));

  test('run on ordinary memory, with the same results', () => {
    fc.assert(
      fc.property(setting, (s) => {
        switchTo({ simd: false });
        expect(tg.backend().name).toBe('js');
        compare(s, 'float32', 1);
        const without = train(s, 'float32', 1, true);
        switchTo({});
        const within = train(s, 'float32', 1, true);
        for (const [name, x] of Object.entries(within)) expectClose(without[name]!, x, 5e-5, name, 0.1);
      }),
      runs(8),
    );
  });

  test('and without fused multiply-adds and shared memory', () => {
    fc.assert(
      fc.property(setting, (s) => {
        switchTo({ relaxed: false, shared: false });
        compare(s, 'float32', 1);
      }),
      runs(12),
    );
  });
});
