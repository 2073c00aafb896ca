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
    if (judged.length === 0) continue;
    test(`${operator}: ${judged.length} of ${all.length} cases apply`, () => {
      const failed = judged.filter(({ state }) => state === 'failed').map(({ name, reason }) => `${name}: ${reason}`);
      expect(failed).toEqual([]);
    });
  }

  test('no case stops applying unnoticed', () => {
    const reasons: Record<string, number> = {};
    for (const { operator, state, reason } of verdicts) {
      if (state === 'not applicable' && operator in OPERATORS) reasons[reason] = (reasons[reason] ?? 0) + 1;
    }
    expect(reasons).toMatchInlineSnapshot(`
      {
        "another Adam: no bias correction at the first update": 2,
        "division of integers": 1,
        "left out of the committed file for its size": 2,
        "random: the mask is drawn by another generator": 4,
        "scatter that overwrites: the library adds": 5,
        "tensors of float16": 2,
        "tensors of list": 2,
        "the last of equal elements: the library takes the first": 16,
      }
    `);
  });
});
