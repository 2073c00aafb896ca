/**
 * Convolutions by minimal filtering (kernels/wasm/winograd) in programs: first the filters are transformed, then chunks of
 * images, planes and rows are handled apart from each other. What went out of range is computed again directly.
 */

import { type Expr, type FunctionBuilder, i32, type Local, op, select } from '../../kernels/wasm/assembler.ts';
import { emitZeros, placeAt, type Task } from '../../kernels/wasm/conductor.ts';
import { sizesOf } from '../../kernels/wasm/convParts.ts';
import { features } from '../../kernels/wasm/features.ts';
import { layoutFunctions } from '../../kernels/wasm/layout.ts';
import { poolFunctions, poolKey, unpoolFunctions } from '../../kernels/wasm/pooling.ts';
import { type Chunk, product, type TiledSizes, tileRows } from '../../kernels/wasm/winograd/geometry.ts';
import { gradientFunctions, gradientKey, gradientScratch } from '../../kernels/wasm/winograd/gradient.ts';
import { linearFunctions, linearKey, linearScratch } from '../../kernels/wasm/winograd/linear.ts';
import { canPoolTiles, type TilePool } from '../../kernels/wasm/winograd/output.ts';
import {
  type GradientPlan,
  type LinearPlan,
  planTiles,
  planTilesInputGrad,
  planTilesWeightGrad,
} from '../../kernels/wasm/winograd/plan.ts';
import {
  filterFloats,
  filterFunction,
  filterGradientFunction,
  filterGradientKey,
  filterKey,
  outerPitch,
} from '../../kernels/wasm/winograd/weights.ts';
import { sizeOf } from '../../tensor/shape.ts';
import { type GraphNode, nameOf, type View } from '../graph.ts';
import type { Group } from '../group.ts';
import type { ConvAttrs } from '../patterns.ts';
import { maximaOf, type PlaneLayout, poolKernelOf } from './pool.ts';
import { runApart } from './single.ts';
import type { Step, StepContext } from './step.ts';

type Address = Expr<'i32'>;
type I = Local<'i32'>;

/** A max pooling whose way back makes the gradient that a convolution reads. */
export interface Spread {
  readonly node: GraphNode;
  readonly pool: GraphNode;
}

/** What `explain` calls it. */
const algorithm = 'Winograd F(2×2,3×3)';
/** Filters (of one channel) of a unit. */
const unitFilters = 4096;
const mostUnits = 8;

/** Where a chunk begins: its first image, plane and row of tiles; and how many images it has. */
interface Start {
  readonly image: I;
  readonly plane: I;
  readonly row: I;
  readonly images: I;
}

/** Chunks of a convolution, numbered by image, then plane, then row. */
class Chunks {
  readonly count: number;
  readonly chunk: Chunk;
  /** Whether a chunk has whole images. */
  readonly isWhole: boolean;
  readonly #images: number;
  readonly #planes: number;
  readonly #rows: number;

  constructor(sizes: TiledSizes, chunk: Chunk, images: number) {
    this.chunk = chunk;
    this.#images = images;
    this.#planes = Math.ceil(sizes.y[0] / chunk.planes);
    this.#rows = Math.ceil(tileRows(sizes) / chunk.rows);
    this.isWhole = this.#planes * this.#rows === 1;
    this.count = Math.ceil(images / chunk.images) * this.#planes * this.#rows;
  }

  /** Images of the last chunk. */
  get rest(): number {
    return ((this.#images - 1) % this.chunk.images) + 1;
  }

  at(f: FunctionBuilder, number: Address): Start {
    const { images, planes, rows } = this.chunk;
    const part = (of: Address, count: number): Address => (count === 1 ? of : op('i32.div_u', of, i32(count)));
    const place = (of: Address, count: number, each: number): I =>
      f.let(count === 1 ? i32(0) : op('i32.mul', op('i32.rem_u', of, i32(count)), i32(each)), 'place');
    const image = f.let(op('i32.mul', part(number, this.#planes * this.#rows), i32(images)), 'image');
    const left = f.let(op('i32.sub', i32(this.#images), image), 'left');
    return {
      image,
      plane: place(part(number, this.#rows), this.#planes, planes),
      row: place(number, this.#rows, rows),
      images: f.let(select(left, i32(images), op('i32.lt_u', left, i32(images))), 'images'),
    };
  }
}

/** Where a convolution's source lies: images from `first` on, which are there after `fill`. */
interface Source {
  /** Tasks that come first. */
  readonly tasks: readonly Task[];
  at(f: FunctionBuilder, start: Start, thread: Address): Address;
}

/** Where a chunk's results go. */
interface Sink {
  readonly yImage: number;
  readonly pool?: TilePool;
  /** The results, or pooled values and positions, of the chunk's first image, from an output on. */
  at(start: Start, thread: Address, output: number): [Address, Address];
  after?(f: FunctionBuilder, start: Start, y: I, output: number, outputs: number): void;
}

interface Pooled {
  readonly indexed: boolean;
  readonly relu: boolean;
  at(image: Address, output: number): [values: Address, positions: Address];
}

class TiledLowering {
  readonly #context: StepContext;

  constructor(context: StepContext) {
    this.#context = context;
  }

  /** The dense planes of a view. */
  #dense(view: View): Source {
    const base = this.#context.address(view);
    const image = 4 * sizeOf(view.shape.slice(1));
    return { tasks: [], at: (_, { image: first }) => placeAt(base, [first, image]) };
  }

  #unpool(f: FunctionBuilder, { node, pool }: Spread, first: Address, count: number, to: Address): void {
    const [, index, g] = node.reads;
    const kernel = poolKernelOf(pool, denseLayout(pool, count), true);
    const run = this.#context.imported(poolKey('unpool', kernel), () => unpoolFunctions(kernel));
    const at = (view: View): Address =>
      placeAt(this.#context.address(view), [first, 4 * sizeOf(pool.target.shape.slice(1))]);
    f.call(run, at(g!), at(index!), to);
  }

  /** A gradient that comes out of a max pooling, spread chunk by chunk, or, where chunks share images, before all of them. */
  #spread(spread: Spread, chunks: Chunks, isShared: boolean): Source {
    const { shape } = spread.pool.reads[0]!;
    const image = sizeOf(shape.slice(1));
    const images = shape[0]!;
    if (isShared || !chunks.isWhole) {
      const to = this.#context.scratch(images * image).address;
      const task: Task = {
        units: images,
        emit: (f, unit) => this.#unpool(f, spread, unit, 1, placeAt(to, [unit, 4 * image])),
      };
      return { tasks: [task], at: (_, { image: first }) => placeAt(to, [first, 4 * image]) };
    }
    const own = this.#context.perThread(chunks.chunk.images * image);
    return {
      tasks: [],
      at: (f, start, thread) => {
        const to = f.let(own.at(thread), 'spread');
        forImages(f, chunks, start, (count) => this.#unpool(f, spread, start.image, count, to));
        return to;
      },
    };
  }

  #filters({ filters }: LinearPlan, groups: number, weight: View): { task: Task; address: number } {
    const run = this.#context.imported(filterKey(filters), () => [filterFunction(filters)], 'filters');
    const group = filterFloats(filters);
    const address = this.#context.scratch(groups * group).address;
    const wAt = this.#context.address(weight);
    const wanted = Math.min(mostUnits, Math.ceil((filters.outer * filters.inner * filters.taps) / unitFilters));
    const each = Math.ceil(filters.outer / wanted);
    const task: Task = {
      units: Math.ceil(filters.outer / each),
      emit: (f, unit) => {
        const first = f.let(op('i32.mul', unit, i32(each)), 'first');
        const left = f.let(op('i32.sub', i32(filters.outer), first), 'left');
        const count = f.let(select(left, i32(each), op('i32.lt_u', left, i32(each))), 'count');
        const [w, u] = [f.let(i32(wAt), 'w'), f.let(i32(address), 'u')];
        f.repeat(groups, () => {
          f.call(run, w, u, first, count);
          f.advance(w, (4 * weight.value.size) / groups);
          f.advance(u, 4 * group);
        });
      },
    };
    return { task, address };
  }

  /** The forward convolution or the input gradient over a group's first node. */
  linear(name: string, nodes: readonly GraphNode[], spread: Spread | null, plan: LinearPlan, images: number): Step {
    const [node] = nodes as [GraphNode];
    const { groups } = (node.attrs as ConvAttrs).geometry;
    const [source, weight] = node.reads as [View, View];
    const chunks = new Chunks(plan.kernel.sizes, plan.kernel.chunk, images);
    const from = spread === null ? this.#dense(source) : this.#spread(spread, chunks, plan.blocks > 1);
    const filters = this.#filters(plan, groups, weight);
    const flags = this.#context.scratch(4 * chunks.count * plan.blocks).address;
    const { finite } = this.#context.kernel('layout', layoutFunctions);
    const main = this.#linearTasks(nodes, plan, chunks, from, filters.address, flags);
    const all = spread === null ? nodes : [spread.node, ...nodes];
    return {
      name: `${name}, ${algorithm}`,
      tasks: [filters.task, ...from.tasks, ...main],
      finish: () => {
        if (finite!(flags, 4 * chunks.count * plan.blocks) === 0) runApart(all, this.#context);
      },
    };
  }

  #linearTasks(
    nodes: readonly GraphNode[],
    plan: LinearPlan,
    chunks: Chunks,
    source: Source,
    u: number,
    flags: number,
  ): Task[] {
    const [node] = nodes as [GraphNode];
    const { groups } = (node.attrs as ConvAttrs).geometry;
    const add = nodes.find((other) => nameOf(other) === 'add');
    const { sizes } = plan.kernel;
    // Behind a pooling it is the pooled values that are clipped.
    const isPooled = nodes.some((other) => nameOf(other) === 'maxPoolIndices');
    const relu = isPooled ? undefined : nodes.find((other) => nameOf(other) === 'relu');
    const { sink, later } = this.#sink(nodes, (relu ?? add ?? node).target, plan, chunks);
    const scratch = this.#context.perThread(linearScratch(plan.kernel));
    const biasAt = add ? this.#context.address(add.reads[1]!) : 0;

    const block = (f: FunctionBuilder, start: Start, from: I, flag: Address, thread: Address, number: number): void => {
      const first = number * plan.kernel.outputs;
      const outputs = Math.min(plan.kernel.outputs, sizes.outputs - first);
      const { yImage, pool } = sink;
      const shape = {
        ...plan.kernel,
        sizes: { ...sizes, yImage },
        outputs,
        bias: add !== undefined,
        relu: relu !== undefined,
      };
      const kernel = pool === undefined ? shape : { ...shape, pool };
      const run = this.#context.imported(linearKey(kernel), () => linearFunctions(kernel), 'chunk');
      for (let g = 0; g < groups; g++) {
        const output = g * sizes.outputs + first;
        const [y, index] = sink.at(start, thread, output).map((at) => f.let(at, 'y')) as [I, I];
        const x = op('i32.add', from, i32(4 * g * sizes.channels * product(sizes.x)));
        const filters = i32(u + 4 * (g * filterFloats(plan.filters) + first * outerPitch(plan.filters)));
        const more = [i32(biasAt + 4 * output), scratch.at(thread), flag, start.images, start.plane, start.row];
        f.call(run, x, filters, y, index, ...more);
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
    const pool = nodes.find((other) => nameOf(other) === 'maxPoolIndices');
    const plane = product(sizes.y);
    const isDense = pool === undefined || this.#context.isNeeded(result.value);
    const denseAt = (base: number): Sink => ({
      yImage: sizes.yImage,
      at: ({ image }, _, output) => [placeAt(base + 4 * output * plane, [image, 4 * sizes.yImage]), i32(0)],
    });
    if (pool === undefined) return { sink: denseAt(this.#context.address(result)), later: [] };
    const pooled = this.#pooled(nodes, pool);
    if (!isDense && isTilePool(pool, sizes)) {
      const sink: Sink = {
        yImage: sizes.yImage,
        pool: { indexed: pooled.indexed, relu: pooled.relu, image: sizeOf(pool.target.shape.slice(1)) },
        at: ({ image }, _, output) => pooled.at(image, output),
      };
      return { sink, later: [] };
    }
    const pooling = (f: FunctionBuilder, from: Address, image: Address, output: number, layout: PlaneLayout): void => {
      const kernel = poolKernelOf(pool, layout, pooled.indexed, pooled.relu);
      f.call(
        this.#context.imported(poolKey('pool', kernel), () => poolFunctions(kernel)),
        from,
        ...pooled.at(image, output),
      );
    };
    if (!chunks.isWhole) {
      // Windows may lie across chunks: pooled when all are done.
      const base = isDense ? this.#context.address(result) : this.#context.scratch(result.value.size).address;
      const later: Task = {
        units: pool.reads[0]!.shape[0]!,
        emit: (f, unit) => pooling(f, placeAt(base, [unit, 4 * sizes.yImage]), unit, 0, denseLayout(pool, 1)),
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
          const layout = { ...denseLayout(pool, images), planes: count, imageStride: yImage };
          pooling(f, y, start.image, output, layout);
        }),
    };
    return { sink, later: [] };
  }

  /** Where pooled values and their positions go. */
  #pooled(nodes: readonly GraphNode[], pool: GraphNode): Pooled {
    const maxima = maximaOf(nodes);
    const values = maxima ? this.#context.address(maxima.view) : this.#context.scratch(pool.target.value.size).address;
    const indexed = this.#context.isNeeded(pool.target.value);
    const index = indexed ? this.#context.address(pool.target) : 0;
    const [image, plane] = [1, 2].map((axis) => 4 * sizeOf(pool.target.shape.slice(axis))) as [number, number];
    return {
      indexed,
      relu: maxima?.relu ?? false,
      at: (first, output) => [
        placeAt(values + output * plane, [first, image]),
        indexed ? placeAt(index + output * plane, [first, image]) : i32(0),
      ],
    };
  }

  /** The weight gradient. */
  weights(name: string, node: GraphNode, spread: Spread | null, plan: GradientPlan, images: number): Step {
    const { groups } = (node.attrs as ConvAttrs).geometry;
    const { kernel, back } = plan;
    const chunks = new Chunks(kernel.sizes, kernel.chunk, images);
    const [x, gradient] = node.reads as [View, View];
    const from = this.#dense(x);
    const g = spread === null ? this.#dense(gradient) : this.#spread(spread, chunks, plan.bands > 1);
    const sums = this.#context.scratch(groups * plan.parts * back.distance).address;
    const run = this.#context.imported(filterGradientKey(back), () => [filterGradientFunction(back)], 'back');
    const to = this.#context.address(node.target);
    const wanted = Math.min(mostUnits, Math.ceil(back.items / unitFilters));
    const each = 4 * Math.ceil(back.items / wanted / 4);
    const adding: Task = {
      units: Math.ceil(back.items / each),
      emit: (f, unit) => {
        const first = f.let(op('i32.mul', unit, i32(each)), 'first');
        const left = f.let(op('i32.sub', i32(back.items), first), 'left');
        const count = f.let(select(left, i32(each), op('i32.lt_u', left, i32(each))), 'count');
        for (let group = 0; group < groups; group++) {
          const sum = i32(sums + 4 * group * plan.parts * back.distance);
          f.call(run, sum, i32(to + 36 * group * back.items), first, count);
        }
      },
    };
    const { finite } = this.#context.kernel('layout', layoutFunctions);
    const size = node.target.value.size;
    return {
      name: `${name}, ${algorithm}`,
      tasks: [...g.tasks, this.#sumTask(plan, groups, chunks, from, g, sums), adding],
      finish: () => {
        if (finite!(to, size) === 0) runApart(spread === null ? [node] : [spread.node, node], this.#context);
      },
    };
  }

  /** The sums of all positions: units are series of chunks, or the rows of positions, over all chunks. */
  #sumTask(plan: GradientPlan, groups: number, chunks: Chunks, x: Source, g: Source, sums: number): Task {
    const { kernel, parts, bands, back } = plan;
    const { sizes, position } = kernel;
    const run = this.#context.imported(gradientKey(kernel), () => gradientFunctions(kernel), 'chunk');
    const scratch = this.#context.perThread(gradientScratch(kernel));
    const own = (16 / bands) * position;
    const [xGroup, gGroup] = [4 * sizes.channels * product(sizes.x), 4 * sizes.outputs * product(sizes.y)];
    return {
      units: parts * bands,
      emit: (f, unit, thread) => {
        const group = (n: number): I => f.let(placeAt(sums + 4 * n * parts * back.distance, [unit, 4 * own]), 'sums');
        const groupSums = Array.from({ length: groups }, (_, n) => group(n));
        for (const sum of groupSums) emitZeros(f, sum, 4 * own);
        // As in eager execution: chunk i is of series floor(i · parts / chunks).
        const begin = (of: Address): Address =>
          op('i32.div_u', op('i32.add', op('i32.mul', of, i32(chunks.count)), i32(parts - 1)), i32(parts));
        const number = f.let(parts === 1 ? i32(0) : begin(unit), 'number');
        const end = f.let(parts === 1 ? i32(chunks.count) : begin(op('i32.add', unit, i32(1))), 'end');
        f.while(number, end, 1, () => {
          const start = chunks.at(f, number);
          const [xAt, gAt] = [f.let(x.at(f, start, thread), 'x'), f.let(g.at(f, start, thread), 'g')];
          groupSums.forEach((sum, n) => {
            const [xn, gn] = [op('i32.add', xAt, i32(n * xGroup)), op('i32.add', gAt, i32(n * gGroup))];
            const memory = scratch.at(thread);
            const { images, plane, row } = start;
            if (bands === 4) f.call(run, xn, gn, sum, memory, unit, images, plane, row);
            else {
              for (let band = 0; band < 4; band++) {
                const at = op('i32.add', sum, i32(16 * band * position));
                f.call(run, xn, gn, at, memory, i32(band), images, plane, row);
              }
            }
          });
        });
      },
    };
  }
}

/** The planes of a pooling's operand as they lie in a dense array, of `images` images. */
function denseLayout(pool: GraphNode, images: number): PlaneLayout {
  const { shape } = pool.reads[0]!;
  const [h, w] = shape.slice(-2) as [number, number];
  const plane = sizeOf(shape.slice(2));
  return { images, planes: shape[1]!, imageStride: shape[1]! * plane, planeStride: plane, rowStrides: [h * w, w] };
}

/** Emits code for a full chunk of images and for the last one. */
function forImages(f: FunctionBuilder, chunks: Chunks, { images }: Start, body: (count: number) => void): void {
  const full = chunks.chunk.images;
  if (chunks.rest === full) body(full);
  else {
    f.if(
      op('i32.eq', images, i32(full)),
      () => body(full),
      () => body(chunks.rest),
    );
  }
}

/** Whether a pooling's windows are tiles. */
function isTilePool(pool: GraphNode, sizes: TiledSizes): boolean {
  const { kernel, stride } = poolKernelOf(pool, denseLayout(pool, 1), false);
  return kernel.join() === '1,2,2' && stride.join() === '1,2,2' && canPoolTiles(sizes.y);
}

/** The step of a convolution by tiles and what was fused with it, or null where the direct kernels are as good. */
export function tiledStep(name: string, group: Group, spread: Spread | null, context: StepContext): Step | null {
  const [node] = group.nodes as [GraphNode];
  const { geometry, shape } = node.attrs as ConvAttrs;
  const [first, second] = node.reads as [View, View];
  const fma = features().relaxed;
  const lowering = new TiledLowering(context);
  const kind = nameOf(node);
  if (kind === 'convWeightGrad') {
    const sizes = sizesOf(first.shape, shape, second.shape, geometry);
    const plan = planTilesWeightGrad(sizes, fma);
    return plan && lowering.weights(name, node, spread, plan, sizes.images);
  }
  const isForward = kind === 'conv';
  const sizes = isForward
    ? sizesOf(first.shape, second.shape, shape, geometry)
    : sizesOf(shape, second.shape, first.shape, geometry);
  const plan = isForward ? planTiles(sizes, false, fma) : planTilesInputGrad(sizes, fma);
  return plan && lowering.linear(name, group.nodes, spread, plan, sizes.images);
}
