/** Eager convolutions by tiles: copy in, run the chunks, copy out, unless a result is not finite. */
import { product } from '../../../sizes.ts';
import type { FloatArray, Strided } from '../../../types.ts';
import type { KernelCache, KernelFunction } from '../../memory/cache.ts';
import { layoutKernels } from '../../memory/layout.ts';
import { narrowFirst, writeStrided } from '../../memory/transfer.ts';
import { positionsOf, type Unit, unitsOf } from './geometry.ts';
import { gradientFunctions, gradientKey, gradientScratch } from './gradient.ts';
import type { GradientPlan, LinearPlan } from './kernel.ts';
import { linearFunctions, linearKey, linearScratch } from './linear.ts';
import {
  type FilterGradient,
  filterFloats,
  filterFunction,
  filterGradientFunction,
  filterGradientKey,
  filterKey,
  outerPitch,
} from './weights.ts';

export interface ReadyLinear {
  readonly plan: LinearPlan;
  readonly filters: KernelFunction;
  readonly chunks: readonly KernelFunction[];
  readonly units: readonly Unit[];
  readonly scratch: number;
}

/** Blocks of outputs: where each begins, and how many it has. */
function blocksOf({ kernel, blocks }: LinearPlan): { first: number; count: number }[] {
  const total = kernel.sizes.outputs;
  return Array.from({ length: blocks }, (_, b) => {
    const first = b * kernel.outputs;
    return { first, count: Math.min(kernel.outputs, total - first) };
  });
}

export function readyLinear(cache: KernelCache, plan: LinearPlan, images: number): ReadyLinear {
  const kernels = blocksOf(plan).map(({ count }) => ({ ...plan.kernel, outputs: count }));
  return {
    plan,
    filters: cache.get(filterKey(plan.filters), () => [filterFunction(plan.filters)]).filters as KernelFunction,
    chunks: kernels.map((k) => cache.get(linearKey(k), () => linearFunctions(k)).chunk as KernelFunction),
    units: unitsOf(plan.kernel.sizes, plan.kernel.chunk, images),
    scratch: Math.max(...kernels.map(linearScratch)),
  };
}

/**
 * y from x and w; false if there is no memory for it, or a result is not finite: an infinite number, and sums of large
 * ones, spread over a tile. The bias, if there is one, is of the plan's kernel too.
 */
export function runLinear(
  cache: KernelCache,
  r: ReadyLinear,
  x: Strided,
  w: Strided,
  bias: Strided | null,
  groups: number,
  y: FloatArray,
): boolean {
  const { memory } = cache;
  const { sizes, chunk } = r.plan.kernel;
  const { filters } = r.plan;
  const weights = product(w.shape) / groups;
  const { xImage, yImage } = sizes;
  const outputs = groups * sizes.outputs;
  const counts = {
    x: chunk.images * xImage,
    y: chunk.images * yImage,
    w: groups * weights,
    u: groups * filterFloats(filters),
    bias: bias === null ? 0 : outputs,
    scratch: r.scratch,
    flag: 4,
  };
  const at = memory.place(counts);
  if (at === null) return false;
  writeStrided(memory, at.w, w);
  if (bias !== null) writeStrided(memory, at.bias, bias);
  memory.zero(at.flag, 4);
  const uGroup = 4 * filterFloats(filters);
  for (let g = 0; g < groups; g++) r.filters(at.w + 4 * g * weights, at.u + g * uGroup, 0, filters.outer);
  const xGroup = 4 * sizes.channels * product(sizes.x);
  const yOutput = 4 * product(sizes.y);
  let loaded = -1;
  r.units.forEach(({ image, images: count, layer, row }, i) => {
    if (image !== loaded) writeStrided(memory, at.x, narrowFirst(x, image, count));
    loaded = image;
    for (let g = 0; g < groups; g++) {
      blocksOf(r.plan).forEach(({ first }, b) => {
        const output = g * sizes.outputs + first;
        const u = at.u + g * uGroup + 4 * first * outerPitch(filters);
        const [xAt, yAt, biasAt] = [at.x + g * xGroup, at.y + output * yOutput, at.bias + 4 * output];
        (r.chunks[b] as KernelFunction)(xAt, u, yAt, 0, biasAt, at.scratch, at.flag, count, layer, row);
      });
    }
    if (r.units[i + 1]?.image !== image) memory.read(at.y, y as Float32Array, image * yImage, count * yImage);
  });
  return layoutKernels(cache).finite(at.flag, 4) !== 0;
}

export interface ReadyGradient {
  readonly plan: GradientPlan;
  readonly chunk: KernelFunction;
  readonly back: KernelFunction;
  readonly units: readonly Unit[];
}

export function readyGradient(cache: KernelCache, plan: GradientPlan, images: number): ReadyGradient {
  const { kernel } = plan;
  const back: FilterGradient = plan.back;
  return {
    plan,
    chunk: cache.get(gradientKey(kernel), () => gradientFunctions(kernel)).chunk as KernelFunction,
    back: cache.get(filterGradientKey(back), () => [filterGradientFunction(back)]).back as KernelFunction,
    units: unitsOf(kernel.sizes, kernel.chunk, images),
  };
}

/** dw from x and g; false if there is no memory for it, or a result is not finite. */
export function runGradient(
  cache: KernelCache,
  r: ReadyGradient,
  x: Strided,
  g: Strided,
  groups: number,
  y: FloatArray,
): boolean {
  const { memory } = cache;
  const { kernel, back, parts } = r.plan;
  const { sizes, chunk, position } = kernel;
  const { xImage, yImage } = sizes;
  const sums = parts * back.distance;
  const bandBytes = positionsOf(sizes.tileDepth) * position;
  const counts = {
    x: chunk.images * xImage,
    g: chunk.images * yImage,
    sums: groups * sums,
    dw: y.length,
    scratch: gradientScratch(kernel),
  };
  const at = memory.place(counts);
  if (at === null) return false;
  memory.zero(at.sums, counts.sums);
  const [xGroup, gGroup] = [4 * sizes.channels * product(sizes.x), 4 * sizes.outputs * product(sizes.y)];
  let loaded = -1;
  r.units.forEach(({ image, images, layer, row }, i) => {
    if (image !== loaded) {
      writeStrided(memory, at.x, narrowFirst(x, image, images));
      writeStrided(memory, at.g, narrowFirst(g, image, images));
      loaded = image;
    }
    const series = Math.floor((i * parts) / r.units.length);
    for (let group = 0; group < groups; group++) {
      const sum = at.sums + 4 * (group * sums + series * back.distance);
      const [xg, gg] = [at.x + group * xGroup, at.g + group * gGroup];
      for (let band = 0; band < 4; band++) {
        r.chunk(xg, gg, sum + band * bandBytes, at.scratch, band, images, layer, row);
      }
    }
  });
  for (let group = 0; group < groups; group++) {
    r.back(at.sums + 4 * group * sums, at.dw + ((4 * y.length) / groups) * group, 0, back.items);
  }
  if (layoutKernels(cache).finite(at.dw, y.length) === 0) return false;
  memory.read(at.dw, y as Float32Array, 0, y.length);
  return true;
}
