/** jax-js: `lax.convGeneralDilated` has the axis order of typedgrad. Its arrays are consumed by the calls they go into. */
import { type Device, defaultDevice, init, lax, numpy as np } from '@jax-js/jax';
import {
  type ArrayInput,
  type Implementation,
  type NdArray,
  type Padding,
  toNd,
  UnsupportedError,
} from 'typedgrad/testing';

const list = (value: number | readonly number[] | undefined, rank: number, usual = 1): number[] =>
  value === undefined
    ? new Array(rank).fill(usual)
    : typeof value === 'number'
      ? new Array(rank).fill(value)
      : [...value];
const read = (a: NdArray): np.Array => np.array(Float32Array.from(a.data)).reshape([...a.shape]);

function result(y: np.Array): ArrayInput {
  const shape = [...y.shape];
  return { shape, data: Float64Array.from(y.dataSync() as Float32Array) };
}

function pairsOf(padding: Padding | undefined, kernel: number[]): [number, number][] | 'SAME' {
  if (padding === 'same') return 'SAME';
  if (padding === undefined || padding === 'valid') return kernel.map(() => [0, 0]);
  const amounts = typeof padding === 'number' ? list(padding, kernel.length) : padding;
  return amounts.map((p) => (typeof p === 'number' ? [p, p] : [...p])) as [number, number][];
}

const withBias = (y: np.Array, bias: ArrayInput | undefined, rank: number): np.Array =>
  bias === undefined ? y : y.add(read(toNd(bias)).reshape([1, -1, ...new Array(rank).fill(1)]));

export function jax(rank: number): Implementation {
  return {
    conv: (x, w, options) => {
      if ((options.paddingMode ?? 'zeros') !== 'zeros')
        throw new UnsupportedError('jax-js: padding modes in a convolution');
      const dilation = list(options.dilation, rank);
      const y = lax.convGeneralDilated(
        read(x),
        read(w),
        list(options.stride, rank),
        pairsOf(options.padding, w.shape.slice(2)),
        {
          rhsDilation: dilation,
          featureGroupCount: options.groups ?? 1,
        },
      );
      return result(withBias(y, options.bias, rank));
    },
    convTranspose: (x, w, options) => {
      if ((options.groups ?? 1) > 1) throw new UnsupportedError('jax-js: groups of a transposed convolution');
      if (list(options.outputPadding, rank, 0).some((e) => e > 0)) throw new UnsupportedError('jax-js: output padding');
      const dilation = list(options.dilation, rank);
      const pairs = pairsOf(options.padding, w.shape.slice(2));
      const y = lax.convTranspose(read(x), read(w), list(options.stride, rank), pairs, {
        rhsDilation: dilation,
        transposeKernel: true,
      });
      return result(withBias(y, options.bias, rank));
    },
    maxPool: (x, kernelSize, options) => {
      if (options.ceilMode) throw new UnsupportedError('jax-js: ceilMode');
      if (options.padding !== undefined && list(options.padding as number[], rank).some((p) => p !== 0))
        throw new UnsupportedError('jax-js: padding of a pooling');
      if (list(options.dilation, rank).some((d) => d > 1)) throw new UnsupportedError('jax-js: dilation of a pooling');
      const kernel = list(kernelSize, rank);
      return result(
        lax.reduceWindow(
          read(x),
          (window) => np.max(window),
          [1, 1, ...kernel],
          [1, 1, ...list(options.stride ?? kernel, rank)],
        ),
      );
    },
    linear: (x, w, options) => result(withBias(np.matmul(read(x), read(w).transpose()), options.bias, 0)),
  };
}

/** Makes a device the one that computes. */
export async function use(device: Device): Promise<void> {
  await init(device);
  defaultDevice(device);
}
