/**
 * Chunks of a convolution by tiles: a few whole images, or layers, or rows of tiles, each handled apart from the others;
 * and where the arrays they read lie.
 */

import {
  type Expr,
  type FunctionBuilder,
  i32,
  type Local,
  op,
  select,
} from '../../../kernels/wasm/assembler/assembler.ts';
import { placeAt, type Task } from '../../../kernels/wasm/conductor.ts';
import { type Chunk, chunkedRows, type TiledSizes, tileLayers } from '../../../kernels/wasm/conv/winograd/geometry.ts';
import { sizeOf } from '../../../tensor/shape.ts';
import type { GraphNode, View } from '../../graph.ts';
import { densePlanes, emitUnpool } from '../pool.ts';
import type { StepContext } from '../step.ts';

type Address = Expr<'i32'>;
type I = Local<'i32'>;

/** Where a chunk begins: its first image, layer and row of tiles; and how many images it has. */
export interface Start {
  readonly image: I;
  readonly layer: I;
  readonly row: I;
  readonly images: I;
}

/** Chunks of a convolution, numbered by image, then layer, then row. */
export class Chunks {
  readonly count: number;
  readonly chunk: Chunk;
  /** Whether a chunk has whole images. */
  readonly isWhole: boolean;
  readonly #images: number;
  readonly #layers: number;
  readonly #rows: number;

  constructor(sizes: TiledSizes, chunk: Chunk, images: number) {
    this.chunk = chunk;
    this.#images = images;
    this.#layers = Math.ceil(tileLayers(sizes) / chunk.layers);
    this.#rows = Math.ceil(chunkedRows(sizes) / chunk.rows);
    this.isWhole = this.#layers * this.#rows === 1;
    this.count = Math.ceil(images / chunk.images) * this.#layers * this.#rows;
  }

  /** Images of the last chunk. */
  get rest(): number {
    return ((this.#images - 1) % this.chunk.images) + 1;
  }

  at(f: FunctionBuilder, number: Address): Start {
    const { images, layers, rows } = this.chunk;
    const part = (of: Address, count: number): Address => (count === 1 ? of : op('i32.div_u', of, i32(count)));
    const place = (of: Address, count: number, each: number): I =>
      f.let(count === 1 ? i32(0) : op('i32.mul', op('i32.rem_u', of, i32(count)), i32(each)), 'place');
    const image = f.let(op('i32.mul', part(number, this.#layers * this.#rows), i32(images)), 'image');
    const left = f.let(op('i32.sub', i32(this.#images), image), 'left');
    return {
      image,
      layer: place(part(number, this.#rows), this.#layers, layers),
      row: place(number, this.#rows, rows),
      images: f.let(select(left, i32(images), op('i32.lt_u', left, i32(images))), 'images'),
    };
  }
}

/** Where a convolution's source lies: images from `first` on, which are there after `fill`. */
export interface Source {
  /** Tasks that come first. */
  readonly tasks: readonly Task[];
  at(f: FunctionBuilder, start: Start, thread: Address): Address;
}

/** The dense planes of a view. */
export function denseSource(view: View, context: StepContext): Source {
  const base = context.address(view);
  const image = 4 * sizeOf(view.shape.slice(1));
  return { tasks: [], at: (_, { image: first }) => placeAt(base, [first, image]) };
}

/** A gradient that comes out of a max pooling, spread chunk by chunk, or, where chunks share images, before all of them. */
export function spreadSource(spread: GraphNode, chunks: Chunks, isShared: boolean, context: StepContext): Source {
  const { shape } = spread.target;
  const image = sizeOf(shape.slice(1));
  const images = shape[0]!;
  const unpool = (f: FunctionBuilder, first: Address, count: number, to: Address): void =>
    emitUnpool(f, spread, densePlanes(spread.target.shape, count), [first, i32(0)], to, context);
  if (isShared || !chunks.isWhole) {
    const to = context.scratch(images * image).address;
    const task: Task = {
      units: images,
      emit: (f, unit) => unpool(f, unit, 1, placeAt(to, [unit, 4 * image])),
    };
    return { tasks: [task], at: (_, { image: first }) => placeAt(to, [first, 4 * image]) };
  }
  const own = context.perThread(chunks.chunk.images * image);
  return {
    tasks: [],
    at: (f, start, thread) => {
      const to = f.let(own.at(thread), 'spread');
      forImages(f, chunks, start, (count) => unpool(f, start.image, count, to));
      return to;
    },
  };
}

/** Filters of one channel, each of 16 numbers, that a unit handles. */
const unitFilters = 4096;
const mostUnits = 8;

/**
 * Units of work on filters: `emit` does `count` items from `first` on. A unit has a multiple of `step` items, which are
 * `size` times 16 numbers each.
 */
export function filterUnits(
  items: number,
  size: number,
  step: number,
  emit: (f: FunctionBuilder, first: I, count: I) => void,
): Task {
  const wanted = Math.min(mostUnits, Math.ceil((items * size) / unitFilters));
  const each = step * Math.ceil(items / wanted / step);
  return {
    units: Math.ceil(items / each),
    emit: (f, unit) => {
      const first = f.let(op('i32.mul', unit, i32(each)), 'first');
      const left = f.let(op('i32.sub', i32(items), first), 'left');
      emit(f, first, f.let(select(left, i32(each), op('i32.lt_u', left, i32(each))), 'count'));
    },
  };
}

/** Emits code for a full chunk of images and for the last one. */
export function forImages(f: FunctionBuilder, chunks: Chunks, { images }: Start, body: (count: number) => void): void {
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
