/** Tensors from data, from constants and from random numbers. */

import { OptionError, ShapeError } from '../errors.ts';
import type { Draw, FloatArray } from '../kernels/types.ts';
import { allocate, checkDType, type DType } from './dtype.ts';
import { checkInteger, checkKeys, show } from './options.ts';
import { checkBounds, type Drawing, defaultGenerator, drawObserverOf, fillDrawn, Generator } from './random.ts';
import { checkShape, denseStrides, type Shape, showShape, sizeOf } from './shape.ts';
import { Storage } from './storage.ts';
import { type NumberArray, Tensor, type TensorOptions } from './tensor.ts';

/** Options of the functions that draw random numbers. */
export interface RandomOptions extends TensorOptions {
  /** Where the numbers come from. Default: the stream that `manualSeed` starts. */
  generator?: Generator;
}

/** What `tensor` makes a tensor of. */
export type TensorData = Tensor | NestedNumbers | NumberArray;
/** Numbers in nested arrays, all of one depth and of one length on each level. */
export type NestedNumbers = number | readonly NestedNumbers[];

/** A dense tensor on `data`, without a copy or a check. @internal */
export function fromStorage(data: FloatArray, shape: Shape): Tensor {
  return new Tensor(new Storage(data), { shape, strides: denseStrides(shape), offset: 0 });
}

/**
 * A tensor of nested arrays, of a number, or of a typed array (one axis, or the given shape). A Float32Array or
 * Float64Array of the wanted dtype is used as it is, without a copy; another tensor is copied.
 *
 * @throws ShapeError if nested arrays are ragged or the shape does not hold the elements.
 * @example
 * ```ts
 * import { tensor } from 'typedgrad';
 * tensor([[1, 2], [3, 4]]).shape; // → [2, 2]
 * tensor(new Float32Array([1, 2, 3, 4]), [2, 2]).at(1, 0); // → 3
 * ```
 */
export function tensor(data: TensorData, options?: TensorOptions): Tensor;
export function tensor(data: NumberArray, shape: Shape, options?: TensorOptions): Tensor;
export function tensor(data: TensorData, second: Shape | TensorOptions = {}, third: TensorOptions = {}): Tensor {
  const [shape, options] = Array.isArray(second) ? [second as Shape, third] : [undefined, second as TensorOptions];
  checkKeys('tensor', options, ['dtype', 'requiresGrad']);
  if (data instanceof Tensor)
    return Tensor.from(data.toTypedArray(), shape ?? data.shape, { dtype: data.dtype, ...options });
  if (ArrayBuffer.isView(data))
    return Tensor.from(data as NumberArray, shape ?? [(data as NumberArray).length], options);
  const found: number[] = [];
  for (let level: unknown = data; Array.isArray(level); level = level[0]) found.push(level.length);
  const values = allocate(checkDType('tensor', options.dtype ?? 'float32'), sizeOf(found));
  readNested(data, found, 0, 0, values);
  const sizes = shape === undefined ? found : checkShape('tensor', shape);
  if (sizeOf(sizes) !== values.length) {
    throw new ShapeError(`tensor: ${values.length} elements do not fill shape ${showShape(sizes)}`);
  }
  return withGrad(fromStorage(values, sizes), options);
}

/** A tensor of zeros. */
export function zeros(shape: number | Shape, options: TensorOptions = {}): Tensor {
  return filled('zeros', shape, options, () => {});
}

/** A tensor of ones. */
export function ones(shape: number | Shape, options: TensorOptions = {}): Tensor {
  return filled('ones', shape, options, (values) => values.fill(1));
}

/** A tensor of one value. */
export function full(shape: number | Shape, value: number, options: TensorOptions = {}): Tensor {
  if (typeof value !== 'number') throw new OptionError(`full: the value must be a number, but is ${show(value)}`);
  return filled('full', shape, options, (values) => values.fill(value));
}

/**
 * The numbers from `start` (default 0) up to, but without, `stop`, `step` (default 1) apart.
 *
 * @example
 * ```ts
 * import { arange } from 'typedgrad';
 * arange(3).toArray(); // → [0, 1, 2]
 * arange(1, 2, 0.5).toArray(); // → [1, 1.5]
 * ```
 */
export function arange(
  ...args:
    | [stop: number, options?: TensorOptions]
    | [start: number, stop: number, options?: TensorOptions]
    | [start: number, stop: number, step: number, options?: TensorOptions]
): Tensor {
  const numbers = args.filter((arg): arg is number => typeof arg === 'number');
  const options = args.find((arg): arg is TensorOptions => typeof arg === 'object') ?? {};
  const [start, stop, step] = numbers.length === 1 ? [0, numbers[0]!, 1] : [numbers[0]!, numbers[1]!, numbers[2] ?? 1];
  if (numbers.length === 0 || ![start, stop, step].every(Number.isFinite) || step === 0) {
    throw new OptionError(`arange: start ${start}, stop ${stop} and step ${step} must be finite, and the step not 0`);
  }
  return filled('arange', Math.max(0, Math.ceil((stop - start) / step)), options, (values) => {
    for (let i = 0; i < values.length; i++) values[i] = start + i * step;
  });
}

/** `count` numbers evenly from `start` to `stop`, both included. */
export function linspace(start: number, stop: number, count: number, options: TensorOptions = {}): Tensor {
  return filled('linspace', checkInteger('linspace', 'count', count), options, (values) => {
    const last = values.length - 1;
    // Counted from the nearer end, so that both ends are exact.
    for (let i = 0; i <= last; i++) {
      const step = last === 0 ? 0 : (stop - start) / last;
      values[i] = 2 * i <= last ? start + i * step : stop - (last - i) * step;
    }
  });
}

/** The n × m identity matrix; m is n by default. */
export function eye(n: number, ...rest: [options?: TensorOptions] | [m: number, options?: TensorOptions]): Tensor {
  const m = typeof rest[0] === 'number' ? rest[0] : n;
  const options = (typeof rest[0] === 'number' ? rest[1] : rest[0]) ?? {};
  return filled('eye', [n, m], options, (values) => {
    for (let i = 0; i < Math.min(n, m); i++) values[i * m + i] = 1;
  });
}

/** Uniform random numbers in [0, 1). */
export function rand(shape: number | Shape, options: RandomOptions = {}): Tensor {
  return drawn('rand', shape, options, { name: 'uniform' });
}

/** Normal random numbers of mean 0 and variance 1. */
export function randn(shape: number | Shape, options: RandomOptions = {}): Tensor {
  return drawn('randn', shape, options, { name: 'normal', mean: 0, std: 1 });
}

/** Random whole numbers in [low, high). */
export function randint(low: number, high: number, shape: number | Shape, options: RandomOptions = {}): Tensor {
  checkBounds('randint', low, high);
  return drawn('randint', shape, options, { name: 'integer', low, high });
}

/** The numbers 0 … n - 1 in random order. */
export function randperm(n: number, options: RandomOptions = {}): Tensor {
  const order = generatorOf('randperm', options).permutation(n);
  const { generator: _, ...rest } = options;
  return filled('randperm', n, rest, (values) => values.set(order));
}

/** The generator in `options`, or the default stream. @internal */
export function generatorOf(operation: string, options: { generator?: Generator | undefined }): Generator {
  const generator = options.generator ?? defaultGenerator();
  if (generator instanceof Generator) return generator;
  throw new OptionError(`${operation}: generator must be a Generator, but is ${show(generator)}`);
}

function drawn(operation: string, shape: number | Shape, options: RandomOptions, draw: Draw): Tensor {
  checkKeys(operation, options, ['dtype', 'requiresGrad', 'generator']);
  const source = (): Generator => generatorOf(operation, options);
  const dtype = checkDType(operation, options.dtype ?? 'float32');
  return withGrad(drawTensor(operation, checkShape(operation, shape), dtype, { draw, source }), options);
}

/** A tensor of random numbers; while tracing, one that is drawn at each call, unless the stream begins within the function. @internal */
export function drawTensor(operation: string, shape: Shape, dtype: DType, drawing: Drawing): Tensor {
  const observer = drawObserverOf(drawing.source());
  if (observer !== null) return observer.tensor(operation, shape, dtype, drawing) as Tensor;
  const values = allocate(dtype, sizeOf(shape));
  fillDrawn(drawing, values);
  return fromStorage(values, shape);
}

function filled(
  operation: string,
  shape: number | Shape,
  options: TensorOptions,
  fill: (values: FloatArray) => void,
): Tensor {
  checkKeys(operation, options, ['dtype', 'requiresGrad']);
  const sizes = checkShape(operation, shape);
  const values = allocate(checkDType(operation, options.dtype ?? 'float32'), sizeOf(sizes));
  fill(values);
  return withGrad(fromStorage(values, sizes), options);
}

function withGrad(result: Tensor, options: TensorOptions): Tensor {
  if (options.requiresGrad) result.requiresGrad = true;
  return result;
}

/** Writes the nested level at `axis` from position `next` on; returns the position after it. */
function readNested(level: unknown, shape: Shape, axis: number, next: number, values: FloatArray): number {
  if (axis === shape.length) {
    if (typeof level !== 'number' && typeof level !== 'boolean') {
      throw new ShapeError(`tensor: expected a number at depth ${axis} of the nested arrays, but found ${show(level)}`);
    }
    values[next] = Number(level);
    return next + 1;
  }
  if (!Array.isArray(level) || level.length !== shape[axis]) {
    const found = Array.isArray(level) ? `${level.length} elements` : show(level);
    throw new ShapeError(
      `tensor: nested arrays are ragged; expected ${shape[axis]} elements at depth ${axis}, but found ${found}`,
    );
  }
  let position = next;
  for (const entry of level) position = readNested(entry, shape, axis + 1, position, values);
  return position;
}
