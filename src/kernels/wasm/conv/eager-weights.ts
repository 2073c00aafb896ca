/** The eager weight gradient on WebAssembly. */
import type { ConvGeometry, FloatArray, Strided } from '../../types.ts';
import type { KernelCache, KernelFunction } from '../memory/cache.ts';
import { layoutKernels } from '../memory/layout.ts';
import { narrowFirst, writeStrided } from '../memory/transfer.ts';
import { dotFunctions, dotKey, dotTable } from './dots.ts';
import { copyPiece, isFused, keyOf, pack, sizesOf } from './parts.ts';
import { planWeightGrad, type WeightPlan, weightParts } from './weight-plan.ts';
import { readyGradient, runGradient } from './winograd/eager.ts';
import { planTilesWeightGrad } from './winograd/plan.ts';

interface ReadyWeight {
  readonly plan: WeightPlan;
  readonly run: KernelFunction;
  readonly table: readonly number[];
}

export function convWeightGrad(
  cache: KernelCache,
  x: Strided,
  g: Strided,
  geometry: ConvGeometry,
  shape: readonly number[],
  y: FloatArray,
): boolean {
  const sizes = sizesOf(x.shape, shape, g.shape, geometry);
  const fma = isFused();
  const tiles = cache.plan(keyOf('convWeightGradTiles', sizes, fma), () => {
    const plan = planTilesWeightGrad(sizes, fma);
    return plan && readyGradient(cache, plan, sizes.images);
  });
  if (tiles !== null && runGradient(cache, tiles, x, g, geometry.groups, y)) return true;
  const r: ReadyWeight = cache.plan(keyOf('convWeightGrad', sizes, fma), () => {
    const plan = planWeightGrad(sizes, fma);
    const run = cache.get(dotKey(plan.kernel), () => dotFunctions(plan.kernel)).run as KernelFunction;
    return { plan, run, table: dotTable(plan.kernel) };
  });
  return executeWeight(cache, r, x, g, geometry.groups, y);
}

function executeWeight(
  cache: KernelCache,
  r: ReadyWeight,
  x: Strided,
  g: Strided,
  groups: number,
  y: FloatArray,
): boolean {
  const { plan } = r;
  const { memory } = cache;
  const { kernel, runs } = plan;
  const images = x.shape[0] as number;
  const blocks = Math.ceil(images / plan.images);
  const parts = weightParts(images, plan.images, y.length);
  const [inputs, outputs] = [groups * kernel.channels, groups * kernel.outputs];
  // A run's last block reads x beyond the run's end, where g is zero and x must be finite.
  const beyond = plan.gRun - runs.length + 8;
  const counts = {
    staged: plan.source.dense ? 0 : plan.images * inputs * plan.inputSize,
    source: inputs * plan.source.channel + beyond,
    gStaged: plan.images * outputs * plan.gradSize,
    grad: outputs * kernel.gOutput,
    sums: 4 * parts * y.length,
    result: y.length,
    table: r.table.length,
  };
  const at = memory.place(counts);
  if (at === null) return false;
  const k = layoutKernels(cache);
  memory.zero(at.source, counts.source);
  memory.zero(at.grad, counts.grad);
  memory.zero(at.sums, counts.sums);
  memory.writeIntegers(at.table, r.table);
  for (let block = 0; block < blocks; block++) {
    const n = block * plan.images;
    const count = Math.min(plan.images, images - n);
    const part = at.sums + 16 * y.length * Math.floor(((block + 1) * parts - 1) / blocks);
    pack(cache, k, plan, at, narrowFirst(x, n, count), inputs);
    if (count < plan.images) memory.zero(at.grad, counts.grad);
    writeStrided(memory, at.gStaged, narrowFirst(g, n, count));
    for (let i = 0; i < count; i++) {
      const from = at.gStaged + 4 * i * outputs * plan.gradSize;
      copyPiece(k, plan.gPiece, from, at.grad + 4 * i * plan.gImage, outputs, plan.gradSize, kernel.gOutput);
    }
    for (let group = 0; group < groups; group++) {
      const xg = at.source + 4 * group * kernel.channels * plan.source.channel;
      const gg = at.grad + 4 * group * kernel.outputs * kernel.gOutput;
      const sums = part + 16 * ((group * y.length) / groups);
      for (let o = 0; o < runs.outer; o++) {
        r.run(
          xg + 4 * o * plan.xOuter,
          gg + 4 * o * plan.gOuter,
          sums,
          at.table,
          runs.segments,
          4 * plan.xRun,
          4 * plan.gRun,
        );
      }
    }
  }
  k.sumLanes(at.sums, at.result, y.length, parts, 16 * y.length);
  // Zeros of g between rows times an infinite x are NaN, where the definition has no term.
  if (k.finite(at.result, y.length) === 0) return false;
  memory.read(at.result, y as Float32Array, 0, y.length);
  return true;
}
