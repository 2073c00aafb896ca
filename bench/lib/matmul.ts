/** Matrix products on operands that are in place, as a compiled program runs them. */

import { features } from '../../src/kernels/wasm/features.ts';
import { planMatmul } from '../../src/kernels/wasm/matmul/plan.ts';
import { KernelCache, type KernelFunction } from '../../src/kernels/wasm/memory/cache.ts';
import { KernelMemory } from '../../src/kernels/wasm/memory/memory.ts';
import type { MatmulShape } from '../shapes.ts';

/** Runs all units of the product's plan. */
export function productRunner({ m, k, n, transposeA, transposeB }: MatmulShape): () => void {
  const a = transposeA ? { row: 1, column: m, batch: [] } : { row: k, column: 1, batch: [] };
  const b = transposeB ? { row: 1, column: k, batch: [] } : { row: n, column: 1, batch: [] };
  const plan = planMatmul({ m, k, n, batch: [], a, b, epilogue: {}, fma: features().relaxed });
  const cache = new KernelCache(new KernelMemory());
  const counts = [m * k, k * n, m * n, plan.shared, plan.own];
  const total = counts.reduce((sum, count) => sum + count, 0);
  cache.memory.begin(total, counts.length);
  const at = counts.map((count) => cache.memory.allocate(count)) as [number, number, number, number, number];
  // Some processors are faster on zeros.
  for (const i of [0, 1]) cache.memory.view(at[i] as number, counts[i] as number).fill(0.5);
  const kernels = cache.get(plan.key, plan.build);
  const tasks = plan.tasks.map(({ name, units }) => ({ run: kernels[name] as KernelFunction, units }));
  const [left, right, y, shared, own] = at;
  return () => {
    for (const { run, units } of tasks) for (let u = 0; u < units; u++) run(left, right, y, 0, shared, own, u);
  };
}
