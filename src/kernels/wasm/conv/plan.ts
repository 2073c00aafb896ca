/** The plans of the forward convolution and the input gradient: sources, kernels and copies, from sizes and geometry alone. */
import { product } from '../../sizes.ts';
import { planPlane } from './depthwise.ts';
import {
  type AxisPlan,
  type AxisSizes,
  channelPitch,
  chooseRuns,
  type Piece,
  packPieces,
  planAdjoint,
  planAxis,
  type Residue,
  type Runs,
  type Source,
  sourceOf,
  tapDistances,
} from './rows.ts';
import { canBeExact, type Tap, type TapKernel, writtenLength } from './taps.ts';
import { cover, tileVectors } from './tile.ts';

/** A convolution within its groups; `axes` are depth, height and width (size 1 where absent). */
export interface ConvSizes {
  readonly images: number;
  readonly groups: number;
  /** Input and output channels of one group. */
  readonly channels: number;
  readonly outputs: number;
  readonly axes: readonly [AxisSizes, AxisSizes, AxisSizes];
}

/** One kernel over a source and the copy that spreads its rows into the dense result. */
export interface Stage {
  readonly kernel: TapKernel;
  /** Segments of one call of `run`, and floats between them in the source and in the rows. */
  readonly segments: number;
  readonly xSegment: number;
  readonly ySegment: number;
  /** Floats from one output channel's rows to the next's. */
  readonly rows: number;
  readonly unpack: Piece;
  /** The rows already are the dense result. */
  readonly dense: boolean;
}

/** Forward convolution or input gradient: pack the source, then run each stage. */
export interface ConvPlan {
  readonly source: Source;
  readonly pieces: readonly Piece[];
  /** Images handled together. */
  readonly images: number;
  /** Channels of one group in the source and in the result. */
  readonly inputs: number;
  readonly outputs: number;
  /** Sizes of one channel of the source before packing, and of the result. */
  readonly inputSize: number;
  readonly outputSize: number;
  /** Floats of the rows' buffer for one group's outputs. */
  readonly rows: number;
  readonly stages: readonly Stage[];
  /** Some results have no tap and stay zero. */
  readonly sparse: boolean;
}

type Three<T> = readonly [T, T, T];
/** The same of each axis. */
export const three = <A, B>(list: Three<A>, f: (a: A, i: number) => B): [B, B, B] => [
  f(list[0], 0),
  f(list[1], 1),
  f(list[2], 2),
];

interface StageSpec {
  readonly source: Source;
  readonly channels: number;
  readonly outputs: number;
  readonly images: number;
  readonly counts: readonly number[];
  readonly taps: readonly Tap[];
  readonly wChannel: number;
  readonly wOutput: number;
  readonly fma: boolean;
  /** The dense result: its sizes, and where and how far apart this stage's positions lie. */
  readonly sizes: Three<number>;
  readonly from: readonly number[];
  readonly step: readonly number[];
}

function stageOf(s: StageSpec, runs: Runs): Stage {
  const [, s1, s2] = s.source.strides;
  const written = writtenLength(runs.length, s.outputs, s.fma);
  const [, sh, sw] = s.sizes;
  const places = [sh * sw, sw, 1] as const;
  const isPlain = s.images === 1 && s.step.every((k) => k === 1);
  const dense = isPlain && isDenseRun(runs.length, runs.level, s.outputs, s.sizes, s.fma);
  // Rows of a dense result follow each other directly; others keep the source's distances.
  const [plane, row] = dense ? [places[0], places[1]] : [s1, s2];
  const segments = runs.level === 3 ? runs.outer : runs.segments;
  const last = (segments - 1) * plane + (runs.level === 3 ? (runs.segments - 1) * row : 0);
  const rows = dense ? product(s.sizes) : channelPitch(last + written);
  return {
    kernel: {
      channels: s.channels,
      xChannel: s.source.channel,
      taps: s.taps,
      wChannel: s.wChannel,
      outputs: s.outputs,
      wOutput: s.wOutput,
      yOutput: rows,
      length: runs.length,
      ...(dense && written > runs.length ? { exact: true } : {}),
      ...(runs.level === 3 ? { rows: { count: runs.segments, x: s2, y: row } } : {}),
      fma: s.fma,
    },
    segments,
    xSegment: s1,
    ySegment: plane,
    rows,
    dense,
    unpack: {
      from: 0,
      to: s.from.reduce((sum, f, a) => sum + f * (places[a] as number), 0),
      counts: [s.counts[0] as number, s.counts[1] as number, s.counts[2] as number],
      fromStrides: [plane, row, 1],
      toStrides: [(s.step[0] as number) * places[0], (s.step[1] as number) * places[1], s.step[2] as number],
    },
  };
}

/** Can a run write whole rows, planes or images of the dense result and nothing else? */
function isDenseRun(length: number, level: number, outputs: number, sizes: readonly number[], fma: boolean): boolean {
  return level > 0 && length === product(sizes.slice(level - 1)) && canBeExact(length, outputs, fma);
}

/**
 * Floats computed for one run, per output. The rest is counted in the same unit, a float's `terms` multiply-adds: a
 * call's overhead, a last tile too small to hide the latency of its additions, and the copy into the dense result.
 */
function runCost(
  outputs: number,
  terms: number,
  sizes: readonly number[],
  step: readonly number[],
  fma: boolean,
): (length: number, level: number) => number {
  const isPlain = step.every((k) => k === 1);
  return (length, level) => {
    const written = writtenLength(length, outputs, fma);
    const vectors = Math.ceil(length / 4);
    const { tail } = cover(vectors, tileVectors(Math.min(outputs, fma ? 6 : 5), fma));
    const small = tail * Math.min(outputs, 6) < 8 && tail > 0 ? 2 : 0;
    const copied = isPlain && isDenseRun(length, level, outputs, sizes, fma) ? 0 : (6 * length) / terms;
    return written + small + (level === 3 ? 2 : 16) + copied;
  };
}

/** The runs, and images handled together, that cost the least. */
export function pick(
  axes: Three<AxisPlan>,
  counts: readonly number[],
  images: number,
  channels: number,
  cost: (length: number, level: number) => number,
): { runs: Runs; images: number } {
  const strides = [axes[0].pitch * axes[1].pitch * axes[2].pitch, axes[1].pitch * axes[2].pitch, axes[2].pitch, 1];
  const planes = axes.reduce((n, a) => n * a.planes.length, 1);
  return chooseRuns(counts, strides, images, channels * planes, cost);
}

/** The same for planes as they lie, where each channel has a small filter of its own. */
function byPlanes(plan: ConvPlan, { groups, channels, outputs, axes }: ConvSizes): ConvPlan {
  const [d, h, w] = axes;
  const isFlat = groups > 1 && channels * outputs === 1 && d.x * d.k * d.y === 1 && d.before === 0;
  const plane = isFlat ? planPlane(h, w) : null;
  if (plane === null) return plan;
  const { outputSize: rows, stages, source } = plan;
  const [stage] = stages as [Stage];
  const unpack = { ...stage.unpack, fromStrides: [rows, w.y, 1] as const };
  return {
    ...plan,
    source: { ...source, channel: plan.inputSize, dense: true },
    images: 1,
    rows,
    stages: [{ ...stage, kernel: { ...stage.kernel, plane }, segments: 1, rows, unpack, dense: true }],
  };
}

/** y from x and w. */
export function planForward(c: ConvSizes, fma: boolean): ConvPlan {
  const axes = three(c.axes, planAxis);
  const sizes = three(c.axes, (a) => a.x);
  const counts = three(c.axes, (a) => a.y);
  const terms = c.channels * product(three(c.axes, (a) => a.k));
  const chosen = pick(axes, counts, c.images, c.channels, runCost(c.outputs, terms, counts, [1, 1, 1], fma));
  const source = sourceOf(
    chosen.images,
    axes,
    sizes,
    three(c.axes, (a) => a.stride),
  );
  const taps = tapDistances(source).map((x, i) => ({ x, w: i }));
  const stage = stageOf(
    {
      source,
      channels: c.channels,
      outputs: c.outputs,
      images: chosen.images,
      counts,
      taps,
      wChannel: taps.length,
      wOutput: c.channels * taps.length,
      fma,
      sizes: counts,
      from: [0, 0, 0],
      step: [1, 1, 1],
    },
    chosen.runs,
  );
  const plan = {
    source,
    pieces: packPieces(source, sizes),
    images: chosen.images,
    inputs: c.channels,
    outputs: c.outputs,
    inputSize: product(sizes),
    outputSize: product(counts),
    rows: c.outputs * stage.rows,
    stages: [stage],
    sparse: false,
  };
  return byPlanes(plan, c);
}

/**
 * dx from g and w: one stage per remainder of dx's positions, all over the same padded g. The sum runs over w's outermost
 * axis; with `exchanged` weights [in, out, ...K] its terms lie together, which pays where w is large (see `isScattered`).
 */
export function planInputGrad(c: ConvSizes, fma: boolean, exchanged = false): ConvPlan {
  const adjoint = three(c.axes, planAdjoint);
  const axes = three(adjoint, (a) => a.axis);
  const sizes = three(c.axes, (a) => a.y);
  const target = three(c.axes, (a) => a.x);
  const taps = three(c.axes, (a) => a.k);
  const step = three(c.axes, (a) => a.stride);
  const terms = Math.max(1, (c.outputs * product(taps)) / product(step));
  const cost = runCost(c.channels, terms, target, step, fma);
  const chosen = pick(
    axes,
    axes.map((a) => a.outputs),
    c.images,
    c.outputs,
    cost,
  );
  const source = sourceOf(chosen.images, axes, sizes, [1, 1, 1]);
  const count = product(taps);
  const stages: Stage[] = [];
  let sparse = false;
  const [rd, rh, rw] = three(adjoint, (a) => a.residues);
  const each = (visit: (residues: Three<Residue>) => void): void => {
    for (const a of rd) for (const b of rh) for (const e of rw) visit([a, b, e]);
  };
  each((residues) => {
    const list: Tap[] = [];
    const [s1, s2, s3] = source.strides.slice(1) as [number, number, number];
    for (const a of residues[0].taps) {
      for (const b of residues[1].taps) {
        for (const e of residues[2].taps) {
          list.push({ x: a.shift * s1 + b.shift * s2 + e.shift * s3, w: (a.tap * taps[1] + b.tap) * taps[2] + e.tap });
        }
      }
    }
    if (list.length === 0) {
      sparse = true;
      return;
    }
    const counts = three(residues, (r) => r.count);
    const strides = source.strides;
    const runs = chosen.images > 1 ? undefined : chooseRuns(counts, strides, 1, 1, cost).runs;
    stages.push(
      stageOf(
        {
          source,
          channels: c.outputs,
          outputs: c.channels,
          images: chosen.images,
          counts,
          taps: list,
          wChannel: exchanged ? count : c.channels * count,
          wOutput: exchanged ? c.outputs * count : count,
          fma,
          sizes: target,
          from: three(residues, (r) => r.from),
          step: three(c.axes, (a) => a.stride),
        },
        runs ?? {
          level: 0,
          length: (chosen.images - 1) * strides[0] + (counts[0] - 1) * s1 + (counts[1] - 1) * s2 + counts[2],
          segments: 1,
          outer: 1,
        },
      ),
    );
  });
  return {
    source,
    pieces: packPieces(source, sizes),
    images: chosen.images,
    inputs: c.outputs,
    outputs: c.channels,
    inputSize: product(sizes),
    outputSize: product(target),
    rows: c.channels * Math.max(0, ...stages.map((s) => s.rows)),
    stages,
    sparse,
  };
}

/** Do the weights of one input lie so far apart (4 KB) that they fall into few sets of the cache? */
export function isScattered(c: ConvSizes): boolean {
  return c.outputs > 8 && c.channels * product(three(c.axes, (a) => a.k)) >= 1024;
}
