/** Eager convolution and its two adjoints on WebAssembly: copy in, run the planned kernels, copy out. */
import type { ConvGeometry, FloatArray, Strided } from '../types.ts';
import type { KernelCache, KernelFunction } from './cache.ts';
import {
  type ConvPlan,
  type ConvSizes,
  isScattered,
  planForward,
  planInputGrad,
  planWeightGrad,
  type Stage,
  type WeightPlan,
} from './convPlan.ts';
import { dotFunctions, dotKey, dotTable } from './dots.ts';
import { features } from './features.ts';
import { type LayoutKernels, layoutKernels } from './layout.ts';
import type { AxisSizes, Piece } from './plan.ts';
import { tapFunctions, tapKey, tapTable } from './taps.ts';
import { narrowFirst, writeStrided } from './transfer.ts';

const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);

/** Sizes within a group, missing leading spatial axes being 1. */
function sizesOf(x: readonly number[], w: readonly number[], y: readonly number[], geometry: ConvGeometry): ConvSizes {
  const rank = x.length - 2;
  const axis = (a: number): AxisSizes => {
    const i = a - (3 - rank);
    if (i < 0) return { x: 1, k: 1, y: 1, stride: 1, dilation: 1, before: 0 };
    return {
      x: x[i + 2] as number,
      k: w[i + 2] as number,
      y: y[i + 2] as number,
      stride: geometry.stride[i] as number,
      dilation: geometry.dilation[i] as number,
      before: geometry.before[i] as number,
    };
  };
  const { groups } = geometry;
  return {
    images: x[0] as number,
    groups,
    channels: (x[1] as number) / groups,
    outputs: (y[1] as number) / groups,
    axes: [axis(0), axis(1), axis(2)],
  };
}

function keyOf(kind: string, c: ConvSizes, fma: boolean): string {
  const axes = c.axes.map((a) => `${a.x},${a.k},${a.y},${a.stride},${a.dilation},${a.before}`).join(';');
  return `${kind} ${c.images},${c.groups},${c.channels},${c.outputs};${axes}${fma ? ' f' : ''}`;
}

/** One copy of a plan's piece over `channels` channels; addresses in bytes, distances in floats. */
function copyPiece(
  k: LayoutKernels,
  p: Piece,
  source: number,
  target: number,
  channels: number,
  fromChannel: number,
  toChannel: number,
): void {
  const [f0, f1, f2] = p.fromStrides;
  const [t0, t1, t2] = p.toStrides;
  k.copy(
    source + 4 * p.from,
    target + 4 * p.to,
    channels,
    ...p.counts,
    4 * fromChannel,
    4 * f0,
    4 * f1,
    4 * f2,
    4 * toChannel,
    4 * t0,
    4 * t1,
    4 * t2,
  );
}

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

function ready(cache: KernelCache, plan: ConvPlan, exchanged: boolean): Ready {
  const stages = plan.stages.map((stage) => ({
    stage,
    run: cache.get(tapKey(stage.kernel), () => tapFunctions(stage.kernel)).run as KernelFunction,
    table: tapTable(stage.kernel),
  }));
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
  run(x, at.weights + 4 * group * wGroup, rows, 0, 0, at.table, segments, 4 * xSegment, 4 * ySegment);
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
function execute(cache: KernelCache, r: Ready, x: Strided, w: Strided, groups: number, y: FloatArray): boolean {
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
  };
  if (
    !memory.begin(
      Object.values(counts).reduce((a, b) => a + b, 0),
      7,
    )
  )
    return false;
  const at: Buffers = {
    staged: memory.allocate(counts.staged),
    source: memory.allocate(counts.source),
    weights: memory.allocate(counts.weights),
    given: memory.allocate(counts.given),
    rows: memory.allocate(counts.rows),
    result: memory.allocate(counts.result),
    table: memory.allocate(counts.table),
  };
  const k = layoutKernels(cache);
  placeWeights(cache, k, r, at, w, groups);
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

function pack(
  cache: KernelCache,
  k: LayoutKernels,
  plan: ConvPlan | WeightPlan,
  at: { staged: number; source: number },
  x: Strided,
  channels: number,
): void {
  if (plan.source.dense) {
    writeStrided(cache.memory, at.source, x);
    return;
  }
  writeStrided(cache.memory, at.staged, x);
  for (let i = 0; i < (x.shape[0] as number); i++) {
    const from = at.staged + 4 * i * channels * plan.inputSize;
    const to = at.source + 4 * i * plan.source.strides[0];
    for (const piece of plan.pieces) copyPiece(k, piece, from, to, channels, plan.inputSize, plan.source.channel);
  }
}

const isFused = (): boolean => features().relaxed;

export function conv(
  cache: KernelCache,
  x: Strided,
  w: Strided,
  geometry: ConvGeometry,
  shape: readonly number[],
  y: FloatArray,
): boolean {
  const sizes = sizesOf(x.shape, w.shape, shape, geometry);
  const fma = isFused();
  const r = cache.plan(keyOf('conv', sizes, fma), () => ready(cache, planForward(sizes, fma), false));
  return execute(cache, r, x, w, geometry.groups, y);
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
  const r = cache.plan(keyOf('convInputGrad', sizes, fma), () => {
    const exchanged = isScattered(sizes);
    return ready(cache, planInputGrad(sizes, fma, exchanged), exchanged);
  });
  return execute(cache, r, g, w, geometry.groups, y);
}

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
  const [inputs, outputs] = [groups * kernel.channels, groups * kernel.outputs];
  // A run's last block reads x beyond the run's end, where g is zero and x must be finite.
  const beyond = plan.gRun - runs.length + 8;
  const counts = {
    staged: plan.source.dense ? 0 : plan.images * inputs * plan.inputSize,
    source: inputs * plan.source.channel + beyond,
    gStaged: plan.images * outputs * plan.gradSize,
    grad: outputs * kernel.gOutput,
    sums: 4 * y.length,
    result: y.length,
    table: r.table.length,
  };
  if (
    !memory.begin(
      Object.values(counts).reduce((a, b) => a + b, 0),
      7,
    )
  )
    return false;
  const at = {
    staged: memory.allocate(counts.staged),
    source: memory.allocate(counts.source),
    gStaged: memory.allocate(counts.gStaged),
    grad: memory.allocate(counts.grad),
    sums: memory.allocate(counts.sums),
    result: memory.allocate(counts.result),
    table: memory.allocate(counts.table),
  };
  const k = layoutKernels(cache);
  memory.zero(at.source, counts.source);
  memory.zero(at.grad, counts.grad);
  memory.zero(at.sums, counts.sums);
  memory.writeIntegers(at.table, r.table);
  const images = x.shape[0] as number;
  for (let n = 0; n < images; n += plan.images) {
    const count = Math.min(plan.images, images - n);
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
      const sums = at.sums + 16 * ((group * y.length) / groups);
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
  k.sumLanes(at.sums, at.result, y.length);
  // Zeros of g between rows times an infinite x are NaN, where the definition has no term.
  if (k.finite(at.result, y.length) === 0) return false;
  memory.read(at.result, y as Float32Array, 0, y.length);
  return true;
}
