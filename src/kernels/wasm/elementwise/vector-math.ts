/**
 * Elementary functions of four floats at once. NaN and infinities behave as in `Math`; the errors below, in units in the
 * last place of float32 against the correctly rounded result, are the largest that the tests found.
 *
 *   exp 1   log 1   tanh 2   sigmoid 3   erf 2   log1p 2 (of 0 … 1)   softplus 2       (for others see double-math.ts)
 *
 * The polynomials are those of Cephes (Moshier, "Methods and Programs for Mathematical Functions", 1989); erf's follow
 * a two-branch scheme, a polynomial below 0.93 and 1 - exp of one above.
 */
import { type Expr, type FunctionBuilder, f32x4, i32, i32x4, op } from '../assembler/assembler.ts';
import { multiplyAdd } from '../conv/tile.ts';
import { DoubleMath } from './double-math.ts';

type V = Expr<'v128'>;

/** Emits vector functions into `f`; `fma` says whether the engine can fuse. */
export class VectorMath {
  /** Functions that take double precision. */
  readonly doubles: DoubleMath;
  readonly #f: FunctionBuilder;
  readonly #fma: boolean;

  constructor(f: FunctionBuilder, fma: boolean) {
    this.doubles = new DoubleMath(f);
    this.#f = f;
    this.#fma = fma;
  }

  /** Σ coefficients[i] · x^(n - 1 - i). */
  #polynomial(x: V, coefficients: readonly number[]): V {
    const [first, ...rest] = coefficients;
    return rest.reduce<V>((sum, c) => multiplyAdd(this.#fma, sum, x, f32x4(c)), f32x4(first as number));
  }

  /** 2 to the power of whole numbers in the range of normal floats. */
  #powerOfTwo(k: V): V {
    return op('i32x4.shl', op('i32x4.add', k, i32x4(127)), i32(23));
  }

  exp(input: V): V {
    const f = this.#f;
    // pmin and pmax, in this order of operands, let NaN through.
    const x = f.let(op('f32x4.pmax', op('f32x4.pmin', input, f32x4(89)), f32x4(-105)), 'x');
    const n = f.let(op('f32x4.nearest', op('f32x4.mul', x, f32x4(Math.LOG2E))), 'n');
    const high = multiplyAdd(this.#fma, n, f32x4(-0.693359375), x);
    const r = f.let(multiplyAdd(this.#fma, n, f32x4(2.1219444e-4), high), 'r');
    const p = this.#polynomial(
      r,
      [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1],
    );
    const y = op('f32x4.add', multiplyAdd(this.#fma, p, op('f32x4.mul', r, r), r), f32x4(1));
    // Two factors, since one power of two alone would overflow before the result does.
    const k = f.let(op('i32x4.trunc_sat_f32x4_s', n), 'k');
    const half = f.let(op('i32x4.shr_s', k, i32(1)), 'half');
    const scaled = op('f32x4.mul', y, this.#powerOfTwo(half));
    return op('f32x4.mul', scaled, this.#powerOfTwo(op('i32x4.sub', k, half)));
  }

  log(input: V): V {
    const f = this.#f;
    const x = f.let(input, 'x');
    const isSmall = f.let(op('f32x4.lt', x, f32x4(1.17549435e-38)), 'small');
    const bits = f.let(op('v128.bitselect', op('f32x4.mul', x, f32x4(2 ** 23)), x, isSmall), 'bits');
    const shift = op('v128.and', isSmall, i32x4(23));
    const exponent = op('i32x4.sub', op('i32x4.sub', op('i32x4.shr_u', bits, i32(23)), i32x4(126)), shift);
    const mantissa = f.let(op('v128.or', op('v128.and', bits, i32x4(0x7fffff)), i32x4(0x3f000000)), 'm');
    const isLow = f.let(op('f32x4.lt', mantissa, f32x4(Math.SQRT1_2)), 'low');
    const e = f.let(op('f32x4.sub', op('f32x4.convert_i32x4_s', exponent), op('v128.and', isLow, f32x4(1))), 'e');
    const m = f.let(op('f32x4.add', op('f32x4.sub', mantissa, f32x4(1)), op('v128.and', isLow, mantissa)), 'm');
    const z = f.let(op('f32x4.mul', m, m), 'z');
    const p = this.#polynomial(
      m,
      [
        7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
        2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
      ],
    );
    const tail = multiplyAdd(this.#fma, e, f32x4(-2.1219444e-4), op('f32x4.mul', op('f32x4.mul', p, m), z));
    const sum = op('f32x4.add', m, multiplyAdd(this.#fma, z, f32x4(-0.5), tail));
    const y = multiplyAdd(this.#fma, e, f32x4(0.693359375), sum);
    // Of zero -∞; of negative numbers NaN; of +∞ and NaN themselves.
    const isLarge = op('f32x4.ge', x, f32x4(Number.POSITIVE_INFINITY));
    const finite = op('v128.bitselect', x, y, op('v128.or', isLarge, op('f32x4.ne', x, x)));
    const negative = op('v128.bitselect', f32x4(Number.NaN), finite, op('f32x4.lt', x, f32x4(0)));
    return op('v128.bitselect', f32x4(Number.NEGATIVE_INFINITY), negative, op('f32x4.eq', x, f32x4(0)));
  }

  /** log(1 + x) for x in [0, 1]. */
  log1pOfUnit(input: V): V {
    const f = this.#f;
    const x = f.let(input, 'x');
    const u = f.let(op('f32x4.add', x, f32x4(1)), 'u');
    // What rounding 1 + x lost, to first order.
    const lost = op('f32x4.div', op('f32x4.sub', x, op('f32x4.sub', u, f32x4(1))), u);
    return op('f32x4.add', this.log(u), lost);
  }

  tanh(input: V): V {
    const f = this.#f;
    const x = f.let(input, 'x');
    const size = f.let(op('f32x4.abs', x), 'size');
    const z = f.let(op('f32x4.mul', x, x), 'z');
    const p = this.#polynomial(
      z,
      [-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1],
    );
    const near = multiplyAdd(this.#fma, op('f32x4.mul', p, z), x, x);
    const power = op('f32x4.add', this.exp(op('f32x4.add', size, size)), f32x4(1));
    const far = op('f32x4.sub', f32x4(1), op('f32x4.div', f32x4(2), power));
    // The sign also makes tanh of -0 what it is.
    return this.#withSign(op('v128.bitselect', near, far, op('f32x4.lt', size, f32x4(0.625))), x);
  }

  #withSign(size: V, x: V): V {
    return op('v128.or', op('v128.and', x, i32x4(0x80000000 | 0)), size);
  }

  /** 1 / (1 + e) or, for negative x, e / (1 + e), with e = exp(-|x|), which cannot overflow. */
  sigmoid(input: V): V {
    const f = this.#f;
    const x = f.let(input, 'x');
    const e = f.let(this.exp(op('f32x4.neg', op('f32x4.abs', x))), 'e');
    const above = op('v128.bitselect', e, f32x4(1), op('f32x4.lt', x, f32x4(0)));
    return op('f32x4.div', above, op('f32x4.add', f32x4(1), e));
  }

  /** log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)). */
  softplus(input: V): V {
    const x = this.#f.let(input, 'x');
    const small = this.exp(op('f32x4.neg', op('f32x4.abs', x)));
    return op('f32x4.add', op('f32x4.pmax', x, f32x4(0)), this.log1pOfUnit(small));
  }

  erf(input: V): V {
    const f = this.#f;
    const x = f.let(input, 'x');
    const t = f.let(op('f32x4.abs', x), 't');
    const s = f.let(op('f32x4.mul', x, x), 's');
    const high = this.#polynomial(t, [-1.7285347e-5, 3.83197126e-4]);
    const low = this.#polynomial(t, [-3.88396438e-3, 2.42546219e-2]);
    let r = multiplyAdd(this.#fma, high, s, low);
    for (const c of [-1.06777877e-1, -6.34846687e-1, -1.28717512e-1]) r = multiplyAdd(this.#fma, r, t, f32x4(c));
    const exponent = multiplyAdd(this.#fma, r, t, op('f32x4.neg', t));
    const far = this.#withSign(op('f32x4.sub', f32x4(1), this.exp(exponent)), x);
    const p = this.#polynomial(
      s,
      [-5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1],
    );
    const near = multiplyAdd(this.#fma, p, x, x);
    const y = op('v128.bitselect', far, near, op('f32x4.gt', t, f32x4(0.927734375)));
    return op('v128.bitselect', x, y, op('f32x4.ne', x, x));
  }
}
