import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { convKernels } from '../../../src/kernels/conv.ts';
import { elementwiseKernels } from '../../../src/kernels/elementwise.ts';
import { backend, kernels, resetBackend } from '../../../src/kernels/index.ts';
import { jsKernels } from '../../../src/kernels/js/index.ts';
import { differential } from '../../../src/kernels/wasm/differential/index.ts';
import { features, forceFeatures } from '../../../src/kernels/wasm/features.ts';
import { wasmKernels } from '../../../src/kernels/wasm/index.ts';
import { matmul } from '../../../src/kernels/wasm/matmul/eager.ts';
import { KernelCache, Lru } from '../../../src/kernels/wasm/memory/cache.ts';
import { KernelMemory, MAXIMUM_PAGES } from '../../../src/kernels/wasm/memory/memory.ts';
import { operand, Random, zeros } from './random.ts';

const saved = process.env.TYPEDGRAD_BACKEND;

describe('the choice of kernels', () => {
  beforeEach(() => {
    delete process.env.TYPEDGRAD_BACKEND;
    resetBackend();
  });
  afterEach(() => {
    if (saved === undefined) delete process.env.TYPEDGRAD_BACKEND;
    else process.env.TYPEDGRAD_BACKEND = saved;
    forceFeatures({});
    resetBackend();
  });

  it('is WebAssembly where it can be had', () => {
    expect(backend().name).toBe('wasm');
    expect(backend().simd).toBe(true);
    expect(kernels()).toEqual(wasmKernels);
    expect(elementwiseKernels().unary).not.toBe(jsKernels.unary);
    expect(convKernels().conv).not.toBe(jsKernels.conv);
  });

  it('is TypeScript without SIMD, and says why', () => {
    forceFeatures({ simd: false });
    expect(backend()).toMatchObject({ name: 'js', simd: false, reasons: { simd: 'switched off' } });
    expect(kernels()).toBe(jsKernels);
    expect(elementwiseKernels().unary).toBe(jsKernels.unary);
    expect(convKernels().conv).toBe(jsKernels.conv);
  });

  it('follows TYPEDGRAD_BACKEND', () => {
    process.env.TYPEDGRAD_BACKEND = 'js';
    expect(backend()).toMatchObject({ name: 'js', reasons: { wasm: 'TYPEDGRAD_BACKEND=js forbids it' } });
    resetBackend();
    process.env.TYPEDGRAD_BACKEND = 'diff';
    expect(backend().name).toBe('diff');
    kernels().conv(
      operand(new Random(1), [2, 8, 12, 12]),
      operand(new Random(2), [16, 8, 3, 3]),
      { stride: [1, 1], dilation: [1, 1], before: [1, 1], groups: 1 },
      [2, 16, 12, 12],
      zeros([2, 16, 12, 12]),
    );
  });

  it('refuses a backend that does not exist, or cannot be had', () => {
    process.env.TYPEDGRAD_BACKEND = 'gpu';
    expect(() => kernels()).toThrow(/'gpu'.*'js', 'wasm' and 'diff'/);
    process.env.TYPEDGRAD_BACKEND = 'wasm';
    forceFeatures({ simd: false });
    expect(() => kernels()).toThrow(/wasm cannot be had: switched off|wasm cannot be had/);
  });

  it('gives reasons for exactly what is missing', () => {
    const { simd, relaxed, shared, reasons } = features();
    expect(Object.keys(reasons).sort()).toEqual(
      Object.entries({ simd, relaxed, shared })
        .filter(([, has]) => !has)
        .map(([n]) => n)
        .sort(),
    );
  });
});

describe('the differential mode', () => {
  it('catches a kernel that is wrong in one element', () => {
    const wrong = differential(
      {
        ...wasmKernels,
        matmul(a, b, y) {
          wasmKernels.matmul(a, b, y);
          y[7] = (y[7] as number) * (1 + 1e-4) + 1e-4;
        },
      },
      jsKernels,
    );
    const [a, b] = [operand(new Random(1), [30, 40]), operand(new Random(2), [40, 50])];
    expect(() => wrong.matmul(a, b, zeros([30, 50]))).toThrow(/matmul gives .* at element 7 of 1500/);
  });

  it('lets correct kernels pass', () => {
    const [a, b] = [operand(new Random(1), [30, 40]), operand(new Random(2), [40, 50])];
    differential(wasmKernels, jsKernels).matmul(a, b, zeros([30, 50]));
  });
});

describe('what kernels keep', () => {
  it('forgets the kernel unused for longest', () => {
    const lru = new Lru<number>(2);
    lru.get('a', () => 1);
    lru.get('b', () => 2);
    lru.get('a', () => 0);
    lru.get('c', () => 3);
    expect([lru.get('a', () => 9), lru.get('b', () => 9), lru.size]).toEqual([1, 9, 2]);
  });

  it('neither grows the scratch nor the cache over many calls', () => {
    const cache = new KernelCache(new KernelMemory(), 8);
    const random = new Random(5);
    const run = (n: number): void => {
      matmul(cache, operand(random, [n, 20]), operand(random, [20, 30]), zeros([n, 30]));
    };
    for (let n = 1; n <= 40; n++) run(n);
    const { bytes } = cache.memory;
    for (let i = 0; i < 20_000; i++) run(39);
    expect(cache.memory.bytes).toBe(bytes);
    expect(cache.kernels.size).toBeLessThanOrEqual(8);
  });

  it('refuses more scratch than the bound and goes on with less', () => {
    const memory = new KernelMemory();
    expect(memory.begin(MAXIMUM_PAGES * 16384, 1)).toBe(false);
    expect(memory.begin(1000, 1)).toBe(true);
    const at = memory.allocate(1000);
    memory.write(at, Float32Array.of(1, 2, 3), 0, 3);
    expect(memory.begin(10_000_000, 1)).toBe(true);
    expect([...memory.view(at, 3)]).toEqual([1, 2, 3]);
  });
});
