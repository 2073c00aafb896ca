/** Checks that every function makes of what it is called with, for callers whom no compiler told. */

import { DTypeError } from '../errors.ts';
import { show } from '../tensor/options.ts';
import { Tensor } from '../tensor/tensor.ts';

/** `x` is a tensor. */
export function checkTensor(operation: string, name: string, x: unknown): asserts x is Tensor {
  if (x instanceof Tensor) return;
  throw new DTypeError(`${operation}: ${name} must be a tensor, but is ${show(x)}; make one with tensor(…)`);
}
