/** The forward convolution and the input gradient by shifted rows, image by image. */

import { type Expr, type FunctionBuilder, i32, type Local, op } from '../../../kernels/wasm/assembler/assembler.ts';
import { emitZeros, placeAt, type Task } from '../../../kernels/wasm/conductor.ts';
import { sizesOf } from '../../../kernels/wasm/conv/parts.ts';
import {
  type ConvPlan,
  type ConvSizes,
  planForward,
  planInputGrad,
  type Stage,
} from '../../../kernels/wasm/conv/plan.ts';
import type { Piece } from '../../../kernels/wasm/conv/rows.ts';
import { canBeExact, tapFunctions, tapKey, tapTable, writtenLength } from '../../../kernels/wasm/conv/taps.ts';
import { features } from '../../../kernels/wasm/features.ts';
import { layoutModule } from '../../../kernels/wasm/memory/layout.ts';
import { type GraphNode, nameOf, type View } from '../../graph.ts';
import type { Group } from '../../group.ts';
import type { ConvAttrs } from '../../patterns.ts';
import { chainPointers, endingOf, hasElements } from '../ending.ts';
import { loopTask } from '../loop.ts';
import { emitPool, pooledOf, spatialThree } from '../pool.ts';
import { runApart } from '../single.ts';
import type { Step, StepContext } from '../step.ts';
import { ImageCopies, imageBlocks, tableAddress } from './images.ts';

type Address = Expr<'i32'>;
type I = Local<'i32'>;

/** Lowers one group of nodes. */
export class DirectLinear {
  readonly #context: StepContext;
  readonly #copies: ImageCopies;

  constructor(context: StepContext) {
    this.#context = context;
    this.#copies = new ImageCopies(context);
  }

  /** The forward convolution or the input gradient over a group's first node. */
  step(name: string, group: Group, spread: GraphNode | null): Step {
    const { nodes } = group;
    const [node] = nodes as [GraphNode];
    const isForward = nameOf(node) === 'conv';
    const { geometry, shape } = node.attrs as ConvAttrs;
    const [source, weight] = node.reads as [View, View];
    const sizes = isForward
      ? sizesOf(source.shape, weight.shape, shape, geometry)
      : sizesOf(shape, weight.shape, source.shape, geometry);
    const plan = isForward ? planForward(sizes, features().relaxed) : planInputGrad(sizes, features().relaxed);
    const all = spread === null ? nodes : [spread, ...nodes];
    const apart = (): void => runApart(all, this.#context);
    if (spread !== null && !coversAll(plan.pieces, source)) return { name, tasks: [], finish: apart };
    const weightAt = this.#context.address(weight);
    const { finite } = this.#context.kernel(...layoutModule('finite'));
    const isPadded = !plan.source.dense;
    return {
      name,
      tasks: this.#linearTasks(group, sizes, plan, spread),
      // Padding is zeros, and zero times an infinite weight would be NaN where the definition has no term.
      ...(isPadded && {
        finish: () => {
          if (finite!(weightAt, weight.value.size) === 0) apart();
        },
      }),
    };
  }

  #linearTasks(group: Group, sizes: ConvSizes, plan: ConvPlan, spread: GraphNode | null): Task[] {
    const { nodes } = group;
    const [node] = nodes as [GraphNode];
    const [source, weight] = node.reads as [View, View];
    const context = this.#context;
    const { bias, relu, loop, pool, result } = endingOf(group);
    const writesDense = context.isNeeded(result.value) || pool === null;
    const { strides, channel, dense } = plan.source;
    const isInPlace = dense && spread === null;
    const part = divide(sizes, plan, isInPlace, !writesDense);
    // Arrays that lie as the results do can be read where those are written as they lie.
    const isChained = loop !== null && (plan.stages.every((stage) => stage.dense) || !hasElements(loop));
    const chain = isChained ? loop : null;
    const inputs = part.groups * plan.inputs;
    const packed = isInPlace ? null : context.perThread(inputs * channel);
    const rows = context.perThread(plan.rows);
    const target = { image: strides[0], channel, rows: [strides[1], strides[2]] as const, pieces: plan.pieces };
    const fill = isInPlace ? null : this.#copies.filling(source, spread, inputs, target);
    const pooling = pool && this.#pooling(nodes, pool, plan);
    const stages = plan.stages.map((stage) => {
      const epilogue = { bias: bias !== null, relu, ...(chain && { chain: chain.chain }) };
      const kernel = { ...stage.kernel, outputs: part.outputs, epilogue };
      return {
        stage,
        wPart: sizes.groups > 1 ? (part.groups * weight.value.size) / sizes.groups : part.outputs * kernel.wOutput,
        run: context.imported(tapKey(kernel), () => tapFunctions(kernel)),
        table: tableAddress(tapTable(stage.kernel), context),
      };
    });
    const [xAt, wAt] = [isInPlace ? context.address(source) : 0, context.address(weight)];
    const [biasAt, yAt] = [bias ? context.address(bias) : 0, writesDense ? context.address(result) : 0];
    const groupSize = part.outputs * plan.outputSize;
    const imageSize = sizes.groups * plan.outputs * plan.outputSize;
    const outputs = part.groups * part.outputs;
    const images = (f: FunctionBuilder, first: I, count: number, number: Address, thread: Address): void => {
      const channels: Address = sizes.groups > 1 ? op('i32.mul', number, i32(inputs)) : i32(0);
      const from = f.let(packed?.at(thread) ?? placeAt(xAt, [first, 4 * sizes.groups * plan.inputs * channel]), 'x');
      if (isInPlace) f.advance(from, op('i32.mul', channels, i32(4 * channel)));
      fill?.(f, first, channels, count, from);
      const rowsAt = f.let(rows.at(thread), 'rows');
      if (plan.sparse) emitZeros(f, placeAt(yAt, [first, 4 * imageSize]), 4 * count * imageSize);
      const output = f.let(op('i32.mul', number, i32(outputs)), 'output');
      for (const { stage, wPart, run, table } of stages) {
        const [x, w] = [f.let(from, 'x'), f.let(placeAt(wAt, [number, 4 * wPart]), 'w')];
        const y = f.let(placeAt(yAt, [first, 4 * imageSize], [output, 4 * plan.outputSize]), 'y');
        const offset = f.let(output, 'offset');
        const pooled = pooling?.begin(f, first, output) ?? null;
        const isDirect = stage.dense && writesDense;
        const to = isDirect ? y : rowsAt;
        const { segments, xSegment, ySegment } = stage;
        f.repeat(part.groups, () => {
          const more = [table, segments, 4 * xSegment, 4 * ySegment];
          const biasFrom = bias ? placeAt(biasAt, [offset, 4]) : i32(0);
          f.call(run, x, w, to, biasFrom, ...more.map(i32), ...chainPointers(chain, result, offset, context));
          if (writesDense && !isDirect) {
            const dense = { at: y, image: imageSize, channel: plan.outputSize };
            const spaced = { at: rowsAt, image: strides[0], channel: stage.rows };
            this.#copies.copy(f, [stage.unpack], count, part.outputs, spaced, dense);
          }
          pooling?.emit(f, to, pooled!, stage, count);
          f.advance(x, 4 * plan.inputs * channel);
          f.advance(w, (4 * weight.value.size) / sizes.groups);
          f.advance(y, 4 * groupSize);
          f.advance(offset, part.outputs);
        });
      }
    };
    const task = imageBlocks(sizes.images, plan.images, part.count, images);
    if (loop === null || isChained) return [task];
    const place = (view: View): number => context.address(view.value === loop.sums.value ? result : view);
    return [task, loopTask(loop.plan, context, place)];
  }

  /** The pooling of one group's outputs after the other. */
  #pooling(nodes: readonly GraphNode[], pool: GraphNode, plan: ConvPlan): Pooling {
    const pooled = pooledOf(nodes, pool, this.#context);
    return {
      begin: (f, first, output) => pooled.at(first, output).map((at) => f.let(at, 'pooled')) as [I, I],
      emit: (f, rows, at, stage, images) => {
        const [f1, f2] = stage.unpack.fromStrides;
        const layout = {
          images,
          planes: plan.outputs,
          imageStride: plan.source.strides[0],
          planeStride: stage.rows,
          rowStrides: [f1, f2] as const,
        };
        emitPool(f, pool, pooled, layout, rows, at, this.#context);
        at.forEach((each, i) => f.advance(each, plan.outputs * pooled.planeBytes[i]!));
      },
    };
  }
}

/** What one unit of work does: all outputs of some groups, or some outputs of the only one; so many such parts are all. */
interface Part {
  readonly groups: number;
  readonly outputs: number;
  readonly count: number;
}

/** Floats of padded images and rows that stay in the first-level cache. */
const cachedFloats = 6144;
/** Units that several threads can share; fewer are divided by outputs as long as each has this many. */
const fewUnits = 8;
const leastOutputs = 32;

/** The largest divisor of `n` up to `most`, at least 1. */
function divisor(n: number, most: number): number {
  let d = Math.max(1, Math.min(n, Math.floor(most)));
  while (n % d > 0) d--;
  return d;
}

/** Groups are padded, computed and copied in the cache; of one group that is not padded, outputs are divided. */
function divide({ images, groups }: ConvSizes, plan: ConvPlan, isInPlace: boolean, isPooled: boolean): Part {
  const { inputs, outputs, source, stages } = plan;
  const whole = { groups, outputs, count: 1 };
  if (plan.sparse) return whole;
  if (groups > 1) {
    const own = divisor(groups, cachedFloats / ((isInPlace ? 0 : inputs * source.channel) + plan.rows));
    return { groups: own, outputs, count: groups / own };
  }
  if (!isInPlace || isPooled || !stages.every((stage) => stage.dense)) return whole;
  const units = Math.ceil(images / plan.images);
  const { length, fma } = (stages[0] as Stage).kernel;
  const most = Math.max(1, Math.min(Math.ceil(fewUnits / units), outputs / leastOutputs));
  // As many as two, four or eight threads share evenly.
  let count = 2 ** Math.floor(Math.log2(most));
  while (outputs % count > 0 || !canBeExact(length, outputs / count, fma)) count /= 2;
  const exact = (stages[0] as Stage).kernel.exact ?? writtenLength(length, outputs / count, fma) === length;
  return exact ? { groups, outputs: outputs / count, count } : whole;
}

/** What pools a group's outputs after they were computed. */
interface Pooling {
  /** Pointers to the values and the positions of the images from `first` on, from an output on. */
  begin(f: FunctionBuilder, first: I, output: I): [I, I];
  emit(f: FunctionBuilder, rows: Address, at: [I, I], stage: Stage, images: number): void;
}

/** Whether a source is one plane that takes all of the gradient, so that a pooling's way back can write into it. */
function coversAll(pieces: readonly Piece[], gradient: View): boolean {
  const size = spatialThree(gradient.shape);
  return pieces.length === 1 && pieces[0]!.counts.every((count, axis) => count === size[axis]);
}
