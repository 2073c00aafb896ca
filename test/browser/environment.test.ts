import { describe, expect, it } from 'vitest';
import { backend } from '../../src/index.ts';

/** What the configuration says of this page. */
const isIsolated = (import.meta as unknown as { env: Record<string, string> }).env.ISOLATED === 'true';

describe('the browser suite', () => {
  it('runs in a page, without Node', () => {
    expect(typeof document).toBe('object');
    expect('process' in globalThis && 'versions' in (globalThis as { process: object }).process).toBe(false);
  });

  it('runs once in a page that may share memory with threads, and once in a page that may not', () => {
    expect(crossOriginIsolated).toBe(isIsolated);
    expect(backend()).toMatchObject({ name: 'wasm', shared: isIsolated });
  });
});
