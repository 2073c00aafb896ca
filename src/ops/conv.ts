/**
 * Convolution (cross-correlation) over 1, 2 or 3 spatial axes, and its two adjoints.
 *
 *   x [N, C, ...S]    w [O, C/groups, ...K]    y [N, O, ...P]
 *   y[n, o, p] = Σ_{c, k} x[n, c, stride · p + dilation · k - before] · w[o, c, k]
 *   P = floor((S + before + after - dilation · (K - 1) - 1) / stride) + 1, per axis, counted in elements
 *
 *        w ─────┐                 y = conv(x, w)         linear in x and in w:
 *        x ── conv ── y          dx = convInputGrad(g, w)
 *                                dw = convWeightGrad(x, g)
 *
 * A bias, one number per output channel, may be the third input of `conv`; its gradient is a sum of g.
 *
 * The three are closed under differentiation: every vjp below is one of the other two, so a gradient of a gradient
 * needs no new rule. Transposed convolution is `convInputGrad` under its own name.
 * Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", 2016.
 */

import { OptionError, ShapeError } from '../errors.ts';
import { convKernels } from '../kernels/conv.ts';
import type { ConvGeometry } from '../kernels/types.ts';
import { checkChoice, checkInteger, checkKeys } from '../tensor/options.ts';
import { type Shape, showShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { apply } from './apply.ts';
import { checkTensor } from './check.ts';
import { add } from './elementwise.ts';
import { sum } from './expand.ts';
import type { ComputeOp } from './op.ts';
import { type PaddingMode, pad, paddingModes } from './pad.ts';
import { reshape } from './views.ts';
import { type Padding, type PerAxis, perAxis, resolvePadding, spatial, windowCounts } from './window.ts';

/** The geometry, and the shape of each operation's result: of y, of x or of w. */
interface ConvAttrs {
  readonly geometry: ConvGeometry;
  readonly shape: Shape;
}

const convOp: ComputeOp<ConvAttrs> = {
  kind: 'compute',
  name: 'conv',
  overwrites: true,
  infer: ([x], { shape }) => ({ shape, dtype: x!.dtype }),
  compute: ([x, w, bias], { geometry, shape }, _, y) => convKernels().conv(x!, w!, geometry, shape, y, bias),
  vjp: [
    (g, c) => convInputGrad(g, c.input(1), c.attrs.geometry, c.specs[0]!.shape),
    (g, c) => convWeightGrad(c.input(0), g, c.attrs.geometry, c.specs[1]!.shape),
    (g) =>
      sum(
        g,
        g.shape.flatMap((_, axis) => (axis === 1 ? [] : [axis])),
      ),
  ],
};

const convInputGradOp: ComputeOp<ConvAttrs> = {
  kind: 'compute',
  name: 'convInputGrad',
  overwrites: true,
  infer: ([g], { shape }) => ({ shape, dtype: g!.dtype }),
  compute: ([g, w], { geometry, shape }, _, y) => convKernels().convInputGrad(g!, w!, geometry, shape, y),
  vjp: [
    (gx, c) => conv(gx, c.input(1), c.attrs.geometry, c.specs[0]!.shape),
    (gx, c) => convWeightGrad(gx, c.input(0), c.attrs.geometry, c.specs[1]!.shape),
  ],
};

const convWeightGradOp: ComputeOp<ConvAttrs> = {
  kind: 'compute',
  name: 'convWeightGrad',
  overwrites: true,
  infer: ([x], { shape }) => ({ shape, dtype: x!.dtype }),
  compute: ([x, g], { geometry, shape }, _, y) => convKernels().convWeightGrad(x!, g!, geometry, shape, y),
  vjp: [
    (gw, c) => convInputGrad(c.input(1), gw, c.attrs.geometry, c.specs[0]!.shape),
    (gw, c) => conv(c.input(0), gw, c.attrs.geometry, c.specs[1]!.shape),
  ],
};

function conv(x: Tensor, w: Tensor, geometry: ConvGeometry, shape: Shape, bias: Tensor | null = null): Tensor {
  return apply(convOp, bias === null ? [x, w] : [x, w, bias], { geometry, shape });
}

function convInputGrad(g: Tensor, w: Tensor, geometry: ConvGeometry, shape: Shape): Tensor {
  return apply(convInputGradOp, [g, w], { geometry, shape });
}

function convWeightGrad(x: Tensor, g: Tensor, geometry: ConvGeometry, shape: Shape): Tensor {
  return apply(convWeightGradOp, [x, g], { geometry, shape });
}

/** Options of `conv1d`, `conv2d` and `conv3d`. */
export interface ConvOptions {
  /** One number per output channel, added everywhere. Default none. */
  bias?: Tensor | null;
  /** Elements from one window to the next. Default 1. */
  stride?: PerAxis;
  /** Elements added on each side of the spatial axes. Default 0. */
  padding?: Padding;
  /** Elements from one filter tap to the next. Default 1. */
  dilation?: PerAxis;
  /** Channels are split into so many groups that do not see each other. Default 1. */
  groups?: number;
  /** What the added elements are. Default `'zeros'`. */
  paddingMode?: PaddingMode;
}

const convKeys = ['bias', 'stride', 'padding', 'dilation', 'groups', 'paddingMode'];

function convolve(operation: string, rank: number, x: Tensor, w: Tensor, options: ConvOptions): Tensor {
  checkKeys(operation, options, convKeys);
  const { bias = null, stride = 1, padding = 0, dilation = 1, groups = 1, paddingMode = 'zeros' } = options;
  checkInteger(operation, 'groups', groups, 1);
  checkChoice(operation, 'paddingMode', paddingMode, paddingModes);
  checkRanks(operation, rank, x, w);
  checkChannels(operation, x, w, groups);
  const kernel = spatial(w.shape, rank);
  const steps = perAxis(operation, 'stride', stride, rank, 1);
  const gaps = perAxis(operation, 'dilation', dilation, rank, 1);
  const sides = resolvePadding(operation, padding, kernel, steps, gaps);
  const counts = windowCounts(operation, spatial(x.shape, rank), kernel, steps, gaps, sides);
  const shape = [x.shape[0]!, w.shape[0]!, ...counts];
  checkBias(operation, bias, w.shape[0]!);
  if (paddingMode === 'zeros') {
    return conv(x, w, { stride: steps, dilation: gaps, before: sides.before, groups }, shape, bias);
  }
  const pads = sides.before.map((before, axis) => [before, sides.after[axis]!] as const);
  const padded = pad(x, pads, { mode: paddingMode });
  const none = kernel.map(() => 0);
  return conv(padded, w, { stride: steps, dilation: gaps, before: none, groups }, shape, bias);
}

function checkRanks(operation: string, rank: number, x: Tensor, w: Tensor): void {
  checkTensor(operation, 'x', x);
  checkTensor(operation, 'weight', w);
  if (x.rank !== rank + 2 || w.rank !== rank + 2) {
    const axes = ['L', 'H, W', 'D, H, W'][rank - 1];
    throw new ShapeError(
      `${operation}: x must be [N, C, ${axes}] and weight [O, C/groups, ${axes} of the kernel]; x is ${showShape(x.shape)} and weight ${showShape(w.shape)}`,
    );
  }
  if (w.shape.slice(2).includes(0))
    throw new ShapeError(`${operation}: weight ${showShape(w.shape)} has an empty kernel`);
}

function checkChannels(operation: string, x: Tensor, w: Tensor, groups: number): void {
  const [channels, outputs, inputs] = [x.shape[1]!, w.shape[0]!, w.shape[1]!];
  if (channels !== inputs * groups) {
    throw new ShapeError(
      `${operation}: x has ${channels} channels but weight expects ${inputs * groups} (weight ${showShape(w.shape)} with groups ${groups}); x is ${showShape(x.shape)}`,
    );
  }
  if (outputs % groups !== 0) {
    throw new ShapeError(
      `${operation}: ${outputs} filters cannot be split into ${groups} groups; weight is ${showShape(w.shape)}`,
    );
  }
}

function checkBias(operation: string, bias: Tensor | null, channels: number): void {
  if (bias === null) return;
  checkTensor(operation, 'bias', bias);
  if (bias.rank === 1 && bias.shape[0] === channels) return;
  throw new ShapeError(
    `${operation}: bias ${showShape(bias.shape)} must have one number for each of the ${channels} output channels`,
  );
}

function withBias(operation: string, y: Tensor, bias: Tensor | null): Tensor {
  checkBias(operation, bias, y.shape[1]!);
  if (bias === null) return y;
  return add(y, reshape(bias, [-1, ...y.shape.slice(2).map(() => 1)]));
}

/**
 * Convolution over one axis: x [N, C, L], weight [O, C/groups, K] → [N, O, P].
 *
 * @throws ShapeError if ranks, channels or sizes do not fit; OptionError for an option of the wrong kind.
 * @example
 * ```ts
 * import { conv1d, tensor } from 'typedgrad';
 * const picture = tensor([[[0, 0, 1, 1, 1, 0, 1, 0, 0, 0]]]);
 * const filter = tensor([[[-1, 1, -1]]]);
 * conv1d(picture, filter).flatten().toArray(); // → [-1, 0, -1, 0, -2, 1, -1, 0]
 * ```
 */
export function conv1d(x: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor {
  return convolve('conv1d', 1, x, weight, options);
}

/** Convolution over two axes: x [N, C, H, W], weight [O, C/groups, KH, KW] → [N, O, PH, PW]. */
export function conv2d(x: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor {
  return convolve('conv2d', 2, x, weight, options);
}

/** Convolution over three axes: x [N, C, D, H, W], weight [O, C/groups, KD, KH, KW] → [N, O, PD, PH, PW]. */
export function conv3d(x: Tensor, weight: Tensor, options: ConvOptions = {}): Tensor {
  return convolve('conv3d', 3, x, weight, options);
}

/** Options of `convTranspose1d`, `convTranspose2d` and `convTranspose3d`. */
export interface ConvTransposeOptions {
  /** One number per output channel, added everywhere. Default none. */
  bias?: Tensor | null;
  /** Elements between the places where neighbouring inputs write. Default 1. */
  stride?: PerAxis;
  /** Elements cropped from each side of the result. Default 0. */
  padding?: PerAxis;
  /** Elements added at the end of the result, less than the stride or the dilation. Default 0. */
  outputPadding?: PerAxis;
  /** Elements from one filter tap to the next. Default 1. */
  dilation?: PerAxis;
  /** Channels are split into so many groups that do not see each other. Default 1. */
  groups?: number;
}

const convTransposeKeys = ['bias', 'stride', 'padding', 'outputPadding', 'dilation', 'groups'];

function convolveTransposed(
  operation: string,
  rank: number,
  x: Tensor,
  w: Tensor,
  options: ConvTransposeOptions,
): Tensor {
  checkKeys(operation, options, convTransposeKeys);
  const { bias = null, groups = 1 } = options;
  checkInteger(operation, 'groups', groups, 1);
  checkRanks(operation, rank, x, w);
  if (x.shape[1] !== w.shape[0] || x.shape[1]! % groups !== 0) {
    throw new ShapeError(
      `${operation}: x has ${x.shape[1]} channels, weight [C, O/groups, …] expects ${w.shape[0]} in ${groups} groups; x is ${showShape(x.shape)}, weight ${showShape(w.shape)}`,
    );
  }
  const stride = perAxis(operation, 'stride', options.stride ?? 1, rank, 1);
  const dilation = perAxis(operation, 'dilation', options.dilation ?? 1, rank, 1);
  const before = perAxis(operation, 'padding', options.padding ?? 0, rank, 0);
  const extra = perAxis(operation, 'outputPadding', options.outputPadding ?? 0, rank, 0);
  const size = spatial(x.shape, rank).map((length, axis) => {
    if (extra[axis]! >= Math.max(stride[axis]!, dilation[axis]!)) {
      throw new OptionError(
        `${operation}: outputPadding ${extra[axis]} must be smaller than the stride ${stride[axis]} or the dilation ${dilation[axis]}`,
      );
    }
    const reach = dilation[axis]! * (w.shape[axis + 2]! - 1) + 1;
    const size = (length - 1) * stride[axis]! - 2 * before[axis]! + reach + extra[axis]!;
    if (size >= 1) return size;
    throw new ShapeError(
      `${operation}: axis ${axis} of the result would have ${size} elements; x is ${showShape(x.shape)}, padding ${before[axis]}`,
    );
  });
  const shape = [x.shape[0]!, w.shape[1]! * groups, ...size];
  return withBias(operation, convInputGrad(x, w, { stride, dilation, before, groups }, shape), bias);
}

/** Transposed convolution, the adjoint of `conv1d` with the same options: x [N, C, L], weight [C, O/groups, K] → [N, O, P]. */
export function convTranspose1d(x: Tensor, weight: Tensor, options: ConvTransposeOptions = {}): Tensor {
  return convolveTransposed('convTranspose1d', 1, x, weight, options);
}

/** Transposed convolution, the adjoint of `conv2d` with the same options: x [N, C, H, W], weight [C, O/groups, KH, KW]. */
export function convTranspose2d(x: Tensor, weight: Tensor, options: ConvTransposeOptions = {}): Tensor {
  return convolveTransposed('convTranspose2d', 2, x, weight, options);
}

/** Transposed convolution, the adjoint of `conv3d` with the same options: x [N, C, D, H, W], weight [C, O/groups, KD, KH, KW]. */
export function convTranspose3d(x: Tensor, weight: Tensor, options: ConvTransposeOptions = {}): Tensor {
  return convolveTransposed('convTranspose3d', 3, x, weight, options);
}
