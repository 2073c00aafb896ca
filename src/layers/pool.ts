/** Pooling as layers; each computes the function of the same name. */

import {
  type AvgPoolOptions,
  avgPool1d,
  avgPool2d,
  avgPool3d,
  type MaxPoolOptions,
  maxPool1d,
  maxPool2d,
  maxPool3d,
} from '../ops/pool.ts';
import { type PerAxis, perAxis } from '../ops/window.ts';
import { checkKeys, show } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Module } from './module.ts';
import { showOptions } from './text.ts';

abstract class Pool<O extends { stride?: PerAxis; padding?: PerAxis }> extends Module {
  readonly kernelSize: PerAxis;
  /** Stride, padding and the like, as the operation takes them. */
  readonly options: O;

  constructor(name: string, rank: number, kernelSize: PerAxis, options: O, keys: readonly string[]) {
    super();
    checkKeys(name, options, keys);
    perAxis(name, 'kernelSize', kernelSize, rank, 1);
    perAxis(name, 'stride', options.stride ?? kernelSize, rank, 1);
    perAxis(name, 'padding', options.padding ?? 0, rank, 0);
    this.kernelSize = kernelSize;
    this.options = { ...options };
  }

  protected override describe(): string {
    return `${show(this.kernelSize)}${showOptions(this.options)}`;
  }
}

const maxKeys = ['stride', 'padding', 'dilation', 'ceilMode'];
const avgKeys = ['stride', 'padding', 'ceilMode', 'countIncludePad', 'divisorOverride'];

/** The largest element of each window: x [N, C, L] → [N, C, P]. */
export class MaxPool1d extends Pool<MaxPoolOptions> {
  constructor(kernelSize: PerAxis, options: MaxPoolOptions = {}) {
    super('MaxPool1d', 1, kernelSize, options, maxKeys);
  }

  override forward(x: Tensor): Tensor {
    return maxPool1d(x, this.kernelSize, this.options);
  }
}

/** The largest element of each window: x [N, C, H, W] → [N, C, PH, PW]. */
export class MaxPool2d extends Pool<MaxPoolOptions> {
  constructor(kernelSize: PerAxis, options: MaxPoolOptions = {}) {
    super('MaxPool2d', 2, kernelSize, options, maxKeys);
  }

  override forward(x: Tensor): Tensor {
    return maxPool2d(x, this.kernelSize, this.options);
  }
}

/** The largest element of each window: x [N, C, D, H, W] → [N, C, PD, PH, PW]. */
export class MaxPool3d extends Pool<MaxPoolOptions> {
  constructor(kernelSize: PerAxis, options: MaxPoolOptions = {}) {
    super('MaxPool3d', 3, kernelSize, options, maxKeys);
  }

  override forward(x: Tensor): Tensor {
    return maxPool3d(x, this.kernelSize, this.options);
  }
}

/** The mean of each window: x [N, C, L] → [N, C, P]. */
export class AvgPool1d extends Pool<AvgPoolOptions> {
  constructor(kernelSize: PerAxis, options: AvgPoolOptions = {}) {
    super('AvgPool1d', 1, kernelSize, options, avgKeys);
  }

  override forward(x: Tensor): Tensor {
    return avgPool1d(x, this.kernelSize, this.options);
  }
}

/** The mean of each window: x [N, C, H, W] → [N, C, PH, PW]. */
export class AvgPool2d extends Pool<AvgPoolOptions> {
  constructor(kernelSize: PerAxis, options: AvgPoolOptions = {}) {
    super('AvgPool2d', 2, kernelSize, options, avgKeys);
  }

  override forward(x: Tensor): Tensor {
    return avgPool2d(x, this.kernelSize, this.options);
  }
}

/** The mean of each window: x [N, C, D, H, W] → [N, C, PD, PH, PW]. */
export class AvgPool3d extends Pool<AvgPoolOptions> {
  constructor(kernelSize: PerAxis, options: AvgPoolOptions = {}) {
    super('AvgPool3d', 3, kernelSize, options, avgKeys);
  }

  override forward(x: Tensor): Tensor {
    return avgPool3d(x, this.kernelSize, this.options);
  }
}
