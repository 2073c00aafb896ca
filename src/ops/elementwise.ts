/**
 * Functions of each element. A unary or binary operation is one line from a factory: the name of its kernel and its
 * derivative. Operands broadcast as in NumPy, by views of stride 0, so no vjp below has to think of it.
 */

import { DTypeError } from '../errors.ts';
import { elementwiseKernels } from '../kernels/elementwise.ts';
import type { BinaryName, UnaryName } from '../kernels/types.ts';
import { fromStorage } from '../tensor/creation.ts';
import { allocate, checkDType, type DType } from '../tensor/dtype.ts';
import { show } from '../tensor/options.ts';
import { broadcastShapes, type Shape, sameShape } from '../tensor/shape.ts';
import { type Operand, Tensor } from '../tensor/tensor.ts';
import { apply } from './apply.ts';
import { expandTo } from './expand.ts';
import type { Call, ComputeOp } from './op.ts';

/** A function of each element. */
export type Unary = (x: Tensor) => Tensor;
/** A function of each pair of elements, with broadcasting. */
export type Binary = (a: Operand, b: Operand) => Tensor;
type Derivative<N> = ((g: Tensor, call: N) => Tensor) | null;

function unary(name: UnaryName, vjp: Derivative<Call<undefined>>): Unary {
  const op: ComputeOp = {
    kind: 'compute',
    name,
    overwrites: true,
    infer: ([x]) => x!,
    compute: ([x], _, __, y) => elementwiseKernels().unary(name, x!, y),
    vjp,
  };
  return (x) => apply(op, [x], undefined);
}

function binaryOp(name: BinaryName, vjpA: Derivative<Call<undefined>>, vjpB: Derivative<Call<undefined>>): ComputeOp {
  return {
    kind: 'compute',
    name,
    overwrites: true,
    infer: ([a]) => a!,
    compute: ([a, b], _, __, y) => elementwiseKernels().binary(name, a!, b!, y),
    vjp: vjpA || vjpB ? [vjpA, vjpB] : null,
  };
}

function broadcasting(op: ComputeOp): Binary {
  return (a, b) => apply(op, broadcast(op.name, a, b), undefined);
}

function binary(name: BinaryName, vjpA: Derivative<Call<undefined>>, vjpB: Derivative<Call<undefined>>): Binary {
  return broadcasting(binaryOp(name, vjpA, vjpB));
}

/** The operands as tensors of one shape; a number takes the dtype of the others. */
export function broadcast(operation: string, ...operands: Operand[]): Tensor[] {
  const dtype = operands.find((operand) => operand instanceof Tensor)?.dtype ?? 'float32';
  const tensors = operands.map((operand) => asTensor(operation, operand, dtype));
  const first = tensors[0]!.shape;
  if (tensors.every((x) => sameShape(x.shape, first))) return tensors;
  const shape = broadcastShapes(operation, ...tensors.map((x) => x.shape));
  return tensors.map((x) => expandTo(x, shape));
}

/** A scalar tensor of a number; a tensor as it is. */
export function asTensor(operation: string, value: Operand, dtype: DType): Tensor {
  if (value instanceof Tensor) return value;
  if (typeof value !== 'number') {
    throw new DTypeError(
      `${operation}: expected a tensor or a number, but got ${show(value)}; make one with tensor(…)`,
    );
  }
  const data = allocate(dtype, 1);
  data[0] = value;
  return fromStorage(data, []);
}

/** A constant like `x`: `value` repeated over its shape by a stride of 0. */
export function fullLike(x: { readonly shape: Shape; readonly dtype: DType }, value: number): Tensor {
  return expandTo(asTensor('fullLike', value, x.dtype), x.shape);
}

// Arithmetic. The vjps speak of g, the gradient of the result.

export const addOp: ComputeOp = binaryOp(
  'add',
  (g) => g,
  (g) => g,
);
/** a + b, with broadcasting. */
export const add: Binary = broadcasting(addOp);
/** a - b, with broadcasting. */
export const sub: Binary = binary(
  'sub',
  (g) => g,
  (g) => neg(g),
);
/** a · b element by element, with broadcasting. */
export const mul: Binary = binary(
  'mul',
  (g, c) => mul(g, c.input(1)),
  (g, c) => mul(g, c.input(0)),
);
/** a / b, with broadcasting. */
export const div: Binary = binary(
  'div',
  (g, c) => div(g, c.input(1)),
  (g, c) => neg(div(mul(g, c.output()), c.input(1))),
);
/** a to the power b, with broadcasting; where a is 0 and b is not negative, the gradient in b is 0. */
export const pow: Binary = binary(
  'pow',
  (g, c) => mul(g, where(eq(c.input(1), 0), 0, mul(c.input(1), pow(c.input(0), sub(c.input(1), 1))))),
  (g, c) => {
    const [a, b] = [c.input(0), c.input(1)];
    const flat = mul(eq(a, 0), ge(b, 0));
    return where(flat, 0, mul(g, mul(c.output(), log(where(flat, 1, a)))));
  },
);
/** The larger of a and b, NaN if either is; of equals the gradient goes to a. */
export const maximum: Binary = binary(
  'maximum',
  (g, c) => where(lt(c.input(0), c.input(1)), 0, g),
  (g, c) => where(lt(c.input(0), c.input(1)), g, 0),
);
/** The smaller of a and b, NaN if either is; of equals the gradient goes to a. */
export const minimum: Binary = binary(
  'minimum',
  (g, c) => where(gt(c.input(0), c.input(1)), 0, g),
  (g, c) => where(gt(c.input(0), c.input(1)), g, 0),
);

/** g where y > 0, else 0: the gradient of relu, linear in g. Its gradient in y is 0 almost everywhere. */
const reluGrad: Binary = binary(
  'reluGrad',
  (gg, c) => reluGrad(gg, c.input(1)),
  (g) => fullLike(g, 0),
);

/** 1 where a = b, else 0. */
export const eq: Binary = binary('eq', null, null);
/** 1 where a ≠ b, else 0. */
export const ne: Binary = binary('ne', null, null);
/** 1 where a < b, else 0. */
export const lt: Binary = binary('lt', null, null);
/** 1 where a ≤ b, else 0. */
export const le: Binary = binary('le', null, null);
/** 1 where a > b, else 0. */
export const gt: Binary = binary('gt', null, null);
/** 1 where a ≥ b, else 0. */
export const ge: Binary = binary('ge', null, null);

/** -x. */
export const neg: Unary = unary('neg', (g) => neg(g));
/** |x|. */
export const abs: Unary = unary('abs', (g, c) => mul(g, sign(c.input(0))));
/** e to the power x. */
export const exp: Unary = unary('exp', (g, c) => mul(g, c.output()));
/** The natural logarithm. */
export const log: Unary = unary('log', (g, c) => div(g, c.input(0)));
/** log(1 + x), exact for small x. */
export const log1p: Unary = unary('log1p', (g, c) => div(g, add(c.input(0), 1)));
/** exp(x) - 1, exact for small x. */
export const expm1: Unary = unary('expm1', (g, c) => mul(g, add(c.output(), 1)));
/** The square root. */
export const sqrt: Unary = unary('sqrt', (g, c) => div(g, mul(c.output(), 2)));
/** 1 / √x. */
export const rsqrt: Unary = unary('rsqrt', (g, c) => mul(mul(g, -0.5), pow(c.output(), 3)));
/** 1 / x. */
export const reciprocal: Unary = unary('reciprocal', (g, c) => neg(mul(g, square(c.output()))));
/** x². */
export const square: Unary = unary('square', (g, c) => mul(mul(g, 2), c.input(0)));
/** The sine; x in radians. */
export const sin: Unary = unary('sin', (g, c) => mul(g, cos(c.input(0))));
/** The cosine; x in radians. */
export const cos: Unary = unary('cos', (g, c) => neg(mul(g, sin(c.input(0)))));
/** The hyperbolic tangent. */
export const tanh: Unary = unary('tanh', (g, c) => mul(g, sub(1, square(c.output()))));
/** The error function. */
export const erf: Unary = unary('erf', (g, c) => mul(mul(g, 2 / Math.sqrt(Math.PI)), exp(neg(square(c.input(0))))));
/** -1, 0 or 1; its gradient is 0. */
export const sign: Unary = unary('sign', (g) => fullLike(g, 0));
/** The largest whole number ≤ x; its gradient is 0. */
export const floor: Unary = unary('floor', (g) => fullLike(g, 0));
/** The smallest whole number ≥ x; its gradient is 0. */
export const ceil: Unary = unary('ceil', (g) => fullLike(g, 0));
/** The nearest whole number, halves to the even one; its gradient is 0. */
export const round: Unary = unary('round', (g) => fullLike(g, 0));
/** max(x, 0); its gradient at 0 is 0. */
export const relu: Unary = unary('relu', (g, c) => reluGrad(g, c.output()));
/** 1 / (1 + exp(-x)). */
export const sigmoid: Unary = unary('sigmoid', (g, c) => mul(g, mul(c.output(), sub(1, c.output()))));
/** log(1 + exp(x)) without overflow. */
export const logOnePlusExp: Unary = unary('softplus', (g, c) => mul(g, sigmoid(c.input(0))));
/** 1 where x is NaN, else 0. */
export const isNaN: Unary = unary('isNaN', null);

const whereOp: ComputeOp = {
  kind: 'compute',
  name: 'where',
  overwrites: true,
  infer: ([, a]) => a!,
  compute: ([condition, a, b], _, __, y) => elementwiseKernels().where(condition!, a!, b!, y),
  vjp: [null, (g, c) => where(c.input(0), g, 0), (g, c) => where(c.input(0), 0, g)],
};

/**
 * a where `condition` is not 0, else b, with broadcasting. The gradient goes only to the one chosen, so a NaN in the
 * other does no harm.
 */
export function where(condition: Operand, a: Operand, b: Operand): Tensor {
  return apply(whereOp, broadcast('where', condition, a, b), undefined);
}

const castOp: ComputeOp<DType> = {
  kind: 'compute',
  name: 'to',
  overwrites: true,
  infer: ([x], dtype) => ({ shape: x!.shape, dtype }),
  compute: ([x], _, __, y) => elementwiseKernels().copy(x!, y),
  vjp: (g, c) => to(g, c.specs[0]!.dtype),
};

/** The values in another dtype; `x` itself if it has it. */
export function to(x: Tensor, dtype: DType): Tensor {
  return checkDType('to', dtype) === x.dtype ? x : apply(castOp, [x], dtype);
}

/** x limited to [min, max]; the gradient passes where x lies within, borders included. */
export function clamp(x: Tensor, min?: Operand | null, max?: Operand | null): Tensor {
  if ((min ?? null) === null && (max ?? null) === null) {
    throw new DTypeError('clamp: give at least one of min and max');
  }
  const raised = (min ?? null) === null ? x : maximum(x, min as Operand);
  return (max ?? null) === null ? raised : minimum(raised, max as Operand);
}
