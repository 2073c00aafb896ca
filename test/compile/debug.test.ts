/** What a compiled function prints when the environment asks for it. */

import { afterEach, describe, expect, test, vi } from 'vitest';
import { compile, type Tensor, tensor } from '../../src/index.ts';

describe('TYPEDGRAD_DEBUG', () => {
  const before = process.env.TYPEDGRAD_DEBUG;
  afterEach(() => {
    if (before === undefined) delete process.env.TYPEDGRAD_DEBUG;
    else process.env.TYPEDGRAD_DEBUG = before;
    vi.restoreAllMocks();
  });

  test.each([
    ['0', []],
    ['1', [/traced a function of \(float32\[1\]\) in [\d.]+ ms/]],
    ['2', [/traced/, /= add\(/]],
    ['3', [/traced/, /= add\(/, /after removeDeadCode/]],
    ['4', [/traced/, /= add\(/, /after simplify/, /operations in \d steps/]],
  ] as const)('%s', (level, expected) => {
    process.env.TYPEDGRAD_DEBUG = level;
    const log = vi.spyOn(console, 'log').mockImplementation(() => {});
    const run = compile((x: Tensor) => x.add(2));
    run(tensor([1]));
    run(tensor([1]));
    const text = log.mock.calls.flat().join('\n');
    for (const pattern of expected) expect(text).toMatch(pattern);
    expect(text.match(/traced/g)?.length ?? 0).toBe(level === '0' ? 0 : 1);
  });
});
