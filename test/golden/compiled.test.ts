/** The golden values once more, through compiled programs: each call with its gradients, and whole training steps. */

import { describe, expect, test } from 'vitest';
import { runCompiled } from './compiled.ts';
import { FAMILIES, loadFamily } from './load.ts';
import { type RunCase, readCases, replayRun } from './replay.ts';
import { applies, describeCase } from './run.ts';

/** One case in so many: compiling costs more than computing. TYPEDGRAD_DEEP=1 takes them all. */
const SHARE: Readonly<Record<string, number>> = {
  elementwise: 3,
  reductions: 6,
  indexing: 4,
  conv: 3,
  conv_transpose: 3,
  pool: 4,
  losses: 4,
  trajectories: 3,
};
const sample = <T>(family: string, all: readonly T[]): T[] =>
  all.filter((_, i) => process.env.TYPEDGRAD_DEEP !== undefined || i % (SHARE[family] ?? 1) === 0);

describe('compiled programs agree with PyTorch', () => {
  for (const family of FAMILIES) {
    const cases = sample(
      family,
      loadFamily(family).filter((c) => applies(c, 'float32')),
    );
    if (cases.length === 0) continue;
    test(`${family}: ${cases.length} cases, value and gradient in one program`, () => {
      const failures = cases.flatMap((c) => {
        try {
          const wrong = runCompiled(c).filter(({ error, tolerance }) => !(error <= tolerance));
          return wrong.map(({ part, what, message }) => `${describeCase(c)}, ${part}, ${what}: ${message}`);
        } catch (error) {
          return [`${describeCase(c)}: ${error instanceof Error ? error.message : error}`];
        }
      });
      if (failures.length)
        expect.fail(`${failures.length} disagreements, first\n  ${failures.slice(0, 5).join('\n  ')}`);
    });
  }

  const runs = readCases<RunCase>('trajectories').filter(({ frozen }) => !frozen);
  for (const name of ['SGD', 'Adam', 'AdamW', 'RMSprop', 'Adagrad']) {
    const own = sample(
      'trajectories',
      runs.filter(({ optimizer }) => optimizer.name === name),
    );
    test.each([
      ['float64', 1e-9],
      ['float32', 5e-3],
    ] as const)(`${own.length} training runs with ${name}, each step one program, in %s`, (dtype, tolerance) => {
      for (const c of own) {
        const wrong = replayRun(c, dtype, 'compiled').filter(({ error }) => !(error <= tolerance));
        const what = `${c.model} ${JSON.stringify([c.optimizer, c.schedule, c.clip])}`;
        expect(
          wrong.map(({ what, message }) => `${what}: ${message}`),
          what,
        ).toEqual([]);
      }
    });
  }
});
