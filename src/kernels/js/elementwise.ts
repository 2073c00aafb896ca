// biome-ignore-all lint/style/noParameterAssign: in row loops the places of operands are counters
/**
 * Elementwise kernels: y = f(x), y = f(a, b), y = cond ? a : b, over any views.
 *
 * Each function has a row loop of its own, so the engine compiles the function into the loop.
 */
import type { BinaryName, FloatArray, Strided, UnaryName } from '../types.ts';
import { erf, power, roundEven } from './special.ts';
import { dense, walk } from './walk.ts';

/** y[oy + i] = f(x[ox + i·sx]) for i < n. */
type UnaryRow = (n: number, y: FloatArray, oy: number, x: FloatArray, ox: number, sx: number) => void;

// biome-ignore format: one line per function
const unaryRows: Record<UnaryName, UnaryRow> = {
  neg: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = -x[ox]!; },
  abs: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = Math.abs(x[ox]!); },
  exp: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = Math.exp(x[ox]!); },
  log: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = Math.log(x[ox]!); },
  log1p: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = Math.log1p(x[ox]!); },
  expm1: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = Math.expm1(x[ox]!); },
  sqrt: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = Math.sqrt(x[ox]!); },
  rsqrt: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = 1 / Math.sqrt(x[ox]!); },
  square: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = x[ox]! * x[ox]!; },
  reciprocal: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = 1 / x[ox]!; },
  sin: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = Math.sin(x[ox]!); },
  cos: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = Math.cos(x[ox]!); },
  tanh: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = Math.tanh(x[ox]!); },
  erf: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = erf(x[ox]!); },
  // Adding 0 turns Math.sign's -0 into 0.
  sign: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = Math.sign(x[ox]!) + 0; },
  floor: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = Math.floor(x[ox]!); },
  ceil: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = Math.ceil(x[ox]!); },
  round: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = roundEven(x[ox]!); },
  // The comparison is false for NaN, which so passes through; -0 becomes 0.
  relu: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = x[ox]! <= 0 ? 0 : x[ox]!; },
  sigmoid: (n, y, oy, x, ox, sx) => {
    // exp of a negative number cannot overflow, and the left tail keeps its relative precision.
    for (let i = 0; i < n; i++, ox += sx) {
      const e = Math.exp(-Math.abs(x[ox]!));
      y[oy + i] = (x[ox]! < 0 ? e : 1) / (1 + e);
    }
  },
  softplus: (n, y, oy, x, ox, sx) => {
    // log(1 + e^v) = max(v, 0) + log(1 + e^-|v|), whose exp cannot overflow.
    for (let i = 0; i < n; i++, ox += sx) y[oy + i] = Math.max(x[ox]!, 0) + Math.log1p(Math.exp(-Math.abs(x[ox]!)));
  },
  isNaN: (n, y, oy, x, ox, sx) => { for (let i = 0; i < n; i++, ox += sx) y[oy + i] = Number.isNaN(x[ox]!) ? 1 : 0; },
};

/** y[oy + i] = f(a[oa + i·sa], b[ob + i·sb]) for i < n. */
type BinaryRow = (
  n: number,
  y: FloatArray,
  oy: number,
  a: FloatArray,
  oa: number,
  sa: number,
  b: FloatArray,
  ob: number,
  sb: number,
) => void;

// biome-ignore format: one line per function
const binaryRows: Record<BinaryName, BinaryRow> = {
  add: (n, y, oy, a, oa, sa, b, ob, sb) => { for (let i = 0; i < n; i++, oa += sa, ob += sb) y[oy + i] = a[oa]! + b[ob]!; },
  sub: (n, y, oy, a, oa, sa, b, ob, sb) => { for (let i = 0; i < n; i++, oa += sa, ob += sb) y[oy + i] = a[oa]! - b[ob]!; },
  mul: (n, y, oy, a, oa, sa, b, ob, sb) => { for (let i = 0; i < n; i++, oa += sa, ob += sb) y[oy + i] = a[oa]! * b[ob]!; },
  div: (n, y, oy, a, oa, sa, b, ob, sb) => { for (let i = 0; i < n; i++, oa += sa, ob += sb) y[oy + i] = a[oa]! / b[ob]!; },
  pow: (n, y, oy, a, oa, sa, b, ob, sb) => { for (let i = 0; i < n; i++, oa += sa, ob += sb) y[oy + i] = power(a[oa]!, b[ob]!); },
  // Math.max and Math.min give NaN if either argument is NaN.
  reluGrad: (n, y, oy, a, oa, sa, b, ob, sb) => { for (let i = 0; i < n; i++, oa += sa, ob += sb) y[oy + i] = b[ob]! <= 0 ? 0 : a[oa]!; },
  maximum: (n, y, oy, a, oa, sa, b, ob, sb) => { for (let i = 0; i < n; i++, oa += sa, ob += sb) y[oy + i] = Math.max(a[oa]!, b[ob]!); },
  minimum: (n, y, oy, a, oa, sa, b, ob, sb) => { for (let i = 0; i < n; i++, oa += sa, ob += sb) y[oy + i] = Math.min(a[oa]!, b[ob]!); },
  eq: (n, y, oy, a, oa, sa, b, ob, sb) => { for (let i = 0; i < n; i++, oa += sa, ob += sb) y[oy + i] = a[oa]! === b[ob]! ? 1 : 0; },
  ne: (n, y, oy, a, oa, sa, b, ob, sb) => { for (let i = 0; i < n; i++, oa += sa, ob += sb) y[oy + i] = a[oa]! !== b[ob]! ? 1 : 0; },
  lt: (n, y, oy, a, oa, sa, b, ob, sb) => { for (let i = 0; i < n; i++, oa += sa, ob += sb) y[oy + i] = a[oa]! < b[ob]! ? 1 : 0; },
  le: (n, y, oy, a, oa, sa, b, ob, sb) => { for (let i = 0; i < n; i++, oa += sa, ob += sb) y[oy + i] = a[oa]! <= b[ob]! ? 1 : 0; },
  gt: (n, y, oy, a, oa, sa, b, ob, sb) => { for (let i = 0; i < n; i++, oa += sa, ob += sb) y[oy + i] = a[oa]! > b[ob]! ? 1 : 0; },
  ge: (n, y, oy, a, oa, sa, b, ob, sb) => { for (let i = 0; i < n; i++, oa += sa, ob += sb) y[oy + i] = a[oa]! >= b[ob]! ? 1 : 0; },
};

export function unary(name: UnaryName, x: Strided, y: FloatArray): void {
  const loop = unaryRows[name];
  const data = x.data;
  walk(x.shape, [dense(x.shape), x], (n, at, step) => loop(n, y, at[0]!, data, at[1]!, step[1]!));
}

export function binary(name: BinaryName, a: Strided, b: Strided, y: FloatArray): void {
  const loop = binaryRows[name];
  const left = a.data;
  const right = b.data;
  walk(a.shape, [dense(a.shape), a, b], (n, at, step) => {
    loop(n, y, at[0]!, left, at[1]!, step[1]!, right, at[2]!, step[2]!);
  });
}

export function where(cond: Strided, a: Strided, b: Strided, y: FloatArray): void {
  walk(cond.shape, [dense(cond.shape), cond, a, b], (n, at, step) => {
    whereRow(n, y, at[0]!, cond.data, at[1]!, step[1]!, a.data, at[2]!, step[2]!, b.data, at[3]!, step[3]!);
  });
}

// biome-ignore format: operands side by side
function whereRow(
  n: number, y: FloatArray, oy: number, c: FloatArray, oc: number, sc: number,
  a: FloatArray, oa: number, sa: number, b: FloatArray, ob: number, sb: number,
): void {
  for (let i = 0; i < n; i++, oc += sc, oa += sa, ob += sb) y[oy + i] = c[oc] !== 0 ? a[oa]! : b[ob]!;
}

export function copy(x: Strided, y: FloatArray): void {
  assign({ data: y, offset: 0, shape: x.shape, strides: dense(x.shape).strides }, x);
}

export function assign(target: Strided, x: Strided): void {
  const from = x.data;
  const to = target.data;
  walk(x.shape, [target, x], (n, at, step) => {
    // Below a few dozen elements the loop beats making a subarray.
    if (n > 32 && step[0] === 1 && step[1] === 1) to.set(from.subarray(at[1]!, at[1]! + n), at[0]!);
    else copyRow(n, to, at[0]!, step[0]!, from, at[1]!, step[1]!);
  });
}

function copyRow(n: number, y: FloatArray, oy: number, sy: number, x: FloatArray, ox: number, sx: number): void {
  for (let i = 0; i < n; i++, oy += sy, ox += sx) y[oy] = x[ox]!;
}
