/**
 * Into the transformed domain: patches of 4 × 4 of x, and 2 × 2 of a gradient, each to 16 numbers.
 *
 *   x:         V = Bᵀ d B      Bᵀ = │1  0 -1  0│      gradient:  W = A g Aᵀ      A = │1  0│
 *                                   │0  1  1  0│                                     │1  1│
 *                                   │0 -1  1  0│                                     │1 -1│
 *                                   │0 -1  0  1│                                     │0  1│
 *
 * Position (i, j) of 16 is row i of Bᵀ (of A) applied to the columns and row j to the rows. Four neighbouring tiles of a
 * row are handled at once, one per lane. Rows beyond the border are read from a row of zeros, columns beyond it are lanes
 * of a vector of zeros. Where tiles are two planes deep, position (k, i, j) of 64 is position (i, j) of the plane that row k
 * makes of the layer's (depth.ts).
 */
import {
  type Expr,
  FunctionBuilder,
  f32x4,
  i32,
  type Local,
  loadLane,
  op,
  plus,
  select,
  shuffle,
} from '../../assembler/assembler.ts';
import { vectorAt } from '../tile.ts';
import { combinedFloats, combinedPitch, combineFunction, type Layers } from './depth.ts';
import type { TileDepth } from './geometry.ts';

type V = Expr<'v128'>;
type I = Local<'i32'>;

export interface Transform extends Layers {
  readonly channels: number;
  readonly tileDepth: TileDepth;
  /** Of the chunk: images, layers that are transformed, layers from image to image, tiles of a row. */
  readonly images: number;
  readonly layers: number;
  readonly pitch: number;
  readonly columns: number;
  /** Rows of positions wanted, of 0 … 3; of a tile that is two planes deep, all of them. */
  readonly wanted: readonly number[];
  /** Floats of the result from position to position and from channel to channel. */
  readonly position: number;
  readonly channel: number;
  /** Layers of missing images, and what follows the last, become zeros. */
  readonly fill: boolean;
}

/** Floats of the row of zeros. */
export const zeroFloats = (t: Transform): number => 4 * Math.ceil(t.source.size[2] / 4);

/** Floats of scratch for a plane that is combined of several. */
export const planeFloats = (t: Transform): number => (t.tileDepth === 2 ? combinedFloats(t) : 0);

/** Elements of the source's rows 0 … 3 (0 … 1 of a gradient) of a row of tiles. */
type Rows = readonly I[];

/** Four neighbours of a row of `width`, from column `at` on; `base` is the column that the row's pointer is at. */
function columnsAt(row: I, width: number, at: number, base: number): V {
  const lanes = [0, 1, 2, 3];
  const isInside = (l: number): boolean => at + l >= 0 && at + l < width;
  if (lanes.every(isInside)) return vectorAt(row, at - base);
  if (width < 4) {
    return lanes
      .filter(isInside)
      .reduce<V>((v, l) => loadLane('v128.load32_lane', l, row, v, 4 * (at + l - base)), f32x4(0));
  }
  if (!lanes.some(isInside)) return f32x4(0);
  const from = Math.min(Math.max(at, 0), width - 4);
  return shuffle(
    vectorAt(row, from - base),
    f32x4(0),
    lanes.map((l) => (isInside(l) ? at + l - from : 4)),
  );
}

/** The row of positions i of Bᵀ d B. */
function emitX(f: FunctionBuilder, i: number, row: (r: number, offset: number) => V): V[] {
  const combine = (o: number): V => {
    if (i === 0) return op('f32x4.sub', row(0, o), row(2, o));
    if (i === 1) return op('f32x4.add', row(1, o), row(2, o));
    return i === 2 ? op('f32x4.sub', row(2, o), row(1, o)) : op('f32x4.sub', row(3, o), row(1, o));
  };
  const [a, b, c, e] = [0, 4, 2, 6].map((o): V => f.let(combine(o), 'r')) as [V, V, V, V];
  const [d0, d1] = [f.let(shuffle(a, b, [0, 2, 4, 6]), 'd'), f.let(shuffle(a, b, [1, 3, 5, 7]), 'd')];
  const [d2, d3] = [f.let(shuffle(c, e, [0, 2, 4, 6]), 'd'), f.let(shuffle(c, e, [1, 3, 5, 7]), 'd')];
  return [op('f32x4.sub', d0, d2), op('f32x4.add', d1, d2), op('f32x4.sub', d2, d1), op('f32x4.sub', d3, d1)];
}

/** The row of positions i of A g Aᵀ. */
function emitGradient(f: FunctionBuilder, i: number, row: (r: number, offset: number) => V): V[] {
  const combine = (o: number): V => {
    if (i === 0 || i === 3) return row(i === 0 ? 0 : 1, o);
    return op(i === 1 ? 'f32x4.add' : 'f32x4.sub', row(0, o), row(1, o));
  };
  const [a, b] = [f.let(combine(0), 'r'), f.let(combine(4), 'r')];
  const [even, odd] = [f.let(shuffle(a, b, [0, 2, 4, 6]), 'e'), f.let(shuffle(a, b, [1, 3, 5, 7]), 'o')];
  return [even, op('f32x4.add', even, odd), op('f32x4.sub', even, odd), odd];
}

/** Four tiles from tile `first` on; `at` is where the pointers are, as a tile and as a column. */
function emitGroup(
  f: FunctionBuilder,
  t: Transform,
  rows: Rows,
  target: I,
  first: number,
  at: { readonly tile: number; readonly column: number } = { tile: 0, column: 0 },
): void {
  const row = (r: number, o: number): V =>
    columnsAt(rows[r] as I, t.source.size[2], 2 * first - t.before[2] + o, at.column);
  t.wanted.forEach((i, slot) => {
    (t.kind === 'x' ? emitX : emitGradient)(f, i, row).forEach((v, j) => {
      f.store('v128.store', target, v, 4 * ((4 * slot + j) * t.position + first - at.tile));
    });
  });
}

/** A row of tiles, four at a time; the last four overlap those before. Fewer than four write over the end of the row. */
function emitRow(f: FunctionBuilder, t: Transform, rows: Rows, target: I): void {
  const reach = t.kind === 'x' ? 10 : 8;
  const full = Math.floor(t.columns / 4);
  const isInside = (g: number): boolean => 8 * g - t.before[2] >= 0 && 8 * g - t.before[2] + reach <= t.source.size[2];
  for (let g = 0; g < full; ) {
    let end = g;
    while (end < full && isInside(end)) end++;
    if (end - g < 3) {
      emitGroup(f, t, rows, target, 4 * g);
      g++;
      continue;
    }
    const at = { tile: 4 * g, column: 8 * g - t.before[2] };
    const own = rows.map((r) => f.let(plus(r, 4 * at.column), 'column'));
    const to = f.let(plus(target, 4 * at.tile), 'to');
    f.repeat(end - g, () => {
      emitGroup(f, t, own, to, at.tile, at);
      for (const r of own) f.advance(r, 32);
      f.advance(to, 16);
    });
    g = end;
  }
  if (t.columns % 4 > 0) emitGroup(f, t, rows, target, Math.max(0, t.columns - 4));
}

/** layer(plane, target): the rows of tiles of a plane that was combined of a layer's. */
function layerFunction(t: Transform): FunctionBuilder {
  const f = new FunctionBuilder(`layer_${t.kind}`, { exported: false });
  const [plane, target] = [f.param('i32', 'plane'), f.param('i32', 'target')];
  const pitch = combinedPitch(t);
  f.repeat(t.rows, () => {
    const rows = Array.from({ length: t.kind === 'x' ? 4 : 2 }, (_, r) => f.let(plus(plane, 4 * r * pitch), 'row'));
    emitRow(f, t, rows, target);
    f.advance(plane, 8 * pitch);
    f.advance(target, 4 * t.columns);
  });
  return f;
}

/** The rows of tiles of a plane, from row `row0` on. */
function emitPlane(f: FunctionBuilder, t: Transform, source: Expr<'i32'>, target: I, zeros: I, row0: I): void {
  const [, height, width] = t.source.size;
  const h = f.let(op('i32.sub', op('i32.shl', row0, i32(1)), i32(t.before[1])), 'h');
  const from = f.let(op('i32.add', source, op('i32.mul', h, i32(4 * width))), 'from');
  const out = f.let(target, 'out');
  f.repeat(t.rows, () => {
    const rows = Array.from({ length: t.kind === 'x' ? 4 : 2 }, (_, r) =>
      f.let(select(plus(from, 4 * r * width), zeros, op('i32.lt_u', plus(h, r), i32(height))), 'row'),
    );
    emitRow(f, t, rows, out);
    f.advance(h, 2);
    f.advance(from, 8 * width);
    f.advance(out, 4 * t.columns);
  });
}

/** Zeros to `floats` floats of every position. */
function emitZeros(f: FunctionBuilder, t: Transform, target: I, floats: number): void {
  for (let p = 0; p < 4 * t.wanted.length; p++) {
    const at = f.let(plus(target, 4 * p * t.position), 'at');
    if (floats < 4) {
      for (let i = 0; i < floats; i++) f.store('i32.store', at, i32(0), 4 * i);
      continue;
    }
    if (floats % 4 > 0) f.store('v128.store', at, f32x4(0), 4 * (floats - 4));
    f.repeat(Math.floor(floats / 4), () => {
      f.store('v128.store', at, f32x4(0));
      f.advance(at, 16);
    });
  }
}

/** Where a transform finds a layer: its first plane, of what number, and where the layer goes. */
interface Layer {
  readonly plane: I;
  readonly at: I;
  readonly to: I;
}

interface Params {
  readonly zeros: I;
  readonly combined: I;
  readonly row0: I;
  /** The range of positions along the depth, of tiles that are two planes deep. */
  readonly begin: I;
  readonly end: I;
}

/** Emits the transform of one layer; `made` gets the functions that this takes. */
function layerEmitter(t: Transform, p: Params, made: FunctionBuilder[]): (f: FunctionBuilder, layer: Layer) => void {
  const { zeros, combined, row0 } = p;
  if (t.tileDepth === 1) {
    return (f, { plane, at, to }) =>
      f.if(
        op('i32.lt_u', plane, i32(t.source.size[0])),
        () => emitPlane(f, t, at, to, zeros, row0),
        () => emitZeros(f, t, to, t.rows * t.columns),
      );
  }
  const [combine, layer] = [combineFunction(t), layerFunction(t)];
  made.push(combine, layer);
  return (f, { plane, at, to }) => {
    const [k, target] = [f.let(p.begin, 'k'), f.let(to, 'target')];
    f.while(k, p.end, 1, () => {
      f.call(combine, at, combined, zeros, plane, row0, k);
      f.call(layer, combined, target);
      f.advance(target, 4 * 16 * t.position);
    });
  };
}

/**
 * The module's functions; the last is transform(source, target, zeros, combined, images, layer0, row0, begin, end): images
 * from `source` on, of which there are `images`; a row of zeros; memory for a combined plane; the chunk's first layer and first
 * row of tiles; the range of positions along the depth.
 */
export function transformFunctions(name: string, t: Transform): FunctionBuilder[] {
  const f = new FunctionBuilder(name, { exported: false });
  const made: FunctionBuilder[] = [];
  const [source, target, zeros, combined, images, layer0, row0, begin, end] = (
    ['source', 'target', 'zeros', 'combined', 'images', 'layer0', 'row0', 'begin', 'end'] as const
  ).map((n) => f.param('i32', n)) as [I, I, I, I, I, I, I, I, I];
  const emitLayer = layerEmitter(t, { zeros, combined, row0, begin, end }, made);
  const [depth, height, width] = t.source.size;
  const tiles = t.rows * t.columns;
  const tail = t.channel - t.images * t.pitch * tiles;
  f.repeat(t.channels, () => {
    const [image, out, i] = [f.let(source, 'image'), f.let(target, 'out'), f.let(i32(0), 'i')];
    const present = (): void => {
      const first = t.tileDepth === 1 ? layer0 : op('i32.mul', layer0, i32(t.tileDepth));
      const plane = f.let(op('i32.sub', first, i32(t.before[0])), 'plane');
      const at = f.let(op('i32.add', image, op('i32.mul', plane, i32(4 * height * width))), 'at');
      const to = f.let(out, 'to');
      f.repeat(t.layers, () => {
        emitLayer(f, { plane, at, to });
        f.advance(plane, t.tileDepth);
        f.advance(at, 4 * t.tileDepth * height * width);
        f.advance(to, 4 * tiles);
      });
      if (t.fill && t.pitch > t.layers) emitZeros(f, t, to, tiles * (t.pitch - t.layers));
    };
    f.repeat(t.images, () => {
      f.if(op('i32.lt_u', i, images), present, t.fill ? () => emitZeros(f, t, out, tiles * t.pitch) : undefined);
      f.advance(i, 1);
      f.advance(image, 4 * t.source.image);
      f.advance(out, 4 * tiles * t.pitch);
    });
    // What follows the last tile: the next channel's beginning is written after this.
    if (t.fill && tail > 0) emitZeros(f, t, out, Math.max(4, tail));
    f.advance(source, 4 * depth * height * width);
    f.advance(target, 4 * t.channel);
  });
  return [...made, f];
}
