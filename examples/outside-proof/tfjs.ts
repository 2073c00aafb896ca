/** TensorFlow.js: its arrays are channels-last, so x and filters are permuted on the way in and out. */
import '@tensorflow/tfjs-backend-cpu';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {
  type ArrayInput,
  type Implementation,
  type NdArray,
  type Padding,
  toNd,
  UnsupportedError,
} from 'typedgrad/testing';

setWasmPaths(`${dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm/package.json'))}/dist/`);

const list = (value: number | readonly number[] | undefined, rank: number, usual = 1): number[] =>
  value === undefined
    ? new Array(rank).fill(usual)
    : typeof value === 'number'
      ? new Array(rank).fill(value)
      : [...value];
const decline = (reason: string): never => {
  throw new UnsupportedError(`TensorFlow.js: ${reason}`);
};

const read = (a: NdArray): tf.Tensor => tf.tensor(Float32Array.from(a.data), [...a.shape], 'float32');
const spatial = (rank: number): number[] => Array.from({ length: rank }, (_, i) => i + 2);
/** [N, C, ...S] to [N, ...S, C]. */
const channelsLast = (a: NdArray, rank: number): tf.Tensor => tf.transpose(read(a), [0, ...spatial(rank), 1]);
/** [N, ...S, C] to [N, C, ...S]. */
const channelsFirst = (t: tf.Tensor, rank: number): tf.Tensor =>
  tf.transpose(t, [0, rank + 1, ...spatial(rank).map((i) => i - 1)]);

/** Results are read at once, so that all tensors of a call can be disposed. */
const tidily = (f: () => tf.Tensor): ArrayInput => {
  const y = tf.tidy(f);
  const read = { shape: y.shape, data: Float64Array.from(y.dataSync()) };
  y.dispose();
  return read;
};

type TfPadding = number | 'same' | 'valid' | [[0, 0], [number, number], [number, number], [0, 0]];

/** How padding is handed over: as one number where it is one, or always as pairs per axis. */
export type PaddingForm = 'number' | 'pairs';

function padding(value: Padding | undefined, rank: number, form: PaddingForm): TfPadding {
  if (value === undefined) return 'valid';
  if (typeof value === 'string') return value;
  const pairs = (typeof value === 'number' ? list(value, rank) : value).map((p) =>
    typeof p === 'number' ? [p, p] : p,
  ) as [number, number][];
  const all = pairs.flat();
  if (all.every((p) => p === 0)) return 'valid';
  if (rank === 3) decline('numeric padding in 3-d');
  if (form === 'pairs') return [[0, 0], rank === 1 ? [0, 0] : pairs[0], pairs[rank - 1], [0, 0]];
  return all.every((p) => p === all[0]) ? all[0] : decline('uneven padding as a number');
}

function checkStrides(stride: number[], dilation: number[]): void {
  if (stride.some((s) => s > 1) && dilation.some((d) => d > 1)) decline('stride and dilation together');
}

export function tensorflow(rank: number, form: PaddingForm): Implementation {
  return {
    conv: (x, w, options) => {
      if ((options.groups ?? 1) > 1) decline('groups');
      if ((options.paddingMode ?? 'zeros') !== 'zeros') decline('padding modes in a convolution');
      const [stride, dilation] = [list(options.stride, rank), list(options.dilation, rank)];
      checkStrides(stride, dilation);
      if (rank === 3 && dilation.some((d) => d > 1)) decline('dilation in 3-d');
      const pad = padding(options.padding, rank, form);
      return tidily(() => {
        const input = channelsLast(x, rank);
        const filter = tf.transpose(read(w), [...spatial(rank), 1, 0]);
        const y =
          rank === 1
            ? tf.conv1d(input as tf.Tensor3D, filter as tf.Tensor3D, stride[0], pad as number, 'NWC', dilation[0])
            : rank === 2
              ? tf.conv2d(
                  input as tf.Tensor4D,
                  filter as tf.Tensor4D,
                  stride as [number, number],
                  pad,
                  'NHWC',
                  dilation as [number, number],
                )
              : tf.conv3d(
                  input as tf.Tensor5D,
                  filter as tf.Tensor5D,
                  stride as [number, number, number],
                  pad as 'same' | 'valid',
                );
        return channelsFirst(options.bias === undefined ? y : tf.add(y, read(toNd(options.bias))), rank);
      });
    },
    ...(rank === 2 ? { convTranspose: transpose2d(form), maxPool: maxPool2d(form), avgPool: avgPool2d(form) } : {}),
    ...(rank === 3 ? { maxPool: pool3d(tf.maxPool3d), avgPool: pool3d(tf.avgPool3d) } : {}),
    linear: (x, w, options) =>
      tidily(() => {
        const y = tf.matMul(read(x) as tf.Tensor2D, read(w) as tf.Tensor2D, false, true);
        return options.bias === undefined ? y : tf.add(y, read(toNd(options.bias)));
      }),
  };
}

const transpose2d =
  (form: PaddingForm): NonNullable<Implementation['convTranspose']> =>
  (x, w, options) => {
    if ((options.groups ?? 1) > 1) decline('groups');
    const [stride, dilation, extra] = [
      list(options.stride, 2),
      list(options.dilation, 2),
      list(options.outputPadding, 2, 0),
    ];
    if (dilation.some((d) => d > 1)) decline('dilation of a transposed convolution');
    if (extra.some((e, i) => e >= stride[i])) decline('output padding of a stride or more');
    const pad = padding(options.padding, 2, form);
    const amounts = list(options.padding as number, 2, 0);
    const size = [0, 1].map((i) => (x.shape[i + 2] - 1) * stride[i] - 2 * amounts[i] + w.shape[i + 2] + extra[i]);
    return tidily(() => {
      const filter = tf.transpose(read(w), [2, 3, 1, 0]) as tf.Tensor4D;
      const shape: [number, number, number, number] = [x.shape[0], size[0], size[1], w.shape[1]];
      const y = tf.conv2dTranspose(channelsLast(x, 2) as tf.Tensor4D, filter, shape, stride as [number, number], pad);
      return channelsFirst(options.bias === undefined ? y : tf.add(y, read(toNd(options.bias))), 2);
    });
  };

const maxPool2d =
  (form: PaddingForm): NonNullable<Implementation['maxPool']> =>
  (x, kernelSize, options) => {
    if (options.ceilMode) decline("PyTorch's ceilMode");
    if (list(options.dilation, 2).some((d) => d > 1)) decline('dilation of a max pooling');
    const kernel = list(kernelSize, 2) as [number, number];
    const stride = list(options.stride ?? kernel, 2) as [number, number];
    const pad = padding(options.padding as Padding, 2, form);
    return tidily(() => channelsFirst(tf.maxPool(channelsLast(x, 2) as tf.Tensor4D, kernel, stride, pad), 2));
  };

/** TensorFlow never counts padding in an average. */
const avgPool2d =
  (form: PaddingForm): NonNullable<Implementation['avgPool']> =>
  (x, kernelSize, options) => {
    if (options.ceilMode || options.divisorOverride !== undefined) decline('ceilMode, divisorOverride');
    const kernel = list(kernelSize, 2) as [number, number];
    const stride = list(options.stride ?? kernel, 2) as [number, number];
    const pad = padding(options.padding as Padding, 2, form);
    if (pad !== 'valid' && options.countIncludePad !== false) decline('counting the padding');
    return tidily(() => channelsFirst(tf.avgPool(channelsLast(x, 2) as tf.Tensor4D, kernel, stride, pad), 2));
  };

/** Both poolings in 3-d, where padding can only be numeric. */
const pool3d =
  (pool: typeof tf.maxPool3d): NonNullable<Implementation['maxPool']> =>
  (x, kernelSize, options) => {
    const { ceilMode, dilation, divisorOverride } = options as typeof options & { divisorOverride?: number };
    if (ceilMode || divisorOverride !== undefined || list(dilation, 3).some((d) => d > 1))
      decline('ceilMode, divisorOverride, dilation');
    if (list(options.padding as number, 3, 0).some((p) => p > 0)) decline('padding of a pooling in 3-d');
    const kernel = list(kernelSize, 3) as [number, number, number];
    const stride = list(options.stride ?? kernel, 3) as [number, number, number];
    return tidily(() => channelsFirst(pool(channelsLast(x, 3) as tf.Tensor5D, kernel, stride, 'valid'), 3));
  };

/** Makes a backend the one that computes. */
export async function use(backend: 'cpu' | 'wasm'): Promise<void> {
  if (!(await tf.setBackend(backend))) throw new Error(`TensorFlow.js: the backend ${backend} does not start`);
  await tf.ready();
}
