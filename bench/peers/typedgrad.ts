/** typedgrad from its sources; with the argument `compiled`, networks and training steps run through `compile`. */
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  add,
  backend,
  batchNorm,
  clamp,
  compile,
  conv1d,
  conv2d,
  conv3d,
  crossEntropy,
  linear,
  matmul,
  maxPool1d,
  maxPool2d,
  maxPool3d,
  noGrad,
  Parameter,
  relu,
  SGD,
  setThreads,
  Tensor,
} from '../../src/index.ts';
import type { Layer } from '../models.ts';
import { weightsOf } from '../models.ts';
import type { Task, TensorFile } from './protocol.ts';
import { type Library, type Prepared, readFloats, readIntegers, serve, unsupported } from './serve.ts';

const compiled = process.argv[2] === 'compiled';
const convolutions = [conv1d, conv2d, conv3d] as const;
const maxPools = [maxPool1d, maxPool2d, maxPool3d] as const;
const averages = [adaptiveAvgPool1d, adaptiveAvgPool2d, adaptiveAvgPool3d] as const;

function read(source: TensorFile): Tensor {
  return Tensor.from(readFloats(source), source.shape);
}

function forward(layers: readonly Layer[], x: Tensor, next: () => Tensor, training: boolean): Tensor {
  return layers.reduce((x, layer) => applyLayer(layer, x, next, training), x);
}

function applyLayer(layer: Layer, x: Tensor, next: () => Tensor, training: boolean): Tensor {
  const rank = x.rank - 3;
  switch (layer.type) {
    case 'conv': {
      const { stride, padding, groups } = layer;
      const weight = next();
      return convolutions[rank]!(x, weight, { stride, padding, groups, bias: layer.bias ? next() : null });
    }
    case 'batchNorm': {
      const [weight, bias, runningMean, runningVar] = [next(), next(), next(), next()];
      return batchNorm(x, { weight, bias, runningMean, runningVar, training });
    }
    case 'relu':
      return relu(x);
    case 'relu6':
      return clamp(x, 0, 6);
    case 'maxPool':
      return maxPools[rank]!(x, [...layer.kernel], { stride: layer.stride, padding: layer.padding });
    case 'globalAvgPool':
      return averages[rank]!(x, 1).flatten(1);
    case 'flatten':
      return x.flatten(1);
    case 'dense': {
      const weight = next();
      return linear(x, weight, { bias: next() });
    }
    case 'residual': {
      const body = forward(layer.body, x, next, training);
      return add(body, forward(layer.shortcut, x, next, training));
    }
  }
}

/** Hands out the weights from the first on. */
function supply(weights: readonly Tensor[]): () => Tensor {
  let i = 0;
  return () => weights[i++]!;
}

function prepareConv(task: Extract<Task, { kind: 'conv' }>): Prepared {
  const { direction, stride, padding, groups } = task;
  const [x, w, g] = [read(task.x), read(task.w), read(task.g)];
  const options = { stride, padding, groups };
  const conv = convolutions[x.rank - 3]!;
  let y: Tensor;
  const outputs = () => [y.toTypedArray() as Float32Array];
  if (direction === 'forward') {
    const run = () => {
      y = noGrad(() => conv(x, w, options));
    };
    return { run, outputs };
  }
  const of = direction === 'input gradient' ? x : w;
  of.requiresGrad = true;
  const result = conv(x, w, options);
  const run = () => {
    of.grad = null;
    result.backward(g, { retainGraph: true });
    y = of.grad!;
  };
  return { run, outputs };
}

function evaluated(f: () => Tensor): Prepared {
  let y: Tensor;
  const run = () => {
    y = noGrad(f);
  };
  return { run, outputs: () => [y.toTypedArray() as Float32Array] };
}

function prepareForward({ layers, x: file, weights: files }: Extract<Task, { kind: 'forward' }>): Prepared {
  const [x, weights] = [read(file), files.map(read)];
  const eager = (x: Tensor) => forward(layers, x, supply(weights), false);
  const f = compiled ? compile(eager) : eager;
  return evaluated(() => f(x));
}

function prepareTrain(task: Extract<Task, { kind: 'train' }>): Prepared {
  const kinds = weightsOf(task.layers).map(({ kind }) => kind);
  const weights = task.weights.map((file, i) =>
    kinds[i]!.startsWith('running') ? read(file) : new Parameter(read(file)),
  );
  const trained = weights.filter((w) => w instanceof Parameter);
  const optimizer = new SGD(trained, { lr: task.lr, momentum: task.momentum });
  const eager = (x: Tensor, labels: Int32Array): Tensor => {
    const loss = crossEntropy(forward(task.layers, x, supply(weights), true), labels);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  };
  const step = compiled ? compile(eager) : eager;
  const [x, labels] = [read(task.x), readIntegers(task.labels)];
  let loss = 0;
  const run = () => {
    loss = step(x, labels).item();
  };
  const outputs = () => [new Float32Array([loss]), ...trained.map((w) => w.toTypedArray() as Float32Array)];
  return { run, outputs };
}

function prepare(task: Task): Prepared {
  if (task.kind === 'forward') return prepareForward(task);
  if (task.kind === 'train') return prepareTrain(task);
  if (compiled) unsupported('single operations are measured eagerly');
  if (task.kind === 'conv') return prepareConv(task);
  if (task.kind === 'maxPool') {
    const x = read(task.x);
    return evaluated(() => maxPools[x.rank - 3]!(x, [...task.kernel], { stride: task.stride }));
  }
  const [a, b] = [read(task.a), read(task.b)];
  const left = task.transposeA ? a.transpose(0, 1) : a;
  const right = task.transposeB ? b.transpose(0, 1) : b;
  return evaluated(() => matmul(left, right));
}

await setThreads(Number(process.env.BENCH_THREADS));
const { threads } = backend();
const detail = `${compiled ? 'compiled' : 'eager'}, ${threads === 1 ? '1 thread' : `${threads} threads`}`;
await serve((): Library => ({ info: { name: 'typedgrad', detail }, prepare }));
