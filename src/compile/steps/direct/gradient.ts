/** The weight gradient by products of shifted rows, over series of images or blocks of outputs. */

import { type Expr, type FunctionBuilder, i32, type Local, op } from '../../../kernels/wasm/assembler/assembler.ts';
import { emitZeros, placeAt, type Task } from '../../../kernels/wasm/conductor.ts';
import { dotFunctions, dotKey, dotRows, dotTable } from '../../../kernels/wasm/conv/dots.ts';
import { sizesOf } from '../../../kernels/wasm/conv/parts.ts';
import type { ConvSizes } from '../../../kernels/wasm/conv/plan.ts';
import { planWeightGrad, type WeightPlan, weightParts } from '../../../kernels/wasm/conv/weight-plan.ts';
import { features } from '../../../kernels/wasm/features.ts';
import { layoutModule } from '../../../kernels/wasm/memory/layout.ts';
import { sizeOf } from '../../../tensor/shape.ts';
import type { GraphNode, View } from '../../graph.ts';
import type { ConvAttrs } from '../../patterns.ts';
import { runApart } from '../single.ts';
import type { Step, StepContext } from '../step.ts';
import { ImageCopies, tableAddress } from './images.ts';

type Address = Expr<'i32'>;
type I = Local<'i32'>;

/** Lowers one weight gradient. */
export class DirectGradient {
  readonly #node: GraphNode;
  readonly #spread: GraphNode | null;
  readonly #context: StepContext;
  readonly #copies: ImageCopies;
  readonly #sizes: ConvSizes;
  readonly #plan: WeightPlan;
  readonly #split: WeightSplit;
  /** Floats of one thread's rows of the gradient. */
  readonly #rowsLength: number;

  constructor(node: GraphNode, spread: GraphNode | null, context: StepContext) {
    const { geometry, shape } = node.attrs as ConvAttrs;
    const [x, gradient] = node.reads as [View, View];
    this.#node = node;
    this.#spread = spread;
    this.#context = context;
    this.#copies = new ImageCopies(context);
    this.#sizes = sizesOf(x.shape, shape, gradient.shape, geometry);
    this.#plan = planWeightGrad(this.#sizes, features().relaxed);
    this.#split = splitWeights(this.#sizes, this.#plan, sizeOf(shape));
    this.#rowsLength = this.#split.groups * this.#split.outputs * this.#plan.kernel.gOutput;
  }

  /** The weight gradient. */
  step(name: string): Step {
    const { isWhole, parts } = this.#split;
    const { target } = this.#node;
    const { size } = target.value;
    const to = this.#context.address(target);
    const sums = this.#context.scratch(4 * parts * size).address;
    const { finite } = this.#context.kernel(...layoutModule('finite'));
    const sumLanes = this.#sumLanes();
    const adding: Task = {
      units: 1,
      emit: (f) => f.call(sumLanes, ...[sums, to, size, parts, 16 * size].map(i32)),
    };
    const summing = this.#summing(sums, to);
    return {
      name,
      tasks: isWhole ? [summing] : [summing, adding],
      finish: () => {
        // Zeros of g between rows times an infinite x are NaN, where the definition has no term.
        if (finite!(to, size) !== 0) return;
        runApart(this.#spread === null ? [this.#node] : [this.#spread, this.#node], this.#context);
      },
    };
  }

  #sumLanes(): FunctionBuilder {
    return this.#context.imported(...layoutModule('sumLanes'), 'sumLanes');
  }

  /** Sums of each lane at `sums`, and finished weights at `to` where a unit has all of theirs. */
  #summing(sums: number, to: number): Task {
    const { units, groups, outputs, last, size, isWhole } = this.#split;
    const { kernel, runs, source, gRun } = this.#plan;
    // A run's last block reads x beyond the run's end, where g is zero and x must be finite.
    const packed = this.#context.perThread(groups * kernel.channels * source.channel + gRun - runs.length + 8);
    const rows = this.#context.perThread(this.#rowsLength);
    const table = tableAddress(dotTable(kernel), this.#context);
    const emitUnit = (f: FunctionBuilder, unit: Address, thread: Address, count: number): void => {
      const weights = groups * count * kernel.channels * kernel.taps.length;
      const sum = f.let(placeAt(sums, [unit, 16 * size]), 'sum');
      const [xs, gs] = [f.let(packed.at(thread), 'xs'), f.let(rows.at(thread), 'gs')];
      emitZeros(f, sum, 16 * weights);
      this.#eachBlock(f, unit, this.#series(f, unit, count, { xs, gs, sum, table }));
      if (isWhole) f.call(this.#sumLanes(), sum, placeAt(to, [unit, 4 * size]), ...[weights, 1, 0].map(i32));
    };
    return {
      units,
      emit: (f, unit, thread) => {
        if (last === outputs) emitUnit(f, unit, thread, outputs);
        else {
          f.if(
            op('i32.eq', unit, i32(units - 1)),
            () => emitUnit(f, unit, thread, last),
            () => emitUnit(f, unit, thread, outputs),
          );
        }
      },
    };
  }

  /** Emits what adds the products of `n` images, from `first` on, to the sums of a unit of `count` outputs a group. */
  #series(
    f: FunctionBuilder,
    unit: Address,
    count: number,
    { xs, gs, sum, table }: Places,
  ): (first: I, n: number) => void {
    const { kernel, runs, source, pieces, gPiece, gImage, xRun, gRun, xOuter, gOuter, images } = this.#plan;
    const { groups, channelStep, outputStep } = this.#split;
    const { channels, gOutput, taps } = kernel;
    const [x, gradient] = this.#node.reads as [View, View];
    const own = { ...kernel, outputs: count };
    const run = this.#context.imported(dotKey(own), () => dotFunctions(own));
    const [t0, t1] = gPiece.toStrides;
    const packing = { image: source.strides[0], channel: source.channel, rows: [0, 0] as const, pieces };
    const fillX = this.#copies.packing(x, groups * channels, packing);
    const rows = { image: gImage, channel: gOutput, rows: [t0, t1] as const, pieces: [gPiece] };
    const fillG = this.#copies.filling(gradient, this.#spread, groups * count, rows);
    return (first, n) => {
      fillX(f, first, op('i32.mul', unit, i32(channelStep)), n, xs);
      if (n < images) emitZeros(f, gs, 4 * this.#rowsLength);
      fillG(f, first, op('i32.mul', unit, i32(outputStep)), n, gs);
      const [xg, gg, acc] = [f.let(xs, 'xg'), f.let(gs, 'gg'), f.let(sum, 'acc')];
      f.repeat(groups, () => {
        const [xo, go] = [f.let(xg, 'xo'), f.let(gg, 'go')];
        f.repeat(runs.outer, () => {
          f.call(run, xo, go, acc, ...[table, runs.segments, 4 * xRun, 4 * gRun].map(i32));
          f.advance(xo, 4 * xOuter);
          f.advance(go, 4 * gOuter);
        });
        f.advance(xg, 4 * channels * source.channel);
        f.advance(gg, 4 * count * gOutput);
        f.advance(acc, 16 * count * channels * taps.length);
      });
    };
  }

  /** The series of images of a unit one after the other: all of them, or its part. */
  #eachBlock(f: FunctionBuilder, unit: Address, series: (first: I, n: number) => void): void {
    const { images: all } = this.#sizes;
    const { images: together } = this.#plan;
    const { parts, units } = this.#split;
    const blocks = Math.ceil(all / together);
    const rest = all % together;
    const part = (of: Address): Address => op('i32.div_u', op('i32.mul', of, i32(blocks)), i32(units));
    const byImages = parts > 1;
    const block = f.let(byImages ? part(unit) : i32(0), 'block');
    const end = f.let(byImages ? part(op('i32.add', unit, i32(1))) : i32(blocks), 'end');
    f.while(block, end, 1, () => {
      const first = f.let(op('i32.mul', block, i32(together)), 'first');
      if (rest === 0) series(first, together);
      else {
        f.if(
          op('i32.eq', block, i32(blocks - 1)),
          () => series(first, rest),
          () => series(first, together),
        );
      }
    });
  }
}

/** A thread's packed images, its rows of the gradient, a unit's sums, and the table of taps. */
interface Places {
  readonly xs: I;
  readonly gs: I;
  readonly sum: I;
  readonly table: number;
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
