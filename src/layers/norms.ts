/** Normalisation as layers. */

import { noGrad } from '../autograd/mode.ts';
import { OptionError, ShapeError } from '../errors.ts';
import { assign } from '../ops/apply.ts';
import { add, div, to } from '../ops/elementwise.ts';
import { batchNorm, groupNorm, instanceNorm, layerNorm } from '../ops/norms.ts';
import { ones, zeros } from '../tensor/creation.ts';
import { checkInteger, checkKeys, checkNumber } from '../tensor/options.ts';
import { checkShape, type Shape, showShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Module } from './module.ts';
import { ModuleBuffer, Parameter } from './parameter.ts';
import { showOptions } from './text.ts';

/** Options of `BatchNorm1d`, `BatchNorm2d` and `BatchNorm3d`. */
export interface BatchNormLayerOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** How far the running statistics move towards each batch's; null takes the mean over all batches. Default 0.1. */
  momentum?: number | null;
  /** Whether a weight and a bias per channel are learned. Default true. */
  affine?: boolean;
  /** Whether statistics are kept for evaluation; without them it uses the batch's. Default true. */
  trackRunningStats?: boolean;
}

/** The name of the buffers in `stateDict`, which is PyTorch's. */
const bufferNames: Record<string, string> = {
  runningMean: 'running_mean',
  runningVar: 'running_var',
  numBatchesTracked: 'num_batches_tracked',
};

abstract class BatchNorm extends Module {
  /** [channels]; null without `affine`. */
  weight: Parameter | null;
  /** [channels]; null without `affine`. */
  bias: Parameter | null;
  /** [channels]; null without `trackRunningStats`. */
  runningMean: ModuleBuffer | null;
  /** [channels]; null without `trackRunningStats`. */
  runningVar: ModuleBuffer | null;
  /** How many batches the running statistics have seen; null without `trackRunningStats`. */
  numBatchesTracked: ModuleBuffer | null;
  readonly eps: number;
  readonly momentum: number | null;
  readonly #name: string;
  readonly #ranks: readonly number[];
  readonly #channels: number;

  constructor(name: string, ranks: readonly number[], channels: number, options: BatchNormLayerOptions) {
    super();
    checkKeys(name, options, ['eps', 'momentum', 'affine', 'trackRunningStats']);
    const { affine = true, trackRunningStats: tracks = true, momentum = 0.1 } = options;
    this.#name = name;
    this.#ranks = ranks;
    this.#channels = checkInteger(name, 'channels', channels, 1);
    this.eps = checkNumber(name, 'eps', options.eps ?? 1e-5, 0);
    this.momentum = momentum === null ? null : checkNumber(name, 'momentum', momentum, 0, 1);
    this.weight = affine ? new Parameter(ones([channels])) : null;
    this.bias = affine ? new Parameter(zeros([channels])) : null;
    this.runningMean = tracks ? new ModuleBuffer(zeros([channels])) : null;
    this.runningVar = tracks ? new ModuleBuffer(ones([channels])) : null;
    this.numBatchesTracked = tracks ? new ModuleBuffer(zeros([])) : null;
  }

  override forward(x: Tensor): Tensor {
    if (!this.#ranks.includes(x.rank) || x.shape[1] !== this.#channels) {
      const axes = this.#ranks.map((rank) => `[N, ${this.#channels}${', …'.repeat(rank - 2)}]`).join(' or ');
      throw new ShapeError(`${this.#name}: x must be ${axes}, but is ${showShape(x.shape)}`);
    }
    const { weight, bias, runningMean, runningVar, eps } = this;
    const training = this.training || runningMean === null;
    const momentum = training ? this.#count(x) : 0;
    return batchNorm(x, { weight, bias, runningMean, runningVar, eps, training, momentum });
  }

  /** Counts a batch; returns how far the running statistics move. */
  #count(x: Tensor): number | Tensor {
    const count = this.numBatchesTracked;
    if (count === null) return 0;
    return noGrad(() => {
      assign(count, add(count, 1));
      return this.momentum ?? div(1, to(count, x.dtype));
    });
  }

  protected override stateName(property: string): string {
    return bufferNames[property] ?? property;
  }

  protected override describe(): string {
    const { eps, momentum } = this;
    const options = {
      ...(eps === 1e-5 ? {} : { eps }),
      ...(momentum === 0.1 ? {} : { momentum }),
      ...(this.weight ? {} : { affine: false }),
      ...(this.runningMean ? {} : { trackRunningStats: false }),
    };
    return `${this.#channels}${showOptions(options)}`;
  }
}

/**
 * Batch normalisation of x [N, C] or [N, C, L]: in training by the batch's statistics, in evaluation by the running
 * ones. Ioffe & Szegedy 2015.
 *
 * @example
 * ```ts
 * import { BatchNorm1d, tensor } from 'typedgrad';
 * const layer = new BatchNorm1d(1, { momentum: 0.5 });
 * layer.forward(tensor([[1], [3]])).round().toArray(); // → [[-1], [1]]
 * layer.eval().runningMean?.toArray(); // → [1]
 * ```
 */
export class BatchNorm1d extends BatchNorm {
  constructor(channels: number, options: BatchNormLayerOptions = {}) {
    super('BatchNorm1d', [2, 3], channels, options);
  }
}

/** Batch normalisation of x [N, C, H, W]. */
export class BatchNorm2d extends BatchNorm {
  constructor(channels: number, options: BatchNormLayerOptions = {}) {
    super('BatchNorm2d', [4], channels, options);
  }
}

/** Batch normalisation of x [N, C, D, H, W]. */
export class BatchNorm3d extends BatchNorm {
  constructor(channels: number, options: BatchNormLayerOptions = {}) {
    super('BatchNorm3d', [5], channels, options);
  }
}

/** Options of `LayerNorm`, `GroupNorm` and `InstanceNorm`. */
export interface NormLayerOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Whether a weight and a bias are learned. Default true; of `InstanceNorm` false. */
  affine?: boolean;
}

abstract class Norm extends Module {
  /** null without `affine`. */
  weight: Parameter | null;
  /** null without `affine`. */
  bias: Parameter | null;
  readonly eps: number;

  constructor(name: string, shape: Shape, options: NormLayerOptions, affine: boolean) {
    super();
    checkKeys(name, options, ['eps', 'affine']);
    this.eps = checkNumber(name, 'eps', options.eps ?? 1e-5, 0);
    this.weight = (options.affine ?? affine) ? new Parameter(ones(shape)) : null;
    this.bias = (options.affine ?? affine) ? new Parameter(zeros(shape)) : null;
  }
}

/** Normalisation over the last axes, of sizes `normalizedShape`, with a weight and a bias per element. Ba et al. 2016. */
export class LayerNorm extends Norm {
  readonly normalizedShape: Shape;

  constructor(normalizedShape: number | Shape, options: NormLayerOptions = {}) {
    const shape = checkShape('LayerNorm', normalizedShape);
    super('LayerNorm', shape, options, true);
    this.normalizedShape = shape;
  }

  override forward(x: Tensor): Tensor {
    return layerNorm(x, this.normalizedShape, { weight: this.weight, bias: this.bias, eps: this.eps });
  }

  protected override describe(): string {
    return showShape(this.normalizedShape);
  }
}

/** Normalisation of each sample's channels in `groups` groups. Wu & He 2018. */
export class GroupNorm extends Norm {
  readonly groups: number;
  readonly channels: number;

  constructor(groups: number, channels: number, options: NormLayerOptions = {}) {
    checkInteger('GroupNorm', 'groups', groups, 1);
    if (checkInteger('GroupNorm', 'channels', channels, 1) % groups !== 0) {
      throw new OptionError(`GroupNorm: ${channels} channels cannot be split into ${groups} groups`);
    }
    super('GroupNorm', [channels], options, true);
    this.groups = groups;
    this.channels = channels;
  }

  override forward(x: Tensor): Tensor {
    return groupNorm(x, this.groups, { weight: this.weight, bias: this.bias, eps: this.eps });
  }

  protected override describe(): string {
    return `${this.groups}, ${this.channels}`;
  }
}

/** Normalisation of each sample's channels on their own: x [N, C, ...S]. Ulyanov et al. 2016. */
export class InstanceNorm extends Norm {
  readonly channels: number;

  constructor(channels: number, options: NormLayerOptions = {}) {
    super('InstanceNorm', [checkInteger('InstanceNorm', 'channels', channels, 1)], options, false);
    this.channels = channels;
  }

  override forward(x: Tensor): Tensor {
    if (x.shape[1] !== this.channels)
      throw new ShapeError(`InstanceNorm: x must have ${this.channels} channels, but is ${showShape(x.shape)}`);
    return instanceNorm(x, { weight: this.weight, bias: this.bias, eps: this.eps });
  }

  protected override describe(): string {
    return String(this.channels);
  }
}
