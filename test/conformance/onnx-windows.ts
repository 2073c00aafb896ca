/** ONNX's convolutions and poolings as calls of the library. */

import * as tg from '../../src/index.ts';
import { type Tensor, tensor } from '../../src/index.ts';
import { type Mapping, NotApplicable, type OnnxNode } from './onnx-node.ts';

type Pair = [before: number, after: number];
type Windowed = (x: Tensor, kernel: number[], options?: object) => Tensor;

const CONV = { 1: tg.conv1d, 2: tg.conv2d, 3: tg.conv3d };
const CONV_TRANSPOSE = { 1: tg.convTranspose1d, 2: tg.convTranspose2d, 3: tg.convTranspose3d };
const MAX_POOL = { 1: tg.maxPool1dWithIndices, 2: tg.maxPool2dWithIndices, 3: tg.maxPool3dWithIndices };
const AVG_POOL = { 1: tg.avgPool1d, 2: tg.avgPool2d, 3: tg.avgPool3d };
const GLOBAL_AVG = { 1: tg.adaptiveAvgPool1d, 2: tg.adaptiveAvgPool2d, 3: tg.adaptiveAvgPool3d };
const GLOBAL_MAX = { 1: tg.adaptiveMaxPool1d, 2: tg.adaptiveMaxPool2d, 3: tg.adaptiveMaxPool3d };

/** The function for as many spatial axes as x has. */
function forRank<T>(table: Readonly<Record<1 | 2 | 3, unknown>>, x: Tensor): T {
  if (!(x.rank - 2 in table)) throw new NotApplicable(`${x.rank - 2} spatial axes`);
  return table[(x.rank - 2) as 1 | 2 | 3] as T;
}

/** `pads` or `auto_pad` as pairs; ONNX's SAME pads up to ceil(size / stride), whatever the stride. */
function padsOf(
  node: OnnxNode,
  sizes: readonly number[],
  kernel: readonly number[],
  stride: readonly number[],
  dilation: readonly number[],
): Pair[] {
  const auto = node.text('auto_pad', 'NOTSET');
  const pads = node.numbers('pads');
  return sizes.map((size, i): Pair => {
    if (auto === 'NOTSET') return pads ? [pads[i]!, pads[i + sizes.length]!] : [0, 0];
    if (auto === 'VALID') return [0, 0];
    const steps = Math.ceil(size / stride[i]!) - 1;
    const total = Math.max(0, steps * stride[i]! + dilation[i]! * (kernel[i]! - 1) + 1 - size);
    const less = Math.floor(total / 2);
    return auto === 'SAME_UPPER' ? [less, total - less] : [total - less, less];
  });
}

interface Geometry {
  sizes: number[];
  kernel: number[];
  stride: number[];
  dilation: number[];
  pads: Pair[];
}

function geometryOf(node: OnnxNode, x: Tensor, kernel: number[]): Geometry {
  const sizes = x.shape.slice(2);
  const stride = node.numbers('strides') ?? sizes.map(() => 1);
  const dilation = node.numbers('dilations') ?? sizes.map(() => 1);
  return { sizes, kernel, stride, dilation, pads: padsOf(node, sizes, kernel, stride, dilation) };
}

const conv: Mapping = (node) => {
  const [x, w] = [node.input(0), node.input(1)];
  const { stride, dilation, pads } = geometryOf(node, x, w.shape.slice(2));
  const bias = node.optional(2);
  const call = forRank<(x: Tensor, w: Tensor, options: object) => Tensor>(CONV, x);
  return call(x, w, { ...(bias ? { bias } : {}), stride, dilation, padding: pads, groups: node.number('group', 1) });
};

/** The whole transposed convolution, then ONNX's pads as a crop: they may differ from side to side. */
const convTranspose: Mapping = (node) => {
  const [x, w] = [node.input(0), node.input(1)];
  const kernel = w.shape.slice(2);
  const { sizes, stride, dilation } = geometryOf(node, x, kernel);
  const outputPadding = node.numbers('output_padding') ?? sizes.map(() => 0);
  const auto = node.text('auto_pad', 'NOTSET');
  const wanted =
    node.numbers('output_shape') ?? (auto.startsWith('SAME') ? sizes.map((s, i) => s * stride[i]!) : undefined);
  const given = node.numbers('pads') ?? [...sizes, ...sizes].map(() => 0);
  const crops = sizes.map((size, i): Pair => {
    if (!wanted) return [-given[i]!, -given[i + sizes.length]!];
    const total =
      stride[i]! * (size - 1) + outputPadding[i]! + dilation[i]! * (kernel[i]! - 1) + 1 - wanted.at(i - sizes.length)!;
    const less = Math.floor(total / 2);
    return auto === 'SAME_UPPER' ? [-less, less - total] : [less - total, -less];
  });
  const bias = node.optional(2);
  const call = forRank<(x: Tensor, w: Tensor, options: object) => Tensor>(CONV_TRANSPOSE, x);
  const options = { stride, dilation, groups: node.number('group', 1) };
  // Output padding beyond the stride is zeros after the end: room for the crop.
  const whole = tg.pad(
    call(x, w, options),
    outputPadding.map((extra): Pair => [0, extra]),
  );
  const y = tg.pad(whole, crops);
  return bias ? y.add(bias.reshape([-1, ...sizes.map(() => 1)])) : y;
};

const isSymmetric = ({ pads, kernel }: Geometry): boolean =>
  pads.every(([before, after], i) => before === after && before <= kernel[i]! / 2);

const maxPool: Mapping = (node) => {
  const x = node.input(0);
  const geometry = geometryOf(node, x, node.numbers('kernel_shape')!);
  const { kernel, stride, dilation, pads } = geometry;
  const ceilMode = node.number('ceil_mode', 0) === 1;
  const call = forRank<(x: Tensor, kernel: number[], options: object) => [Tensor, Tensor]>(MAX_POOL, x);
  if (!isSymmetric(geometry)) {
    if (node.outputs > 1) throw new NotApplicable('indices with padding that differs from side to side');
    return call(tg.pad(x, pads, { value: Number.NEGATIVE_INFINITY }), kernel, { stride, dilation, ceilMode })[0];
  }
  const [values, indices] = call(x, kernel, { stride, dilation, ceilMode, padding: pads.map(([before]) => before) });
  return node.outputs === 1 ? values : [values, wholeIndices(indices, x, node.number('storage_order', 0) === 1)];
};

/** ONNX counts through the whole of x, and in storage order 1 through its last two axes column by column. */
function wholeIndices(indices: Tensor, x: Tensor, columnMajor: boolean): Tensor {
  const area = x.shape.slice(2).reduce((a, b) => a * b, 1);
  const [height, width] = x.shape.slice(-2) as [number, number];
  const perMap = indices.size / (x.shape[0]! * x.shape[1]!);
  const values = Array.from(indices.toTypedArray(), (at, i) => {
    const local = columnMajor ? (at % width) * height + Math.floor(at / width) : at;
    return Math.floor(i / perMap) * area + local;
  });
  return tensor(Float64Array.from(values), [...indices.shape]);
}

const averagePool: Mapping = (node) => {
  const x = node.input(0);
  const geometry = geometryOf(node, x, node.numbers('kernel_shape')!);
  const { kernel, stride, dilation, pads } = geometry;
  if (dilation.some((d) => d !== 1)) throw new NotApplicable('dilation');
  const countIncludePad = node.number('count_include_pad', 0) === 1;
  const call = forRank<Windowed>(AVG_POOL, x);
  if (isSymmetric(geometry)) {
    const padding = pads.map(([before]) => before);
    return call(x, kernel, { stride, padding, countIncludePad, ceilMode: node.number('ceil_mode', 0) === 1 });
  }
  const mean = call(tg.pad(x, pads), kernel, { stride });
  if (countIncludePad) return mean;
  return mean.div(call(tg.pad(tg.ones(x.shape, { dtype: x.dtype }), pads), kernel, { stride }));
};

const overAll =
  (table: Readonly<Record<1 | 2 | 3, unknown>>): Mapping =>
  (node) => {
    const x = node.input(0);
    return forRank<Windowed>(table, x)(
      x,
      x.shape.slice(2).map(() => 1),
    );
  };

export const WINDOWS: Readonly<Record<string, Mapping>> = {
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: maxPool,
  AveragePool: averagePool,
  GlobalAveragePool: overAll(GLOBAL_AVG),
  GlobalMaxPool: overAll(GLOBAL_MAX),
};
