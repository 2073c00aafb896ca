/** Layers of convolution and transposed convolution over 1, 2 and 3 axes. */

import { OptionError } from '../errors.ts';
import {
  type ConvOptions,
  type ConvTransposeOptions,
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
} from '../ops/conv.ts';
import { paddingModes } from '../ops/pad.ts';
import { type PerAxis, perAxis, resolvePadding } from '../ops/window.ts';
import { checkChoice, checkInteger, checkKeys } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { freshWeights, type WeightOptions } from './dense.ts';
import { Module } from './module.ts';
import type { Parameter } from './parameter.ts';
import { showOptions } from './text.ts';

/** Options of the convolution layers. */
export interface ConvLayerOptions extends Omit<ConvOptions, 'bias'>, WeightOptions {}

/** Options of the transposed convolution layers. */
export interface ConvTransposeLayerOptions extends Omit<ConvTransposeOptions, 'bias'>, WeightOptions {}

abstract class Filters<O extends { stride?: PerAxis; dilation?: PerAxis; groups?: number }> extends Module {
  /** [out, in / groups, ...kernel]; of a transposed convolution [in, out / groups, ...kernel]. */
  weight: Parameter;
  /** [out] */
  bias: Parameter | null;
  /** Stride, padding and the like, as the operation takes them. */
  readonly options: O;
  readonly #channels: readonly [number, number];

  constructor(
    name: string,
    rank: number,
    channels: readonly [number, number],
    kernelSize: PerAxis,
    transposed: boolean,
    all: O & WeightOptions,
  ) {
    super();
    const { bias = true, generator, ...options } = all;
    const groups = checkInteger(name, 'groups', options.groups ?? 1, 1);
    for (const [i, count] of channels.entries()) {
      checkInteger(name, i === 0 ? 'inChannels' : 'outChannels', count, 1);
      if (count % groups !== 0)
        throw new OptionError(
          `${name}: ${count} ${i === 0 ? 'in' : 'out'}Channels cannot be split into ${groups} groups`,
        );
    }
    const kernel = perAxis(name, 'kernelSize', kernelSize, rank, 1);
    const [outer, inner] = transposed ? channels : [channels[1], channels[0]];
    [this.weight, this.bias] = freshWeights([outer, inner / groups, ...kernel], channels[1], { bias, generator });
    this.options = options as unknown as O;
    this.#channels = channels;
  }

  protected override describe(): string {
    const [inputs, outputs] = this.#channels;
    const options = { ...this.options, ...(this.bias ? {} : { bias: false }) };
    return `${inputs}, ${outputs}, [${this.weight.shape.slice(2).join(', ')}]${showOptions(options)}`;
  }
}

const convKeys = ['bias', 'generator', 'stride', 'padding', 'dilation', 'groups', 'paddingMode'];

abstract class Conv extends Filters<Omit<ConvOptions, 'bias'>> {
  constructor(
    name: string,
    rank: number,
    channels: readonly [number, number],
    kernelSize: PerAxis,
    options: ConvLayerOptions,
  ) {
    checkKeys(name, options, convKeys);
    super(name, rank, channels, kernelSize, false, options);
    // What the operation would reject at the first call is told now.
    const stride = perAxis(name, 'stride', options.stride ?? 1, rank, 1);
    const dilation = perAxis(name, 'dilation', options.dilation ?? 1, rank, 1);
    resolvePadding(name, options.padding ?? 0, this.weight.shape.slice(2), stride, dilation);
    checkChoice(name, 'paddingMode', options.paddingMode ?? 'zeros', paddingModes);
  }
}

/**
 * Convolution over one axis: x [N, inChannels, L] → [N, outChannels, P].
 *
 * @example
 * ```ts
 * import { Conv1d, ones } from 'typedgrad';
 * const layer = new Conv1d(2, 4, 3, { padding: 1 });
 * layer.forward(ones([1, 2, 10])).shape; // → [1, 4, 10]
 * ```
 */
export class Conv1d extends Conv {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvLayerOptions = {}) {
    super('Conv1d', 1, [inChannels, outChannels], kernelSize, options);
  }

  override forward(x: Tensor): Tensor {
    return conv1d(x, this.weight, { ...this.options, bias: this.bias });
  }
}

/** Convolution over two axes: x [N, inChannels, H, W] → [N, outChannels, PH, PW]. */
export class Conv2d extends Conv {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvLayerOptions = {}) {
    super('Conv2d', 2, [inChannels, outChannels], kernelSize, options);
  }

  override forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, { ...this.options, bias: this.bias });
  }
}

/** Convolution over three axes: x [N, inChannels, D, H, W] → [N, outChannels, PD, PH, PW]. */
export class Conv3d extends Conv {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvLayerOptions = {}) {
    super('Conv3d', 3, [inChannels, outChannels], kernelSize, options);
  }

  override forward(x: Tensor): Tensor {
    return conv3d(x, this.weight, { ...this.options, bias: this.bias });
  }
}

const convTransposeKeys = ['bias', 'generator', 'stride', 'padding', 'outputPadding', 'dilation', 'groups'];

abstract class ConvTranspose extends Filters<Omit<ConvTransposeOptions, 'bias'>> {
  constructor(
    name: string,
    rank: number,
    channels: readonly [number, number],
    kernelSize: PerAxis,
    options: ConvTransposeLayerOptions,
  ) {
    checkKeys(name, options, convTransposeKeys);
    super(name, rank, channels, kernelSize, true, options);
    for (const key of ['stride', 'dilation'] as const) perAxis(name, key, options[key] ?? 1, rank, 1);
    for (const key of ['padding', 'outputPadding'] as const) perAxis(name, key, options[key] ?? 0, rank, 0);
  }
}

/** Transposed convolution over one axis: x [N, inChannels, L] → [N, outChannels, P]. */
export class ConvTranspose1d extends ConvTranspose {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvTransposeLayerOptions = {}) {
    super('ConvTranspose1d', 1, [inChannels, outChannels], kernelSize, options);
  }

  override forward(x: Tensor): Tensor {
    return convTranspose1d(x, this.weight, { ...this.options, bias: this.bias });
  }
}

/** Transposed convolution over two axes: x [N, inChannels, H, W] → [N, outChannels, PH, PW]. */
export class ConvTranspose2d extends ConvTranspose {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvTransposeLayerOptions = {}) {
    super('ConvTranspose2d', 2, [inChannels, outChannels], kernelSize, options);
  }

  override forward(x: Tensor): Tensor {
    return convTranspose2d(x, this.weight, { ...this.options, bias: this.bias });
  }
}

/** Transposed convolution over three axes: x [N, inChannels, D, H, W] → [N, outChannels, PD, PH, PW]. */
export class ConvTranspose3d extends ConvTranspose {
  constructor(inChannels: number, outChannels: number, kernelSize: PerAxis, options: ConvTransposeLayerOptions = {}) {
    super('ConvTranspose3d', 3, [inChannels, outChannels], kernelSize, options);
  }

  override forward(x: Tensor): Tensor {
    return convTranspose3d(x, this.weight, { ...this.options, bias: this.bias });
  }
}
