/**
 * Convolutions on the program's memory, image by image: an image is packed into its padded form, convolved, and its
 * result unpacked or pooled while it is still in the cache. The gradients pack a pooled gradient by spreading it.
 */

import { type Expr, type FunctionBuilder, i32, type Local, op, plus } from '../../kernels/wasm/assembler.ts';
import { emitZeros, placeAt, type Task } from '../../kernels/wasm/conductor.ts';
import { pieceSizes, sizesOf } from '../../kernels/wasm/convParts.ts';
import {
  type ConvPlan,
  type ConvSizes,
  planForward,
  planInputGrad,
  planWeightGrad,
  type Stage,
  type WeightPlan,
  weightParts,
} from '../../kernels/wasm/convPlan.ts';
import { dotFunctions, dotKey, dotRows, dotTable } from '../../kernels/wasm/dots.ts';
import { features } from '../../kernels/wasm/features.ts';
import { type LayoutKernels, layoutFunctions } from '../../kernels/wasm/layout.ts';
import type { Piece } from '../../kernels/wasm/plan.ts';
import { poolFunctions, poolKey, unpoolFunctions } from '../../kernels/wasm/pooling.ts';
import { tapFunctions, tapKey, tapTable } from '../../kernels/wasm/taps.ts';
import { sizeOf } from '../../tensor/shape.ts';
import { type GraphNode, nameOf, type View } from '../graph.ts';
import type { Group } from '../group.ts';
import type { ConvAttrs } from '../patterns.ts';
import { maximaOf, poolKernelOf, spatialThree } from './pool.ts';
import { runApart } from './single.ts';
import type { Step, StepContext } from './step.ts';
import { type Spread, tiledStep } from './tiles.ts';

type Address = Expr<'i32'>;

/** Emits the packing of `count` images, `channels` of each, from image `first` and channel `channel` on. */
type Fill = (f: FunctionBuilder, first: Address, channel: Address, count: number, to: Address) => void;

/** Where packed images go: floats from image to image, plane to plane, row to row, and where the first begins. */
interface Target {
  readonly image: number;
  readonly channel: number;
  readonly rows: readonly [number, number];
  readonly pieces: readonly Piece[];
}

class ConvLowering {
  readonly #context: StepContext;
  readonly #fma: boolean = features().relaxed;

  constructor(context: StepContext) {
    this.#context = context;
  }

  #layout(name: keyof LayoutKernels): FunctionBuilder {
    return this.#context.imported('layout', layoutFunctions, name);
  }

  /** Emits copies of `count` images' pieces; images lie so many floats apart. */
  #copyImages(
    f: FunctionBuilder,
    pieces: readonly Piece[],
    count: number,
    channels: number,
    from: { readonly at: Address; readonly image: number; readonly channel: number },
    to: { readonly at: Address; readonly image: number; readonly channel: number },
  ): void {
    const copy = this.#layout('copy');
    const [source, target] = [f.let(from.at, 'source'), f.let(to.at, 'target')];
    f.repeat(count, () => {
      for (const piece of pieces) {
        const sizes = pieceSizes(piece, channels, from.channel, to.channel);
        f.call(copy, plus(source, 4 * piece.from), plus(target, 4 * piece.to), ...sizes.map(i32));
      }
      f.advance(source, 4 * from.image);
      f.advance(target, 4 * to.image);
    });
  }

  /** Packs a view, `channels` channels of each image. */
  #packing(view: View, channels: number, { image, channel, pieces }: Target): Fill {
    const size = sizeOf(view.shape.slice(2));
    const imageSize = sizeOf(view.shape.slice(1));
    const base = this.#context.address(view);
    return (f, first, from, count, to) => {
      const at = placeAt(base, [first, 4 * imageSize], [from, 4 * size]);
      this.#copyImages(f, pieces, count, channels, { at, image: imageSize, channel: size }, { at: to, image, channel });
    };
  }

  /** Packs a gradient that comes out of a max pooling, spreading it. */
  #spreading({ node, pool }: Spread, channels: number, { image, channel, rows, pieces }: Target): Fill {
    const [, index, g] = node.reads;
    const layout = { planes: channels, imageStride: image, planeStride: channel, rowStrides: rows };
    const pooled = sizeOf(pool.target.shape.slice(1));
    const plane = sizeOf(pool.target.shape.slice(2));
    const [gradient, where] = [this.#context.address(g!), this.#context.address(index!)];
    return (f, first, from, count, to) => {
      const kernel = poolKernelOf(pool, { ...layout, images: count }, true);
      const run = this.#context.imported(poolKey('unpool', kernel), () => unpoolFunctions(kernel));
      const at = (base: number): Address => placeAt(base, [first, 4 * pooled], [from, 4 * plane]);
      f.call(run, at(gradient), at(where), plus(to, 4 * pieces[0]!.to));
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
  linear(group: Group, spread: Spread | null): Step {
    const { nodes } = group;
    const [node] = nodes as [GraphNode];
    const isForward = nameOf(node) === 'conv';
    const { geometry, shape } = node.attrs as ConvAttrs;
    const [source, weight] = node.reads as [View, View];
    const sizes = isForward
      ? sizesOf(source.shape, weight.shape, shape, geometry)
      : sizesOf(shape, weight.shape, source.shape, geometry);
    const plan = isForward ? planForward(sizes, this.#fma) : planInputGrad(sizes, this.#fma);
    const all = spread === null ? nodes : [spread.node, ...nodes];
    const name = describeConv(group.nodes, spread !== null);
    const apart = (): void => runApart(all, this.#context);
    if (spread !== null && !coversAll(plan.pieces, source)) return { name, tasks: [], finish: apart };
    const weightAt = this.#context.address(weight);
    const { finite } = this.#context.kernel('layout', layoutFunctions);
    const isPadded = !plan.source.dense;
    return {
      name,
      tasks: [this.#linearTask(group, sizes, plan, spread)],
      // Padding is zeros, and zero times an infinite weight would be NaN where the definition has no term.
      ...(isPadded && {
        finish: () => {
          if (finite!(weightAt, weight.value.size) === 0) apart();
        },
      }),
    };
  }

  #linearTask({ nodes }: Group, sizes: ConvSizes, plan: ConvPlan, spread: Spread | null): Task {
    const [node] = nodes as [GraphNode];
    const [source, weight] = node.reads as [View, View];
    const { groups } = sizes;
    const add = nodes.find((other) => nameOf(other) === 'add');
    const pooling = this.#pooling(nodes, plan);
    const relu = pooling === null ? nodes.find((other) => nameOf(other) === 'relu') : undefined;
    const result = (relu ?? add ?? node).target;
    const writesDense = this.#context.isNeeded(result.value) || pooling === null;
    const { strides, channel, dense } = plan.source;
    const isInPlace = dense && spread === null;
    const packed = isInPlace ? null : this.#context.perThread(groups * plan.inputs * channel);
    const rows = this.#context.perThread(plan.rows);
    const target = { image: strides[0], channel, rows: [strides[1], strides[2]] as const, pieces: plan.pieces };
    const fill = isInPlace ? null : this.#filling(source, spread, groups * plan.inputs, target);
    const stages = plan.stages.map((stage) => {
      const kernel = { ...stage.kernel, epilogue: { bias: add !== undefined, relu: relu !== undefined } };
      return {
        stage,
        run: this.#context.imported(tapKey(kernel), () => tapFunctions(kernel)),
        table: this.#table(tapTable(stage.kernel)),
      };
    });
    const [xAt, wAt] = [isInPlace ? this.#context.address(source) : 0, this.#context.address(weight)];
    const [biasAt, yAt] = [
      add ? this.#context.address(add.reads[1]!) : 0,
      writesDense ? this.#context.address(result) : 0,
    ];
    const groupSize = plan.outputs * plan.outputSize;
    const imageSize = groups * groupSize;
    const images = (f: FunctionBuilder, first: Local<'i32'>, count: number, thread: Address): void => {
      const packedAt = packed === null ? placeAt(xAt, [first, 4 * groups * plan.inputs * channel]) : packed.at(thread);
      const from = f.let(packedAt, 'x');
      fill?.(f, first, i32(0), count, from);
      const rowsAt = f.let(rows.at(thread), 'rows');
      if (plan.sparse) emitZeros(f, placeAt(yAt, [first, 4 * imageSize]), 4 * count * imageSize);
      for (const { stage, run, table } of stages) {
        const [x, w, bias] = [f.let(from, 'x'), f.let(i32(wAt), 'w'), f.let(i32(biasAt), 'bias')];
        const y = f.let(placeAt(yAt, [first, 4 * imageSize]), 'y');
        const pooled = pooling?.begin(f, first) ?? null;
        const isDirect = stage.dense && writesDense;
        const to = isDirect ? y : rowsAt;
        const { segments, xSegment, ySegment } = stage;
        f.repeat(groups, () => {
          const more = [table, segments, 4 * xSegment, 4 * ySegment];
          f.call(run, x, w, to, bias, i32(0), ...more.map(i32));
          if (writesDense && !isDirect) {
            const dense = { at: y, image: imageSize, channel: plan.outputSize };
            const spaced = { at: rowsAt, image: strides[0], channel: stage.rows };
            this.#copyImages(f, [stage.unpack], count, plan.outputs, spaced, dense);
          }
          pooling?.emit(f, to, pooled!, stage, count);
          f.advance(x, 4 * plan.inputs * channel);
          f.advance(w, (4 * weight.value.size) / groups);
          f.advance(y, 4 * groupSize);
          if (add) f.advance(bias, 4 * plan.outputs);
        });
      }
    };
    return imageBlocks(sizes.images, plan.images, images);
  }

  #filling(view: View, spread: Spread | null, channels: number, target: Target): Fill {
    return spread === null ? this.#packing(view, channels, target) : this.#spreading(spread, channels, target);
  }

  /** The pooling of one group's outputs after the other, where a group of nodes ends in one. */
  #pooling(nodes: readonly GraphNode[], plan: ConvPlan): Pooling | null {
    const pool = nodes.find((other) => nameOf(other) === 'maxPoolIndices');
    if (pool === undefined) return null;
    const maxima = maximaOf(nodes);
    // Values that nobody wants go to scratch.
    const values = maxima ? this.#context.address(maxima.view) : this.#context.scratch(pool.target.value.size).address;
    const indexed = this.#context.isNeeded(pool.target.value);
    const index = indexed ? this.#context.address(pool.target) : 0;
    const image = 4 * sizeOf(pool.target.shape.slice(1));
    const step = 4 * plan.outputs * sizeOf(pool.target.shape.slice(2));
    return {
      begin: (f, first) => [
        f.let(placeAt(values, [first, image]), 'pooled'),
        f.let(placeAt(index, [first, image]), 'index'),
      ],
      emit: (f, rows, [value, where], stage, images) => {
        const [f1, f2] = stage.unpack.fromStrides;
        const layout = {
          images,
          planes: plan.outputs,
          imageStride: plan.source.strides[0],
          planeStride: stage.rows,
          rowStrides: [f1, f2] as const,
        };
        const kernel = poolKernelOf(pool, layout, indexed, maxima?.relu);
        const run = this.#context.imported(poolKey('pool', kernel), () => poolFunctions(kernel));
        f.call(run, rows, value, where);
        f.advance(value, step);
        f.advance(where, step);
      },
    };
  }

  /** The weight gradient. */
  weights(node: GraphNode, spread: Spread | null): Step {
    const { geometry, shape } = node.attrs as ConvAttrs;
    const [x, gradient] = node.reads as [View, View];
    const sizes = sizesOf(x.shape, shape, gradient.shape, geometry);
    const plan = planWeightGrad(sizes, this.#fma);
    const size = sizeOf(shape);
    const to = this.#context.address(node.target);
    const split = splitWeights(sizes, plan, size);
    const { parts } = split;
    const sums = this.#context.scratch(4 * parts * size).address;
    const sumLanes = this.#layout('sumLanes');
    const { finite } = this.#context.kernel('layout', layoutFunctions);
    const adding: Task = {
      units: 1,
      emit: (f) => f.call(sumLanes, ...[sums, to, size, parts, 16 * size].map(i32)),
    };
    const summing = this.#weightTask(node, sizes, plan, split, spread, sums, to);
    return {
      name: describeConv([node], spread !== null),
      tasks: split.isWhole ? [summing] : [summing, adding],
      finish: () => {
        // Zeros of g between rows times an infinite x are NaN, where the definition has no term.
        if (finite!(to, size) === 0) runApart(spread === null ? [node] : [spread.node, node], this.#context);
      },
    };
  }

  #weightTask(
    node: GraphNode,
    sizes: ConvSizes,
    plan: WeightPlan,
    split: WeightSplit,
    spread: Spread | null,
    sums: number,
    to: number,
  ): Task {
    const [x, gradient] = node.reads as [View, View];
    const { runs, source } = plan;
    const { channels, gOutput } = plan.kernel;
    const { units, groups, outputs } = split;
    // A run's last block reads x beyond the run's end, where g is zero and x must be finite.
    const beyond = plan.gRun - runs.length + 8;
    const packed = this.#context.perThread(groups * channels * source.channel + beyond);
    const rowsLength = groups * outputs * gOutput;
    const rows = this.#context.perThread(rowsLength);
    const [t0, t1] = plan.gPiece.toStrides;
    const fillX = this.#packing(x, groups * channels, {
      image: source.strides[0],
      channel: source.channel,
      rows: [0, 0],
      pieces: plan.pieces,
    });
    const table = this.#table(dotTable(plan.kernel));
    const sumLanes = this.#layout('sumLanes');
    const blocks = Math.ceil(sizes.images / plan.images);
    const rest = sizes.images % plan.images;

    /** Everything for a unit of `count` outputs of each of its groups. */
    const unitOf = (f: FunctionBuilder, unit: Address, thread: Address, count: number): void => {
      const kernel = { ...plan.kernel, outputs: count };
      const run = this.#context.imported(dotKey(kernel), () => dotFunctions(kernel));
      const fillG = this.#filling(gradient, spread, groups * count, {
        image: plan.gImage,
        channel: gOutput,
        rows: [t0, t1],
        pieces: [plan.gPiece],
      });
      const groupSize = count * channels * plan.kernel.taps.length;
      const size = groups * groupSize;
      const sum = f.let(placeAt(sums, [unit, 16 * split.size]), 'sum');
      const [xs, gs] = [f.let(packed.at(thread), 'xs'), f.let(rows.at(thread), 'gs')];
      emitZeros(f, sum, 16 * size);
      const images = (first: Local<'i32'>, n: number): void => {
        fillX(f, first, op('i32.mul', unit, i32(split.channelStep)), n, xs);
        if (n < plan.images) emitZeros(f, gs, 4 * rowsLength);
        fillG(f, first, op('i32.mul', unit, i32(split.outputStep)), n, gs);
        const [xg, gg, acc] = [f.let(xs, 'xg'), f.let(gs, 'gg'), f.let(sum, 'acc')];
        f.repeat(groups, () => {
          const [xo, go] = [f.let(xg, 'xo'), f.let(gg, 'go')];
          f.repeat(runs.outer, () => {
            f.call(run, xo, go, acc, ...[table, runs.segments, 4 * plan.xRun, 4 * plan.gRun].map(i32));
            f.advance(xo, 4 * plan.xOuter);
            f.advance(go, 4 * plan.gOuter);
          });
          f.advance(xg, 4 * channels * source.channel);
          f.advance(gg, 4 * count * gOutput);
          f.advance(acc, 16 * groupSize);
        });
      };
      const part = (of: Address): Address => op('i32.div_u', op('i32.mul', of, i32(blocks)), i32(units));
      const byImages = split.parts > 1;
      const block = f.let(byImages ? part(unit) : i32(0), 'block');
      const end = f.let(byImages ? part(op('i32.add', unit, i32(1))) : i32(blocks), 'end');
      f.while(block, end, 1, () => {
        const first = f.let(op('i32.mul', block, i32(plan.images)), 'first');
        if (rest === 0) images(first, plan.images);
        else {
          f.if(
            op('i32.eq', block, i32(blocks - 1)),
            () => images(first, rest),
            () => images(first, plan.images),
          );
        }
      });
      if (split.isWhole) f.call(sumLanes, sum, placeAt(to, [unit, 4 * split.size]), ...[size, 1, 0].map(i32));
    };
    return {
      units,
      emit: (f, unit, thread) => {
        if (split.last === outputs) unitOf(f, unit, thread, outputs);
        else {
          f.if(
            op('i32.eq', unit, i32(units - 1)),
            () => unitOf(f, unit, thread, split.last),
            () => unitOf(f, unit, thread, outputs),
          );
        }
      },
    };
  }
}

/** What pools a group's outputs after they were computed. */
interface Pooling {
  /** Pointers to the values and the positions of the images from `first` on. */
  begin(f: FunctionBuilder, first: Local<'i32'>): [Local<'i32'>, Local<'i32'>];
  emit(f: FunctionBuilder, rows: Address, at: [Local<'i32'>, Local<'i32'>], stage: Stage, images: number): void;
}

/** The task over blocks of `together` images, the last of which may be smaller. */
function imageBlocks(
  images: number,
  together: number,
  emit: (f: FunctionBuilder, first: Local<'i32'>, count: number, thread: Address) => void,
): Task {
  const units = Math.ceil(images / together);
  const rest = images % together;
  return {
    units,
    emit(f, unit, thread) {
      const first = f.let(op('i32.mul', unit, i32(together)), 'first');
      if (rest === 0) emit(f, first, together, thread);
      else {
        f.if(
          op('i32.eq', unit, i32(units - 1)),
          () => emit(f, first, rest, thread),
          () => emit(f, first, together, thread),
        );
      }
    },
  };
}

/** How a weight gradient becomes units: by what is summed over, or by what is summed up. */
interface WeightSplit {
  readonly units: number;
  /** Groups of a unit, outputs of each, and outputs of the last unit. */
  readonly groups: number;
  readonly outputs: number;
  readonly last: number;
  /** Input channels and outputs from unit to unit. */
  readonly channelStep: number;
  readonly outputStep: number;
  /** Weights of a unit. */
  readonly size: number;
  /** Sums of all weights that are added up in the end: more than 1 if units are series of images. */
  readonly parts: number;
  /** Whether a unit's weights are finished by itself. */
  readonly isWhole: boolean;
}

/** The most units of one image's sums. */
const mostUnits = 8;
/** Weights of a unit whose partial sums lie in the second-level cache. */
const unitWeights = 16384;

function splitWeights(
  { images, groups }: ConvSizes,
  { images: together, kernel }: WeightPlan,
  size: number,
): WeightSplit {
  const { outputs, channels } = kernel;
  const row = channels * kernel.taps.length;
  const parts = weightParts(images, together, size);
  if (parts > 1) {
    const isWhole = false;
    return { units: parts, groups, outputs, last: outputs, channelStep: 0, outputStep: 0, size, parts, isWhole };
  }
  if (groups > 1) {
    const own = size / groups;
    const split = { units: groups, groups: 1, outputs, last: outputs, channelStep: channels, outputStep: outputs };
    return { ...split, size: own, parts: 1, isWhole: own % 4 === 0 };
  }
  const rows = dotRows(kernel);
  const wanted = Math.min(mostUnits, Math.max(mostUnits / 2, Math.ceil(size / unitWeights)));
  const block = Math.min(outputs, rows * Math.ceil(outputs / wanted / rows));
  const units = Math.ceil(outputs / block);
  const last = outputs - (units - 1) * block;
  const split = { units, groups, outputs: block, last, channelStep: 0, outputStep: block };
  return { ...split, size: block * row, parts: 1, isWhole: (block * row) % 4 === 0 };
}

/** Whether a source is one plane that takes all of the gradient, so that a pooling's way back can write into it. */
function coversAll(pieces: readonly Piece[], gradient: View): boolean {
  const size = spatialThree(gradient.shape);
  return pieces.length === 1 && pieces[0]!.counts.every((count, axis) => count === size[axis]);
}

function describeConv(nodes: readonly GraphNode[], isSpread: boolean): string {
  const names: Record<string, string> = {
    conv: 'convolution',
    convInputGrad: `convolution's input gradient${isSpread ? ' behind a max pool' : ''}`,
    convWeightGrad: `convolution's weight gradient${isSpread ? ' behind a max pool' : ''}`,
    add: 'bias',
    maxPoolIndices: 'max pool',
    relu: 'ReLU',
  };
  return nodes.flatMap((node) => names[nameOf(node)] ?? []).join(' + ');
}

/** The step of a convolution and what was fused with it. */
export function convStep(group: Group, spread: Spread | null, context: StepContext): Step {
  const tiled = tiledStep(describeConv(group.nodes, spread !== null), group, spread, context);
  if (tiled !== null) return tiled;
  const lowering = new ConvLowering(context);
  const node = group.nodes[0]!;
  return nameOf(node) === 'convWeightGrad' ? lowering.weights(node, spread) : lowering.linear(group, spread);
}
