import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

/** `typedgrad/core` in a program that has loaded nothing else of the library. */
describe('typedgrad/core alone', () => {
  beforeEach(() => {
    vi.resetModules();
    vi.stubEnv('TYPEDGRAD_BACKEND', '');
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.resetModules();
  });

  it('computes, and differentiates through methods and functions', async () => {
    const { exp, grad, mean, tensor } = await import('typedgrad/core');
    const slope = grad((x: import('typedgrad/core').Tensor) => mean(exp(x).mul(x).reshape([2, 1])).add(x.sum()));
    const [a, b] = [0, 1].map((x) => (Math.exp(x) * (1 + x)) / 2 + 1);
    const found = slope(tensor([0, 1], { dtype: 'float64' })).toArray() as number[];
    expect(found[0]).toBeCloseTo(a!, 12);
    expect(found[1]).toBeCloseTo(b!, 12);
  });

  it('runs on TypeScript and says why', async () => {
    const { backend } = await import('typedgrad/core');
    expect(backend()).toMatchObject({ name: 'js', simd: false });
    expect(backend().reasons.wasm).toContain("import 'typedgrad'");
  });

  it('refuses WebAssembly that it does not have', async () => {
    vi.stubEnv('TYPEDGRAD_BACKEND', 'wasm');
    const { tensor } = await import('typedgrad/core');
    expect(() => tensor([1]).exp()).toThrow(/TYPEDGRAD_BACKEND=wasm cannot be had: typedgrad\/core has none/);
  });

  it('says where the methods are that it leaves out', async () => {
    const { tensor, TypedgradError } = await import('typedgrad/core');
    expect(() => tensor([1]).max()).toThrow(TypedgradError);
    expect(() => tensor([1]).matmul(tensor([1]))).toThrow(
      "matmul: typedgrad/core has no such method; import 'typedgrad', which has all",
    );
  });

  it('has all methods and WebAssembly once typedgrad is loaded too, in whichever order', async () => {
    const core = await import('typedgrad/core');
    const x = core.tensor([[3, 4]]);
    expect(x.exp().shape).toEqual([1, 2]);
    const whole = await import('typedgrad');
    expect(x.matmul(x.transpose()).item()).toBe(25);
    expect(core.backend().name).toBe('wasm');
    expect(whole.backend()).toMatchObject(core.backend());
    vi.resetModules();
    await import('typedgrad');
    const { tensor, Tensor } = await import('typedgrad/core');
    expect(tensor([1, 5]).max().item()).toBe(5);
    expect(Tensor).toBe((await import('typedgrad')).Tensor);
  });

  it('is a part of typedgrad: the same things under the same names', async () => {
    const whole: Record<string, unknown> = { ...(await import('typedgrad')) };
    const core: Record<string, unknown> = { ...(await import('typedgrad/core')) };
    // The whole library's tells of threads as well.
    expect(Object.keys(core).filter((name) => core[name] !== whole[name])).toEqual(['backend']);
  });
});
