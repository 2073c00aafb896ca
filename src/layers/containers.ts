/** Layers made of layers. */

import { OptionError } from '../errors.ts';
import { add } from '../ops/elementwise.ts';
import { show } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type Layer, Module } from './module.ts';

/**
 * Layers one after the other, named 0, 1, … in `stateDict`.
 *
 * @example
 * ```ts
 * import { Dense, ones, ReLU, Sequential } from 'typedgrad';
 * const model = new Sequential(new Dense(4, 8), new ReLU(), new Dense(8, 2));
 * model.forward(ones([1, 4])).shape; // → [1, 2]
 * Object.keys(model.stateDict()); // → ['0.weight', '0.bias', '2.weight', '2.bias']
 * ```
 */
export class Sequential extends Module {
  /** In the order of their application. */
  readonly layers: readonly Layer[];

  constructor(...layers: Layer[]) {
    super();
    for (const [i, layer] of layers.entries()) {
      if (!(layer instanceof Module)) {
        throw new OptionError(
          `${new.target.name}: layer ${i} must be a Module, but is ${show(layer)}; of a function, make a class that extends Module`,
        );
      }
    }
    this.layers = layers;
  }

  override forward(x: Tensor): Tensor {
    let y = x;
    for (const layer of this.layers) y = layer.forward(y);
    return y;
  }

  protected override stateName(property: string): string {
    return property === 'layers' ? '' : property;
  }
}

/** Layers around which the input takes a short cut: x + layers(x). He et al. 2016. */
export class Residual extends Sequential {
  override forward(x: Tensor): Tensor {
    return add(x, super.forward(x));
  }
}
