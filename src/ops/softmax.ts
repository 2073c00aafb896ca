/**
 * Softmax, its logarithm, and the cross entropy of class labels, each along one axis, with kernels of their own: what they
 * are made of would go through memory a dozen times.
 *
 *   y = softmax(x)                   vjp  y · (g - Σ g·y)
 *   y = logSoftmax(x)                vjp  g - exp(y) · Σ g
 *   y = -logSoftmax(x)[label]        vjp  g · (softmax(x) - onehot(label)), an operation too
 *
 * A line with NaN, with +∞ or of -∞ alone is NaN, as in PyTorch.
 */

import { softmaxKernels } from '../kernels/softmax.ts';
import { checkAxis } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { apply } from './apply.ts';
import { checkTensor } from './check.ts';
import { exp, fullLike, mul, ne, sub, where } from './elementwise.ts';
import { sum } from './expand.ts';
import { checkClasses } from './labels.ts';
import type { ComputeOp } from './op.ts';
import { reshape, unsqueeze } from './views.ts';

const softmaxOp: ComputeOp<number> = {
  kind: 'compute',
  name: 'softmax',
  infer: ([x]) => x!,
  compute: ([x], axis, _, y) => softmaxKernels().softmax(x!, axis, y),
  vjp: (g, c) => softmaxGrad(g, c.output(), c.attrs),
};

/** The gradient behind y = softmax(x). */
function softmaxGrad(g: Tensor, y: Tensor, axis: number): Tensor {
  return mul(y, sub(g, sum(mul(g, y), axis, true)));
}

const logSoftmaxOp: ComputeOp<number> = {
  kind: 'compute',
  name: 'logSoftmax',
  infer: ([x]) => x!,
  compute: ([x], axis, _, y) => softmaxKernels().logSoftmax(x!, axis, y),
  vjp: (g, c) => sub(g, mul(exp(c.output()), sum(g, c.attrs, true))),
};

function alongAxis(operation: string, op: ComputeOp<number>, x: Tensor, axis: number): Tensor {
  checkTensor(operation, 'x', x);
  if (x.rank === 0) return reshape(apply(op, [reshape(x, [1])], 0), []);
  return apply(op, [x], checkAxis(operation, axis, x.rank));
}

/** exp(x) divided by its sum along `axis`, shifted so that nothing overflows. */
export function softmax(x: Tensor, axis: number): Tensor {
  return alongAxis('softmax', softmaxOp, x, axis);
}

/** The logarithm of `softmax`, exact for large logits. */
export function logSoftmax(x: Tensor, axis: number): Tensor {
  return alongAxis('logSoftmax', logSoftmaxOp, x, axis);
}

/** What the operations of labels have in common. */
export interface CrossEntropyAttrs {
  /** The axis of the classes. */
  readonly axis: number;
  /** The label of lines that do not count. */
  readonly ignoreIndex: number;
}

const crossEntropyOp: ComputeOp<CrossEntropyAttrs> = {
  kind: 'compute',
  name: 'crossEntropy',
  infer: ([, labels]) => labels!,
  compute([x, labels], { axis, ignoreIndex }, _, y) {
    checkClasses(labels!, { operation: 'crossEntropy', classes: x!.shape[axis]!, ignoreIndex });
    softmaxKernels().crossEntropy(x!, labels!, axis, ignoreIndex, y);
  },
  vjp: [(g, c) => apply(crossEntropyGradOp, [c.input(0), c.input(1), g], c.attrs), null],
};

const crossEntropyGradOp: ComputeOp<CrossEntropyAttrs> = {
  kind: 'compute',
  name: 'crossEntropyGrad',
  infer: ([x]) => x!,
  compute([x, labels, g], { axis, ignoreIndex }, _, y) {
    // In a program it may stand alone, without the loss that nobody reads.
    checkClasses(labels!, { operation: 'crossEntropy', classes: x!.shape[axis]!, ignoreIndex });
    softmaxKernels().crossEntropyGrad(x!, labels!, g!, axis, ignoreIndex, y);
  },
  vjp: [
    (h, c) => {
      const { axis, ignoreIndex } = c.attrs;
      const [x, labels, g] = [c.input(0), c.input(1), c.input(2)];
      const scaled = mul(h, unsqueeze(g, axis));
      const counts = ne(unsqueeze(labels, axis), ignoreIndex);
      return where(counts, softmaxGrad(scaled, softmax(x, axis), axis), 0);
    },
    null,
    (h, c) => {
      const ones = fullLike(c.specs[2]!, 1);
      return sum(mul(h, apply(crossEntropyGradOp, [c.input(0), c.input(1), ones], c.attrs)), c.attrs.axis);
    },
  ],
};

/**
 * -log softmax(x) at the labels, along the axis of the classes; 0 where the label is `ignoreIndex`. Labels have x's shape without
 * that axis.
 *
 * @throws IndexError naming the first label that is no class, and its position.
 */
export function labelCrossEntropy(x: Tensor, labels: Tensor, attrs: CrossEntropyAttrs): Tensor {
  return apply(crossEntropyOp, [x, labels], attrs);
}
