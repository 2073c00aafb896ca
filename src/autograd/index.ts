/** Autograd's public names, and its place behind the tensor's methods. */

import '../kernels/index.ts';
import { methods } from '../ops/methods.ts';
import { bindMethods, type TensorFunctions } from '../tensor/tensor.ts';
import { backward, installRecorder } from './backward.ts';

installRecorder();
bindMethods({ ...methods, backward } satisfies TensorFunctions);

export { type CheckGradsOptions, checkGrads } from './check-grads.ts';
export { checkpoint } from './checkpoint.ts';
export {
  type DefinedOp,
  defineOp,
  type ForwardCall,
  type InputList,
  type OpDefinition,
  type VjpCall,
} from './define-op.ts';
export { noGrad } from './mode.ts';
export { type Gradients, type GradOptions, grad, valueAndGrad } from './transform.ts';
