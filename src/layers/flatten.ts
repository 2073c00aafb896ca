/** The layer between convolutions and fully connected layers. */

import { flatten } from '../ops/views.ts';
import { checkKeys } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Module } from './module.ts';

/** The axes from `startAxis` (default 1, after the batch) to `endAxis` (default the last) as one. */
export class Flatten extends Module {
  readonly startAxis: number;
  readonly endAxis: number;

  constructor(options: { startAxis?: number; endAxis?: number } = {}) {
    super();
    checkKeys('Flatten', options, ['startAxis', 'endAxis']);
    this.startAxis = options.startAxis ?? 1;
    this.endAxis = options.endAxis ?? -1;
  }

  override forward(x: Tensor): Tensor {
    return flatten(x, this.startAxis, this.endAxis);
  }
}
