/** The forward convolution and the input gradient by tiles: first the filters are transformed, then chunk after chunk. */

import { product } from '../../../kernels/sizes.ts';
import { type Expr, type FunctionBuilder, i32, type Local, op } from '../../../kernels/wasm/assembler/assembler.ts';
import { emitZeros, placeAt, type Task } from '../../../kernels/wasm/conductor.ts';
import { positionsOf, type TiledSizes } from '../../../kernels/wasm/conv/winograd/geometry.ts';
import type { LinearPlan } from '../../../kernels/wasm/conv/winograd/kernel.ts';
import { linearFunctions, linearKey, linearScratch } from '../../../kernels/wasm/conv/winograd/linear.ts';
import { canPoolTiles, type TilePool } from '../../../kernels/wasm/conv/winograd/output.ts';
import {
  filterFloats,
  filterFunction,
  filterKey,
  filterStep,
  outerPitch,
} from '../../../kernels/wasm/conv/winograd/weights.ts';
import { layoutModule } from '../../../kernels/wasm/memory/layout.ts';
import { sizeOf } from '../../../tensor/shape.ts';
import { type GraphNode, nameOf, type View } from '../../graph.ts';
import type { Group } from '../../group.ts';
import type { ConvAttrs } from '../../patterns.ts';
import { chainPointers, endingOf } from '../ending.ts';
import { densePlanes, emitPool, type PlaneLayout, pooledOf, poolKernelOf } from '../pool.ts';
import { runApart } from '../single.ts';
import type { Step, StepContext } from '../step.ts';
import { Chunks, denseSource, filterUnits, forImages, type Source, type Start, spreadSource } from './chunks.ts';

type Address = Expr<'i32'>;
type I = Local<'i32'>;

/** Where a chunk's results go. */
interface Sink {
  readonly yImage: number;
  readonly pool?: TilePool;
  /** The results, or pooled values and taps, of the chunk's first image, from an output on. */
  at(start: Start, thread: Address, output: number): [Address, Address];
  after?(f: FunctionBuilder, start: Start, y: I, output: number, outputs: number): void;
}

/** Lowers one group of nodes. */
export class TiledLinear {
  readonly #context: StepContext;

  constructor(context: StepContext) {
    this.#context = context;
  }

  #filters({ filters }: LinearPlan, groups: number, weight: View): { task: Task; address: number } {
    const run = this.#context.imported(filterKey(filters), () => [filterFunction(filters)], 'filters');
    const group = filterFloats(filters);
    const address = this.#context.scratch(groups * group).address;
    const wAt = this.#context.address(weight);
    const size = (filters.inner * filters.taps * positionsOf(filters.tileDepth)) / 16;
    const task = filterUnits(filters.outer, size, filterStep(filters), (f, first, count) => {
      const [w, u] = [f.let(i32(wAt), 'w'), f.let(i32(address), 'u')];
      f.repeat(groups, () => {
        f.call(run, w, u, first, count);
        f.advance(w, (4 * weight.value.size) / groups);
        f.advance(u, 4 * group);
      });
    });
    return { task, address };
  }

  /** The forward convolution or the input gradient over a group's first node. */
  step(name: string, group: Group, spread: GraphNode | null, plan: LinearPlan, images: number): Step {
    const { nodes } = group;
    const [node] = nodes as [GraphNode];
    const { groups } = (node.attrs as ConvAttrs).geometry;
    const [source, weight] = node.reads as [View, View];
    const chunks = new Chunks(plan.kernel.sizes, plan.kernel.chunk, images);
    const from =
      spread === null
        ? denseSource(source, this.#context)
        : spreadSource(spread, chunks, plan.blocks > 1, this.#context);
    const filters = this.#filters(plan, groups, weight);
    const flags = this.#context.scratch(4 * chunks.count * plan.blocks).address;
    const { finite } = this.#context.kernel(...layoutModule('finite'));
    const main = this.#linearTasks(group, plan, chunks, from, filters.address, flags);
    const all = spread === null ? nodes : [spread, ...nodes];
    return {
      name: name,
      tasks: [filters.task, ...from.tasks, ...main],
      finish: () => {
        if (finite!(flags, 4 * chunks.count * plan.blocks) === 0) runApart(all, this.#context);
      },
    };
  }

  #linearTasks(group: Group, plan: LinearPlan, chunks: Chunks, source: Source, u: number, flags: number): Task[] {
    const { nodes } = group;
    const [node] = nodes as [GraphNode];
    const { groups } = (node.attrs as ConvAttrs).geometry;
    const { sizes } = plan.kernel;
    const { bias, relu, loop, result } = endingOf(group);
    const { sink, later } = this.#sink(nodes, result, plan, chunks);
    const scratch = this.#context.perThread(linearScratch(plan.kernel));
    const biasAt = bias === null ? 0 : this.#context.address(bias);
    const chain = loop && { chain: loop.chain };

    const block = (f: FunctionBuilder, start: Start, from: I, flag: Address, thread: Address, number: number): void => {
      const first = number * plan.kernel.outputs;
      const outputs = Math.min(plan.kernel.outputs, sizes.outputs - first);
      const { yImage, pool } = sink;
      const shape = {
        ...plan.kernel,
        sizes: { ...sizes, yImage },
        outputs,
        bias: bias !== null,
        relu,
        ...chain,
      };
      const kernel = pool === undefined ? shape : { ...shape, pool };
      const run = this.#context.imported(linearKey(kernel), () => linearFunctions(kernel), 'chunk');
      for (let g = 0; g < groups; g++) {
        const output = g * sizes.outputs + first;
        const [y, index] = sink.at(start, thread, output).map((at) => f.let(at, 'y')) as [I, I];
        const x = op('i32.add', from, i32(4 * g * sizes.channels * product(sizes.x)));
        const filters = i32(u + 4 * (g * filterFloats(plan.filters) + first * outerPitch(plan.filters)));
        const more = [i32(biasAt + 4 * output), scratch.at(thread), flag, start.images, start.layer, start.row];
        f.call(run, x, filters, y, index, ...more, ...chainPointers(loop, result, i32(output), this.#context));
        sink.after?.(f, start, y, output, outputs);
      }
    };
    const task: Task = {
      units: chunks.count * plan.blocks,
      emit: (f, unit, thread) => {
        const { blocks } = plan;
        const start = chunks.at(f, blocks === 1 ? unit : op('i32.div_u', unit, i32(blocks)));
        const from = f.let(source.at(f, start, thread), 'from');
        const flag = f.let(placeAt(flags, [unit, 16]), 'flag');
        emitZeros(f, flag, 16);
        if (blocks === 1) block(f, start, from, flag, thread, 0);
        else {
          const number = f.let(op('i32.rem_u', unit, i32(blocks)), 'block');
          for (let b = 0; b < blocks; b++) {
            f.if(op('i32.eq', number, i32(b)), () => block(f, start, from, flag, thread, b));
          }
        }
      },
    };
    return [task, ...later];
  }

  /** Where results go, and what is done to them there. */
  #sink(nodes: readonly GraphNode[], result: View, plan: LinearPlan, chunks: Chunks): { sink: Sink; later: Task[] } {
    const { sizes, outputs } = plan.kernel;
    const pool = nodes.find((other) => nameOf(other) === 'maxPoolTaps');
    const plane = product(sizes.y);
    const isDense = pool === undefined || this.#context.isNeeded(result.value);
    const denseAt = (base: number): Sink => ({
      yImage: sizes.yImage,
      at: ({ image }, _, output) => [placeAt(base + 4 * output * plane, [image, 4 * sizes.yImage]), i32(0)],
    });
    if (pool === undefined) return { sink: denseAt(this.#context.address(result)), later: [] };
    const pooled = pooledOf(nodes, pool, this.#context);
    if (!isDense && isTilePool(pool, sizes)) {
      const sink: Sink = {
        yImage: sizes.yImage,
        pool: { hasTaps: pooled.tapBytes > 0, relu: pooled.relu, image: sizeOf(pool.target.shape.slice(1)) },
        at: ({ image }, _, output) => pooled.at(image, i32(output)),
      };
      return { sink, later: [] };
    }
    const pooling = (f: FunctionBuilder, from: Address, image: Address, output: number, layout: PlaneLayout): void =>
      emitPool(f, pool, pooled, layout, from, pooled.at(image, i32(output)), this.#context);
    if (!chunks.isWhole) {
      // Windows may lie across chunks: pooled when all are done.
      const base = isDense ? this.#context.address(result) : this.#context.scratch(result.value.size).address;
      const later: Task = {
        units: pool.reads[0]!.shape[0]!,
        emit: (f, unit) =>
          pooling(f, placeAt(base, [unit, 4 * sizes.yImage]), unit, 0, densePlanes(pool.reads[0]!.shape, 1)),
      };
      return { sink: denseAt(base), later: [later] };
    }
    // What nobody else wants lies in the thread's own memory, one block of outputs after the other.
    const yImage = isDense ? sizes.yImage : outputs * plane;
    const own = isDense ? null : this.#context.perThread(chunks.chunk.images * yImage);
    const sink: Sink = {
      ...(own === null ? denseAt(this.#context.address(result)) : { at: (_, thread) => [own.at(thread), i32(0)] }),
      yImage,
      after: (f, start, y, output, count) =>
        forImages(f, chunks, start, (images) => {
          const layout = { ...densePlanes(pool.reads[0]!.shape, images), planes: count, imageStride: yImage };
          pooling(f, y, start.image, output, layout);
        }),
    };
    return { sink, later: [] };
  }
}

/** Whether a pooling's windows are tiles. */
function isTilePool(pool: GraphNode, sizes: TiledSizes): boolean {
  const { kernel, stride } = poolKernelOf(pool, pool.target, densePlanes(pool.reads[0]!.shape, 1), 0);
  const tile = `${sizes.tileDepth},2,2`;
  return sizes.row === undefined && kernel.join() === tile && stride.join() === tile && canPoolTiles(sizes);
}
