/** jax-js on its WebAssembly backend, every measured function through `jit`. */
import { defaultDevice, grad, init, jit, lax, nn, numpy as np, type Array as Value, valueAndGrad } from '@jax-js/jax';
import { type Layer, weightsOf } from '../models.ts';
import type { Task, TensorFile } from './protocol.ts';
import { type Library, type Prepared, readFloats, readIntegers, serve, versionOf } from './serve.ts';

function read(source: TensorFile): Value {
  return np.array(readFloats(source)).reshape([...source.shape]);
}

interface Geometry {
  readonly stride: number;
  readonly padding: number;
  readonly groups: number;
}

function convolve(x: Value, w: Value, { stride, padding, groups }: Geometry): Value {
  const axes = x.shape.slice(2);
  const pads = axes.map((): [number, number] => [padding, padding]);
  const strides = axes.map(() => stride);
  return lax.convGeneralDilated(x, w, strides, pads, { featureGroupCount: groups });
}

/** Padding by zeros is right where it follows a ReLU, as it does here. */
function maxPool(x: Value, kernel: readonly number[], stride: number, padding: number): Value {
  const pads = [[0, 0], [0, 0], ...kernel.map(() => [padding, padding])] as [number, number][];
  const padded = padding === 0 ? x : np.pad(x, pads);
  return lax.reduceWindow(
    padded,
    (window) => np.max(window),
    [...kernel],
    kernel.map(() => stride),
  );
}

/** A vector of channels against [N, C, ...S]. */
function channels(v: Value, x: Value): Value {
  return v.reshape([1, -1, ...x.shape.slice(2).map(() => 1)]);
}

function forward(layers: readonly Layer[], x: Value, next: () => Value, training: boolean): Value {
  return layers.reduce((x, layer) => applyLayer(layer, x, next, training), x);
}

function batchNorm(x: Value, next: () => Value, training: boolean): Value {
  const [scale, shift, mean, variance] = [next(), next(), next(), next()];
  const axes = [0, ...x.shape.slice(2).map((_, i) => i + 2)];
  if (!training) {
    const factor = scale.div(np.sqrt(variance.add(1e-5)));
    const rest = shift.sub(mean.mul(factor.ref));
    return x.mul(channels(factor, x)).add(channels(rest, x));
  }
  mean.dispose();
  variance.dispose();
  const centred = x.ref.sub(np.mean(x, axes, { keepdims: true }));
  const spread = np.sqrt(np.mean(np.square(centred.ref), axes, { keepdims: true }).add(1e-5));
  return centred.ref.div(spread).mul(channels(scale, centred)).add(channels(shift, centred));
}

function applyLayer(layer: Layer, x: Value, next: () => Value, training: boolean): Value {
  switch (layer.type) {
    case 'conv': {
      const y = convolve(x, next(), layer);
      return layer.bias ? y.add(channels(next(), y)) : y;
    }
    case 'batchNorm':
      return batchNorm(x, next, training);
    case 'relu':
      return nn.relu(x);
    case 'relu6':
      return nn.relu6(x);
    case 'maxPool':
      return maxPool(x, layer.kernel, layer.stride, layer.padding);
    case 'globalAvgPool':
      return np.mean(
        x,
        x.shape.slice(2).map((_, i) => i + 2),
      );
    case 'flatten':
      return x.reshape([x.shape[0]!, -1]);
    case 'dense': {
      const weight = next();
      return np.matmul(x, weight.transpose()).add(next());
    }
    case 'residual': {
      const body = forward(layer.body, x.ref, next, training);
      return body.add(forward(layer.shortcut, x, next, training));
    }
  }
}

/** Weights from the first on, each used once. */
function supply(weights: readonly Value[]): () => Value {
  let i = 0;
  return () => weights[i++]!;
}

/** Runs a compiled function on values that stay alive, and waits for the result. */
function evaluated(f: (...values: Value[]) => Value, values: readonly Value[]): Prepared {
  const compiled = jit(f);
  let y: Value | undefined;
  const run = async () => {
    y?.dispose();
    y = compiled(...values.map((v) => v.ref)) as Value;
    await y.blockUntilReady();
  };
  const outputs = async () => [(await y!.ref.data()) as Float32Array];
  const dispose = () => {
    for (const value of [...values, ...(y ? [y] : [])]) value.dispose();
  };
  return { run, outputs, dispose };
}

function prepareConv(task: Extract<Task, { kind: 'conv' }>): Prepared {
  const [x, w, g] = [read(task.x), read(task.w), read(task.g)];
  if (task.direction === 'forward') return evaluated((x, w) => convolve(x, w, task), [x, w]);
  const weighted = (x: Value, w: Value, g: Value): Value => convolve(x, w, task).mul(g).sum();
  const argnums = task.direction === 'input gradient' ? 0 : 1;
  return evaluated((x, w, g) => grad(weighted, { argnums })(x, w, g) as Value, [x, w, g]);
}

function prepareTrain(task: Extract<Task, { kind: 'train' }>): Prepared {
  const isTrained = weightsOf(task.layers).map(({ kind }) => !kind.startsWith('running'));
  const all = task.weights.map(read);
  const fixed = all.filter((_, i) => !isTrained[i]);
  const classes = task.weights.at(-1)!.shape[0]!;
  const x = read(task.x);
  const oneHot = nn.oneHot(np.array(readIntegers(task.labels), { dtype: np.int32 }), classes);
  const batch = task.x.shape[0]!;

  const lossOf = (trained: Value[], fixed: Value[], x: Value, oneHot: Value): Value => {
    const weights = [trained.values(), fixed.values()] as const;
    const next = supply(isTrained.map((yes) => weights[yes ? 0 : 1].next().value as Value));
    const logits = forward(task.layers, x, next, true);
    return nn
      .logSoftmax(logits)
      .mul(oneHot)
      .sum()
      .mul(-1 / batch);
  };
  const step = jit((trained: Value[], velocity: Value[], fixed: Value[], x: Value, oneHot: Value) => {
    const [loss, gradients] = valueAndGrad(lossOf)(
      trained.map((t) => t.ref),
      fixed,
      x,
      oneHot,
    ) as [Value, Value[]];
    const moved = velocity.map((v, i) => v.mul(task.momentum).add(gradients[i]!));
    return [loss, trained.map((t, i) => t.sub(moved[i]!.ref.mul(task.lr))), moved] as never;
  }) as unknown as (...args: (Value | Value[])[]) => [Value, Value[], Value[]];

  let trained = all.filter((_, i) => isTrained[i]);
  let velocity = trained.map((t) => np.zeros(t.shape));
  let loss = 0;
  const run = async () => {
    const result = step(
      trained,
      velocity,
      fixed.map((f) => f.ref),
      x.ref,
      oneHot.ref,
    );
    [, trained, velocity] = result;
    for (const t of [...trained, ...velocity]) await t.blockUntilReady();
    loss = (await result[0].data())[0] as number;
  };
  const outputs = async () => {
    const weights: Float32Array[] = [];
    for (const t of trained) weights.push((await t.ref.data()) as Float32Array);
    return [new Float32Array([loss]), ...weights];
  };
  const dispose = () => {
    for (const value of [x, oneHot, ...fixed, ...trained, ...velocity]) value.dispose();
  };
  return { run, outputs, dispose };
}

function prepare(task: Task): Prepared {
  if (task.kind === 'conv') return prepareConv(task);
  if (task.kind === 'train') return prepareTrain(task);
  if (task.kind === 'maxPool') return evaluated((x) => maxPool(x, task.kernel, task.stride, 0), [read(task.x)]);
  if (task.kind === 'forward') {
    const f = (x: Value, ...weights: Value[]): Value => forward(task.layers, x, supply(weights), false);
    return evaluated(f, [read(task.x), ...task.weights.map(read)]);
  }
  const f = (a: Value, b: Value): Value =>
    np.matmul(task.transposeA ? a.transpose() : a, task.transposeB ? b.transpose() : b);
  return evaluated(f, [read(task.a), read(task.b)]);
}

async function open(): Promise<Library> {
  if (!(await init('wasm')).includes('wasm')) throw new Error('jax-js cannot use WebAssembly here');
  defaultDevice('wasm');
  return { info: { name: 'jax-js', detail: `${versionOf('@jax-js/jax')}, wasm, jit` }, prepare };
}

await serve(open);
