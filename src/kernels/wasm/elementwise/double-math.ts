/**
 * Elementary functions of four floats that are computed in double precision, two and two, and rounded once: where float32 would need
 * tricks to come near the right result. NaN and infinities behave as in `Math` (pow: as in C). The largest errors that the tests
 * found, in units in the last place of float32 against the correctly rounded result: all 1.
 *
 *   log(2ᵏ m) = k log 2 + 2 (s + s³/3 + s⁵/5 + …),  s = (m - 1) / (m + 1)     |s| ≤ 0.1716: 7 terms leave 2⁻³⁹
 *   exp(n log 2 + r) = 2ⁿ (1 + r + r²/2 + …)                                  |r| ≤ 0.347: up to r⁸/8! leaves 2⁻³⁰ of r
 *   sin, cos(n π/2 + r)                                                       |r| ≤ π/4, polynomials of FreeBSD's k_sinf.c, k_cosf.c
 *
 * Up to 2²⁸ π/2, r is x - n c₁ - n c₂ with a c₁ of 25 bits, so that n c₁ is exact (FreeBSD's e_rem_pio2f.c). Beyond, x times as many bits
 * of 2/π as matter to its fraction (Payne & Hanek, "Radian reduction for trigonometric functions", 1983), a float at a time.
 */
import {
  type Expr,
  FunctionBuilder,
  f32,
  f32x4,
  f64,
  f64x2,
  i32,
  i32x4,
  i64,
  invoke,
  type Local,
  lane,
  op,
  select,
  shuffle,
} from '../assembler/assembler.ts';

type V = Expr<'v128'>;
type Halves = readonly [low: V, high: V];

const SIN = [2.718311493989822e-6, -1.9839334836096632e-4, 8.333329385889463e-3, -0.16666666641626524];
const COS = [2.439044879627741e-5, -1.388676377460993e-3, 0.04166662332373906, -0.499999997251031];
/** π/2 in a part of 25 bits and the rest. */
const HALF_PI = [1.5707963109016418, 1.5893254773528196e-8] as const;
/** From here on x - n c₁ - n c₂ does not hold. */
const LARGE = 4e8;
/** 2/π, 32 bits each. */
const TWO_OVER_PI = [0x28be60db, 0x9391054a, 0x7f09d5f4, 0x7d4d3770, 0x36d8a566, 0x4f10e410, 0x7f9458ea];
/** (8! / k!) of the exponential's polynomial, from r⁸ on, without 1. */
const EXP = [8, 7, 6, 5, 4, 3, 2, 1].map(
  (k) => 1 / Array.from({ length: k }, (_, i) => i + 1).reduce((a, b) => a * b, 1),
);
/** 1/13, 1/11, … 1. */
const LOG = [13, 11, 9, 7, 5, 3, 1].map((k) => 1 / k);

/** Emits them into `f`; `helpers` are functions that the module must hold too. */
export class DoubleMath {
  readonly helpers: FunctionBuilder[] = [];
  readonly #f: FunctionBuilder;
  #large: FunctionBuilder | undefined;

  constructor(f: FunctionBuilder) {
    this.#f = f;
  }

  #widen(x: V): Halves {
    const high = shuffle(x, x, [2, 3, 2, 3]);
    return [op('f64x2.promote_low_f32x4', x), op('f64x2.promote_low_f32x4', high)].map((v) =>
      this.#f.let(v, 'd'),
    ) as unknown as Halves;
  }

  #narrow([low, high]: Halves): V {
    return shuffle(op('f32x4.demote_f64x2_zero', low), op('f32x4.demote_f64x2_zero', high), [0, 1, 4, 5]);
  }

  #both(x: Halves, fn: (x: V) => V): Halves {
    return [this.#f.let(fn(x[0]), 'd'), this.#f.let(fn(x[1]), 'd')];
  }

  /** 2ⁿ for whole n from -1022 to 1023. */
  #powerOfTwo(n: V): V {
    const high = op('i32x4.shl', op('i32x4.add', op('i32x4.trunc_sat_f64x2_s_zero', n), i32x4(1023)), i32(20));
    return shuffle(this.#f.let(high, 'high'), i32x4(0), [4, 0, 4, 1]);
  }

  /** The exponent k and log m of positive normal doubles 2ᵏ m. */
  #logParts(u: V): { readonly k: V; readonly log: V } {
    const f = this.#f;
    // m from √½ to √2: what is subtracted are the bits of √½.
    const offset = f.let(op('i64x2.sub', u, i32x4(0, 0x3fe6a09e, 0, 0x3fe6a09e)), 'offset');
    const m = f.let(op('i64x2.sub', u, op('v128.and', offset, i32x4(0, -0x100000, 0, -0x100000))), 'm');
    const k = op('f64x2.convert_low_i32x4_s', op('i32x4.shr_s', shuffle(offset, offset, [1, 3, 1, 3]), i32(20)));
    const s = f.let(op('f64x2.div', op('f64x2.sub', m, f64x2(1)), op('f64x2.add', m, f64x2(1))), 's');
    const z = f.let(op('f64x2.mul', s, s), 'z');
    return { k, log: op('f64x2.mul', op('f64x2.add', s, s), polynomial(z, LOG)) };
  }

  /** 2ⁿ and e^r - 1 of x = n log 2 + r. */
  #expParts(x: V): { readonly scale: V; readonly rest: V } {
    const f = this.#f;
    const n = f.let(op('f64x2.nearest', op('f64x2.mul', x, f64x2(Math.LOG2E))), 'n');
    const r = f.let(op('f64x2.sub', x, op('f64x2.mul', n, f64x2(Math.LN2))), 'r');
    return { scale: f.let(this.#powerOfTwo(n), 'scale'), rest: op('f64x2.mul', polynomial(r, EXP), r) };
  }

  log1p(x: V): V {
    const y = this.#narrow(
      this.#both(this.#widen(x), (d) => {
        const { k, log } = this.#logParts(this.#f.let(op('f64x2.add', d, f64x2(1)), 'u'));
        return op('f64x2.add', op('f64x2.mul', k, f64x2(Math.LN2)), log);
      }),
    );
    // Of tiny x, ∞ and NaN x itself; of -1 -∞; below NaN.
    const size = this.#f.let(op('f32x4.abs', x), 'size');
    const isPlain = op('v128.and', op('f32x4.ge', size, f32x4(2 ** -25)), op('f32x4.lt', size, f32x4(Infinity)));
    const above = op('v128.bitselect', y, x, isPlain);
    const finite = op('v128.bitselect', f32x4(Number.NaN), above, op('f32x4.lt', x, f32x4(-1)));
    return op('v128.bitselect', f32x4(-Infinity), finite, op('f32x4.eq', x, f32x4(-1)));
  }

  expm1(x: V): V {
    // pmin and pmax, in this order of operands, let NaN through.
    const limited = this.#f.let(op('f32x4.pmax', op('f32x4.pmin', x, f32x4(89)), f32x4(-40)), 'x');
    const y = this.#narrow(
      this.#both(this.#widen(limited), (d) => {
        const { scale, rest } = this.#expParts(d);
        return op('f64x2.add', op('f64x2.mul', scale, rest), op('f64x2.sub', scale, f64x2(1)));
      }),
    );
    // The sum above gives 0 where -0 is due.
    return op('v128.bitselect', x, y, op('f32x4.eq', x, f32x4(0)));
  }

  /** xʸ = ± exp(y log |x|). */
  pow(x: V, y: V): V {
    const f = this.#f;
    const size = f.let(op('f32x4.abs', x), 'size');
    const exponents = this.#widen(y);
    let half = 0;
    const powers = this.#both(this.#widen(size), (d) => {
      const { k, log } = this.#logParts(d);
      const whole = f.let(op('f64x2.add', op('f64x2.mul', k, f64x2(Math.LN2)), log), 'log');
      const isInfinite = op('f64x2.ge', d, f64x2(Infinity));
      const above = op('v128.bitselect', f64x2(Infinity), whole, isInfinite);
      const finite = op('v128.bitselect', f64x2(-Infinity), above, op('f64x2.eq', d, f64x2(0)));
      const product = op('f64x2.mul', finite, exponents[half++] as V);
      const limited = f.let(op('f64x2.pmax', op('f64x2.pmin', product, f64x2(200)), f64x2(-200)), 'product');
      const { scale, rest } = this.#expParts(limited);
      return op('f64x2.add', op('f64x2.mul', scale, rest), scale);
    });
    const power = f.let(this.#narrow(powers), 'power');
    const whole = op('f32x4.eq', op('f32x4.floor', y), y);
    const halfExponent = f.let(op('f32x4.mul', y, f32x4(0.5)), 'halfExponent');
    const isOdd = op('v128.and', whole, op('f32x4.ne', op('f32x4.floor', halfExponent), halfExponent));
    const signed = op('v128.or', power, op('v128.and', op('v128.and', x, i32x4(0x80000000 | 0)), isOdd));
    // NaN where either is, and of negative finite numbers to powers that are not whole.
    const isNegative = op('v128.and', op('f32x4.lt', x, f32x4(0)), op('f32x4.gt', x, f32x4(-Infinity)));
    const undefinedPower = op('v128.andnot', isNegative, op('f32x4.eq', op('f32x4.floor', y), y));
    const either = op('v128.or', op('f32x4.ne', x, x), op('f32x4.ne', y, y));
    const known = op('v128.bitselect', f32x4(Number.NaN), signed, op('v128.or', undefinedPower, either));
    // To the power 0 all is 1, NaN too; so are all powers of 1, and ±∞ of -1.
    const isInfinitePower = op('f32x4.eq', op('f32x4.abs', y), f32x4(Infinity));
    const isOne = op(
      'v128.and',
      op('f32x4.eq', size, f32x4(1)),
      op('v128.or', isInfinitePower, op('f32x4.eq', x, f32x4(1))),
    );
    return op('v128.bitselect', f32x4(1), known, op('v128.or', op('f32x4.eq', y, f32x4(0)), isOne));
  }

  sin(x: V): V {
    const y = this.#f.let(this.#turned(x, 0), 'y');
    return op('v128.bitselect', x, y, op('f32x4.eq', x, f32x4(0)));
  }

  cos(x: V): V {
    return this.#turned(x, 1);
  }

  /** sin(x + quadrant · π/2). */
  #turned(x: V, quadrant: 0 | 1): V {
    const f = this.#f;
    const turns: V[] = [];
    const rests = this.#both(this.#widen(x), (d) => {
      const n = f.let(op('f64x2.nearest', op('f64x2.mul', d, f64x2(2 / Math.PI))), 'n');
      turns.push(op('i32x4.trunc_sat_f64x2_s_zero', n));
      const high = op('f64x2.sub', d, op('f64x2.mul', n, f64x2(HALF_PI[0])));
      return op('f64x2.sub', high, op('f64x2.mul', n, f64x2(HALF_PI[1])));
    });
    const squares = this.#both(rests, (r) => op('f64x2.mul', r, r));
    let half = 0;
    const sine = this.#narrow(
      this.#both(squares, (z) => {
        const r = rests[half++] as V;
        return op('f64x2.add', op('f64x2.mul', op('f64x2.mul', polynomial(z, SIN), z), r), r);
      }),
    );
    const cosine = this.#narrow(
      this.#both(squares, (z) => op('f64x2.add', op('f64x2.mul', polynomial(z, COS), z), f64x2(1))),
    );
    const [low, high] = turns as [V, V];
    const q = f.let(op('i32x4.add', shuffle(low, high, [0, 1, 4, 5]), i32x4(quadrant)), 'q');
    const isOdd = op('i32x4.eq', op('v128.and', q, i32x4(1)), i32x4(1));
    const sign = op('i32x4.shl', op('v128.and', q, i32x4(2)), i32(30));
    const y = f.let(op('v128.xor', op('v128.bitselect', cosine, sine, isOdd), sign), 'y');
    const isLarge = f.let(op('f32x4.ge', op('f32x4.abs', x), f32x4(LARGE)), 'large');
    f.if(op('v128.any_true', isLarge), () => {
      for (let l = 0; l < 4; l++) {
        f.if(lane('i32x4.extract_lane', l, isLarge), () => {
          const one = invoke(this.#largeFunction(), 'f32', lane('f32x4.extract_lane', l, x), i32(quadrant));
          f.set(y, lane('f32x4.replace_lane', l, y, one));
        });
      }
    });
    return y;
  }

  #largeFunction(): FunctionBuilder {
    if (this.#large === undefined) {
      this.#large = largeTurned();
      this.helpers.push(this.#large);
    }
    return this.#large;
  }
}

/** Σ coefficients[i] · x^(n - 1 - i), in double precision. */
function polynomial(x: V, coefficients: readonly number[]): V {
  const [first, ...rest] = coefficients;
  return rest.reduce<V>((sum, c) => op('f64x2.add', op('f64x2.mul', sum, x), f64x2(c)), f64x2(first as number));
}

/** turned(x, quadrant): sin(x + quadrant · π/2) of one |x| ≥ 2²⁸. */
function largeTurned(): FunctionBuilder {
  const f = new FunctionBuilder('turned', { exported: false, result: 'f32' });
  const [x, quadrant] = [f.param('f32', 'x'), f.param('i32', 'quadrant')];
  const bits = f.let(op('i32.reinterpret_f32', x), 'bits');
  f.if(op('i32.eqz', op('f32.lt', op('f32.abs', x), f32(Infinity))), () => f.return(f32(Number.NaN)));
  // x = fraction · 2^exponent, the fraction below 1 as 32 bits.
  const fraction = op('i32.shl', op('i32.or', op('i32.and', bits, i32(0x7fffff)), i32(0x800000)), i32(8));
  const factor = f.let(op('i64.extend_i32_u', fraction), 'factor');
  const exponent = f.let(op('i32.sub', op('i32.and', op('i32.shr_u', bits, i32(23)), i32(255)), i32(126)), 'exponent');
  const index = f.let(op('i32.shr_u', exponent, i32(5)), 'index');
  const shift = f.let(op('i64.extend_i32_u', op('i32.and', exponent, i32(31))), 'shift');
  const words = [0, ...TWO_OVER_PI];
  const word = (j: number): Expr<'i64'> =>
    [1, 2, 3, 4].reduce<Expr<'i64'>>(
      (chosen, i) => select(i64(words[i + j] as number), chosen, op('i32.eq', index, i32(i))),
      i64(words[j] as number),
    );
  /** 32 bits of 2/π, from the j-th word of the window on, behind the digits that give whole turns. */
  const digits = (j: number): Expr<'i64'> =>
    op('i64.shr_u', op('i64.shl', op('i64.or', op('i64.shl', word(j), i64(32)), word(j + 1)), shift), i64(32));
  const low = op('i64.shr_u', op('i64.mul', factor, digits(2)), i64(32));
  const middle = op('i64.add', op('i64.mul', factor, digits(1)), low);
  const product = f.let(op('i64.add', op('i64.shl', op('i64.mul', factor, digits(0)), i64(32)), middle), 'product');
  // The upper 2 bits count quarter turns; the rest, as a signed number, is the part of one that is left.
  const rounded = op('i64.add', product, op('i64.shl', i64(1), i64(61)));
  const turns = f.let(op('i32.wrap_i64', op('i64.shr_u', rounded, i64(62))), 'turns');
  const part = op('i64.sub', product, op('i64.shl', op('i64.extend_i32_u', turns), i64(62)));
  const r = f.let(op('f64.mul', op('f64.convert_i64_s', part), f64((Math.PI / 2) * 2 ** -62)), 'r');
  f.if(op('i32.lt_s', bits, i32(0)), () => {
    f.set(r, op('f64.neg', r));
    f.set(turns, op('i32.sub', i32(0), turns));
  });
  const z = f.let(op('f64.mul', r, r), 'z');
  const sum = (coefficients: readonly number[]): Expr<'f64'> =>
    coefficients
      .slice(1)
      .reduce<Expr<'f64'>>((s, c) => op('f64.add', op('f64.mul', s, z), f64(c)), f64(coefficients[0] as number));
  const sine = op('f64.add', op('f64.mul', op('f64.mul', sum(SIN), z), r), r);
  const cosine = op('f64.add', op('f64.mul', sum(COS), z), f64(1));
  const q: Local<'i32'> = f.let(op('i32.add', turns, quadrant), 'q');
  const y = f.let(select(cosine, sine, op('i32.and', q, i32(1))), 'y');
  f.if(op('i32.and', q, i32(2)), () => f.set(y, op('f64.neg', y)));
  f.return(op('f32.demote_f64', y));
  return f;
}
