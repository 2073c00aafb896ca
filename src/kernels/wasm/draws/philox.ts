/**
 * Philox4x32-10 (js/philox.ts) on four blocks at a time, one in each lane: eight numbers.
 *
 *   c · factor    two products of 64 bits each in p and q, whose halves are brought together again:
 *                 p = low₀ high₀ low₁ high₁,  q = low₂ high₂ low₃ high₃  →  low₀₁₂₃, high₀₁₂₃
 */
import { type Expr, type FunctionBuilder, i32, i32x4, i64, type Local, op, shuffle } from '../assembler/assembler.ts';

type V = Local<'v128'>;

/** What the rounds multiply by, and the keys of the ten: in variables, since a constant of 128 bits costs more instructions. */
export interface Cipher {
  readonly factors: readonly [V, V];
  readonly keys: readonly (readonly [even: V, odd: V])[];
}

/** The lower and upper half of 64 bits, each in four lanes. */
function halves(f: FunctionBuilder, value: Local<'i64'>): [V, V] {
  const half = (bits: number): V =>
    f.let(op('i32x4.splat', op('i32.wrap_i64', op('i64.shr_u', value, i64(bits)))), 'half');
  return [half(0), half(32)];
}

/** What a seed makes of the rounds. */
export function emitCipher(f: FunctionBuilder, seed: Local<'i64'>): Cipher {
  const [even, odd] = halves(f, seed);
  const keys = Array.from(
    { length: 10 },
    (_, round) =>
      [
        f.let(op('i32x4.add', even, i32x4(Math.imul(round, 0x9e3779b9))), 'even'),
        f.let(op('i32x4.add', odd, i32x4(Math.imul(round, 0xbb67ae85))), 'odd'),
      ] as const,
  );
  return { factors: [f.let(i32x4(0xd2511f53), 'a'), f.let(i32x4(0xcd9e8d57), 'b')], keys };
}

/** Both halves of the products of four words and a factor. */
function products(f: FunctionBuilder, c: V, factor: V): { readonly low: V; readonly high: V } {
  const p = f.let(op('i64x2.extmul_low_i32x4_u', c, factor), 'p');
  const q = f.let(op('i64x2.extmul_high_i32x4_u', c, factor), 'q');
  return { low: f.let(shuffle(p, q, [0, 2, 4, 6]), 'low'), high: f.let(shuffle(p, q, [1, 3, 5, 7]), 'high') };
}

/** The words of block, block + 1, block + 2 and block + 3: of each the two of its first number, then those of its second. */
export function emitPhilox(f: FunctionBuilder, { factors, keys }: Cipher, block: Local<'i64'>): readonly [V, V, V, V] {
  const [first, upper] = halves(f, block);
  let c0 = f.let(op('i32x4.add', first, i32x4(0, 1, 2, 3)), 'c0');
  // Where the lower half has run over, it is less than the first, and the comparison gives -1.
  let c1 = f.let(op('i32x4.sub', upper, op('i32x4.lt_u', c0, first)), 'c1');
  let [c2, c3] = [f.let(i32x4(0), 'c2'), f.let(i32x4(0), 'c3')];
  for (const [even, odd] of keys) {
    const a = products(f, c0, factors[0]);
    const b = products(f, c2, factors[1]);
    c0 = f.let(op('v128.xor', op('v128.xor', b.high, c1), even), 'c0');
    c2 = f.let(op('v128.xor', op('v128.xor', a.high, c3), odd), 'c2');
    [c1, c3] = [b.low, a.low];
  }
  return [c0, c1, c2, c3];
}

/** A whole number below 2⁵³, from a double. */
export function emitWhole(f: FunctionBuilder, value: Expr<'f64'>): Local<'i64'> {
  return f.let(op('i64.trunc_sat_f64_s', value), 'whole');
}

/** Bits `from` … of a number of 64 bits, as many as `mask` has. */
export function bitsOf(value: Expr<'i64'>, from: number, mask: number): Expr<'i32'> {
  return op('i32.and', op('i32.wrap_i64', op('i64.shr_u', value, i64(from))), i32(mask));
}
