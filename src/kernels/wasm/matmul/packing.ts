/**
 * Packing for matrix products: `width` rows (or columns) of a matrix are interleaved, so that a tile reads them one
 * after the other.
 *
 *   target[k·pitch + i] = source[i·item + k·step]        for i = 0 … width - 1, k = 0 … depth - 1
 *
 * Where the items or the depth are neighbours in the source, vectors are moved. Distances are in floats.
 */
import { type Expr, type FunctionBuilder, i32, type Local, load, op } from '../assembler/assembler.ts';
import { vectorAt } from '../conv/tile.ts';
import { type Functions, storeColumns, storeLanes } from './tile.ts';

export interface Packing {
  readonly width: number;
  readonly pitch: number;
  readonly item: number;
  readonly step: number;
}

/** pack(source, target, depth). */
export function packFunction(functions: Functions, prefix: string, p: Packing): FunctionBuilder {
  return functions.get(`${prefix}_${p.width}`, (f) => {
    const [source, target, depth] = ['source', 'target', 'depth'].map((n) => f.param('i32', n)) as [
      Local<'i32'>,
      Local<'i32'>,
      Local<'i32'>,
    ];
    const k = f.let(i32(0), 'k');
    const rounds = (steps: number, limit: Expr<'i32'>, body: () => void): void =>
      f.while(k, limit, steps, () => {
        body();
        f.advance(source, 4 * steps * p.step);
        f.advance(target, 4 * steps * p.pitch);
      });
    if (p.item === 1) rounds(1, depth, () => copyItems(f, source, target, p.width));
    else {
      if (p.step === 1) {
        const whole = f.let(op('i32.and', depth, i32(-4)), 'whole');
        rounds(4, whole, () => {
          const rows = Array.from({ length: p.width }, (_, i) => vectorAt(source, i * p.item));
          storeColumns(f, target, rows, p.pitch);
        });
      }
      rounds(1, depth, () => {
        for (let i = 0; i < p.width; i++) f.store('f32.store', target, load('f32.load', source, 4 * i * p.item), 4 * i);
      });
    }
  });
}

/** Neighbours to neighbours, not one more. */
function copyItems(f: FunctionBuilder, source: Local<'i32'>, target: Local<'i32'>, width: number): void {
  for (let i = 0; i < width; i += 4) storeLanes(f, target, vectorAt(source, i), i, Math.min(4, width - i));
}
