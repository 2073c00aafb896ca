/**
 * Tensors of random numbers in float32, eight at a time. The numbers of a group belong to four blocks, from an even position on,
 * so the first and last group may hang over what is asked for:
 *
 *   y                 ▢ ▢ ▢ ▢ ▢ ▢ ▢ ▢ ▢ ▢          from an odd position
 *   groups          · ▢ ▢ ▢ ▢ ▢ ▢ ▢ | ▢ ▢ ▢ · · · · ·
 */
import type { Draw } from '../../types.ts';
import {
  type Expr,
  FunctionBuilder,
  f32x4,
  f64,
  f64x2,
  i32,
  i64,
  type Local,
  op,
  shuffle,
} from '../assembler/assembler.ts';
import { normals } from './normal.ts';
import { bitsOf, emitCipher, emitPhilox, emitWhole } from './philox.ts';

type V = Expr<'v128'>;

/** Makes four results of four numbers, of which each has 32 bits, the highest ones, in `high` and 32 in `low`. */
type Make = (high: Local<'v128'>, low: Local<'v128'>) => V;

/** What the module's function is given of a draw. */
export function drawOperands(what: Draw): readonly [a: number, b: number] {
  switch (what.name) {
    case 'uniform':
      return [0, 0];
    case 'normal':
      return [what.mean, what.std];
    case 'mask':
      return [what.p, what.kept];
    default:
      return [what.low, what.high - what.low];
  }
}

/** Everything that the code depends on, as the cache's key. */
export function drawKey({ name }: Draw): string {
  return `draw ${name}`;
}

/** The first 27 and the last 26 of a number's 53 bits. */
const upper = (high: V): V => op('i32x4.shr_u', high, i32(5));
const lower = (low: V): V => op('i32x4.shr_u', low, i32(6));

/** The first 24 bits. */
const uniform: Make = (high) =>
  op('f32x4.mul', op('f32x4.convert_i32x4_s', op('i32x4.shr_u', high, i32(8))), f32x4(2 ** -24));

/** u < p is the same as 2⁵³ · u < ⌈2⁵³ · p⌉, in whole numbers, which are compared by halves. */
function mask(f: FunctionBuilder, p: Expr<'f64'>, kept: Expr<'f64'>): Make {
  const limit = emitWhole(f, op('f64.ceil', op('f64.mul', p, f64(2 ** 53))));
  const first = f.let(op('i32x4.splat', bitsOf(limit, 26, -1)), 'first');
  const last = f.let(op('i32x4.splat', bitsOf(limit, 0, 2 ** 26 - 1)), 'last');
  const value = f.let(op('f32x4.splat', op('f32.demote_f64', kept)), 'kept');
  return (high, low) => {
    const bits = f.let(upper(high), 'bits');
    const isTie = op('v128.and', op('i32x4.eq', bits, first), op('i32x4.lt_s', lower(low), last));
    return op('v128.andnot', value, op('v128.or', op('i32x4.lt_s', bits, first), isTie));
  };
}

/** Numbers in lanes 0 and 1, or 2 and 3, in double precision. */
function fractions(f: FunctionBuilder, high: V, low: V, half: number): Local<'v128'> {
  const double = (words: V): V => {
    const lanes = half === 0 ? words : shuffle(words, words, [2, 3, 2, 3]);
    return op('f64x2.convert_low_i32x4_s', lanes);
  };
  const whole = op('f64x2.add', op('f64x2.mul', double(upper(high)), f64x2(2 ** 26)), double(lower(low)));
  return f.let(op('f64x2.mul', whole, f64x2(2 ** -53)), 'u');
}

/** What is computed of two numbers in double precision. */
function inDoubles(f: FunctionBuilder, make: (u: Local<'v128'>) => V): Make {
  return (high, low) => {
    const rounded = (half: number): V => op('f32x4.demote_f64x2_zero', make(fractions(f, high, low, half)));
    return shuffle(rounded(0), rounded(1), [0, 1, 4, 5]);
  };
}

/** a + of(b, u) */
function beyond(f: FunctionBuilder, a: Expr<'f64'>, b: Expr<'f64'>, of: (b: V, u: Local<'v128'>) => V): Make {
  const [first, second] = [f.let(op('f64x2.splat', a), 'a'), f.let(op('f64x2.splat', b), 'b')];
  return inDoubles(f, (u) => op('f64x2.add', first, of(second, u)));
}

function makeOf(f: FunctionBuilder, name: Draw['name'], a: Expr<'f64'>, b: Expr<'f64'>): Make {
  switch (name) {
    case 'uniform':
      return uniform;
    case 'mask':
      return mask(f, a, b);
    case 'range':
      return beyond(f, a, b, (span, u) => op('f64x2.mul', span, u));
    case 'integer':
      return beyond(f, a, b, (span, u) => op('f64x2.floor', op('f64x2.mul', span, u)));
    case 'normal': {
      const normal = normals(f);
      return beyond(f, a, b, (std, u) => op('f64x2.mul', std, normal(u)));
    }
  }
}

/** The module's only function: run(y, count, seed, position, a, b), with y in bytes. It writes `count` floats and no more. */
export function drawFunctions({ name }: Draw): FunctionBuilder[] {
  const f = new FunctionBuilder('run');
  const [y, count] = [f.param('i32', 'y'), f.param('i32', 'count')];
  const [seed, position] = [f.param('f64', 'seed'), f.param('f64', 'position')];
  const make = makeOf(f, name, f.param('f64', 'a'), f.param('f64', 'b'));
  const cipher = emitCipher(f, emitWhole(f, seed));
  const start = emitWhole(f, position);
  const block = f.let(op('i64.shr_u', start, i64(1)), 'block');
  const end = f.let(op('i32.add', y, op('i32.mul', count, i32(4))), 'end');
  const p = f.let(op('i32.sub', y, op('i32.mul', bitsOf(start, 0, 1), i32(4))), 'p');
  const isLeft = (): Expr<'i32'> => op('i32.lt_u', p, end);
  f.if(isLeft(), () =>
    f.loop((again) => {
      const [c0, c1, c2, c3] = emitPhilox(f, cipher, block);
      const [evens, odds] = [f.let(make(c0, c1), 'evens'), f.let(make(c2, c3), 'odds')];
      emitStores(f, p, y, end, [
        f.let(shuffle(evens, odds, [0, 4, 1, 5]), 'first'),
        f.let(shuffle(evens, odds, [2, 6, 3, 7]), 'last'),
      ]);
      f.advance(p, 32);
      f.set(block, op('i64.add', block, i64(4)));
      again(isLeft());
    }),
  );
  return [f];
}

/** Stores a group at p, as far as it lies in y … end. */
function emitStores(
  f: FunctionBuilder,
  p: Local<'i32'>,
  y: Expr<'i32'>,
  end: Expr<'i32'>,
  group: readonly [Local<'v128'>, Local<'v128'>],
): void {
  const isWithin = (bytes: number, size: number): Expr<'i32'> =>
    op(
      'i32.and',
      op('i32.ge_u', op('i32.add', p, i32(bytes)), y),
      op('i32.le_u', op('i32.add', p, i32(bytes + size)), end),
    );
  const storeLanes = (): void => {
    for (let i = 0; i < 8; i++) {
      f.if(isWithin(4 * i, 4), () => f.storeLane('v128.store32_lane', i % 4, p, group[i >> 2]!, 4 * i));
    }
  };
  f.if(isWithin(0, 32), () => group.forEach((v, i) => f.store('v128.store', p, v, 16 * i)), storeLanes);
}
