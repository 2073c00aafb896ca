import { describe, expect, it } from 'vitest';
import { backend } from '../../src/index.ts';

/** What the configuration says of this page. */
const isIsolated = (import.meta as unknown as { env: Record<string, string> }).env.ISOLATED === 'true';
const hasPolicy = (import.meta as unknown as { env: Record<string, string> }).env.POLICY === 'true';

describe('the browser suite', () => {
  it('runs in a page, without Node', () => {
    expect(typeof document).toBe('object');
    expect('process' in globalThis && 'versions' in (globalThis as { process: object }).process).toBe(false);
  });

  it('runs in a page that may share memory with threads, in one that may not, and in one that forbids WebAssembly', () => {
    expect(crossOriginIsolated).toBe(isIsolated);
    expect(backend()).toMatchObject({ name: hasPolicy ? 'js' : 'wasm', shared: isIsolated });
    if (hasPolicy) expect(backend().reasons.wasm).toMatch(/refused.*Content Security Policy/s);
  });
});
