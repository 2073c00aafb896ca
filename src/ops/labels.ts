/** Class labels: whole numbers that choose one of so many classes. */

import { IndexError, ShapeError } from '../errors.ts';
import { elementwiseKernels } from '../kernels/elementwise.ts';
import type { Strided } from '../kernels/types.ts';
import { type TensorData, tensor } from '../tensor/creation.ts';
import type { DType } from '../tensor/dtype.ts';
import { checkInteger } from '../tensor/options.ts';
import { denseStrides, isDense, type Shape, sameShape, showShape, sizeOf } from '../tensor/shape.ts';
import { Tensor } from '../tensor/tensor.ts';
import { apply } from './apply.ts';
import { eq } from './elementwise.ts';
import type { ComputeOp } from './op.ts';
import { reshape, unsqueeze } from './views.ts';

/** Class labels: a number, a list (nested as deep as there are axes), an integer array in row-major order, or a tensor of whole numbers. */
export type Labels = TensorData;

/** Which labels are classes. */
export interface LabelAttrs {
  /** The function that the user called, for its messages. */
  readonly operation: string;
  readonly classes: number;
  readonly ignoreIndex: number | null;
}

/**
 * The labels themselves, checked: 0 in place of `ignoreIndex`, an IndexError for any other that is not a class. An
 * operation, since a traced tensor has no values to check before it runs.
 */
const labelsOp: ComputeOp<LabelAttrs> = {
  kind: 'compute',
  name: 'labels',
  infer: ([labels]) => labels!,
  compute([labels], attrs, _, y) {
    checkClasses(labels!, attrs);
    elementwiseKernels().copy(labels!, y);
    if (attrs.ignoreIndex === null) return;
    for (let i = 0; i < y.length; i++) if (y[i] === attrs.ignoreIndex) y[i] = 0;
  },
  vjp: null,
};

/** @throws IndexError naming the first label that is neither a class nor `ignoreIndex`, and its position. */
export function checkClasses({ data, offset, shape, strides }: Strided, attrs: LabelAttrs): void {
  const { operation, classes, ignoreIndex } = attrs;
  const size = sizeOf(shape);
  const isRow = isDense({ shape, strides, offset });
  const order = denseStrides(shape);
  const place = (i: number): number =>
    shape.reduce((at, length, axis) => at + (Math.floor(i / order[axis]!) % length) * strides[axis]!, offset);
  for (let i = 0; i < size; i++) {
    const label = data[isRow ? offset + i : place(i)]!;
    if ((label >= 0 && label < classes && Math.floor(label) === label) || label === ignoreIndex) continue;
    const range = classes > 0 ? `the classes are 0 to ${classes - 1}` : 'there are no classes';
    const ignored = ignoreIndex === null ? '' : `, and ${ignoreIndex} is ignored`;
    throw new IndexError(
      `${operation}: label ${label} at ${showPosition(i, shape)} is not a class; ${range}${ignored}`,
    );
  }
}

function showPosition(flat: number, shape: Shape): string {
  if (shape.length === 0) return 'the only position';
  const strides = denseStrides(shape);
  return showShape(shape.map((length, axis) => Math.floor(flat / strides[axis]!) % length));
}

/** Labels as a tensor of `dtype`, not yet checked; a plain array takes `shape` if it has as many elements. */
export function labelTensor(operation: string, labels: Labels, dtype: DType, shape: Shape): Tensor {
  const given = plainLabels(operation, labels, dtype);
  const fits =
    labels instanceof Tensor
      ? sameShape(given.shape, shape)
      : given.size === sizeOf(shape) && (given.rank <= 1 || sameShape(given.shape, shape));
  if (fits) return reshape(given, shape);
  throw new ShapeError(
    `${operation}: labels ${showShape(given.shape)} must have shape ${showShape(shape)}, one for each prediction`,
  );
}

function plainLabels(operation: string, labels: Labels, dtype: DType): Tensor {
  if (labels instanceof Tensor) return labels.to(dtype);
  if (typeof labels === 'number' || Array.isArray(labels) || ArrayBuffer.isView(labels))
    return tensor(labels, { dtype });
  throw new IndexError(
    `${operation}: labels must be a number, a list, an integer array or a tensor, but are ${String(labels)}`,
  );
}

/** The labels with 0 in place of `ignoreIndex`. @throws IndexError naming the first label that is no class, and its position. */
export function checkLabels(
  operation: string,
  labels: Tensor,
  classes: number,
  ignoreIndex: number | null = null,
): Tensor {
  return apply(labelsOp, [labels], { operation, classes, ignoreIndex });
}

/**
 * Labels of any shape [...] as rows [..., classes] of zeros with a 1 at the label. Float32, unless labels are a tensor
 * of another dtype.
 *
 * @throws IndexError for a label outside of 0 … classes - 1.
 * @example
 * ```ts
 * import { oneHot } from 'typedgrad';
 * oneHot([2, 0], 3).toArray(); // → [[0, 0, 1], [1, 0, 0]]
 * ```
 */
export function oneHot(labels: Labels, classes: number): Tensor {
  checkInteger('oneHot', 'classes', classes, 1);
  const given = plainLabels('oneHot', labels, labels instanceof Tensor ? labels.dtype : 'float32');
  return oneHotOf(checkLabels('oneHot', given, classes), classes);
}

/** `oneHot` of labels that are known to be classes. */
export function oneHotOf(labels: Tensor, classes: number): Tensor {
  const all = tensor(
    Array.from({ length: classes }, (_, i) => i),
    { dtype: labels.dtype },
  );
  return eq(unsqueeze(labels, -1), all);
}
