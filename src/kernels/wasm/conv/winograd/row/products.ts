/**
 * Matrix products of the transformed domain, in register tiles: P vectors of one operand × Q numbers of the other,
 *
 *   S[q][p] = Σ_i a[i·aStep + p] · b[i·bStep + q·bRow]      for i = 0 … count - 1
 *
 * with all distances constant and the number of steps given.
 */
import { FunctionBuilder, f32x4, i32, type Local, op } from '../../../assembler/assembler.ts';
import { splatAt, Tile, tileVectors, vectorAt } from '../../tile.ts';

type I = Local<'i32'>;

export interface RowProduct {
  readonly vectors: number;
  readonly numbers: number;
  /** Floats from step to step, from number to number, and from row to row of the sums. */
  readonly aStep: number;
  readonly bStep: number;
  readonly bRow: number;
  readonly sumRow: number;
  /** Whether steps are a multiple of four. */
  readonly fours: boolean;
  /** Adds to what the sums are. */
  readonly accumulate: boolean;
  readonly fma: boolean;
}

/** Numbers of a tile beside so many vectors. */
export const tileNumbers = (vectors: number, fma: boolean): number => tileVectors(vectors, fma);

/** product(a, b, sums, count): one tile. */
export function productFunction(name: string, k: RowProduct): FunctionBuilder {
  const f = new FunctionBuilder(name, { exported: false });
  const [a, b, sums, count] = ['a', 'b', 'sums', 'count'].map((n) => f.param('i32', n)) as [I, I, I, I];
  const tile = new Tile(f, k.vectors, k.numbers, k.fma);
  const place = (i: number): number => Math.floor(i / k.vectors) * k.sumRow + 4 * (i % k.vectors);
  tile.accumulators.forEach((acc, i) => f.set(acc, k.accumulate ? vectorAt(sums, place(i)) : f32x4(0)));
  const steps = (n: number): void => {
    for (let u = 0; u < n; u++) {
      tile.step(
        (p) => vectorAt(a, u * k.aStep + 4 * p),
        (q) => splatAt(b, u * k.bStep + q * k.bRow),
      );
    }
    f.advance(a, 4 * n * k.aStep);
    f.advance(b, 4 * n * k.bStep);
  };
  const i = f.let(i32(0), 'i');
  f.while(i, k.fours ? count : op('i32.and', count, i32(-4)), 4, () => steps(4));
  if (!k.fours) f.while(i, count, 1, () => steps(1));
  tile.accumulators.forEach((acc, n) => f.store('v128.store', sums, acc, 4 * place(n)));
  return f;
}
