/** The forward convolution and the input gradient by shifted rows, image by image. */

import { type Expr, type FunctionBuilder, i32, type Local } from '../../../kernels/wasm/assembler.ts';
import { emitZeros, placeAt, type Task } from '../../../kernels/wasm/conductor.ts';
import { sizesOf } from '../../../kernels/wasm/convParts.ts';
import {
  type ConvPlan,
  type ConvSizes,
  planForward,
  planInputGrad,
  type Stage,
} from '../../../kernels/wasm/convPlan.ts';
import { features } from '../../../kernels/wasm/features.ts';
import { layoutModule } from '../../../kernels/wasm/layout.ts';
import type { Piece } from '../../../kernels/wasm/plan.ts';
import { tapFunctions, tapKey, tapTable } from '../../../kernels/wasm/taps.ts';
import { type GraphNode, nameOf, type View } from '../../graph.ts';
import type { Group } from '../../group.ts';
import type { ConvAttrs } from '../../patterns.ts';
import { emitPool, pooledOf, spatialThree } from '../pool.ts';
import { runApart } from '../single.ts';
import type { Step, StepContext } from '../step.ts';
import { ImageCopies, imageBlocks, tableAddress } from './images.ts';

type Address = Expr<'i32'>;

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
      tasks: [this.#linearTask(group, sizes, plan, spread)],
      // Padding is zeros, and zero times an infinite weight would be NaN where the definition has no term.
      ...(isPadded && {
        finish: () => {
          if (finite!(weightAt, weight.value.size) === 0) apart();
        },
      }),
    };
  }

  #linearTask({ nodes }: Group, sizes: ConvSizes, plan: ConvPlan, spread: GraphNode | null): Task {
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
    const fill = isInPlace ? null : this.#copies.filling(source, spread, groups * plan.inputs, target);
    const stages = plan.stages.map((stage) => {
      const kernel = { ...stage.kernel, epilogue: { bias: add !== undefined, relu: relu !== undefined } };
      return {
        stage,
        run: this.#context.imported(tapKey(kernel), () => tapFunctions(kernel)),
        table: tableAddress(tapTable(stage.kernel), this.#context),
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
            this.#copies.copy(f, [stage.unpack], count, plan.outputs, spaced, dense);
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

  /** The pooling of one group's outputs after the other, where a group of nodes ends in one. */
  #pooling(nodes: readonly GraphNode[], plan: ConvPlan): Pooling | null {
    const pool = nodes.find((other) => nameOf(other) === 'maxPoolTaps');
    if (pool === undefined) return null;
    const pooled = pooledOf(nodes, pool, this.#context);
    return {
      begin: (f, first) => pooled.at(first, i32(0)).map((at) => f.let(at, 'pooled')) as [Local<'i32'>, Local<'i32'>],
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

/** What pools a group's outputs after they were computed. */
interface Pooling {
  /** Pointers to the values and the positions of the images from `first` on. */
  begin(f: FunctionBuilder, first: Local<'i32'>): [Local<'i32'>, Local<'i32'>];
  emit(f: FunctionBuilder, rows: Address, at: [Local<'i32'>, Local<'i32'>], stage: Stage, images: number): void;
}

/** Whether a source is one plane that takes all of the gradient, so that a pooling's way back can write into it. */
function coversAll(pieces: readonly Piece[], gradient: View): boolean {
  const size = spatialThree(gradient.shape);
  return pieces.length === 1 && pieces[0]!.counts.every((count, axis) => count === size[axis]);
}
