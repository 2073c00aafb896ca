/**
 * Normal numbers (js/normal.ts), two at a time: the same operations in the same order, so the same bits. Seven in eight lie in
 * the central part, which is computed for both; the others, for which a branch is worth it, take a logarithm and a root.
 */
import { central, middle, tail } from '../../js/normal.ts';
import { type Expr, type FunctionBuilder, f64x2, i32, type Local, op } from '../assembler/assembler.ts';

type V = Expr<'v128'>;
type Held = Local<'v128'>;
/** A constant in a variable: as an instruction it would cost four. */
type Constant = (value: number) => Held;
type Coefficients = readonly [readonly number[], readonly number[]];

const add = (a: V, b: V): V => op('f64x2.add', a, b);
const sub = (a: V, b: V): V => op('f64x2.sub', a, b);
const mul = (a: V, b: V): V => op('f64x2.mul', a, b);

/** Constants by value, made where they are asked for first. */
function constants(f: FunctionBuilder): Constant {
  const known = new Map<number, Held>();
  return (value) => {
    const held = known.get(value) ?? f.let(f64x2(value), 'c');
    known.set(value, held);
    return held;
  };
}

/** Σ cᵢ xⁿ⁻ⁱ, in steps of one product and one sum each. */
function horner(f: FunctionBuilder, coefficients: readonly number[], x: V, constant: Constant): Held {
  const sum = f.let(constant(coefficients[0]!), 'sum');
  for (const c of coefficients.slice(1)) f.set(sum, add(mul(sum, x), constant(c)));
  return sum;
}

function rational(f: FunctionBuilder, [above, below]: Coefficients, x: Held, constant: Constant): V {
  return op('f64x2.div', horner(f, above, x, constant), horner(f, below, x, constant));
}

/** 1/23, 1/21, … 1. */
const series = Array.from({ length: 12 }, (_, i) => 1 / (23 - 2 * i));

/** log x of positive normal numbers: x = 2ᵉ m with m from √½ to √2. */
function logarithm(f: FunctionBuilder, x: Held, constant: Constant): V {
  // The exponent's bits as the last ones of 2⁵² make the number 2⁵² + e + 1022, where m is in [½, 1).
  const raised = op('v128.or', op('i64x2.shr_u', x, i32(52)), constant(2 ** 52));
  const half = f.let(op('v128.or', op('i64x2.shr_u', op('i64x2.shl', x, i32(12)), i32(12)), constant(0.5)), 'half');
  const isSmall = f.let(op('f64x2.lt', half, constant(Math.SQRT1_2)), 'isSmall');
  const m = f.let(add(half, op('v128.and', half, isSmall)), 'm');
  const one = constant(1);
  const exponent = sub(sub(raised, constant(2 ** 52 + 1022)), op('v128.and', one, isSmall));
  const s = f.let(op('f64x2.div', sub(m, one), add(m, one)), 's');
  const square = f.let(mul(s, s), 'square');
  return add(mul(add(s, s), horner(f, series, square, constant)), mul(exponent, constant(Math.LN2)));
}

/** Gives what emits two normal numbers of two fractions u. The constants come first, before the loop that it is used in. */
export function normals(f: FunctionBuilder): (u: Held) => V {
  const constant = constants(f);
  const all = [
    ...[...central, ...middle, ...tail].flat(),
    ...series,
    2 ** 52,
    2 ** 52 + 1022,
    0.5,
    Math.SQRT1_2,
    Math.LN2,
  ];
  for (const value of [...all, 2 ** -54, 1 - 2 ** -53, 0.425, 0.180625, 1.6, 5]) constant(value);
  return (u) => {
    const p = f.let(op('f64x2.min', add(u, constant(2 ** -54)), constant(1 - 2 ** -53)), 'p');
    const q = f.let(sub(p, constant(0.5)), 'q');
    const near = f.let(sub(constant(0.180625), mul(q, q)), 'near');
    const z = f.let(mul(q, rational(f, central, near, constant)), 'z');
    const isFar = f.let(op('f64x2.gt', op('f64x2.abs', q), constant(0.425)), 'isFar');
    f.if(op('v128.any_true', isFar), () => {
      f.set(z, op('v128.bitselect', far(f, p, constant), z, isFar));
    });
    return z;
  };
}

/** Numbers far from the middle. */
function far(f: FunctionBuilder, p: Held, constant: Constant): V {
  const rest = f.let(op('f64x2.min', p, sub(constant(1), p)), 'rest');
  const r = f.let(op('f64x2.sqrt', op('f64x2.neg', logarithm(f, rest, constant))), 'r');
  const size = f.let(rational(f, middle, f.let(sub(r, constant(1.6)), 'x'), constant), 'size');
  const isFarthest = f.let(op('f64x2.gt', r, constant(5)), 'isFarthest');
  f.if(op('v128.any_true', isFarthest), () => {
    const other = rational(f, tail, f.let(sub(r, constant(5)), 'x'), constant);
    f.set(size, op('v128.bitselect', other, size, isFarthest));
  });
  return op('v128.bitselect', op('f64x2.neg', size), size, op('f64x2.lt', p, constant(0.5)));
}
