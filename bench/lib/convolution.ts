/** Convolution kernels as a compiled program would use them: planned buffers filled once, only the kernels timed. */
import type { ConvGeometry } from '../../src/kernels/types.ts';
import { dotFunctions, dotKey, dotTable } from '../../src/kernels/wasm/conv/dots.ts';
import { type ConvPlan, type ConvSizes, planForward, planInputGrad } from '../../src/kernels/wasm/conv/plan.ts';
import type { AxisSizes } from '../../src/kernels/wasm/conv/rows.ts';
import { tapFunctions, tapKey, tapTable } from '../../src/kernels/wasm/conv/taps.ts';
import { planWeightGrad } from '../../src/kernels/wasm/conv/weight-plan.ts';
import { readyGradient, readyLinear } from '../../src/kernels/wasm/conv/winograd/eager.ts';
import { positionsOf } from '../../src/kernels/wasm/conv/winograd/geometry.ts';
import { gradientScratch } from '../../src/kernels/wasm/conv/winograd/gradient.ts';
import type { GradientPlan, LinearPlan } from '../../src/kernels/wasm/conv/winograd/kernel.ts';
import { planTiles, planTilesInputGrad, planTilesWeightGrad } from '../../src/kernels/wasm/conv/winograd/plan.ts';
import { filterFloats, outerPitch, weightsOf } from '../../src/kernels/wasm/conv/winograd/weights.ts';
import { features } from '../../src/kernels/wasm/features.ts';
import { KernelCache, type KernelFunction } from '../../src/kernels/wasm/memory/cache.ts';
import { KernelMemory } from '../../src/kernels/wasm/memory/memory.ts';
import type { ConvShape } from '../shapes.ts';

/** Fills a buffer with small numbers that differ. */
function fill(memory: KernelMemory, address: number, count: number): void {
  const view = memory.view(address, count);
  for (let i = 0; i < count; i++) view[i] = ((i * 7) % 23) / 23 - 0.5;
}

function tapRunner(plan: ConvPlan, c: ConvSizes): () => void {
  const cache = new KernelCache(new KernelMemory());
  const { memory } = cache;
  const sourceSize = c.groups * plan.inputs * plan.source.channel;
  const weightSize = 1 + c.groups * c.channels * c.outputs * c.axes.reduce((n, a) => n * a.k, 1);
  const rows = c.groups * Math.max(...plan.stages.map((s) => s.kernel.outputs * s.rows));
  memory.begin(sourceSize + weightSize + rows + 65536, 4);
  const source = memory.allocate(sourceSize);
  const weights = memory.allocate(weightSize);
  const result = memory.allocate(rows);
  const table = memory.allocate(65536);
  fill(memory, source, sourceSize);
  fill(memory, weights, weightSize);
  const stages = plan.stages.map((stage) => {
    memory.writeIntegers(table, tapTable(stage.kernel));
    return { stage, run: cache.get(tapKey(stage.kernel), () => tapFunctions(stage.kernel)).run as KernelFunction };
  });
  return () => {
    for (let n = 0; n < c.images; n += plan.images) {
      for (const { stage, run } of stages) {
        for (let g = 0; g < c.groups; g++) {
          const x = source + 4 * g * plan.inputs * plan.source.channel;
          const w = weights + 4 * Math.floor((g * weightSize) / c.groups);
          const y = result + 4 * g * stage.kernel.outputs * stage.rows;
          run(x, w, y, 0, table, stage.segments, 4 * stage.xSegment, 4 * stage.ySegment);
        }
      }
    }
  };
}

function dotRunner(c: ConvSizes): () => void {
  const plan = planWeightGrad(c, features().relaxed);
  const { kernel, runs } = plan;
  const cache = new KernelCache(new KernelMemory());
  const { memory } = cache;
  const sourceSize = c.groups * kernel.channels * plan.source.channel + plan.gRun;
  const gradSize = c.groups * kernel.outputs * kernel.gOutput;
  const sums = 4 * c.groups * kernel.channels * kernel.outputs * kernel.taps.length;
  memory.begin(sourceSize + gradSize + sums + 65536, 4);
  const [x, g] = [memory.allocate(sourceSize), memory.allocate(gradSize)];
  const [acc, table] = [memory.allocate(sums), memory.allocate(65536)];
  fill(memory, x, sourceSize);
  fill(memory, g, gradSize);
  memory.writeIntegers(table, dotTable(kernel));
  const run = cache.get(dotKey(kernel), () => dotFunctions(kernel)).run as KernelFunction;
  return () => {
    for (let n = 0; n < c.images; n += plan.images) {
      for (let group = 0; group < c.groups; group++) {
        const xg = x + 4 * group * kernel.channels * plan.source.channel;
        const gg = g + 4 * group * kernel.outputs * kernel.gOutput;
        for (let o = 0; o < runs.outer; o++) {
          run(
            xg + 4 * o * plan.xOuter,
            gg + 4 * o * plan.gOuter,
            acc + (4 * group * sums) / c.groups,
            table,
            runs.segments,
            4 * plan.xRun,
            4 * plan.gRun,
          );
        }
      }
    }
  };
}

export type Direction = 'forward' | 'input gradient' | 'weight gradient';

/** The direct kernels of one convolution on buffers of their own. */
export function kernelRunner(direction: Direction, c: ConvSizes): () => void {
  const fma = features().relaxed;
  if (direction === 'forward') return tapRunner(planForward(c, fma), c);
  if (direction === 'input gradient') return tapRunner(planInputGrad(c, fma), c);
  return dotRunner(c);
}

/** The same by tiles (Winograd), the filters' transforms included, or null where they are not used. */
export function tileRunner(direction: Direction, c: ConvSizes): (() => void) | null {
  const fma = features().relaxed;
  if (direction === 'weight gradient') {
    const plan = planTilesWeightGrad(c, fma);
    return plan && tiledWeights(plan, c);
  }
  const plan = direction === 'forward' ? planTiles(c, false, fma) : planTilesInputGrad(c, fma);
  return plan && tiledLinear(plan, c);
}

function tiledLinear(plan: LinearPlan, c: ConvSizes): () => void {
  const cache = new KernelCache(new KernelMemory());
  const { memory } = cache;
  const { filters, chunks, units, scratch } = readyLinear(cache, plan, c.images);
  const { sizes, outputs } = plan.kernel;
  const [xGroup, yOutput] = [sizes.xImage / c.groups, sizes.yImage / c.groups / sizes.outputs];
  const weights = weightsOf(sizes.tileDepth) * plan.filters.outer * plan.filters.inner * plan.filters.taps;
  const counts = [c.images * sizes.xImage, c.images * sizes.yImage, weights, filterFloats(plan.filters), scratch, 4];
  memory.begin(
    counts.reduce((a, b) => a + b, 0),
    counts.length,
  );
  const [x, y, w, u, own, flag] = counts.map((count) => memory.allocate(count)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  fill(memory, x, counts[0]!);
  fill(memory, w, weights);
  return () => {
    for (let g = 0; g < c.groups; g++) {
      filters(w, u, 0, plan.filters.outer);
      for (const { image, images, layer, row } of units) {
        const xAt = x + 4 * (image * sizes.xImage + g * xGroup);
        chunks.forEach((run, b) => {
          const yAt = y + 4 * (image * sizes.yImage + (g * sizes.outputs + b * outputs) * yOutput);
          run(xAt, u + 4 * b * outputs * outerPitch(plan.filters), yAt, 0, 0, own, flag, images, layer, row);
        });
      }
    }
  };
}

function tiledWeights(plan: GradientPlan, c: ConvSizes): () => void {
  const cache = new KernelCache(new KernelMemory());
  const { memory } = cache;
  const { chunk, back, units } = readyGradient(cache, plan, c.images);
  const { kernel, parts } = plan;
  const { sizes, position } = kernel;
  const sums = parts * plan.back.distance;
  const bandBytes = positionsOf(sizes.tileDepth) * position;
  const counts = [
    c.images * sizes.xImage,
    c.images * sizes.yImage,
    sums,
    weightsOf(sizes.tileDepth) * plan.back.items,
    gradientScratch(kernel),
  ];
  memory.begin(
    counts.reduce((a, b) => a + b, 0),
    counts.length,
  );
  const [x, g, s, dw, own] = counts.map((count) => memory.allocate(count)) as [number, number, number, number, number];
  fill(memory, x, counts[0]!);
  fill(memory, g, counts[1]!);
  return () => {
    for (let group = 0; group < c.groups; group++) {
      memory.zero(s, sums);
      units.forEach(({ image, images, layer, row }, i) => {
        const sum = s + 4 * Math.floor((i * parts) / units.length) * plan.back.distance;
        const xAt = x + 4 * (image * sizes.xImage + (group * sizes.xImage) / c.groups);
        const gAt = g + 4 * (image * sizes.yImage + (group * sizes.yImage) / c.groups);
        for (let band = 0; band < 4; band++) chunk(xAt, gAt, sum + band * bandBytes, own, band, images, layer, row);
      });
      back(s, dw, 0, plan.back.items);
    }
  };
}

/** Sizes, geometry and floating-point operations of a named shape. */
export function convolutionOf(s: ConvShape): {
  readonly sizes: ConvSizes;
  readonly geometry: ConvGeometry;
  readonly w: readonly number[];
  readonly y: readonly number[];
  readonly flops: number;
} {
  const spatial = s.x.slice(2);
  const counts = spatial.map((size, i) => Math.floor((size + 2 * s.padding - (s.kernel[i] as number)) / s.stride) + 1);
  const axis = (a: number): AxisSizes => {
    const i = a - 3 + spatial.length;
    if (i < 0) return { x: 1, k: 1, y: 1, stride: 1, dilation: 1, before: 0 };
    return { x: spatial[i]!, k: s.kernel[i]!, y: counts[i]!, stride: s.stride, dilation: 1, before: s.padding };
  };
  const [images, inputs] = s.x as [number, number];
  const sizes = {
    images,
    groups: s.groups,
    channels: inputs / s.groups,
    outputs: s.outputs / s.groups,
    axes: [axis(0), axis(1), axis(2)] as const,
  };
  const each = (value: number): number[] => spatial.map(() => value);
  const w = [s.outputs, sizes.channels, ...s.kernel];
  const y = [images, s.outputs, ...counts];
  const terms = [...y, ...w.slice(1)].reduce((a, b) => a * b, 1);
  return {
    sizes,
    geometry: { stride: each(s.stride), dilation: each(1), before: each(s.padding), groups: s.groups },
    w,
    y,
    flops: 2 * terms,
  };
}
