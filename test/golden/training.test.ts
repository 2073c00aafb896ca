/** Layers, schedules and whole training runs against PyTorch's. */

import { describe, expect, test } from 'vitest';
import { manualSeed } from '../../src/index.ts';
import { buildLayer } from './models.ts';
import {
  type LayerCase,
  type RunCase,
  readCases,
  replayLayer,
  replayRun,
  replaySchedule,
  type ScheduleCase,
  type Step,
} from './replay.ts';

/** Rounding grows from step to step of a run, so a little less than one operation's agreement. */
const TOLERANCE = 1e-9;
/** A run in single precision drifts: RMSprop and Adam divide gradients by their own size. */
const TOLERANCE_32 = 5e-3;

function expectAgreement(steps: readonly Step[], tolerance: number): void {
  const wrong = steps.filter(({ error }) => !(error <= tolerance));
  const lines = wrong.map(
    ({ what, message, error }) => `${what}: ${message} (relative error ${error.toExponential(1)})`,
  );
  if (lines.length) expect.fail(`${lines.length} of ${steps.length} disagree:\n  ${lines.slice(0, 5).join('\n  ')}`);
}

function expectInitial({ layer, initial }: LayerCase): void {
  manualSeed(1);
  const state = buildLayer(layer).stateDict();
  const shapes = (all: object): [string, unknown][] =>
    Object.entries(all).map(([name, { shape }]) => [name, [...shape]]);
  expect(shapes(state)).toEqual(shapes(initial));
  for (const [name, { bound, value }] of Object.entries(initial)) {
    const values = [...state[name]!.toTypedArray()];
    if (value !== undefined) expect(new Set(values), name).toEqual(new Set([value]));
    if (bound !== undefined) expectUniform(name, values, bound);
  }
}

function expectUniform(name: string, values: readonly number[], bound: number): void {
  const largest = Math.max(...values.map(Math.abs));
  expect(largest, `${name}: largest magnitude`).toBeLessThanOrEqual(bound * (1 + 1e-6));
  if (values.length < 1000) return;
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  const variance = values.reduce((sum, v) => sum + v * v, 0) / values.length;
  expect(largest / bound, `${name}: the bound is reached`).toBeGreaterThan(0.98);
  // Five standard deviations of each estimate.
  expect(Math.abs(mean) / bound, `${name}: mean`).toBeLessThan(5 * Math.sqrt(1 / 3 / values.length));
  const spread = 5 * Math.sqrt(0.8 / values.length);
  expect(Math.abs(variance / (bound ** 2 / 3) - 1), `${name}: variance, of a uniform one`).toBeLessThan(spread);
}

describe('layers agree with PyTorch', () => {
  for (const c of readCases<LayerCase>('layers')) {
    test(`${JSON.stringify(c.layer)}: initial state${c.state ? ', training and evaluation' : ''}`, () => {
      expectInitial(c);
      if (c.state) expectAgreement(replayLayer(c, 'float64'), TOLERANCE);
      if (c.state) expectAgreement(replayLayer(c, 'float32'), 1e-5);
    });
  }
});

describe('schedules agree with PyTorch', () => {
  for (const c of readCases<ScheduleCase>('schedules')) {
    const groups = c.optimizer.groups ? ' in groups' : '';
    test(`${c.schedule} ${JSON.stringify(c.options)} with ${JSON.stringify(c.optimizer.options)}${groups}`, () => {
      expectAgreement(replaySchedule(c), TOLERANCE);
    });
  }
});

describe('training runs agree with PyTorch step by step', () => {
  for (const c of readCases<RunCase>('trajectories')) {
    const { name, options, groups } = c.optimizer;
    const parts = [
      `${name} ${JSON.stringify(options)}`,
      groups && `groups ${JSON.stringify(groups)}`,
      c.schedule && `${c.schedule.name} ${JSON.stringify(c.schedule.options)}`,
      c.clip && `clipped ${JSON.stringify(c.clip)}`,
      c.frozen && `frozen ${JSON.stringify(c.frozen)}`,
      c.lossOptions && JSON.stringify(c.lossOptions),
    ];
    test(`${c.model}, ${c.steps} steps, ${c.loss}, ${parts.filter(Boolean).join(', ')}`, () => {
      expectAgreement(replayRun(c, 'float64'), TOLERANCE);
      expectAgreement(replayRun(c, 'float32'), TOLERANCE_32);
    });
  }
});
