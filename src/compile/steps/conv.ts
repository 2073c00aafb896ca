/**
 * Convolutions on the program's memory, image by image: an image is packed into its padded form, convolved, and its
 * result unpacked or pooled while it is still in the cache. The gradients pack a pooled gradient by spreading it.
 */

import { copyPiece, sizesOf } from '../../kernels/wasm/convParts.ts';
import { planForward, planInputGrad, planWeightGrad, type Stage } from '../../kernels/wasm/convPlan.ts';
import { dotFunctions, dotKey, dotTable } from '../../kernels/wasm/dots.ts';
import { features } from '../../kernels/wasm/features.ts';
import { type LayoutKernels, layoutKernels } from '../../kernels/wasm/layout.ts';
import type { Piece } from '../../kernels/wasm/plan.ts';
import { poolFunctions, poolKey, unpoolFunctions } from '../../kernels/wasm/pooling.ts';
import { tapFunctions, tapKey, tapTable } from '../../kernels/wasm/taps.ts';
import { sizeOf } from '../../tensor/shape.ts';
import { type GraphNode, nameOf, type View } from '../graph.ts';
import type { Group } from '../group.ts';
import type { Region } from '../memory.ts';
import type { ConvAttrs } from '../patterns.ts';
import { poolKernelOf, spatialThree } from './pool.ts';
import { runApart } from './single.ts';
import type { Step, StepContext } from './step.ts';

type Call = () => void;

/** `copyPiece`, to be carried out in each run. */
function copyCall(...args: Parameters<typeof copyPiece>): Call {
  return () => copyPiece(...args);
}

/** How the source of a convolution is filled for the images from `first` on. */
type Fill = (first: number, count: number) => Call[];

class ConvLowering {
  readonly #context: StepContext;
  readonly #k: LayoutKernels;
  readonly #fma: boolean = features().relaxed;

  constructor(context: StepContext) {
    this.#context = context;
    this.#k = layoutKernels({ get: (key, build) => context.memory.kernel(key, build) });
  }

  /** Packs images of a dense view. */
  #packing(view: View, pieces: readonly Piece[], to: number, imageStride: number, channel: number): Fill {
    const channels = view.shape[1]!;
    const size = sizeOf(view.shape.slice(2));
    const from = this.#context.address(view);
    return (first, count) =>
      Array.from({ length: count }, (_, i) => i).flatMap((i) =>
        pieces.map((piece) =>
          copyCall(
            this.#k,
            piece,
            from + 4 * (first + i) * channels * size,
            to + 4 * i * imageStride,
            channels,
            size,
            channel,
          ),
        ),
      );
  }

  /** Packs images of a gradient that comes out of a max pooling, spreading it. */
  #spreading(
    spread: GraphNode,
    pool: GraphNode,
    to: number,
    imageStride: number,
    channel: number,
    rowStrides: readonly [number, number],
    at: number,
  ): Fill {
    const [, index, g] = spread.reads;
    const layout = { planes: pool.reads[0]!.shape[1]!, imageStride, planeStride: channel, rowStrides };
    const pooled = sizeOf(pool.target.shape.slice(1));
    const [from, where] = [this.#context.address(g!), this.#context.address(index!)];
    return (first, count) => {
      const kernel = poolKernelOf(pool, { ...layout, images: count }, true);
      const { run } = this.#context.memory.kernel(poolKey('unpool', kernel), () => unpoolFunctions(kernel));
      return [() => void run!(from + 4 * first * pooled, where + 4 * first * pooled, to + 4 * at)];
    };
  }

  #table(values: readonly number[]): number {
    if (values.length === 0) return 0;
    const region = this.#context.scratch(values.length);
    const view = region.view('float32', 0, values.length);
    new Int32Array(view.buffer as ArrayBuffer, view.byteOffset, values.length).set(values);
    return region.address;
  }

  /** The forward convolution or the input gradient over a group's first node. */
  linear(group: Group, spread: { node: GraphNode; pool: GraphNode } | null): Step {
    const { nodes } = group;
    const [node] = nodes as [GraphNode];
    const isForward = nameOf(node) === 'conv';
    const { geometry, shape } = node.attrs as ConvAttrs;
    const [source, weight] = node.reads as [View, View];
    const sizes = isForward
      ? sizesOf(source.shape, weight.shape, shape, geometry)
      : sizesOf(shape, weight.shape, source.shape, geometry);
    const plan = isForward ? planForward(sizes, this.#fma) : planInputGrad(sizes, this.#fma);
    const { groups } = geometry;
    const add = nodes.find((other) => nameOf(other) === 'add');
    const pool = nodes.find((other) => nameOf(other) === 'maxPoolIndices');
    const gather = nodes.find((other) => nameOf(other) === 'gather');
    const result = (add ?? node).target;
    const writesDense = this.#context.isNeeded(result.value) || pool === undefined;

    const all = spread === null ? nodes : [spread.node, ...nodes];
    const name = describeConv(group, spread !== null);
    if (spread !== null && !coversAll(plan.pieces, source)) return { name, run: () => runApart(all, this.#context) };
    const { strides, channel, dense } = plan.source;
    const isInPlace = dense && spread === null;
    const packed = isInPlace ? 0 : this.#context.scratch(groups * plan.inputs * channel).address;
    const rows = this.#context.scratch(plan.rows).address;
    const x = isInPlace ? this.#context.address(source) : 0;
    const inputImage = sizeOf(source.shape.slice(1));
    const fill: Fill =
      spread !== null
        ? this.#spreading(
            spread.node,
            spread.pool,
            packed,
            strides[0],
            channel,
            [strides[1], strides[2]],
            plan.pieces[0]!.to,
          )
        : isInPlace
          ? () => []
          : this.#packing(source, plan.pieces, packed, strides[0], channel);
    const ready = plan.stages.map((stage) => {
      const kernel = add ? { ...stage.kernel, epilogue: { bias: true } } : stage.kernel;
      return {
        stage,
        run: this.#context.memory.kernel(tapKey(kernel), () => tapFunctions(kernel)).run!,
        table: this.#table(tapTable(stage.kernel)),
      };
    });
    const w = this.#context.address(weight);
    const wGroup = weight.value.size / groups;
    const bias = add ? this.#context.address(add.reads[1]!) : 0;
    const y = writesDense ? this.#context.address(result) : 0;
    const groupSize = plan.outputs * plan.outputSize;
    const pooled = pool === undefined ? 0 : this.#pooledAddress(pool, gather);

    const calls: Call[] = [];
    for (let n = 0; n < sizes.images; n += plan.images) {
      const count = Math.min(plan.images, sizes.images - n);
      calls.push(...fill(n, count));
      for (const { stage, run, table } of ready) {
        for (let g = 0; g < groups; g++) {
          const from = (isInPlace ? x + 4 * n * inputImage : packed) + 4 * g * plan.inputs * channel;
          const target = y + 4 * (n * groups + g) * groupSize;
          const isDirect = stage.dense && writesDense;
          const to = isDirect ? target : rows;
          calls.push(this.#stageCall(stage, run, from, w + 4 * g * wGroup, to, bias + 4 * g * plan.outputs, table));
          if (writesDense && !isDirect) {
            for (let i = 0; i < count; i++) {
              calls.push(
                copyCall(
                  this.#k,
                  stage.unpack,
                  rows + 4 * i * strides[0],
                  target + 4 * i * groups * groupSize,
                  plan.outputs,
                  stage.rows,
                  plan.outputSize,
                ),
              );
            }
          }
          if (pool) calls.push(this.#poolCall(pool, pooled, to, stage, strides, count, n, g, plan.outputs));
        }
      }
    }
    const isSparse = plan.sparse;
    return {
      name,
      run: () => {
        // Padding is zeros, and zero times an infinite weight would be NaN where the definition has no term.
        if (!dense && this.#k.finite(w, weight.value.size) === 0) {
          runApart(all, this.#context);
          return;
        }
        if (isSparse) this.#context.buffer(result.value).fill(0);
        for (const call of calls) call();
      },
    };
  }

  #stageCall(
    stage: Stage,
    run: (...args: number[]) => number,
    x: number,
    w: number,
    y: number,
    bias: number,
    table: number,
  ): Call {
    const { segments, xSegment, ySegment } = stage;
    return () => void run(x, w, y, bias, 0, table, segments, 4 * xSegment, 4 * ySegment);
  }

  /** Where pooled values go; to scratch if nobody wants them. */
  #pooledAddress(pool: GraphNode, gather: GraphNode | undefined): number {
    return gather ? this.#context.address(gather.target) : this.#context.scratch(pool.target.value.size).address;
  }

  /** Pools the rows of one group's outputs. */
  #poolCall(
    pool: GraphNode,
    y: number,
    rows: number,
    stage: Stage,
    strides: readonly number[],
    images: number,
    first: number,
    group: number,
    outputs: number,
  ): Call {
    const indexed = this.#context.isNeeded(pool.target.value);
    const [f1, f2] = [stage.unpack.fromStrides[0], stage.unpack.fromStrides[1]];
    const layout = {
      images,
      planes: outputs,
      imageStride: strides[0]!,
      planeStride: stage.rows,
      rowStrides: [f1, f2] as const,
    };
    const kernel = poolKernelOf(pool, layout, indexed);
    const { run } = this.#context.memory.kernel(poolKey('pool', kernel), () => poolFunctions(kernel));
    const plane = sizeOf(pool.target.shape.slice(2));
    const at = 4 * (first * kernel.pooledImage + group * outputs * plane);
    const index = indexed ? this.#context.address(pool.target) + at : 0;
    return () => void run!(rows, y + at, index);
  }

  /** The weight gradient. */
  weights(node: GraphNode, spread: { node: GraphNode; pool: GraphNode } | null): Step {
    const { geometry, shape } = node.attrs as ConvAttrs;
    const [x, gradient] = node.reads as [View, View];
    const sizes = sizesOf(x.shape, shape, gradient.shape, geometry);
    const plan = planWeightGrad(sizes, this.#fma);
    const { kernel, runs, source } = plan;
    const { groups } = geometry;
    const size = sizeOf(shape);
    // A run's last block reads x beyond the run's end, where g is zero and x must be finite.
    const beyond = plan.gRun - runs.length + 8;
    const packed = this.#context.scratch(groups * kernel.channels * source.channel + beyond);
    const rows: Region = this.#context.scratch(groups * kernel.outputs * kernel.gOutput);
    const rowsLength = groups * kernel.outputs * kernel.gOutput;
    const sums = this.#context.scratch(4 * size);
    const [t0, t1] = plan.gPiece.toStrides;
    const fillX = this.#packing(x, plan.pieces, packed.address, source.strides[0], source.channel);
    const fillG: Fill =
      spread !== null
        ? this.#spreading(spread.node, spread.pool, rows.address, plan.gImage, kernel.gOutput, [t0, t1], plan.gPiece.to)
        : this.#packing(gradient, [plan.gPiece], rows.address, plan.gImage, kernel.gOutput);
    const run = this.#context.memory.kernel(dotKey(kernel), () => dotFunctions(kernel)).run!;
    const table = this.#table(dotTable(kernel));
    const calls: Call[] = [];
    for (let n = 0; n < sizes.images; n += plan.images) {
      const count = Math.min(plan.images, sizes.images - n);
      calls.push(...fillX(n, count));
      if (count < plan.images) calls.push(() => void rows.view('float32', 0, rowsLength).fill(0));
      calls.push(...fillG(n, count));
      for (let group = 0; group < groups; group++) {
        const xg = packed.address + 4 * group * kernel.channels * source.channel;
        const gg = rows.address + 4 * group * kernel.outputs * kernel.gOutput;
        const sum = sums.address + 16 * ((group * size) / groups);
        for (let o = 0; o < runs.outer; o++) {
          const [xo, go] = [xg + 4 * o * plan.xOuter, gg + 4 * o * plan.gOuter];
          calls.push(() => void run(xo, go, sum, table, runs.segments, 4 * plan.xRun, 4 * plan.gRun));
        }
      }
    }
    const to = this.#context.address(node.target);
    const all = spread === null ? [node] : [spread.node, node];
    return {
      name: `convolution's weight gradient${spread ? ' behind a max pool' : ''}`,
      run: () => {
        sums.view('float32', 0, 4 * size).fill(0);
        for (const call of calls) call();
        this.#k.sumLanes(sums.address, to, size);
        // Zeros of g between rows times an infinite x are NaN, where the definition has no term.
        if (this.#k.finite(to, size) === 0) runApart(all, this.#context);
      },
    };
  }
}

/** Whether a source is one plane that takes all of the gradient, so that a pooling's way back can write into it. */
function coversAll(pieces: readonly Piece[], gradient: View): boolean {
  const size = spatialThree(gradient.shape);
  return pieces.length === 1 && pieces[0]!.counts.every((count, axis) => count === size[axis]);
}

function describeConv({ nodes }: Group, isSpread: boolean): string {
  const names: Record<string, string> = {
    conv: 'convolution',
    convInputGrad: `convolution's input gradient${isSpread ? ' behind a max pool' : ''}`,
    add: 'bias',
    maxPoolIndices: 'max pool',
  };
  return nodes.flatMap((node) => names[nameOf(node)] ?? []).join(' + ');
}

/** The step of a convolution and what was fused with it. */
export function convStep(
  group: Group,
  spread: { node: GraphNode; pool: GraphNode } | null,
  context: StepContext,
): Step {
  const lowering = new ConvLowering(context);
  const node = group.nodes[0]!;
  return nameOf(node) === 'convWeightGrad' ? lowering.weights(node, spread) : lowering.linear(group, spread);
}
