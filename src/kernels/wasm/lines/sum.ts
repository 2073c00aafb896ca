/**
 * Eager sums on WebAssembly over trailing axes (and others beside them): each row of neighbours is added up in double
 * precision, four sums at a time, and rows are added in TypeScript.
 */
import type { FloatArray, Strided } from '../../types.ts';
import { type Expr, FunctionBuilder, f64, i32, lane, load, op, shuffle } from '../assembler/assembler.ts';
import type { KernelCache, KernelFunction } from '../memory/cache.ts';
import { isDense } from '../memory/transfer.ts';

/** Floats copied in at a time. */
const BLOCK = 16384;
/** Shorter rows are added as fast by the reference kernel. */
const LEAST_ROW = 32;

/** rows(from, to, rows, count): to[r] (double) = Σ from[r·count + i]. */
function rowSums(): FunctionBuilder {
  const f = new FunctionBuilder('rows');
  const [from, to] = [f.param('i32', 'from'), f.param('i32', 'to')];
  const [rows, count] = [f.param('i32', 'rows'), f.param('i32', 'count')];
  const sums = [0, 1, 2, 3].map(() => f.local('v128', 'sum'));
  const vector = f.local('v128', 'vector');
  const total = f.local('f64', 'total');
  const [end, pairs, i] = [f.local('i32', 'end'), f.local('i32', 'pairs'), f.let(i32(0), 'i')];
  const add = (s: number, value: Expr<'v128'>): void => {
    const sum = sums[s] as (typeof sums)[0];
    f.set(sum, op('f64x2.add', sum, op('f64x2.promote_low_f32x4', value)));
  };
  f.while(i, rows, 1, () => {
    for (const sum of sums) f.set(sum, op('f64x2.splat', f64(0)));
    f.set(pairs, op('i32.add', from, op('i32.shl', op('i32.and', count, i32(-8)), i32(2))));
    f.set(end, op('i32.add', from, op('i32.shl', count, i32(2))));
    f.while(from, pairs, 32, () => {
      for (const half of [0, 1]) {
        f.set(vector, load('v128.load', from, 16 * half));
        add(2 * half, vector);
        add(2 * half + 1, shuffle(vector, vector, [2, 3, 2, 3]));
      }
    });
    const [a, b, c, d] = sums as unknown as [Expr<'v128'>, Expr<'v128'>, Expr<'v128'>, Expr<'v128'>];
    f.set(vector, op('f64x2.add', op('f64x2.add', a, b), op('f64x2.add', c, d)));
    f.set(total, op('f64.add', lane('f64x2.extract_lane', 0, vector), lane('f64x2.extract_lane', 1, vector)));
    f.while(from, end, 4, () => f.set(total, op('f64.add', total, op('f64.promote_f32', load('f32.load', from)))));
    f.store('f64.store', to, total);
    f.advance(to, 8);
  });
  return f;
}

/** Σ over `axes` of a dense x whose innermost axes are summed; false if it must run on the reference kernel. */
export function sum(cache: KernelCache, x: Strided, axes: readonly number[], y: FloatArray): boolean {
  const rank = x.shape.length;
  let inner = rank;
  while (inner > 0 && axes.includes(inner - 1)) inner--;
  const n = x.shape.slice(inner).reduce((a, b) => a * b, 1);
  if (inner === rank || n < LEAST_ROW || !isDense(x)) return false;
  const rows = x.shape.slice(0, inner).reduce((a, b) => a * b, 1);
  const outer = x.shape.slice(0, inner);
  // Strides of y by the axes outside of a row; summed ones stay in place.
  const strides = outer.map(() => 0);
  for (let a = inner - 1, step = 1; a >= 0; a--) {
    if (axes.includes(a)) continue;
    strides[a] = step;
    step *= outer[a] as number;
  }
  const sums = new Float64Array(y.length);
  const { memory } = cache;
  // Long rows come in parts; each part adds to the row's sum.
  const part = Math.min(n, BLOCK);
  const together = n <= BLOCK ? Math.floor(BLOCK / n) : 1;
  memory.begin(BLOCK + 2 * together + 2, 2);
  const [from, to] = [memory.allocate(BLOCK), memory.allocate(2 * together)];
  const kernel = cache.get('rowSums', () => [rowSums()]).rows as KernelFunction;
  const index = outer.map(() => 0);
  let at = 0;
  for (let row = 0; row < rows; row += together) {
    const count = Math.min(together, rows - row);
    for (let start = 0; start < n; start += part) {
      const length = Math.min(part, n - start);
      memory.write(from, x.data as Float32Array, x.offset + row * n + start, count * length);
      kernel(from, to, count, length);
      if (together === 1) sums[at]! += memory.double(to);
    }
    for (let r = 0; r < count; r++) {
      if (together > 1) sums[at]! += memory.double(to + 8 * r);
      for (let a = inner - 1; a >= 0; a--) {
        at += strides[a] as number;
        index[a]!++;
        if (index[a] !== outer[a]) break;
        at -= (outer[a] as number) * (strides[a] as number);
        index[a] = 0;
      }
    }
  }
  y.set(sums);
  return true;
}
