/** What elementwise functions are on four elements at a time. */
import type { BinaryName, UnaryName } from '../../types.ts';
import { type Expr, type FunctionBuilder, f32x4, op } from '../assembler/assembler.ts';
import { positivePart } from '../conv/tile.ts';
import type { LoopValue } from './loop.ts';
import type { VectorMath } from './vector-math.ts';

type V = Expr<'v128'>;

/** Unary functions that have a vector form. */
const unaryForms: Partial<Record<UnaryName, (x: V, math: VectorMath, f: FunctionBuilder) => V>> = {
  neg: (x) => op('f32x4.neg', x),
  abs: (x) => op('f32x4.abs', x),
  exp: (x, math) => math.exp(x),
  log: (x, math) => math.log(x),
  log1p: (x, math) => math.doubles.log1p(x),
  expm1: (x, math) => math.doubles.expm1(x),
  sin: (x, math) => math.doubles.sin(x),
  cos: (x, math) => math.doubles.cos(x),
  sqrt: (x) => op('f32x4.sqrt', x),
  rsqrt: (x) => op('f32x4.div', f32x4(1), op('f32x4.sqrt', x)),
  square: (x) => op('f32x4.mul', x, x),
  reciprocal: (x) => op('f32x4.div', f32x4(1), x),
  tanh: (x, math) => math.tanh(x),
  erf: (x, math) => math.erf(x),
  sign: (x) => {
    const ones = op('f32x4.sub', one(op('f32x4.gt', x, f32x4(0))), one(op('f32x4.lt', x, f32x4(0))));
    return op('v128.bitselect', x, ones, op('f32x4.ne', x, x));
  },
  floor: (x) => op('f32x4.floor', x),
  ceil: (x) => op('f32x4.ceil', x),
  round: (x) => op('f32x4.nearest', x),
  relu: positivePart,
  sigmoid: (x, math) => math.sigmoid(x),
  softplus: (x, math) => math.softplus(x),
  isNaN: (x) => one(op('f32x4.ne', x, x)),
};

const binaryForms: Partial<Record<BinaryName, (a: V, b: V, math: VectorMath) => V>> = {
  add: (a, b) => op('f32x4.add', a, b),
  sub: (a, b) => op('f32x4.sub', a, b),
  mul: (a, b) => op('f32x4.mul', a, b),
  div: (a, b) => op('f32x4.div', a, b),
  pow: (a, b, math) => math.doubles.pow(a, b),
  reluGrad: (a, b) => op('v128.andnot', a, op('f32x4.le', b, f32x4(0))),
  maximum: larger,
  minimum: smaller,
  eq: (a, b) => one(op('f32x4.eq', a, b)),
  ne: (a, b) => one(op('f32x4.ne', a, b)),
  lt: (a, b) => one(op('f32x4.lt', a, b)),
  le: (a, b) => one(op('f32x4.le', a, b)),
  gt: (a, b) => one(op('f32x4.gt', a, b)),
  ge: (a, b) => one(op('f32x4.ge', a, b)),
};

/**
 * max(a, b). Between a and a number, `pmax(a, b) = a < b ? b : a` is the same (a NaN in a stays) and one instruction, where
 * `max` is nine on x64: a normalisation with a clamp behind it took 4 times as long. Of 0 and -0, which are equal, it keeps a:
 * right for max(a, -0), while max(a, 0) is the positive part.
 */
function larger(a: V, b: V): V {
  const [x, c] = numberOf(a) === null ? [a, numberOf(b)] : [b, numberOf(a)];
  if (c === null || Number.isNaN(c)) return op('f32x4.max', a, b);
  return Object.is(c, 0) ? positivePart(x) : op('f32x4.pmax', x, f32x4(c));
}

/** min(a, b), likewise: right for min(a, 0), while min(a, -0) would keep 0. */
function smaller(a: V, b: V): V {
  const [x, c] = numberOf(a) === null ? [a, numberOf(b)] : [b, numberOf(a)];
  if (c === null || Number.isNaN(c) || Object.is(c, -0)) return op('f32x4.min', a, b);
  return op('f32x4.pmin', x, f32x4(c));
}

/** The number that a constant has in its lanes, or null. */
function numberOf({ name, immediates }: V): number | null {
  if (name !== 'v128.const') return null;
  return new Float32Array(Int32Array.of(immediates[0] as number).buffer)[0] as number;
}

/** 1 where a mask is set, else 0. */
function one(mask: V): V {
  return op('v128.and', mask, f32x4(1));
}

/** One value of a loop's body from what was read and from the values before it. */
export function vectorOf(
  value: LoopValue,
  reads: readonly V[],
  values: readonly V[],
  f: FunctionBuilder,
  math: VectorMath,
): V {
  if (value.name === 'read') return reads[value.read] as V;
  if (value.name === 'constant') return f32x4(value.value);
  if (!('args' in value)) throw new RangeError(`loops: no such value`);
  const args = value.args.map((arg) => values[arg] as V);
  const [a, b, c] = args as [V, V, V];
  if (value.name === 'where') return op('v128.bitselect', b, c, op('f32x4.ne', a, f32x4(0)));
  const hold = (x: V): V => (x.name === 'local.get' || x.name === 'v128.const' ? x : f.let(x, 'a'));
  const unary = unaryForms[value.name as UnaryName];
  if (unary !== undefined) return unary(hold(a), math, f);
  const binary = binaryForms[value.name as BinaryName];
  if (binary === undefined) throw new RangeError(`loops: ${value.name} has no vector form`);
  return value.name === 'pow' ? binary(hold(a), hold(b), math) : binary(a, b, math);
}

/** Whether a function of an operation's name can stand in a loop. */
export function hasVectorForm(name: string): boolean {
  return name === 'where' || name in unaryForms || name in binaryForms;
}
