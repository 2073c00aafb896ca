/**
 * Into the transformed domain: patches of 4 × 4 of x, and 2 × 2 of a gradient, each to 16 numbers.
 *
 *   x:         V = Bᵀ d B      Bᵀ = │1  0 -1  0│      gradient:  W = A g Aᵀ      A = │1  0│
 *                                   │0  1  1  0│                                     │1  1│
 *                                   │0 -1  1  0│                                     │1 -1│
 *                                   │0 -1  0  1│                                     │0  1│
 *
 * Position (i, j) of 16 is row i of Bᵀ (of A) applied to the columns and row j to the rows. Four neighbouring tiles of a
 * row are handled at once, one per lane. A plane is first copied into a small buffer with zeros around it, so that the
 * transform knows no border.
 */
import { type Expr, FunctionBuilder, f32x4, i32, type Local, load, op, shuffle } from '../assembler.ts';
import { vectorAt } from '../tile.ts';
import type { Planes } from './geometry.ts';

type V = Expr<'v128'>;
type I = Local<'i32'>;

export interface Transform {
  readonly kind: 'x' | 'gradient';
  readonly channels: number;
  readonly source: Planes;
  /** Zeros before the source along each axis; negative: elements that are not read. */
  readonly before: readonly [number, number, number];
  /** Of the chunk: images, planes that are transformed, planes from image to image, rows of tiles, tiles of a row. */
  readonly images: number;
  readonly planes: number;
  readonly pitch: number;
  readonly rows: number;
  readonly columns: number;
  /** The chunk has all rows of tiles. */
  readonly isWhole: boolean;
  /** Rows of positions wanted, of 0 … 3. */
  readonly wanted: readonly number[];
  /** Floats of the result from position to position and from channel to channel. */
  readonly position: number;
  readonly channel: number;
  /** Planes of missing images, and what follows the last, become zeros. */
  readonly fill: boolean;
}

/** Rows that one row of tiles reads and that the next begins with. */
const overlap = (t: Transform): number => (t.kind === 'x' ? 2 : 0);

/** Floats of a row of the padded plane: what the last group of four tiles reads. */
const padPitch = (t: Transform): number => Math.max(2 * t.columns, 8) + overlap(t);
const padRows = (t: Transform): number => 2 * t.rows + overlap(t);
/** Floats of the buffer that holds a padded plane. */
export const padFloats = (t: Transform): number => 4 * Math.ceil((padRows(t) * padPitch(t)) / 4);

/** The part of an axis that is copied: from where in the source, to where in the padded plane, how many. */
function copied(before: number, size: number, room: number): { from: number; at: number; count: number } {
  const [from, at] = [Math.max(0, -before), Math.max(0, before)];
  return { from, at, count: Math.max(0, Math.min(size - from, room - at)) };
}

/** Copies `count` neighbouring floats; the last vector overlaps the one before. */
function copyRow(f: FunctionBuilder, from: I, to: I, count: number, fromAt: number, toAt: number): void {
  const one = (i: number): void => f.store('v128.store', to, vectorAt(from, fromAt + i), 4 * (toAt + i));
  if (count < 4) {
    for (let i = 0; i < count; i++) {
      f.store('f32.store', to, load('f32.load', from, 4 * (fromAt + i)), 4 * (toAt + i));
    }
    return;
  }
  const full = Math.floor(count / 4);
  if (full <= 16) for (let i = 0; i < full; i++) one(4 * i);
  else {
    const [a, b] = [f.let(from, 'a'), f.let(to, 'b')];
    f.repeat(full, () => {
      f.store('v128.store', b, vectorAt(a, fromAt), 4 * toAt);
      f.advance(a, 16);
      f.advance(b, 16);
    });
  }
  if (count % 4 > 0) one(count - 4);
}

function zeroRow(f: FunctionBuilder, to: I, count: number, toAt: number): void {
  if (count < 4) for (let i = 0; i < count; i++) f.store('i32.store', to, i32(0), 4 * (toAt + i));
  else {
    const p = f.let(to, 'p');
    f.repeat(Math.floor(count / 4), () => {
      f.store('v128.store', p, f32x4(0), 4 * toAt);
      f.advance(p, 16);
    });
    if (count % 4 > 0) f.store('v128.store', to, f32x4(0), 4 * (toAt + count - 4));
  }
}

/** The plane at `source` into the padded buffer. */
function emitPad(f: FunctionBuilder, t: Transform, source: I, pad: I, row0: I): void {
  const [, height, width] = t.source.size;
  const w = copied(t.before[2], width, padPitch(t));
  if (t.isWhole) {
    // What lies around the copied part stays zero.
    const h = copied(t.before[1], height, padRows(t));
    const [from, to] = [f.let(source, 'from'), f.let(pad, 'to')];
    f.advance(from, 4 * h.from * width);
    f.advance(to, 4 * h.at * padPitch(t));
    f.repeat(h.count, () => {
      copyRow(f, from, to, w.count, w.from, w.at);
      f.advance(from, 4 * width);
      f.advance(to, 4 * padPitch(t));
    });
    return;
  }
  const h = f.let(op('i32.sub', op('i32.shl', row0, i32(1)), i32(t.before[1])), 'h');
  const from = f.let(op('i32.add', source, op('i32.mul', h, i32(4 * width))), 'from');
  const to = f.let(pad, 'to');
  f.repeat(padRows(t), () => {
    f.if(
      op('i32.lt_u', h, i32(height)),
      () => copyRow(f, from, to, w.count, w.from, w.at),
      () => zeroRow(f, to, w.count, w.at),
    );
    f.advance(h, 1);
    f.advance(from, 4 * width);
    f.advance(to, 4 * padPitch(t));
  });
}

/** Bᵀ d B of four tiles, `wanted` rows of positions; `row(i, offset)` is a vector of row i of the patch. */
function emitX(f: FunctionBuilder, t: Transform, at: I, target: I, floats: number, tile: number): void {
  const row = (i: number, o: number): V => vectorAt(at, i * padPitch(t) + floats + o);
  const combine = (i: number, o: number): V => {
    if (i === 0) return op('f32x4.sub', row(0, o), row(2, o));
    if (i === 1) return op('f32x4.add', row(1, o), row(2, o));
    return i === 2 ? op('f32x4.sub', row(2, o), row(1, o)) : op('f32x4.sub', row(3, o), row(1, o));
  };
  t.wanted.forEach((i, slot) => {
    const [a, b, c, e] = [0, 4, 2, 6].map((o): V => f.let(combine(i, o), 'r')) as [V, V, V, V];
    const [d0, d1] = [f.let(shuffle(a, b, [0, 2, 4, 6]), 'd'), f.let(shuffle(a, b, [1, 3, 5, 7]), 'd')];
    const [d2, d3] = [f.let(shuffle(c, e, [0, 2, 4, 6]), 'd'), f.let(shuffle(c, e, [1, 3, 5, 7]), 'd')];
    const results = [
      op('f32x4.sub', d0, d2),
      op('f32x4.add', d1, d2),
      op('f32x4.sub', d2, d1),
      op('f32x4.sub', d3, d1),
    ];
    results.forEach((v, j) => f.store('v128.store', target, v, 4 * ((4 * slot + j) * t.position + tile)));
  });
}

/** A g Aᵀ of four tiles. */
function emitGradient(f: FunctionBuilder, t: Transform, at: I, target: I, floats: number, tile: number): void {
  const row = (i: number, o: number): V => vectorAt(at, i * padPitch(t) + floats + o);
  const combine = (i: number, o: number): V => {
    if (i === 0) return row(0, o);
    if (i === 3) return row(1, o);
    return op(i === 1 ? 'f32x4.add' : 'f32x4.sub', row(0, o), row(1, o));
  };
  t.wanted.forEach((i, slot) => {
    const [a, b] = [f.let(combine(i, 0), 'r'), f.let(combine(i, 4), 'r')];
    const [even, odd] = [f.let(shuffle(a, b, [0, 2, 4, 6]), 'e'), f.let(shuffle(a, b, [1, 3, 5, 7]), 'o')];
    const results = [even, op('f32x4.add', even, odd), op('f32x4.sub', even, odd), odd];
    results.forEach((v, j) => f.store('v128.store', target, v, 4 * ((4 * slot + j) * t.position + tile)));
  });
}

/** The padded plane's tiles, four at a time; the last four of a row overlap those before. */
function emitTiles(f: FunctionBuilder, t: Transform, pad: I, target: I): void {
  const group = t.kind === 'x' ? emitX : emitGradient;
  const [row, out] = [f.let(pad, 'row'), f.let(target, 'out')];
  f.repeat(t.rows, () => {
    const full = Math.floor(t.columns / 4);
    const rest = t.columns % 4;
    const [p, q] = full > 1 ? [f.let(row, 'p'), f.let(out, 'q')] : [row, out];
    f.repeat(full, () => {
      group(f, t, p, q, 0, 0);
      if (full === 1) return;
      f.advance(p, 32);
      f.advance(q, 16);
    });
    // Fewer than four tiles: the lanes beyond are written over by the next row.
    const last = Math.max(0, t.columns - 4);
    if (rest > 0) group(f, t, row, out, 2 * last, last);
    f.advance(row, 8 * padPitch(t));
    f.advance(out, 4 * t.columns);
  });
}

function emitZeros(f: FunctionBuilder, t: Transform, target: I, tiles: number): void {
  for (let p = 0; p < 4 * t.wanted.length; p++) {
    const at = f.let(target, 'at');
    if (p > 0) f.advance(at, 4 * p * t.position);
    zeroRow(f, at, tiles, 0);
  }
}

/**
 * transform(source, target, pad, images, plane0, row0): images from `source` on, of which there are `images`; the chunk's
 * first plane and first row of tiles. `pad` holds zeros, and does so again afterwards wherever no element is copied to.
 */
export function transformFunction(name: string, t: Transform): FunctionBuilder {
  const f = new FunctionBuilder(name, { exported: false });
  const [source, target, pad] = [f.param('i32', 'source'), f.param('i32', 'target'), f.param('i32', 'pad')];
  const [images, plane0, row0] = [f.param('i32', 'images'), f.param('i32', 'plane0'), f.param('i32', 'row0')];
  const [depth, height, width] = t.source.size;
  const tiles = t.rows * t.columns;
  f.repeat(t.channels, () => {
    const [image, out, i] = [f.let(source, 'image'), f.let(target, 'out'), f.let(i32(0), 'i')];
    f.repeat(t.images, () => {
      const present = (): void => {
        const plane = f.let(op('i32.sub', plane0, i32(t.before[0])), 'plane');
        const at = f.let(op('i32.add', image, op('i32.mul', plane, i32(4 * height * width))), 'at');
        const to = f.let(out, 'to');
        f.repeat(t.planes, () => {
          f.if(
            op('i32.lt_u', plane, i32(depth)),
            () => {
              emitPad(f, t, at, pad, row0);
              emitTiles(f, t, pad, to);
            },
            () => emitZeros(f, t, to, tiles),
          );
          f.advance(plane, 1);
          f.advance(at, 4 * height * width);
          f.advance(to, 4 * tiles);
        });
        if (t.fill && t.pitch > t.planes) emitZeros(f, t, to, tiles * (t.pitch - t.planes));
      };
      f.if(op('i32.lt_u', i, images), present, t.fill ? () => emitZeros(f, t, out, tiles * t.pitch) : undefined);
      f.advance(i, 1);
      f.advance(image, 4 * t.source.image);
      f.advance(out, 4 * tiles * t.pitch);
    });
    // What follows the last tile, up to a whole vector: the next channel's beginning is written after this.
    const tail = t.channel - t.images * t.pitch * tiles;
    if (t.fill && tail > 0) emitZeros(f, t, out, Math.max(4, tail));
    f.advance(source, 4 * depth * height * width);
    f.advance(target, 4 * t.channel);
  });
  return f;
}
