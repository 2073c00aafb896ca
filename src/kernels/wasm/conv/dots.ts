/**
 * The kernel behind the weight gradient: dot products of shifted rows.
 *
 *   acc[o][c][t] += Σ_i g[o·gOutput + i] · x[c·xChannel + taps[t] + i]      for i = 0 … blocks·length - 1
 *
 * Each sum is kept as four partial sums, one per lane, in `acc` (4 floats per weight), so that calls for further rows
 * and images add to it; `sumLanes` (memory/layout.ts) adds the four at the end. g is zero between its rows. A tile keeps
 * R outputs × X shifted rows in registers over one block of the row, short enough for the first-level cache.
 * Exported: `run(x, g, acc, table, segments, xSegment, gSegment)`, addresses and distances in bytes.
 */
import { FunctionBuilder, i32, type Local, load, op, plus } from '../assembler/assembler.ts';
import { Tile, vectorAt } from './tile.ts';

export interface DotKernel {
  readonly channels: number;
  readonly xChannel: number;
  /** Distance of each tap's row from x, in floats. */
  readonly taps: readonly number[];
  readonly outputs: number;
  readonly gOutput: number;
  /** Floats of a block, a multiple of 4, and blocks per row. */
  readonly length: number;
  readonly blocks: number;
  readonly fma: boolean;
}

/** Floats of a block: two rows of g and about two of x, of 6 KB each, stay in a 32 KB cache. */
const BLOCK = 1536;
/** Shifted rows are unrolled up to this many per channel; beyond, a table holds their distances. */
const UNROLLED_ROWS = 128;

/** Splits a row into equal blocks of a multiple of 4 floats. */
export function splitRow(length: number): { length: number; blocks: number } {
  const blocks = Math.max(1, Math.ceil(length / BLOCK));
  return { length: 4 * Math.ceil(length / blocks / 4), blocks };
}

interface Shape {
  /** Outputs per tile. */
  readonly rows: number;
  /** Channels whose shifted rows are tiled together. */
  readonly group: number;
  /** Items (channel and tap, flat) of each tile in a group. */
  readonly sizes: readonly number[];
}

/** Near-equal parts of at most `most`. */
function parts(total: number, most: number): number[] {
  const count = Math.ceil(total / most);
  return Array.from(
    { length: count },
    (_, i) => Math.floor((total * (i + 1)) / count) - Math.floor((total * i) / count),
  );
}

function shapeOf(k: DotKernel): Shape {
  const widest = k.outputs === 1 ? (k.fma ? 12 : 10) : k.fma ? 6 : 5;
  let group = 1;
  let best = 0;
  for (let g = 1; g <= Math.min(k.channels, widest); g++) {
    const items = g * k.taps.length;
    const tiles = Math.ceil(items / widest);
    if (items / (tiles * widest) > best + 0.04 && (g === 1 || tiles <= 12)) {
      best = items / (tiles * widest);
      group = g;
    }
  }
  const sizes = parts(group * k.taps.length, widest);
  const rows = [12, 6, 3, 2, 2, 2][Math.max(...sizes) - 1] ?? 1;
  return { rows: Math.min(k.outputs, k.fma ? rows : Math.min(rows, 5)), group, sizes };
}

type Row = (p: number) => Local<'i32'>;

/** One tile over one block: `bases` gives each shifted row's pointer and `offset` its constant distance. */
function emitBlock(
  f: FunctionBuilder,
  k: DotKernel,
  tile: Tile,
  x: Row,
  offset: (p: number) => number,
  g: Local<'i32'>,
  advance: () => void,
): void {
  const unroll = k.length % 8 === 0 ? 2 : 1;
  f.repeat(k.length / (4 * unroll), () => {
    for (let u = 0; u < unroll; u++) {
      tile.step(
        (p) => vectorAt(x(p), offset(p) + 4 * u),
        (q) => vectorAt(g, q * k.gOutput + 4 * u),
      );
    }
    f.advance(g, 16 * unroll);
    for (let u = 0; u < unroll; u++) advance();
  });
}

function withAccumulators(
  f: FunctionBuilder,
  tile: Tile,
  acc: Local<'i32'>,
  outputStep: number,
  body: () => void,
): void {
  const at = (i: number): number => 4 * (Math.floor(i / tile.vectors) * outputStep + (i % tile.vectors));
  tile.accumulators.forEach((a, i) => f.set(a, vectorAt(acc, at(i))));
  body();
  tile.accumulators.forEach((a, i) => f.store('v128.store', acc, a, 4 * at(i)));
}

/** A tile of `rows` outputs and the items from `first` on of a channel group, distances as constants. */
function tileFunction(k: DotKernel, rows: number, first: number, size: number): FunctionBuilder {
  const f = new FunctionBuilder(`tile_${rows}_${first}_${size}`, { exported: false });
  const [x, g, acc] = [f.param('i32', 'x'), f.param('i32', 'g'), f.param('i32', 'acc')];
  const tile = new Tile(f, size, rows, k.fma);
  const offset = (p: number): number => {
    const item = first + p;
    return Math.floor(item / k.taps.length) * k.xChannel + (k.taps[item % k.taps.length] as number);
  };
  withAccumulators(f, tile, acc, k.channels * k.taps.length, () =>
    emitBlock(
      f,
      k,
      tile,
      () => x,
      offset,
      g,
      () => f.advance(x, 16),
    ),
  );
  return f;
}

/** The same with the distances read from a table of bytes. */
function tableFunction(k: DotKernel, rows: number, size: number): FunctionBuilder {
  const f = new FunctionBuilder(`table_${rows}_${size}`, { exported: false });
  const [x, g, acc, table] = [f.param('i32', 'x'), f.param('i32', 'g'), f.param('i32', 'acc'), f.param('i32', 'table')];
  const tile = new Tile(f, size, rows, k.fma);
  const bases = Array.from({ length: size }, (_, p) => f.let(op('i32.add', x, load('i32.load', table, 4 * p)), 'base'));
  withAccumulators(f, tile, acc, k.channels * k.taps.length, () =>
    emitBlock(
      f,
      k,
      tile,
      (p) => bases[p] as Local<'i32'>,
      () => 0,
      g,
      () => {
        for (const b of bases) f.advance(b, 16);
      },
    ),
  );
  return f;
}

/** Calls for all tiles of one set of `rows` outputs, over the channels. */
function outputsFunction(k: DotKernel, rows: number, shape: Shape, made: FunctionBuilder[]): FunctionBuilder {
  const f = new FunctionBuilder(`outputs_${rows}`, { exported: false });
  const [x, g, acc, table] = [f.param('i32', 'x'), f.param('i32', 'g'), f.param('i32', 'acc'), f.param('i32', 'table')];
  const byTable = k.taps.length > UNROLLED_ROWS;
  const group = (count: number, sizes: readonly number[]): void => {
    let first = 0;
    const entry = byTable ? f.let(table, 'entry') : table;
    for (const size of sizes) {
      if (byTable) {
        const name = `table_${rows}_${size}`;
        const known = made.find((m) => m.name === name) ?? made[made.push(tableFunction(k, rows, size)) - 1];
        f.call(known as FunctionBuilder, x, g, plus(acc, 16 * first), entry);
        f.advance(entry, 4 * size);
      } else {
        const tile = tileFunction(k, rows, first, size);
        const known = made.find((m) => m.name === tile.name) ?? made[made.push(tile) - 1];
        f.call(known as FunctionBuilder, x, g, plus(acc, 16 * first));
      }
      first += size;
    }
    f.advance(x, 4 * count * k.xChannel);
    f.advance(acc, 16 * count * k.taps.length);
  };
  const size = byTable ? 1 : shape.group;
  const sizes = byTable ? parts(k.taps.length, shape.sizes[0] as number) : shape.sizes;
  f.repeat(Math.floor(k.channels / size), () => group(size, sizes));
  const rest = k.channels % size;
  if (rest > 0) group(rest, parts(rest * k.taps.length, Math.max(...sizes)));
  made.push(f);
  return f;
}

/** Outputs that a tile handles at once: a number of outputs is best a multiple of it. */
export function dotRows(k: DotKernel): number {
  return shapeOf(k).rows;
}

/** Byte distances that the kernel reads when its rows are too many to unroll. */
export function dotTable(k: DotKernel): number[] {
  return k.taps.length > UNROLLED_ROWS ? k.taps.map((t) => 4 * t) : [];
}

/** The module's functions. */
export function dotFunctions(k: DotKernel): FunctionBuilder[] {
  const made: FunctionBuilder[] = [];
  const shape = shapeOf(k);
  const rest = k.outputs % shape.rows;
  const main = outputsFunction(k, shape.rows, shape, made);
  const last = rest > 0 ? outputsFunction(k, rest, shape, made) : main;
  const run = new FunctionBuilder('run');
  const [x, g, acc, table] = [
    run.param('i32', 'x'),
    run.param('i32', 'g'),
    run.param('i32', 'acc'),
    run.param('i32', 'table'),
  ];
  const segments = run.param('i32', 'segments');
  const [xSegment, gSegment] = [run.param('i32', 'xSegment'), run.param('i32', 'gSegment')];
  const segment = run.let(i32(0), 'segment');
  run.while(segment, segments, 1, () => {
    const [xb, gb] = [run.let(x, 'xb'), run.let(g, 'gb')];
    run.repeat(k.blocks, () => {
      const [go, ao] = [run.let(gb, 'go'), run.let(acc, 'ao')];
      run.repeat(Math.floor(k.outputs / shape.rows), () => {
        run.call(main, xb, go, ao, table);
        run.advance(go, 4 * shape.rows * k.gOutput);
        run.advance(ao, 16 * shape.rows * k.channels * k.taps.length);
      });
      if (rest > 0) run.call(last, xb, go, ao, table);
      run.advance(xb, 4 * k.length);
      run.advance(gb, 4 * k.length);
    });
    run.set(x, op('i32.add', x, xSegment));
    run.set(g, op('i32.add', g, gSegment));
  });
  return [...made, run];
}

export function dotKey(k: DotKernel): string {
  const taps = k.taps.length > UNROLLED_ROWS ? `#${k.taps.length}` : k.taps.join(' ');
  const sizes = [k.channels, k.xChannel, k.outputs, k.gOutput, k.length, k.blocks];
  return `dots ${sizes.join(',')} ${taps}${k.fma ? ' f' : ''}`;
}
