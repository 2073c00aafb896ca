/** ONNX's elementwise, reducing, normalising and judging operators as calls of the library, and the table of them all. */

import type { Tensor } from '../../src/index.ts';
import * as tg from '../../src/index.ts';
import { type Mapping, NotApplicable, type OnnxNode } from './onnx-node.ts';
import { OPTIMIZERS } from './onnx-optimizers.ts';
import { SHAPES } from './onnx-shapes.ts';
import { WINDOWS } from './onnx-windows.ts';

type Unary = (x: Tensor) => Tensor;
type Binary = (a: Tensor, b: Tensor) => Tensor;
type Reduction = (x: Tensor, axes?: number[], keepDims?: boolean) => Tensor;

const unary =
  (f: Unary): Mapping =>
  (node) =>
    f(node.input(0));
const binary =
  (f: Binary): Mapping =>
  (node) =>
    f(node.input(0), node.input(1));
const variadic =
  (f: Binary): Mapping =>
  (node) =>
    node.inputs().reduce(f);

const division: Mapping = (node) => {
  if (!node.dtype(0).startsWith('float')) throw new NotApplicable('division of integers');
  return node.input(0).div(node.input(1));
};

const power: Mapping = (node) => {
  const [x, y] = [node.input(0), node.input(1)];
  return x.dtype === y.dtype ? tg.pow(x, y) : tg.pow(x.to('float64'), y.to('float64'));
};

const clip: Mapping = (node) => {
  const [low, high] = [node.list(1)?.[0], node.list(2)?.[0]];
  return tg.clamp(node.input(0), low ?? Number.NEGATIVE_INFINITY, high ?? Number.POSITIVE_INFINITY);
};

const reduction =
  (f: Reduction): Mapping =>
  (node) => {
    const x = node.input(0);
    const given = node.numbers('axes') ?? node.list(1);
    if (!given?.length && node.number('noop_with_empty_axes', 0)) return x;
    const axes = given?.length ? given : x.shape.map((_, i) => i);
    return f(x, axes, node.number('keepdims', 1) === 1);
  };

const argExtreme =
  (f: (x: Tensor, axis?: number, keepDims?: boolean) => Tensor): Mapping =>
  (node) => {
    if (node.number('select_last_index', 0))
      throw new NotApplicable('the last of equal elements: the library takes the first');
    return f(node.input(0), node.number('axis', 0), node.number('keepdims', 1) === 1);
  };

const gemm: Mapping = (node) => {
  const [a, b] = [node.input(0), node.input(1)];
  const product = tg.matmul(
    node.number('transA', 0) ? a.transpose(0, 1) : a,
    node.number('transB', 0) ? b.transpose(0, 1) : b,
  );
  const scaled = product.mul(node.number('alpha', 1));
  return node.has(2) ? scaled.add(node.input(2).mul(node.number('beta', 1))) : scaled;
};

function lossOptions(node: OnnxNode): { weight?: Tensor; ignoreIndex?: number; reduction: 'mean' | 'sum' | 'none' } {
  const ignoreIndex = node.numbers('ignore_index') as unknown as number | undefined;
  return {
    reduction: node.text('reduction', 'mean') as 'mean' | 'sum' | 'none',
    ...(node.has(2) ? { weight: node.input(2) } : {}),
    ...(ignoreIndex === undefined ? {} : { ignoreIndex }),
  };
}

const crossEntropy: Mapping = (node) => {
  const loss = tg.crossEntropy(node.input(0), node.input(1), lossOptions(node));
  return node.outputs === 1 ? loss : [loss, tg.logSoftmax(node.input(0), 1)];
};

/** ONNX's momentum is the share of the old statistics, and its running variance is without Bessel's correction. */
const batchNorm: Mapping = (node) => {
  const [x, weight, bias, runningMean, runningVar] = node.inputs() as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const training = node.number('training_mode', 0) === 1;
  const momentum = 1 - node.number('momentum', 0.9);
  const old = runningVar.clone().mul(1 - momentum);
  const eps = node.number('epsilon', 1e-5);
  const y = tg.batchNorm(x, { weight, bias, runningMean, runningVar, training, momentum, eps });
  if (!training) return y;
  const count = x.size / x.shape[1]!;
  return [
    y,
    runningMean,
    runningVar
      .sub(old)
      .mul((count - 1) / count)
      .add(old),
  ];
};

const layerNorm: Mapping = (node) => {
  const x = node.input(0);
  const axis = node.number('axis', -1);
  const axes = x.shape.map((_, i) => i).slice(axis);
  const eps = node.number('epsilon', 1e-5);
  const bias = node.optional(2);
  const y = tg.layerNorm(x, x.shape.slice(axis), { weight: node.input(1), ...(bias ? { bias } : {}), eps });
  const inverse = tg.variance(x, axes, true, { correction: 0 }).add(eps).rsqrt();
  return [y, tg.mean(x, axes, true), inverse].slice(0, node.outputs);
};

const dropout: Mapping = (node) => {
  const [p, training] = [node.list(1)?.[0] ?? 0.5, (node.list(2)?.[0] ?? 0) === 1];
  if (training && p !== 0) throw new NotApplicable('random: the mask is drawn by another generator');
  const x = node.input(0);
  return [tg.dropout(x, { p, training }), tg.ones(x.shape)].slice(0, node.outputs);
};

const norm =
  (p: number): Reduction =>
  (x, axes, keepDims) =>
    tg.norm(x, axes, keepDims, { p });

export const OPERATORS: Readonly<Record<string, Mapping>> = {
  ...WINDOWS,
  ...SHAPES,
  ...OPTIMIZERS,
  Abs: unary(tg.abs),
  Ceil: unary(tg.ceil),
  Cos: unary(tg.cos),
  Erf: unary(tg.erf),
  Exp: unary(tg.exp),
  Floor: unary(tg.floor),
  HardSwish: unary(tg.hardswish),
  IsNaN: unary(tg.isNaN),
  Log: unary(tg.log),
  Neg: unary(tg.neg),
  Reciprocal: unary(tg.reciprocal),
  Relu: unary(tg.relu),
  Round: unary(tg.round),
  Sigmoid: unary(tg.sigmoid),
  Sign: unary(tg.sign),
  Sin: unary(tg.sin),
  Softplus: unary(tg.softplus),
  Sqrt: unary(tg.sqrt),
  Tanh: unary(tg.tanh),
  Elu: (node) => tg.elu(node.input(0), { alpha: node.number('alpha', 1) }),
  LeakyRelu: (node) => tg.leakyRelu(node.input(0), { negativeSlope: node.number('alpha', 0.01) }),
  Gelu: (node) => tg.gelu(node.input(0), { approximate: node.text('approximate', 'none') as 'none' | 'tanh' }),
  Clip: clip,
  Add: binary(tg.add),
  Sub: binary(tg.sub),
  Mul: binary(tg.mul),
  Div: division,
  Pow: power,
  Equal: binary(tg.eq),
  Less: binary(tg.lt),
  LessOrEqual: binary(tg.le),
  Greater: binary(tg.gt),
  GreaterOrEqual: binary(tg.ge),
  Max: variadic(tg.maximum),
  Min: variadic(tg.minimum),
  Sum: variadic(tg.add),
  Mean: (node) =>
    node
      .inputs()
      .reduce((a, b) => a.add(b))
      .div(node.count),
  Where: (node) => tg.where(node.input(0).to(node.input(1).dtype), node.input(1), node.input(2)),
  MatMul: binary(tg.matmul),
  Gemm: gemm,
  ReduceSum: reduction(tg.sum),
  ReduceMean: reduction(tg.mean),
  ReduceMax: reduction(tg.max),
  ReduceMin: reduction(tg.min),
  ReduceProd: reduction(tg.prod),
  ReduceL1: reduction(norm(1)),
  ReduceL2: reduction(norm(2)),
  ReduceLogSum: reduction((x, axes, keepDims) => tg.log(tg.sum(x, axes, keepDims))),
  ReduceLogSumExp: reduction(tg.logSumExp),
  ReduceSumSquare: reduction((x, axes, keepDims) => tg.sum(x.square(), axes, keepDims)),
  ArgMax: argExtreme(tg.argMax),
  ArgMin: argExtreme(tg.argMin),
  Softmax: (node) => tg.softmax(node.input(0), node.number('axis', -1)),
  LogSoftmax: (node) => tg.logSoftmax(node.input(0), node.number('axis', -1)),
  NegativeLogLikelihoodLoss: (node) => tg.nllLoss(node.input(0), node.input(1), lossOptions(node)),
  SoftmaxCrossEntropyLoss: crossEntropy,
  BatchNormalization: batchNorm,
  LayerNormalization: layerNorm,
  GroupNormalization: (node) =>
    tg.groupNorm(node.input(0), node.number('num_groups', 1), {
      weight: node.input(1),
      bias: node.input(2),
      eps: node.number('epsilon', 1e-5),
    }),
  InstanceNormalization: (node) =>
    tg.instanceNorm(node.input(0), { weight: node.input(1), bias: node.input(2), eps: node.number('epsilon', 1e-5) }),
  Dropout: dropout,
};
