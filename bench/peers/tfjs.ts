/** TensorFlow.js on one thread, channels last as it prefers: with the argument `cpu` or `wasm`, its backend. */
import * as tf from '@tensorflow/tfjs';
import { setThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import { type Layer, weightsOf } from '../models.ts';
import type { Task, TensorFile } from './protocol.ts';
import { type Library, type Prepared, permuted, readFloats, readIntegers, serve, unsupported } from './serve.ts';

const backend = process.argv[2] === 'wasm' ? 'wasm' : 'cpu';

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

/** [N, C, ...S] to [N, ...S, C]; one spatial axis becomes two, the first of size 1, as in tfjs's own `conv1d`. */
function channelsLast(data: Float32Array, shape: readonly number[]): tf.Tensor {
  const axes = [0, ...range(2, shape.length), 1];
  const last = axes.map((axis) => shape[axis]!);
  return tf.tensor(permuted(data, shape, axes), last.length === 3 ? [last[0]!, 1, last[1]!, last[2]!] : last);
}

/** [O, C, ...K] to [...K, C, O], or, of a depthwise convolution, [C, 1, ...K] to [...K, C, 1]. */
function filter(data: Float32Array, shape: readonly number[], depthwise: boolean): tf.Tensor {
  const axes = [...range(2, shape.length), ...(depthwise ? [0, 1] : [1, 0])];
  const last = axes.map((axis) => shape[axis]!);
  return tf.tensor(permuted(data, shape, axes), last.length === 3 ? [1, ...last] : last);
}

/** Back to row-major [N, C, ...S]. */
async function channelsFirst(y: tf.Tensor): Promise<Float32Array> {
  const data = (await y.data()) as Float32Array;
  const { rank } = y;
  return rank < 3 ? data : permuted(data, y.shape, [0, rank - 1, ...range(1, rank - 1)]);
}

/** Back to [O, C, ...K] from a filter's layout. */
async function filterFirst(w: tf.Tensor, depthwise: boolean): Promise<Float32Array> {
  const last = [w.rank - 1, w.rank - 2];
  const axes = [...(depthwise ? last.reverse() : last), ...range(0, w.rank - 2)];
  return permuted((await w.data()) as Float32Array, w.shape, axes);
}

interface Geometry {
  readonly kernel: readonly number[];
  readonly stride: number;
  readonly padding: number;
  readonly groups: number;
}

type Explicit = [[number, number], [number, number], [number, number], [number, number]];

/** Attributes of tfjs's convolution kernels. */
function attributes({ kernel, stride, padding }: Geometry) {
  const rank = kernel.length;
  if (rank === 3) {
    const same = stride === 1 && kernel.every((k) => k === 2 * padding + 1);
    if (!same && padding > 0) return unsupported('3-D padding other than same');
    const strides: [number, number, number] = [stride, stride, stride];
    return { rank, strides, pad: (same ? 'same' : 'valid') as 'same' | 'valid', dimRoundingMode: 'floor' as const };
  }
  const first = rank === 1 ? 0 : padding;
  const pad: Explicit = [
    [0, 0],
    [first, first],
    [padding, padding],
    [0, 0],
  ];
  const strides: [number, number] = rank === 1 ? [1, stride] : [stride, stride];
  return { rank: 2 as const, strides, pad, dimRoundingMode: 'floor' as const };
}

function convolve(x: tf.Tensor, w: tf.Tensor, geometry: Geometry): tf.Tensor {
  const a = attributes(geometry);
  if (a.rank === 3) {
    return tf.conv3d(
      x as tf.Tensor5D,
      w as tf.Tensor5D,
      a.strides as [number, number, number],
      a.pad as 'same' | 'valid',
    );
  }
  const [strides, pad] = [a.strides as [number, number], a.pad as Explicit];
  if (geometry.groups > 1) {
    return tf.depthwiseConv2d(x as tf.Tensor4D, w as tf.Tensor4D, strides, pad, 'NHWC', [1, 1], 'floor');
  }
  return tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, strides, pad, 'NHWC', [1, 1], 'floor');
}

/** One of tfjs's own gradient kernels, as its autograd calls it. */
function gradient(direction: string, x: tf.Tensor, w: tf.Tensor, dy: tf.Tensor, geometry: Geometry): tf.Tensor {
  const { rank, ...a } = attributes(geometry);
  const common = { ...a, dataFormat: 'NHWC', dilations: [1, 1] };
  const ofInput = direction === 'input gradient';
  const inputs = ofInput ? { dy, filter: w } : { x, dy };
  const shapes = ofInput ? { inputShape: x.shape } : { filterShape: w.shape };
  const part = ofInput ? 'BackpropInput' : 'BackpropFilter';
  const name = rank === 3 ? `Conv3D${part}V2` : geometry.groups > 1 ? `DepthwiseConv2dNative${part}` : `Conv2D${part}`;
  return tf.engine().runKernel(name, inputs as never, { ...common, ...shapes } as never) as tf.Tensor;
}

/** Keeps the last result, and frees the one before. */
function keeping(f: () => tf.Tensor, read: (y: tf.Tensor) => Promise<Float32Array> = channelsFirst): Prepared {
  let y: tf.Tensor | undefined;
  const run = () => {
    y?.dispose();
    y = tf.tidy(f);
  };
  return { run, outputs: async () => [await read(y!)], dispose: () => tf.disposeVariables() };
}

/** Where one spatial axis is two, a result [N, 1, L, C] is [N, C, 1, L] in the other order: the same numbers. */
function prepareConv(task: Extract<Task, { kind: 'conv' }>): Prepared {
  const geometry = { ...task, kernel: task.w.shape.slice(2) };
  const depthwise = task.groups > 1;
  if (depthwise && task.groups !== task.x.shape[1]) unsupported('groups other than depthwise');
  const x = channelsLast(readFloats(task.x), task.x.shape);
  const w = filter(readFloats(task.w), task.w.shape, depthwise);
  if (task.direction === 'forward') return keeping(() => convolve(x, w, geometry));
  const g = channelsLast(readFloats(task.g), task.g.shape);
  const read = task.direction === 'weight gradient' ? (y: tf.Tensor) => filterFirst(y, depthwise) : channelsFirst;
  return keeping(() => gradient(task.direction, x, w, g, geometry), read);
}

function maxPool(x: tf.Tensor, kernel: readonly number[], stride: number, padding: number): tf.Tensor {
  if (kernel.length === 3) {
    if (padding > 0) return unsupported('3-D pooling with padding');
    return tf.maxPool3d(x as tf.Tensor5D, [...kernel] as [number, number, number], stride, 'valid');
  }
  const size: [number, number] = kernel.length === 1 ? [1, kernel[0]!] : [kernel[0]!, kernel[1]!];
  const strides: [number, number] = kernel.length === 1 ? [1, stride] : [stride, stride];
  // A number as padding makes tfjs take the window for a square.
  if (padding > 0 && kernel.length === 1) return unsupported('1-D pooling with padding');
  const pad = padding === 0 ? 'valid' : padding;
  return tf.maxPool(x as tf.Tensor4D, size, strides, pad, padding === 0 ? undefined : 'floor');
}

function forward(layers: readonly Layer[], x: tf.Tensor, next: () => tf.Tensor, training: boolean): tf.Tensor {
  return layers.reduce((x, layer) => applyLayer(layer, x, next, training), x);
}

function applyLayer(layer: Layer, x: tf.Tensor, next: () => tf.Tensor, training: boolean): tf.Tensor {
  switch (layer.type) {
    case 'conv': {
      const y = convolve(x, next(), layer);
      return layer.bias ? tf.add(y, next()) : y;
    }
    case 'batchNorm': {
      const [scale, shift, mean, variance] = [next(), next(), next(), next()];
      const now = training ? tf.moments(x, range(0, x.rank - 1)) : { mean, variance };
      // tfjs's batchNorm takes 4 axes at most, which is what these networks have.
      return tf.batchNorm(
        x as tf.Tensor4D,
        now.mean as tf.Tensor1D,
        now.variance as tf.Tensor1D,
        shift as tf.Tensor1D,
        scale as tf.Tensor1D,
        1e-5,
      );
    }
    case 'relu':
      return tf.relu(x);
    case 'relu6':
      return tf.relu6(x);
    case 'maxPool':
      return maxPool(x, layer.kernel, layer.stride, layer.padding);
    case 'globalAvgPool':
      return tf.mean(x, range(1, x.rank - 1));
    case 'flatten':
      return tf.reshape(x, [x.shape[0]!, -1]);
    case 'dense': {
      const weight = next();
      return tf.add(tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D), next());
    }
    case 'residual': {
      const body = forward(layer.body, x, next, training);
      return tf.add(body, forward(layer.shortcut, x, next, training));
    }
  }
}

/** A weight in tfjs's layout, and the way back. */
interface Converted {
  readonly tensor: tf.Tensor;
  back(w: tf.Tensor): Promise<Float32Array>;
}

const plain = async (w: tf.Tensor): Promise<Float32Array> => (await w.data()) as Float32Array;

/**
 * A dense layer after `flatten` reads its inputs channels last, so its weight [O, C · S] becomes [S · C, O];
 * `channels` is the number of channels before it.
 */
function convertDense(data: Float32Array, [outputs, inputs]: readonly number[], channels: number): Converted {
  const spatial = inputs! / channels;
  const tensor = tf.tensor(permuted(data, [outputs!, channels, spatial], [2, 1, 0]), [inputs!, outputs!]);
  return { tensor, back: async (w) => permuted(await plain(w), [spatial, channels, outputs!], [2, 1, 0]) };
}

function convert(layers: readonly Layer[], files: readonly TensorFile[]): Converted[] {
  let [channels, next] = [1, 0];
  const vector = (): Converted => {
    const file = files[next++]!;
    return { tensor: tf.tensor(readFloats(file), [...file.shape]), back: plain };
  };
  const walk = (layer: Layer): Converted[] => {
    if (layer.type === 'conv') {
      const file = files[next++]!;
      const depthwise = layer.groups > 1;
      channels = layer.outputs;
      const tensor = filter(readFloats(file), file.shape, depthwise);
      const weight = { tensor, back: (w: tf.Tensor) => filterFirst(w, depthwise) };
      return layer.bias ? [weight, vector()] : [weight];
    }
    if (layer.type === 'batchNorm') return [vector(), vector(), vector(), vector()];
    if (layer.type === 'residual') return [...layer.body, ...layer.shortcut].flatMap(walk);
    if (layer.type !== 'dense') return [];
    const file = files[next++]!;
    const weight = convertDense(readFloats(file), file.shape, channels);
    channels = layer.outputs;
    return [weight, vector()];
  };
  return layers.flatMap(walk);
}

function supply<T>(list: readonly T[]): () => T {
  let i = 0;
  return () => list[i++]!;
}

function prepareForward(task: Extract<Task, { kind: 'forward' }>): Prepared {
  const weights = convert(task.layers, task.weights).map(({ tensor }) => tensor);
  const x = channelsLast(readFloats(task.x), task.x.shape);
  return keeping(() => forward(task.layers, x, supply(weights), false));
}

function prepareTrain(task: Extract<Task, { kind: 'train' }>): Prepared {
  const kinds = weightsOf(task.layers).map(({ kind }) => kind);
  const converted = convert(task.layers, task.weights);
  const isTrained = kinds.map((kind) => !kind.startsWith('running'));
  const weights = converted.map(({ tensor }, i) => tf.variable(tensor, isTrained[i]!));
  const trained = weights.filter((_, i) => isTrained[i]!);
  const x = channelsLast(readFloats(task.x), task.x.shape);
  const classes = task.weights.at(-1)!.shape[0]!;
  const labels = tf.oneHot(tf.tensor1d(readIntegers(task.labels), 'int32'), classes);
  const optimizer = tf.train.momentum(task.lr, task.momentum);
  let loss = 0;
  const run = () => {
    const value = optimizer.minimize(
      () => tf.losses.softmaxCrossEntropy(labels, forward(task.layers, x, supply(weights), true)) as tf.Scalar,
      true,
      trained,
    )!;
    loss = value.dataSync()[0]!;
    value.dispose();
  };
  const outputs = async () => {
    const result: Float32Array[] = [new Float32Array([loss])];
    for (const [i, { back }] of converted.entries()) if (isTrained[i]!) result.push(await back(weights[i]!));
    return result;
  };
  return { run, outputs, dispose: () => tf.disposeVariables() };
}

function prepare(task: Task): Prepared {
  if (task.kind === 'conv') return prepareConv(task);
  if (task.kind === 'forward') return prepareForward(task);
  if (task.kind === 'train') return prepareTrain(task);
  if (task.kind === 'maxPool') {
    const x = channelsLast(readFloats(task.x), task.x.shape);
    return keeping(() => maxPool(x, task.kernel, task.stride, 0));
  }
  const [a, b] = [task.a, task.b].map((t) => tf.tensor2d(readFloats(t), [t.shape[0]!, t.shape[1]!])) as [
    tf.Tensor2D,
    tf.Tensor2D,
  ];
  return keeping(() => tf.matMul(a, b, task.transposeA, task.transposeB));
}

async function open(): Promise<Library> {
  tf.env().set('PROD', true);
  if (backend === 'wasm') setThreadsCount(1);
  if (!(await tf.setBackend(backend))) throw new Error(`tfjs cannot use its backend ${backend} here`);
  await tf.ready();
  const scoped = (task: Task): Prepared => {
    tf.engine().startScope();
    const prepared = prepare(task);
    const dispose = () => {
      tf.engine().endScope();
      tf.disposeVariables();
    };
    return { ...prepared, dispose };
  };
  return { info: { name: `tfjs ${backend}`, detail: `${tf.version_core}, 1 thread` }, prepare: scoped };
}

await serve(open);
