/** ONNX's own operator test cases, run through the library. */

import { describe, expect, test } from 'vitest';
import { loadCases } from './onnx-cases.ts';
import { OPERATORS } from './onnx-operators.ts';
import { judge, type Verdict } from './onnx-run.ts';

const verdicts = loadCases().map(judge);

function byOperator(): Map<string, Verdict[]> {
  const found = new Map<string, Verdict[]>();
  for (const verdict of verdicts) {
    if (verdict.operator in OPERATORS) found.set(verdict.operator, [...(found.get(verdict.operator) ?? []), verdict]);
  }
  return found;
}

describe('agreement with the operator cases of ONNX', () => {
  for (const [operator, all] of byOperator()) {
    const judged = all.filter(({ state }) => state !== 'not applicable');
    test.runIf(judged.length > 0)(`${operator}: ${judged.length} of ${all.length} cases apply`, () => {
      const failed = judged.filter(({ state }) => state === 'failed').map(({ name, reason }) => `${name}: ${reason}`);
      expect(failed).toEqual([]);
    });
  }

  test('no case stops applying unnoticed', () => {
    const reasons: Record<string, number> = {};
    for (const { operator, state, reason } of verdicts) {
      if (state === 'not applicable' && operator in OPERATORS) reasons[reason] = (reasons[reason] ?? 0) + 1;
    }
    expect(reasons).toMatchInlineSnapshot();
  });
});
