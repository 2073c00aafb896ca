/** The weight gradient by products of shifted rows, over series of images or blocks of outputs. */

import { type Expr, type FunctionBuilder, i32, type Local, op } from '../../../kernels/wasm/assembler/assembler.ts';
import { emitZeros, placeAt, type Task } from '../../../kernels/wasm/conductor.ts';
import { dotFunctions, dotKey, dotRows, dotTable } from '../../../kernels/wasm/conv/dots.ts';
import { sizesOf } from '../../../kernels/wasm/conv/parts.ts';
import { type ConvSizes, planWeightGrad, type WeightPlan, weightParts } from '../../../kernels/wasm/conv/plan.ts';
import { features } from '../../../kernels/wasm/features.ts';
import { layoutModule } from '../../../kernels/wasm/memory/layout.ts';
import { sizeOf } from '../../../tensor/shape.ts';
import type { GraphNode, View } from '../../graph.ts';
import type { ConvAttrs } from '../../patterns.ts';
import { runApart } from '../single.ts';
import type { Step, StepContext } from '../step.ts';
import { ImageCopies, tableAddress } from './images.ts';

type Address = Expr<'i32'>;

/** Lowers one weight gradient. */
export class DirectGradient {
  readonly #context: StepContext;
  readonly #copies: ImageCopies;

  constructor(context: StepContext) {
    this.#context = context;
    this.#copies = new ImageCopies(context);
  }

  /** The weight gradient. */
  step(name: string, node: GraphNode, spread: GraphNode | null): Step {
    const { geometry, shape } = node.attrs as ConvAttrs;
    const [x, gradient] = node.reads as [View, View];
    const sizes = sizesOf(x.shape, shape, gradient.shape, geometry);
    const plan = planWeightGrad(sizes, features().relaxed);
    const size = sizeOf(shape);
    const to = this.#context.address(node.target);
    const split = splitWeights(sizes, plan, size);
    const { parts } = split;
    const sums = this.#context.scratch(4 * parts * size).address;
    const sumLanes = this.#context.imported(...layoutModule('sumLanes'), 'sumLanes');
    const { finite } = this.#context.kernel(...layoutModule('finite'));
    const adding: Task = {
      units: 1,
      emit: (f) => f.call(sumLanes, ...[sums, to, size, parts, 16 * size].map(i32)),
    };
    const summing = this.#weightTask(node, sizes, plan, split, spread, sums, to);
    return {
      name,
      tasks: split.isWhole ? [summing] : [summing, adding],
      finish: () => {
        // Zeros of g between rows times an infinite x are NaN, where the definition has no term.
        if (finite!(to, size) === 0) runApart(spread === null ? [node] : [spread, node], this.#context);
      },
    };
  }

  #weightTask(
    node: GraphNode,
    sizes: ConvSizes,
    plan: WeightPlan,
    split: WeightSplit,
    spread: GraphNode | null,
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
    const fillX = this.#copies.packing(x, groups * channels, {
      image: source.strides[0],
      channel: source.channel,
      rows: [0, 0],
      pieces: plan.pieces,
    });
    const table = tableAddress(dotTable(plan.kernel), this.#context);
    const sumLanes = this.#context.imported(...layoutModule('sumLanes'), 'sumLanes');
    const blocks = Math.ceil(sizes.images / plan.images);
    const rest = sizes.images % plan.images;

    /** Everything for a unit of `count` outputs of each of its groups. */
    const unitOf = (f: FunctionBuilder, unit: Address, thread: Address, count: number): void => {
      const kernel = { ...plan.kernel, outputs: count };
      const run = this.#context.imported(dotKey(kernel), () => dotFunctions(kernel));
      const fillG = this.#copies.filling(gradient, spread, groups * count, {
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
