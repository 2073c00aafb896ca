import { describe, expect, it } from 'vitest';

describe('the browser suite', () => {
  it('runs in a page, without Node', () => {
    expect(typeof document).toBe('object');
    expect('process' in globalThis && 'versions' in (globalThis as { process: object }).process).toBe(false);
  });
});
