/**
 * The depth's part of the transforms: four planes of a layer's patches, or two of a gradient's tiles, to one for each of the
 * four positions along the depth, whose height and width are transformed afterwards.
 *
 *   x: d₀ - d₂,  d₁ + d₂,  d₂ - d₁,  d₃ - d₁      gradient: g₀,  g₀ + g₁,  g₀ - g₁,  g₁
 *
 * Only the rows that a chunk's tiles read are made, those beyond the border being zeros.
 */
import { type Expr, FunctionBuilder, i32, type Local, op, plus, select } from '../../assembler/assembler.ts';
import { splatAt, vectorAt } from '../tile.ts';
import type { Planes } from './geometry.ts';

type V = Expr<'v128'>;
type I = Local<'i32'>;
type Address = Expr<'i32'>;

/** What is transformed: planes of a chunk's rows. */
export interface Layers {
  readonly kind: 'x' | 'gradient';
  readonly source: Planes;
  /** Zeros before the source along each axis; negative: elements that are not read. */
  readonly before: readonly [number, number, number];
  /** Rows of tiles of the chunk. */
  readonly rows: number;
}

/** Rows that the tiles of a chunk read. */
export const patchRows = (t: Pick<Layers, 'kind' | 'rows'>): number => 2 * t.rows + (t.kind === 'x' ? 2 : 0);

/** Floats from row to row of the combined plane, and of all of it. */
export const combinedPitch = (t: Pick<Layers, 'source'>): number => 4 * Math.ceil(t.source.size[2] / 4);
export const combinedFloats = (t: Layers): number => patchRows(t) * combinedPitch(t);

/** Rows of vectors of at most so many are unrolled. */
const UNROLLED = 8;

interface Terms {
  /** Planes of the two terms, counted from the layer's first; whether there is a second, and whether it is subtracted. */
  readonly first: Address;
  readonly second: Address;
  readonly hasSecond: Address;
  readonly minus: Address;
}

function termsOf(kind: Layers['kind'], k: I): Terms {
  if (kind === 'x') {
    const second = op('i32.sub', i32(2), op('i32.shr_u', k, i32(1)));
    return { first: k, second, hasSecond: i32(1), minus: op('i32.ne', k, i32(1)) };
  }
  const hasSecond = op('i32.shr_u', op('i32.and', plus(k, 1), i32(2)), i32(1));
  return { first: op('i32.eq', k, i32(3)), second: i32(1), hasSecond, minus: op('i32.eq', k, i32(2)) };
}

/** One row: `to` = `a` + `b`, whose signs are turned by `turn`. */
function emitRow(f: FunctionBuilder, width: number, a: I, b: I, to: I, turn: V): void {
  const sum = (x: V, y: V): V => op('f32x4.add', x, op('v128.xor', y, turn));
  const put = (from: readonly [I, I], at: I, floats: number): void =>
    f.store('v128.store', at, sum(vectorAt(from[0], floats), vectorAt(from[1], floats)), 4 * floats);
  const vectors = Math.floor(width / 4);
  if (vectors === 0) {
    for (let i = 0; i < width; i++) f.storeLane('v128.store32_lane', 0, to, sum(splatAt(a, i), splatAt(b, i)), 4 * i);
    return;
  }
  if (vectors <= UNROLLED) for (let i = 0; i < vectors; i++) put([a, b], to, 4 * i);
  else {
    const [p, q, r] = [f.let(a, 'p'), f.let(b, 'q'), f.let(to, 'r')];
    f.repeat(vectors, () => {
      put([p, q], r, 0);
      for (const pointer of [p, q, r]) f.advance(pointer, 16);
    });
  }
  // The last four overlap those before.
  if (width % 4 > 0) put([a, b], to, width - 4);
}

/**
 * combine(source, to, zeros, plane, row0, k): position k along the depth of the layer whose first plane is number `plane`
 * of the source, at `source`.
 */
export function combineFunction(t: Layers): FunctionBuilder {
  const f = new FunctionBuilder(`combine_${t.kind}`, { exported: false });
  const [source, to, zeros] = [f.param('i32', 'source'), f.param('i32', 'to'), f.param('i32', 'zeros')];
  const [plane, row0, k] = [f.param('i32', 'plane'), f.param('i32', 'row0'), f.param('i32', 'k')];
  const [depth, height, width] = t.source.size;
  const { first, second, hasSecond, minus } = termsOf(t.kind, k);
  const turn = f.let(op('i32x4.splat', op('i32.shl', minus, i32(31))), 'turn');
  const h = f.let(op('i32.sub', op('i32.shl', row0, i32(1)), i32(t.before[1])), 'h');
  const from = f.let(op('i32.add', source, op('i32.mul', h, i32(4 * width))), 'from');
  const start = (term: Address): I => f.let(op('i32.add', from, op('i32.mul', term, i32(4 * height * width))), 'start');
  const isInside = (term: Address): Address => op('i32.lt_u', op('i32.add', plane, term), i32(depth));
  const [a, b] = [start(first), start(second)];
  const [hasA, hasB] = [f.let(isInside(first), 'has'), f.let(op('i32.and', isInside(second), hasSecond), 'has')];
  f.repeat(patchRows(t), () => {
    const isRow = f.let(op('i32.lt_u', h, i32(height)), 'isRow');
    const row = (at: I, has: I): I => f.let(select(at, zeros, op('i32.and', isRow, has)), 'row');
    emitRow(f, width, row(a, hasA), row(b, hasB), to, turn);
    f.advance(h, 1);
    for (const pointer of [a, b]) f.advance(pointer, 4 * width);
    f.advance(to, 4 * combinedPitch(t));
  });
  return f;
}
