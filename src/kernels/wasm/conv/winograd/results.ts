/**
 * Four neighbouring tiles' results from their sums: 16 of each to 2 × 2, or 64 to 2 × 2 × 2.
 *
 *   y = ¼ Aᵀ M A + bias        Aᵀ = │1  1  1  0│
 *                                   │0  1 -1  1│
 *
 * and Aᵀ along the depth, too, with an eighth. The quarter is here, and not in the filter's transform, so that no filter
 * becomes a denormal number on the way.
 */
import { type Expr, type FunctionBuilder, f32x4, type Local, op } from '../../assembler/assembler.ts';
import { multiplyAdd, vectorAt } from '../tile.ts';
import type { TileDepth } from './geometry.ts';

type V = Expr<'v128'>;
type Pair = readonly [V, V];
/** A plane of a tile, or a row. */
export type Z = 0 | 1;

export interface Sums {
  readonly tileDepth: TileDepth;
  /** Floats from position to position. */
  readonly position: number;
  readonly bias: boolean;
  readonly fma: boolean;
}

/** Aᵀ of pairs, taken in the order in which the fewest of them wait in registers. */
function gather(f: FunctionBuilder, pair: (i: number) => readonly V[]): readonly [readonly V[], readonly V[]] {
  const first = pair(1).map((v) => f.let(v, 's'));
  const second = pair(2);
  const [sum, difference] = [[], []] as [Local<'v128'>[], Local<'v128'>[]];
  first.forEach((a, at) => {
    const b = f.let(second[at] as V, 's');
    sum.push(f.let(op('f32x4.add', a, b), 's'));
    difference.push(f.let(op('f32x4.sub', a, b), 's'));
  });
  pair(0).forEach((v, at) => f.set(sum[at] as Local<'v128'>, op('f32x4.add', sum[at] as V, v)));
  pair(3).forEach((v, at) => f.set(difference[at] as Local<'v128'>, op('f32x4.add', difference[at] as V, v)));
  return [sum, difference];
}

/**
 * The results of four tiles whose sums are at `m`, from tile `tile` on: by plane and row, those of even and of odd columns.
 */
export function emitResults(
  f: FunctionBuilder,
  s: Sums,
  m: Local<'i32'>,
  tile: number,
  bias: V,
): (z: Z, row: Z) => Pair {
  const at = (k: number, i: number, j: number): V => vectorAt(m, (16 * k + 4 * i + j) * s.position + tile);
  /** [row 0 even, row 1 even, row 0 odd, row 1 odd] of one position along the depth. */
  const plane = (k: number): readonly V[] =>
    gather(f, (j) => gather(f, (i) => [at(k, i, j)]).map(([v]) => v as V)).flat();
  const planes = s.tileDepth === 2 ? gather(f, plane) : [plane(0)];
  const share = f32x4(s.tileDepth === 2 ? 0.125 : 0.25);
  const scaled = (v: V): V => f.let(s.bias ? multiplyAdd(s.fma, v, share, bias) : op('f32x4.mul', v, share), 'y');
  return (z, row) => {
    const results = planes[z] as readonly V[];
    return [scaled(results[row] as V), scaled(results[2 + row] as V)];
  };
}
