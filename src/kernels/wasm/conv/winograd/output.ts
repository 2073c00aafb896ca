/**
 * Out of the transformed domain: the sums of tiles to results (results.ts), four neighbouring tiles of a row at once, which
 * are stored, or pooled.
 */
import { type Expr, FunctionBuilder, f32x4, i32, i32x4, type Local, op, shuffle } from '../../assembler/assembler.ts';
import { storeBytes } from '../../pool/planes.ts';
import { advanceOperands, type Chain, ChainEmitter, operandPointers } from '../chain.ts';
import { multiplyAdd, positivePart, splatAt, vectorAt } from '../tile.ts';
import type { Planes, TileDepth, TiledSizes } from './geometry.ts';
import { emitResults, type Z } from './results.ts';

type V = Expr<'v128'>;
type I = Local<'i32'>;

export interface Output {
  readonly outputs: number;
  readonly target: Planes;
  readonly tileDepth: TileDepth;
  readonly images: number;
  readonly layers: number;
  /** Layers from image to image of the sums. */
  readonly pitch: number;
  readonly rows: number;
  readonly columns: number;
  /** Floats of the sums from position to position and from output to output. */
  readonly position: number;
  readonly channel: number;
  readonly bias: boolean;
  /** Whether the positive part is stored; pooled values have a switch of their own. */
  readonly relu: boolean;
  /** Elementwise functions behind all that, and before a pooling. */
  readonly chain?: Chain;
  readonly fma: boolean;
  /** A tile is a window: its largest element is stored instead. */
  readonly pool?: TilePool;
}

/** Max pooling by windows side by side of a tile's size: its results are one window, if they all exist. */
export interface TilePool {
  /** Whether the numbers of the (first) largest in their windows are wanted, too, as bytes. */
  readonly hasTaps: boolean;
  /** Whether only the positive part of the largest is stored. */
  readonly relu?: boolean;
  /** Elements from image to image of the pooled arrays. */
  readonly image: number;
}

/** Whether windows of the size of tiles can be pooled on the way: rows of four at least. */
export const canPoolTiles = ({ y: [depth, height, width], tileDepth }: TiledSizes): boolean =>
  width >= 8 && height >= 2 && depth >= tileDepth;

/** What a function keeps while it goes over the sums: whether they were finite, and what is done to each result. */
interface Ending {
  readonly check: Local<'v128'>;
  readonly chain: ChainEmitter | undefined;
}

/** A result as it is stored. */
function ended(o: Output, { chain }: Ending, value: V, at: I, floats: number): V {
  const positive = o.relu ? positivePart(value) : value;
  return chain ? chain.emit(positive, at, floats) : positive;
}

/** Stores `width` floats of eight, and lets what is not finite stay in `check`. */
function storeRow(
  f: FunctionBuilder,
  o: Output,
  at: I,
  floats: number,
  eight: [V, V],
  width: number,
  end: Ending,
): void {
  const { check } = end;
  const put = (value: V, to: number): void => {
    const kept = f.let(value, 'y');
    f.set(check, multiplyAdd(o.fma, kept, f32x4(0), check));
    f.store('v128.store', at, ended(o, end, kept, at, to), 4 * to);
  };
  const [low, high] = eight;
  if (width >= 4) {
    put(low, floats);
    const from = width - 4;
    if (from > 0) put(from === 4 ? high : shuffle(low, high, [from, from + 1, from + 2, from + 3]), floats + from);
    return;
  }
  const kept = f.let(shuffle(low, low, [0, Math.min(1, width - 1), Math.min(2, width - 1), 0]), 'y');
  f.set(check, multiplyAdd(o.fma, kept, f32x4(0), check));
  f.set(kept, ended(o, end, kept, at, floats));
  for (let l = 0; l < width; l++) f.storeLane('v128.store32_lane', l, at, kept, 4 * (floats + l));
}

interface Place {
  readonly m: I;
  readonly tile: number;
  readonly y: I;
  readonly floats: number;
  /** Columns of the result that the four tiles have. */
  readonly width: number;
  /** Is there a second row, and a second plane? */
  readonly bottom: (body: () => void) => void;
  readonly back: (body: () => void) => void;
}

function emitGroup(f: FunctionBuilder, o: Output, at: Place, bias: V, end: Ending): void {
  const results = emitResults(f, o, at.m, at.tile, bias);
  const [, height, width] = o.target.size;
  const row = (z: Z, r: Z): void => {
    const [even, odd] = results(z, r);
    const eight: [V, V] = [shuffle(even, odd, [0, 4, 1, 5]), shuffle(even, odd, [2, 6, 3, 7])];
    storeRow(f, o, at.y, (z * height + r) * width + at.floats, eight, at.width, end);
  };
  const plane = (z: Z): void => {
    row(z, 0);
    at.bottom(() => row(z, 1));
  };
  plane(0);
  if (o.tileDepth === 2) at.back(() => plane(1));
}

/** The largest of each of four tiles, and its number in the tile. */
function emitWindows(
  f: FunctionBuilder,
  o: Output,
  at: { readonly m: I; readonly y: I; readonly taps: I; readonly tile: number },
  bias: V,
  end: Ending,
): void {
  const results = emitResults(f, o, at.m, at.tile, bias);
  const { check, chain } = end;
  const noted = (value: V): V => {
    f.set(check, multiplyAdd(o.fma, value, f32x4(0), check));
    return value;
  };
  // What a chain makes of finite numbers need not be finite, and pmax would let go of a NaN.
  const finished = (value: V): V => (chain ? noted(f.let(chain.emit(noted(value), at.y, 0), 'y')) : noted(value));
  const [most, where] = [f.local('v128', 'most'), f.let(i32x4(0), 'where')];
  const rows = [0, 1].flatMap((z) => [0, 1].map((r) => [z, r] as [Z, Z])).slice(0, 2 * o.tileDepth);
  rows.forEach(([z, r], at) => {
    results(z, r).forEach((result, c) => {
      const value = finished(result);
      const tap = 2 * at + c;
      if (tap === 0) {
        f.set(most, value);
        return;
      }
      if (o.pool?.hasTaps) f.set(where, op('v128.bitselect', i32x4(tap), where, op('f32x4.gt', value, most)));
      // pmax(most, value) is value only where it is larger: of equal ones, 0 and -0 among them, the first is kept.
      f.set(most, op('f32x4.pmax', most, value));
    });
  });
  if (o.pool?.relu) f.set(most, positivePart(most));
  f.store('v128.store', at.y, most, 4 * at.tile);
  if (o.pool?.hasTaps) storeBytes(f, at.taps, where, 4, at.tile);
}

/** One row of windows. */
function emitWindowRow(f: FunctionBuilder, o: Output, m: I, y: I, taps: I, bias: V, end: Ending): void {
  const windows = Math.floor(o.target.size[2] / 2);
  const full = Math.floor(windows / 4);
  const [p, q, r] = [f.let(m, 'p'), f.let(y, 'q'), f.let(taps, 'r')];
  f.repeat(full, () => {
    emitWindows(f, o, { m: p, y: q, taps: r, tile: 0 }, bias, end);
    for (const pointer of [p, q]) f.advance(pointer, 16);
    f.advance(r, 4);
  });
  if (windows % 4 > 0) emitWindows(f, o, { m, y, taps, tile: windows - 4 }, bias, end);
}

/** One row of tiles. */
function emitRow(
  f: FunctionBuilder,
  o: Output,
  m: I,
  y: I,
  bias: V,
  end: Ending,
  exists: Pick<Place, 'bottom' | 'back'>,
): void {
  const width = o.target.size[2];
  // All but the last group have whole tiles; the last one overlaps the one before, or is alone.
  const groups = Math.ceil(o.columns / 4) - 1;
  const [p, q] = groups > 1 ? [f.let(m, 'p'), f.let(y, 'q')] : [m, y];
  f.repeat(groups, () => {
    emitGroup(f, o, { m: p, tile: 0, y: q, floats: 0, width: 8, ...exists }, bias, end);
    if (groups === 1) return;
    f.advance(p, 16);
    f.advance(q, 32);
  });
  const last = Math.max(0, o.columns - 4);
  emitGroup(f, o, { m, tile: last, y, floats: 2 * last, width: width - 2 * last, ...exists }, bias, end);
}

/** The operands of a chain, and how results end that may have one. */
function beginEnding(
  f: FunctionBuilder,
  o: Output,
  flag: I,
): { readonly end: Ending; readonly operands: readonly I[] } {
  const operands = operandPointers(f, o.chain);
  const chain = o.chain && new ChainEmitter(f, o.chain, operands, o.fma);
  return { end: { check: f.let(vectorAt(flag, 0), 'check'), chain }, operands };
}

/**
 * output(m, y, bias, flag, images, layer0, row0, ...operands): `y` at the chunk's first image; the vector at `flag` becomes
 * NaN in some lane if a result is not finite.
 */
export function outputFunction(name: string, o: Output): FunctionBuilder {
  const f = new FunctionBuilder(name, { exported: false });
  const [m, y, biasAt, flag] = ['m', 'y', 'bias', 'flag'].map((n) => f.param('i32', n)) as [I, I, I, I];
  const [images, layer0, row0] = ['images', 'layer0', 'row0'].map((n) => f.param('i32', n)) as [I, I, I];
  const [depth, height, width] = o.target.size;
  const plane = height * width;
  const { end, operands } = beginEnding(f, o, flag);
  const plane0 = f.let(o.tileDepth === 1 ? layer0 : op('i32.mul', layer0, i32(o.tileDepth)), 'plane0');
  const tileRows = Math.ceil(height / 2);
  f.advance(y, op('i32.mul', plane0, i32(4 * plane)));
  f.advance(y, op('i32.mul', row0, i32(8 * width)));
  f.repeat(o.outputs, () => {
    const bias = o.bias ? f.let(splatAt(biasAt, 0), 'bias') : f32x4(0);
    end.chain?.begin(0);
    const [image, sums, i] = [f.let(y, 'image'), f.let(m, 'sums'), f.let(i32(0), 'i')];
    f.while(i, images, 1, () => {
      const [to, from, d] = [f.let(image, 'to'), f.let(sums, 'from'), f.let(plane0, 'd')];
      f.repeat(o.layers, () => {
        const bottom = (b: () => void): void =>
          height % 2 === 0 ? b() : f.if(op('i32.lt_u', r, i32(Math.floor(height / 2))), b);
        const back = (b: () => void): void => (depth % 2 === 0 ? b() : f.if(op('i32.lt_u', d, i32(depth - 1)), b));
        const r = f.let(row0, 'r');
        const rows = (): void => {
          const [line, tiles] = [f.let(to, 'line'), f.let(from, 'tiles')];
          f.repeat(o.rows, () => {
            const body = (): void => emitRow(f, o, tiles, line, bias, end, { bottom, back });
            if (tileRows % o.rows === 0) body();
            else f.if(op('i32.lt_u', r, i32(tileRows)), body);
            f.advance(r, 1);
            f.advance(line, 8 * width);
            f.advance(tiles, 4 * o.columns);
          });
        };
        if (depth % (o.layers * o.tileDepth) === 0) rows();
        else f.if(op('i32.lt_u', d, i32(depth)), rows);
        f.advance(d, o.tileDepth);
        f.advance(to, 4 * o.tileDepth * plane);
        f.advance(from, 4 * o.rows * o.columns);
      });
      f.advance(image, 4 * o.target.image);
      f.advance(sums, 4 * o.rows * o.columns * o.pitch);
    });
    f.advance(y, 4 * depth * plane);
    f.advance(m, 4 * o.channel);
    if (o.bias) f.advance(biasAt, 4);
    advanceOperands(f, o.chain, operands, 1);
  });
  f.store('v128.store', flag, end.check);
  return f;
}

/**
 * pool(m, y, taps, bias, flag, images, layer0, row0, ...operands): the same with the largest of each window in the place of the
 * window; `y` and `taps` at the chunk's first image.
 */
export function poolFunction(name: string, o: Output): FunctionBuilder {
  const f = new FunctionBuilder(name, { exported: false });
  const [m, y, taps, biasAt] = ['m', 'y', 'taps', 'bias'].map((n) => f.param('i32', n)) as [I, I, I, I];
  const [flag, images] = [f.param('i32', 'flag'), f.param('i32', 'images')];
  const [layer0, row0] = [f.param('i32', 'layer0'), f.param('i32', 'row0')];
  const [depth, height, width] = o.target.size;
  const [pd, ph, pw] = [Math.floor(depth / o.tileDepth), Math.floor(height / 2), Math.floor(width / 2)];
  const { end, operands } = beginEnding(f, o, flag);
  const begin = f.let(op('i32.add', op('i32.mul', layer0, i32(ph * pw)), op('i32.mul', row0, i32(pw))), 'begin');
  f.advance(y, op('i32.mul', begin, i32(4)));
  f.advance(taps, begin);
  f.repeat(o.outputs, () => {
    const bias = o.bias ? f.let(splatAt(biasAt, 0), 'bias') : f32x4(0);
    end.chain?.begin(0);
    const [image, sums, i] = [f.let(i32(0), 'image'), f.let(m, 'sums'), f.let(i32(0), 'i')];
    f.while(i, images, 1, () => {
      const [to, from, d] = [f.let(image, 'to'), f.let(sums, 'from'), f.let(layer0, 'd')];
      f.repeat(o.layers, () => {
        const [line, tiles, r] = [f.let(to, 'line'), f.let(from, 'tiles'), f.let(row0, 'r')];
        f.if(op('i32.lt_u', d, i32(pd)), () =>
          f.repeat(o.rows, () => {
            f.if(op('i32.lt_u', r, i32(ph)), () => {
              const value = f.let(op('i32.add', y, op('i32.mul', line, i32(4))), 'v');
              emitWindowRow(f, o, tiles, value, f.let(op('i32.add', taps, line), 'w'), bias, end);
            });
            f.advance(r, 1);
            f.advance(line, pw);
            f.advance(tiles, 4 * o.columns);
          }),
        );
        f.advance(d, 1);
        f.advance(to, ph * pw);
        f.advance(from, 4 * o.rows * o.columns);
      });
      f.advance(image, (o.pool as TilePool).image);
      f.advance(sums, 4 * o.rows * o.columns * o.pitch);
    });
    f.advance(y, 4 * pd * ph * pw);
    f.advance(taps, pd * ph * pw);
    f.advance(m, 4 * o.channel);
    if (o.bias) f.advance(biasAt, 4);
    advanceOperands(f, o.chain, operands, 1);
  });
  f.store('v128.store', flag, end.check);
  return f;
}
