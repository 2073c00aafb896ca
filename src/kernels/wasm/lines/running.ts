/**
 * Running sums along lines, four lines at a time, one in each lane, added up in double precision and rounded at each element.
 *
 *   s = 0;   for each i along the line:   s += xᵢ, yᵢ = s
 */
import {
  type Expr,
  FunctionBuilder,
  f64,
  i32,
  type Local,
  load,
  loadLane,
  op,
  shuffle,
} from '../assembler/assembler.ts';
import type { Lines, Width } from './lanes.ts';

type V = Expr<'v128'>;

/** One line's or four lines' elements at `p`, `lineStride` floats apart. */
function read(p: Local<'i32'>, lineStride: number, width: Width): V {
  if (width === 4 && lineStride === 1) return load('v128.load', p);
  const first: V = load('v128.load32_zero', p);
  if (width === 1) return first;
  return [1, 2, 3].reduce((v, line) => loadLane('v128.load32_lane', line, p, v, 4 * line * lineStride), first);
}

function runningSums(f: FunctionBuilder, k: Lines, x: Local<'i32'>, y: Local<'i32'>, width: Width): void {
  const [p, q] = [f.let(x, 'p'), f.let(y, 'q')];
  const [low, high] = [f.let(op('f64x2.splat', f64(0)), 'low'), f.let(op('f64x2.splat', f64(0)), 'high')];
  f.repeat(k.classes, () => {
    const value = f.let(read(p, k.lineStride, width), 'x');
    f.set(low, op('f64x2.add', low, op('f64x2.promote_low_f32x4', value)));
    f.set(high, op('f64x2.add', high, op('f64x2.promote_low_f32x4', shuffle(value, value, [2, 3, 2, 3]))));
    const sums = shuffle(op('f32x4.demote_f64x2_zero', low), op('f32x4.demote_f64x2_zero', high), [0, 1, 4, 5]);
    if (width === 4 && k.lineStride === 1) f.store('v128.store', q, sums);
    else {
      const held = f.let(sums, 'sums');
      for (let line = 0; line < width; line++) f.storeLane('v128.store32_lane', line, q, held, 4 * line * k.lineStride);
    }
    f.advance(p, 4 * k.classStride);
    f.advance(q, 4 * k.classStride);
  });
}

/** The module's only function: run(count, x, y), the number of lines and addresses in bytes; x and y lie alike. */
export function runningFunctions(k: Lines): FunctionBuilder[] {
  const f = new FunctionBuilder('run');
  const [count, x, y] = [f.param('i32', 'count'), f.param('i32', 'x'), f.param('i32', 'y')];
  for (const width of [4, 1] as const) {
    const more = (): Expr<'i32'> => op('i32.ge_u', count, i32(width));
    f.if(more(), () =>
      f.loop((again) => {
        runningSums(f, k, x, y, width);
        f.advance(x, 4 * width * k.lineStride);
        f.advance(y, 4 * width * k.lineStride);
        f.set(count, op('i32.sub', count, i32(width)));
        again(more());
      }),
    );
  }
  return [f];
}

/** Everything that the code depends on, as the cache's key. */
export function runningKey({ classes, classStride, lineStride }: Lines): string {
  return `cumsum ${classes} ${classStride} ${lineStride}`;
}
