/** The layer that is different in training and in evaluation by chance. */

import { dropout } from '../ops/dropout.ts';
import { generatorOf } from '../tensor/creation.ts';
import { checkKeys, checkNumber } from '../tensor/options.ts';
import type { Generator } from '../tensor/random.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { Module } from './module.ts';

/** In training sets each element to 0 with probability `p` (default 0.5) and divides the others by 1 - p; else x itself. */
export class Dropout extends Module {
  readonly p: number;
  readonly #generator: Generator | undefined;

  constructor(p = 0.5, options: { generator?: Generator } = {}) {
    super();
    checkKeys('Dropout', options, ['generator']);
    this.p = checkNumber('Dropout', 'p', p, 0, 1);
    if (options.generator) this.#generator = generatorOf('Dropout', options);
  }

  override forward(x: Tensor): Tensor {
    const generator = this.#generator;
    return dropout(x, { p: this.p, training: this.training, ...(generator && { generator }) });
  }

  protected override describe(): string {
    return String(this.p);
  }
}
