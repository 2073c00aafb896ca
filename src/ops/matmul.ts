/**
 * The matrix product, and with it the dense layer.
 *
 *   a [...B, M, K] · b [...B, K, N] = y [...B, M, N]
 *
 * Batch axes B broadcast. Linear in a and in b: each vjp is a matrix product with the other one transposed.
 */

import { ShapeError } from '../errors.ts';
import { matmulKernels } from '../kernels/matmul.ts';
import { checkKeys } from '../tensor/options.ts';
import { broadcastShapes, showShape, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { apply } from './apply.ts';
import { checkTensor } from './check.ts';
import { add } from './elementwise.ts';
import { expandTo } from './expand.ts';
import type { ComputeOp } from './op.ts';
import { reshape, squeeze, transpose, unsqueeze } from './views.ts';

const matmulOp: ComputeOp = {
  kind: 'compute',
  name: 'matmul',
  overwrites: true,
  infer: ([a, b]) => ({ shape: [...a!.shape.slice(0, -1), b!.shape.at(-1)!], dtype: a!.dtype }),
  compute: ([a, b], _, __, y) => matmulKernels().matmul(a!, b!, y),
  vjp: [(g, c) => product(g, transpose(c.input(1))), (g, c) => product(transpose(c.input(0)), g)],
};

/** The product of matrices with the same batch axes. */
function product(a: Tensor, b: Tensor): Tensor {
  return apply(matmulOp, [a, b], undefined);
}

/**
 * The matrix product as NumPy's: a vector on the left is a row, on the right a column, and is dropped from the result;
 * axes before the last two are batches, which broadcast.
 *
 * @throws ShapeError if the inner sizes differ or an operand is a scalar.
 * @example
 * ```ts
 * import { matmul, tensor } from 'typedgrad';
 * matmul(tensor([[1, 2], [3, 4]]), tensor([1, 1])).toArray(); // → [3, 7]
 * ```
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  checkTensor('matmul', 'a', a);
  checkTensor('matmul', 'b', b);
  const [rows, columns] = [a.rank === 1 ? unsqueeze(a, 0) : a, b.rank === 1 ? unsqueeze(b, 1) : b];
  if (a.rank === 0 || b.rank === 0 || rows.shape.at(-1) !== columns.shape.at(-2)) {
    throw new ShapeError(
      `matmul: ${showShape(a.shape)} · ${showShape(b.shape)} needs the last axis of the first (${a.shape.at(-1) ?? 'none'}) ` +
        `to be the ${b.rank < 2 ? 'only' : 'second last'} axis of the second (${b.shape.at(b.rank < 2 ? -1 : -2) ?? 'none'})`,
    );
  }
  const y = batched(rows, columns);
  const left = a.rank === 1 ? squeeze(y, -2) : y;
  return b.rank === 1 ? squeeze(left, -1) : left;
}

function batched(a: Tensor, b: Tensor): Tensor {
  // One matrix on the right of a batch: the batch and the rows are one long list of rows.
  if (b.rank === 2 && a.rank > 2) {
    const rows = reshape(a, [sizeOf(a.shape.slice(0, -1)), a.shape.at(-1)!]);
    return reshape(product(rows, b), [...a.shape.slice(0, -1), b.shape[1]!]);
  }
  const batch = broadcastShapes('matmul', a.shape.slice(0, -2), b.shape.slice(0, -2));
  return product(expandTo(a, [...batch, ...a.shape.slice(-2)]), expandTo(b, [...batch, ...b.shape.slice(-2)]));
}

/**
 * A dense layer: x [..., in] · weightᵀ [in, out] + bias [out].
 *
 * @throws ShapeError if the sizes do not fit.
 */
export function linear(x: Tensor, weight: Tensor, options: { bias?: Tensor | null } = {}): Tensor {
  checkTensor('linear', 'x', x);
  checkTensor('linear', 'weight', weight);
  checkKeys('linear', options, ['bias']);
  const bias = options.bias ?? null;
  if (weight.rank !== 2 || x.rank === 0 || x.shape.at(-1) !== weight.shape[1]) {
    throw new ShapeError(
      `linear: x ${showShape(x.shape)} must end in the ${weight.shape[1] ?? '?'} inputs of weight [out, in] ${showShape(weight.shape)}`,
    );
  }
  if (bias) checkTensor('linear', 'bias', bias);
  if (bias && (bias.rank !== 1 || bias.shape[0] !== weight.shape[0])) {
    throw new ShapeError(
      `linear: bias ${showShape(bias.shape)} must have the ${weight.shape[0]} outputs of weight ${showShape(weight.shape)}`,
    );
  }
  const y = matmul(x, transpose(weight));
  return bias ? add(y, bias) : y;
}
