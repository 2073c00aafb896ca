/**
 * Copies that exchange two axes, in 4 × 4 blocks in registers: what comes in neighbouring rows goes out in columns.
 *
 *   y[…, m, n] = x[…, n, m],   rows of x along m, rows of y along n
 *
 * In TypeScript such a copy reads or writes a cache line for each element.
 */
import { mergeAxes } from '../../js/walk.ts';
import type { FloatArray, Strided } from '../../types.ts';
import { type Expr, FunctionBuilder, i32, type Local, load, op, shuffle } from '../assembler/assembler.ts';
import { type KernelCache, type KernelFunction, kernelCache } from './cache.ts';

/** Floats that are moved at a time: of an image that is dense in x too, and of one that is copied run by run. */
const DENSE_BLOCK = 2 ** 20;
const BLOCK = 2 ** 17;
/** Shorter runs cost more to begin than to copy in TypeScript. */
const LEAST_RUN = 64;

/** Four vectors a, b, c, d as the columns of what they were the rows of. */
export function transpose4(f: FunctionBuilder, rows: readonly Expr<'v128'>[]): Expr<'v128'>[] {
  const [a, b, c, d] = rows.map((r) => f.let(r, 'row')) as [Local<'v128'>, Local<'v128'>, Local<'v128'>, Local<'v128'>];
  const [ab, cd] = [f.let(shuffle(a, b, [0, 4, 1, 5])), f.let(shuffle(c, d, [0, 4, 1, 5]))];
  const [ab2, cd2] = [f.let(shuffle(a, b, [2, 6, 3, 7])), f.let(shuffle(c, d, [2, 6, 3, 7]))];
  return [
    shuffle(ab, cd, [0, 1, 4, 5]),
    shuffle(ab, cd, [2, 3, 6, 7]),
    shuffle(ab2, cd2, [0, 1, 4, 5]),
    shuffle(ab2, cd2, [2, 3, 6, 7]),
  ];
}

/** run(from, to, m, n, stride): n rows of m floats, `stride` bytes apart, to m dense rows of n. */
function transposeFunction(): FunctionBuilder {
  const f = new FunctionBuilder('run');
  const [from, to, m, n] = ['from', 'to', 'm', 'n'].map((name) => f.param('i32', name)) as [
    Local<'i32'>,
    Local<'i32'>,
    Local<'i32'>,
    Local<'i32'>,
  ];
  const stride = f.param('i32', 'stride');
  const row = f.let(op('i32.shl', n, i32(2)), 'row');
  const [i, j] = [f.let(i32(0), 'i'), f.local('i32', 'j')];
  const [p, q] = [f.local('i32', 'p'), f.local('i32', 'q')];
  const below = (at: Local<'i32'>, count: Expr<'i32'>, step: number, body: () => void): void => {
    f.loop((again) => {
      f.if(op('i32.le_u', op('i32.add', at, i32(step)), count), () => {
        body();
        f.advance(at, step);
        again();
      });
    });
  };
  /** The element of row `i` and column `j`, and its place. */
  const begin = (): void => {
    f.set(p, op('i32.add', from, op('i32.mul', i, stride)));
    f.set(q, op('i32.add', to, op('i32.shl', i, i32(2))));
    f.set(j, i32(0));
  };
  const one = (): void => {
    f.store('f32.store', q, load('f32.load', p));
    f.advance(p, 4);
    f.advance(q, row);
  };
  below(i, n, 4, () => {
    begin();
    below(j, m, 4, () => {
      const ends = [p, ...[1, 2, 3].map(() => f.local('i32', 'r'))];
      ends.slice(1).forEach((end, k) => f.set(end, op('i32.add', ends[k] as Local<'i32'>, stride)));
      const columns = transpose4(
        f,
        ends.map((end) => f.let(load('v128.load', end), 'v')),
      );
      for (const column of columns) {
        f.store('v128.store', q, column);
        f.advance(q, row);
      }
      f.advance(p, 16);
    });
    // The columns that are left, four rows deep.
    below(j, m, 1, () => {
      const r = f.let(p, 'r');
      for (let k = 0; k < 4; k++) {
        f.store('f32.store', q, load('f32.load', r), 4 * k);
        f.advance(r, stride);
      }
      f.advance(p, 4);
      f.advance(q, row);
    });
  });
  below(i, n, 1, () => {
    begin();
    below(j, m, 1, one);
  });
  return f;
}

/** y = x in row-major order, where x is dense along another axis than the last; false if that is not so. */
export function copyTransposed(x: Strided, y: FloatArray, start: number): boolean {
  const dense = x.shape.map((_, i) => x.shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const { sizes, strides } = mergeAxes(x.shape, [{ offset: 0, strides: dense }, x]);
  const [, own] = strides as [number[], number[]];
  const rank = sizes.length;
  const [m, n] = [sizes[rank - 2] ?? 0, sizes[rank - 1] ?? 0];
  const stride = own[rank - 1] ?? 0;
  if (rank < 2 || own[rank - 2] !== 1 || stride < m || m < 2 || n < 2) return false;
  if (m < LEAST_RUN && (stride !== m || m * n > DENSE_BLOCK)) return false;
  const batch = sizes.slice(0, rank - 2);
  const cache = kernelCache();
  const run = cache.get('transpose', () => [transposeFunction()]).run as KernelFunction;
  const index = batch.map(() => 0);
  const images = batch.reduce((a, b) => a * b, 1);
  let at = x.offset;
  for (let image = 0; image < images; image++) {
    const target = start + image * m * n;
    if (!moveImage(cache, run, { m, n, stride }, x.data as Float32Array, at, y as Float32Array, target)) return false;
    for (let a = batch.length - 1; a >= 0; a--) {
      at += own[a] as number;
      if (++index[a]! < (batch[a] as number)) break;
      at -= (batch[a] as number) * (own[a] as number);
      index[a] = 0;
    }
  }
  return true;
}

interface Sizes {
  readonly m: number;
  readonly n: number;
  readonly stride: number;
}

/** One image, in parts of its rows of y. */
function moveImage(
  { memory }: KernelCache,
  run: KernelFunction,
  { m, n, stride }: Sizes,
  x: Float32Array,
  from: number,
  y: Float32Array,
  to: number,
): boolean {
  const isWhole = stride === m && m * n <= DENSE_BLOCK;
  const most = isWhole ? m : Math.max(LEAST_RUN, Math.floor(BLOCK / n));
  if (!memory.begin(2 * Math.min(m, most) * n, 2)) return false;
  const [source, target] = [memory.allocate(Math.min(m, most) * n), memory.allocate(Math.min(m, most) * n)];
  for (let done = 0; done < m; done += most) {
    const rows = Math.min(most, m - done);
    if (isWhole) memory.write(source, x, from, m * n);
    else for (let i = 0; i < n; i++) memory.write(source + 4 * i * rows, x, from + done + i * stride, rows);
    run(source, target, rows, n, 4 * rows);
    memory.read(target, y, to + done * n, rows * n);
  }
  return true;
}
