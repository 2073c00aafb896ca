/** Every function against PyTorch in float64: values, gradients and second gradients, in both dtypes and on views. */

import { describe, expect, test } from 'vitest';
import { type Case, FAMILIES, loadFamily } from './load.ts';
import { applies, describeCase, runCase, VARIANTS } from './run.ts';

function failuresOf(c: Case): string[] {
  const failures: string[] = [];
  for (const variant of VARIANTS) {
    if (!applies(c, variant)) continue;
    try {
      for (const { error, tolerance, part, what, message } of runCase(c, variant)) {
        if (!(error <= tolerance)) {
          failures.push(
            `${describeCase(c)} ${variant}, ${part}, ${what}: ${message} (${error.toExponential(1)} > ${tolerance})`,
          );
        }
      }
    } catch (error) {
      failures.push(`${describeCase(c)} ${variant}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return failures;
}

for (const family of FAMILIES) {
  describe(`agreement with PyTorch: ${family}`, () => {
    const byFunction = new Map<string, Case[]>();
    for (const c of loadFamily(family)) byFunction.set(c.fn, [...(byFunction.get(c.fn) ?? []), c]);
    for (const [fn, cases] of byFunction) {
      test(`${fn}: ${cases.length} cases`, () => {
        const failures = cases.flatMap(failuresOf);
        const shown = failures.slice(0, 5).join('\n  ');
        if (failures.length)
          expect.fail(`${failures.length} disagreements over ${cases.length} cases, first\n  ${shown}`);
      });
    }
  });
}
