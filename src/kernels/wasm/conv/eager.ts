/** Eager convolution and its input gradient on WebAssembly: copy in, run the planned kernels, copy out. */
import { product } from '../../sizes.ts';
import type { ConvGeometry, FloatArray, Strided } from '../../types.ts';
import type { KernelCache, KernelFunction } from '../memory/cache.ts';
import { type LayoutKernels, layoutKernels } from '../memory/layout.ts';
import { narrowFirst, writeStrided } from '../memory/transfer.ts';
import { copyPiece, isFused, keyOf, pack, sizesOf } from './parts.ts';
import { type ConvPlan, isScattered, planForward, planInputGrad, type Stage } from './plan.ts';
import { tapFunctions, tapKey, tapTable } from './taps.ts';
import { readyLinear, runLinear } from './winograd/eager.ts';
import { planTiles, planTilesInputGrad } from './winograd/plan.ts';

interface ReadyStage {
  readonly stage: Stage;
  readonly run: KernelFunction;
  readonly table: readonly number[];
}

interface Ready {
  readonly plan: ConvPlan;
  /** The kernels want weights [in, out, ...K] in each group. */
  readonly exchanged: boolean;
  readonly stages: readonly ReadyStage[];
}

function ready(cache: KernelCache, plan: ConvPlan, exchanged: boolean, bias = false): Ready {
  const stages = plan.stages.map((stage) => {
    const kernel = bias ? { ...stage.kernel, epilogue: { bias } } : stage.kernel;
    const run = cache.get(tapKey(kernel), () => tapFunctions(kernel)).run as KernelFunction;
    return { stage, run, table: tapTable(kernel) };
  });
  return { plan, exchanged, stages };
}

interface Buffers {
  readonly staged: number;
  readonly source: number;
  readonly weights: number;
  readonly given: number;
  readonly rows: number;
  readonly result: number;
  readonly table: number;
  readonly bias: number;
}

function runStage(
  k: LayoutKernels,
  { plan }: Ready,
  { stage, run }: ReadyStage,
  at: Buffers,
  group: number,
  groups: number,
  wGroup: number,
  images: number,
): void {
  const { segments, xSegment, ySegment, unpack } = stage;
  const x = at.source + 4 * group * plan.inputs * plan.source.channel;
  const groupSize = plan.outputs * plan.outputSize;
  // A stage whose rows are the dense result writes it in place.
  const rows = stage.dense ? at.result + 4 * group * groupSize : at.rows;
  const bias = at.bias + 4 * group * plan.outputs;
  run(x, at.weights + 4 * group * wGroup, rows, bias, at.table, segments, 4 * xSegment, 4 * ySegment);
  if (stage.dense) return;
  for (let i = 0; i < images; i++) {
    const result = at.result + 4 * (i * groups + group) * groupSize;
    copyPiece(k, unpack, rows + 4 * i * plan.source.strides[0], result, plan.outputs, stage.rows, plan.outputSize);
  }
}

/** Weights into memory, exchanged if the kernels want them so: [out, in, ...K] to [in, out, ...K] in each group. */
function placeWeights(cache: KernelCache, k: LayoutKernels, r: Ready, at: Buffers, w: Strided, groups: number): void {
  writeStrided(cache.memory, r.exchanged ? at.given : at.weights, w);
  if (!r.exchanged) return;
  const { inputs: outer, outputs: inner } = r.plan;
  const row = product(w.shape.slice(2));
  const whole = 4 * outer * inner * row;
  k.copy(
    at.given,
    at.weights,
    groups,
    inner,
    outer,
    row,
    whole,
    4 * row,
    4 * inner * row,
    4,
    whole,
    4 * outer * row,
    4 * row,
    4,
  );
}

/** Runs a forward convolution or an input gradient; false if it must run on the reference kernels. */
function execute(
  cache: KernelCache,
  r: Ready,
  x: Strided,
  w: Strided,
  groups: number,
  y: FloatArray,
  bias?: Strided,
): boolean {
  const { plan } = r;
  const { memory } = cache;
  const [inputs, outputs] = [groups * plan.inputs, groups * plan.outputs];
  const counts = {
    staged: plan.source.dense ? 0 : plan.images * inputs * plan.inputSize,
    source: inputs * plan.source.channel,
    weights: product(w.shape),
    given: r.exchanged ? product(w.shape) : 0,
    rows: plan.rows,
    result: plan.images * outputs * plan.outputSize,
    table: Math.max(0, ...r.stages.map((s) => s.table.length)),
    bias: bias ? outputs : 0,
  };
  const at = memory.place(counts);
  if (at === null) return false;
  const k = layoutKernels(cache);
  placeWeights(cache, k, r, at, w, groups);
  if (bias) writeStrided(memory, at.bias, bias);
  // Padding is zeros here, and zero times an infinite weight would be NaN where the definition has no term.
  if (!plan.source.dense && k.finite(at.weights, counts.weights) === 0) return false;
  if (!plan.source.dense) memory.zero(at.source, counts.source);
  if (plan.sparse) memory.zero(at.result, counts.result);
  const images = x.shape[0] as number;
  for (let n = 0; n < images; n += plan.images) {
    const count = Math.min(plan.images, images - n);
    pack(cache, k, plan, at, narrowFirst(x, n, count), inputs);
    for (const stage of r.stages) {
      if (stage.table.length > 0) memory.writeIntegers(at.table, stage.table);
      for (let g = 0; g < groups; g++) runStage(k, r, stage, at, g, groups, counts.weights / groups, count);
    }
    memory.read(at.result, y as Float32Array, n * outputs * plan.outputSize, count * outputs * plan.outputSize);
  }
  return true;
}

export function conv(
  cache: KernelCache,
  x: Strided,
  w: Strided,
  geometry: ConvGeometry,
  shape: readonly number[],
  y: FloatArray,
  bias?: Strided,
): boolean {
  const sizes = sizesOf(x.shape, w.shape, shape, geometry);
  const fma = isFused();
  const kind = bias ? 'conv with bias' : 'conv';
  const tiles = cache.plan(keyOf(`${kind} by tiles`, sizes, fma), () => {
    const plan = planTiles(sizes, bias !== undefined, fma);
    return plan && readyLinear(cache, plan, sizes.images);
  });
  // Beyond finite numbers, tiles would spread what is not a number to places that do not depend on it.
  if (tiles !== null && runLinear(cache, tiles, x, w, bias ?? null, geometry.groups, y)) return true;
  const r = cache.plan(keyOf(kind, sizes, fma), () => ready(cache, planForward(sizes, fma), false, bias !== undefined));
  return execute(cache, r, x, w, geometry.groups, y, bias);
}

export function convInputGrad(
  cache: KernelCache,
  g: Strided,
  w: Strided,
  geometry: ConvGeometry,
  shape: readonly number[],
  y: FloatArray,
): boolean {
  const sizes = sizesOf(shape, w.shape, g.shape, geometry);
  const fma = isFused();
  const tiles = cache.plan(keyOf('convInputGradTiles', sizes, fma), () => {
    const plan = planTilesInputGrad(sizes, fma);
    return plan && readyLinear(cache, plan, sizes.images);
  });
  if (tiles !== null && runLinear(cache, tiles, g, w, null, geometry.groups, y)) return true;
  const r = cache.plan(keyOf('convInputGrad', sizes, fma), () => {
    const exchanged = isScattered(sizes);
    return ready(cache, planInputGrad(sizes, fma, exchanged), exchanged);
  });
  return execute(cache, r, g, w, geometry.groups, y);
}
