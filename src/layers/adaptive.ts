/** Adaptive pooling as layers; each computes the function of the same name. */

import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveAvgPool3d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  adaptiveMaxPool3d,
  type OutputSize,
} from '../ops/adaptive.ts';
import { show } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Module } from './module.ts';

abstract class AdaptivePool extends Module {
  readonly outputSize: OutputSize;

  constructor(outputSize: OutputSize) {
    super();
    this.outputSize = outputSize;
  }

  protected override describe(): string {
    return show(this.outputSize);
  }
}

/** The mean of each of `outputSize` windows: x [N, C, L] → [N, C, P]. */
export class AdaptiveAvgPool1d extends AdaptivePool {
  override forward(x: Tensor): Tensor {
    return adaptiveAvgPool1d(x, this.outputSize);
  }
}

/** The mean of each of `outputSize` windows: x [N, C, H, W] → [N, C, PH, PW]. */
export class AdaptiveAvgPool2d extends AdaptivePool {
  override forward(x: Tensor): Tensor {
    return adaptiveAvgPool2d(x, this.outputSize);
  }
}

/** The mean of each of `outputSize` windows: x [N, C, D, H, W] → [N, C, PD, PH, PW]. */
export class AdaptiveAvgPool3d extends AdaptivePool {
  override forward(x: Tensor): Tensor {
    return adaptiveAvgPool3d(x, this.outputSize);
  }
}

/** The largest element of each of `outputSize` windows: x [N, C, L] → [N, C, P]. */
export class AdaptiveMaxPool1d extends AdaptivePool {
  override forward(x: Tensor): Tensor {
    return adaptiveMaxPool1d(x, this.outputSize);
  }
}

/** The largest element of each of `outputSize` windows: x [N, C, H, W] → [N, C, PH, PW]. */
export class AdaptiveMaxPool2d extends AdaptivePool {
  override forward(x: Tensor): Tensor {
    return adaptiveMaxPool2d(x, this.outputSize);
  }
}

/** The largest element of each of `outputSize` windows: x [N, C, D, H, W] → [N, C, PD, PH, PW]. */
export class AdaptiveMaxPool3d extends AdaptivePool {
  override forward(x: Tensor): Tensor {
    return adaptiveMaxPool3d(x, this.outputSize);
  }
}
