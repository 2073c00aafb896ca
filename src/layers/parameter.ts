/** The two kinds of tensor that a module owns. */

import { Tensor } from '../tensor/tensor.ts';

/**
 * A tensor that training changes: a leaf that requires a gradient and shares memory with the tensor it is made of.
 *
 * @example
 * ```ts
 * import { Parameter, zeros } from 'typedgrad';
 * const weight = new Parameter(zeros([2, 3]));
 * weight.requiresGrad; // → true
 * ```
 */
export class Parameter extends Tensor {
  constructor(values: Tensor) {
    super(values.storage, values, values.dtype);
    this.requiresGrad = true;
  }
}

/**
 * A tensor that belongs to a module's state without being trained, such as a running mean. It appears in `stateDict`
 * and follows `to(dtype)`, but optimizers do not see it. It shares memory with the tensor it is made of.
 */
export class ModuleBuffer extends Tensor {
  constructor(values: Tensor) {
    super(values.storage, values, values.dtype);
  }
}
