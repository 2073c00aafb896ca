import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const original = globalThis.WebAssembly;

/** A copy of the library's kernels that has not asked the engine anything yet. */
function fresh(): Promise<typeof import('../../../src/kernels/index.ts')> {
  vi.resetModules();
  return import('../../../src/kernels/index.ts');
}

describe('where WebAssembly is missing, old or forbidden', () => {
  beforeEach(() => {
    vi.stubEnv('TYPEDGRAD_BACKEND', '');
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.unstubAllEnvs();
    vi.resetModules();
  });

  it('asks nothing at import', async () => {
    const asked: string[] = [];
    const spy = new Proxy(original, {
      get(target, key) {
        asked.push(String(key));
        return Reflect.get(target, key);
      },
    });
    vi.stubGlobal('WebAssembly', spy);
    const { backend } = await fresh();
    expect(asked).toEqual([]);
    expect(backend().name).toBe('wasm');
    expect(asked).toContain('validate');
  });

  it('uses TypeScript when the engine has none, and computes', async () => {
    vi.stubGlobal('WebAssembly', undefined);
    const { backend, kernels } = await fresh();
    expect(backend()).toMatchObject({
      name: 'js',
      simd: false,
      reasons: { wasm: 'this JavaScript engine has no WebAssembly' },
    });
    const x = { data: Float32Array.of(1, -2), offset: 0, shape: [2], strides: [1] };
    const y = new Float32Array(2);
    kernels().unary('relu', x, y);
    expect([...y]).toEqual([1, 0]);
  });

  it("says so when a page's policy refuses to compile", async () => {
    const refuse = class {
      constructor() {
        throw new original.CompileError("violates the following Content Security Policy directive: script-src 'self'");
      }
    };
    vi.stubGlobal('WebAssembly', {
      ...Object.fromEntries(keys().map((k) => [k, Reflect.get(original, k)])),
      Module: refuse,
    });
    const { backend } = await fresh();
    expect(backend().name).toBe('js');
    expect(backend().reasons.wasm).toMatch(/refused here.*Content Security Policy/);
  });

  it('says so when the engine has no SIMD', async () => {
    vi.stubGlobal('WebAssembly', {
      ...Object.fromEntries(keys().map((k) => [k, Reflect.get(original, k)])),
      validate: () => false,
    });
    const { backend } = await fresh();
    expect(backend()).toMatchObject({ name: 'js', reasons: { simd: 'this WebAssembly engine has no 128-bit SIMD' } });
  });

  it('does without shared memory where a page is not isolated', async () => {
    vi.stubGlobal('SharedArrayBuffer', undefined);
    const { backend } = await fresh();
    expect(backend()).toMatchObject({ name: 'wasm', shared: false });
    expect(backend().reasons.shared).toMatch(/cross-origin isolated/);
  });
});

function keys(): (keyof typeof WebAssembly)[] {
  return Object.getOwnPropertyNames(original) as (keyof typeof WebAssembly)[];
}
