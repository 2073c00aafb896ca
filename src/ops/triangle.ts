/** The triangles of matrices. */

import { OptionError, ShapeError } from '../errors.ts';
import { fromStorage } from '../tensor/creation.ts';
import { allocate } from '../tensor/dtype.ts';
import { show } from '../tensor/options.ts';
import { showShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { checkTensor } from './check.ts';
import { where } from './elementwise.ts';

/** The lower triangle of the last two axes: zero where column - row exceeds `diagonal`. */
export function tril(x: Tensor, diagonal: number = 0): Tensor {
  return where(
    mask('tril', x, diagonal, (distance) => distance <= diagonal),
    x,
    0,
  );
}

/** The upper triangle of the last two axes: zero where column - row is less than `diagonal`. */
export function triu(x: Tensor, diagonal: number = 0): Tensor {
  return where(
    mask('triu', x, diagonal, (distance) => distance >= diagonal),
    x,
    0,
  );
}

function mask(operation: string, x: Tensor, diagonal: number, keeps: (distance: number) => boolean): Tensor {
  checkTensor(operation, 'x', x);
  if (x.rank < 2)
    throw new ShapeError(`${operation}: x must be a matrix or a batch of them, but is ${showShape(x.shape)}`);
  if (!Number.isInteger(diagonal))
    throw new OptionError(`${operation}: diagonal must be a whole number, but is ${show(diagonal)}`);
  const [rows, columns] = [x.shape.at(-2)!, x.shape.at(-1)!];
  const data = allocate(x.dtype, rows * columns);
  for (let i = 0; i < data.length; i++) data[i] = keeps((i % columns) - Math.floor(i / columns)) ? 1 : 0;
  return fromStorage(data, [rows, columns]);
}
