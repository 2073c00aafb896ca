/** Going through data in batches, and judging a model on it. */

import { withGrad } from '../autograd/mode.ts';
import { OptionError } from '../errors.ts';
import type { Layer, Module } from '../layers/module.ts';
import { checkKeys, show } from '../tensor/options.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { Metric } from './metrics.ts';
import { Turns } from './turn.ts';

/** Batches `[x, y]`, such as a DataLoader's: anything that can be gone through with `for … of` or `for await … of`, once per epoch. */
export type Batches<T> = Iterable<readonly [x: Tensor, y: T]> | AsyncIterable<readonly [x: Tensor, y: T]>;

/** A loss: one number, the mean over the batch, as a tensor. */
export type LossFunction<T> = (prediction: Tensor, target: T) => Tensor;

/** Options of `evaluate`. */
export interface EvaluateOptions<T> {
  /** The loss to average; without one it is NaN. */
  loss?: LossFunction<T>;
  /** Numbers to average over examples, by name. */
  metrics?: Readonly<Record<string, Metric<T>>>;
  /** Ends the evaluation early; the averages are over the batches seen. */
  signal?: AbortSignal;
}

/** What `evaluate` gives: averages over examples. */
export interface Evaluation {
  readonly loss: number;
  readonly metrics: Record<string, number>;
  /** The number of examples. */
  readonly count: number;
}

/** Running averages of the loss and of metrics, weighted by batch size. */
export class Averages<T> {
  #loss = 0;
  #count = 0;
  readonly #sums: Record<string, number>;
  readonly #metrics: Readonly<Record<string, Metric<T>>>;

  constructor(metrics: Readonly<Record<string, Metric<T>>>) {
    this.#metrics = metrics;
    this.#sums = Object.fromEntries(Object.keys(metrics).map((name) => [name, 0]));
  }

  /** Adds a batch; returns its metrics. */
  add(loss: number, prediction: Tensor, target: T, count: number): Record<string, number> {
    this.#loss += loss * count;
    this.#count += count;
    const values = withGrad(false, () =>
      Object.entries(this.#metrics).map(
        ([name, metric]) => [name, numberOf(name, metric(prediction, target))] as const,
      ),
    );
    for (const [name, value] of values) this.#sums[name]! += value * count;
    return Object.fromEntries(values);
  }

  result(): Evaluation {
    const mean = (sum: number): number => sum / this.#count;
    const metrics = Object.fromEntries(Object.entries(this.#sums).map(([name, sum]) => [name, mean(sum)]));
    return { loss: mean(this.#loss), metrics, count: this.#count };
  }
}

function numberOf(name: string, value: unknown): number {
  const number = value instanceof Tensor ? value.item() : value;
  if (typeof number === 'number') return number;
  throw new OptionError(`fit: metric ${name} must return a number or a scalar tensor, but returned ${show(value)}`);
}

/** The next batch's parts, checked. */
export function readBatch<T>(
  operation: string,
  batch: readonly [x: Tensor, y: T],
): readonly [x: Tensor, y: T, count: number] {
  if (!Array.isArray(batch) || batch.length !== 2 || !(batch[0] instanceof Tensor) || batch[0].rank === 0) {
    throw new OptionError(
      `${operation}: a batch must be [x, y] with a tensor x of at least one axis, but is ${show(batch)}`,
    );
  }
  const [x, y] = batch;
  return [x, y, x.shape[0]!];
}

/** The batches of `data`, or an error if it is nothing to go through. */
export function checkBatches(operation: string, name: string, data: unknown): void {
  if (typeof data === 'object' && data !== null && (Symbol.iterator in data || Symbol.asyncIterator in data)) return;
  throw new OptionError(
    `${operation}: ${name} must be iterable, batch by batch, such as a DataLoader, but is ${show(data)}`,
  );
}

/** Runs `fn` with all of a model in training or in evaluation, and restores the mode of each module. */
export async function inMode<R>(model: Module, training: boolean, fn: () => Promise<R>): Promise<R> {
  const modes = model.modules().map((module) => [module, module.training] as const);
  model.train(training);
  try {
    return await fn();
  } finally {
    for (const [module, mode] of modes) module.training = mode;
  }
}

/**
 * Judges a model on data, in evaluation and without gradients, letting the event loop turn between batches.
 *
 * @throws OptionError if the data are no batches, or an option is of the wrong kind.
 * @example
 * ```ts
 * import { accuracy, crossEntropy, Dense, evaluate, tensor } from 'typedgrad';
 * const model = new Dense(2, 2);
 * const batches = [[tensor([[1, 0], [0, 1]]), [0, 1]]] as const;
 * const { count } = await evaluate(model, batches, { loss: crossEntropy, metrics: { accuracy } });
 * count; // → 2
 * ```
 */
export async function evaluate<T>(
  model: Layer,
  data: Batches<T>,
  options: EvaluateOptions<T> = {},
): Promise<Evaluation> {
  checkKeys('evaluate', options, ['loss', 'metrics', 'signal']);
  checkBatches('evaluate', 'data', data);
  const turns = new Turns();
  try {
    return await inMode(model, false, () => judge(model, data, options, turns));
  } finally {
    turns.close();
  }
}

/** `evaluate` without its preparations. */
export async function judge<T>(
  model: Layer,
  data: Batches<T>,
  options: EvaluateOptions<T>,
  turns: Turns,
): Promise<Evaluation> {
  const { loss, metrics = {}, signal } = options;
  const averages = new Averages<T>(metrics);
  for await (const batch of data) {
    if (signal?.aborted) break;
    const [x, y, count] = readBatch('evaluate', batch);
    const [prediction, value] = withGrad(false, () => {
      const prediction = model.forward(x);
      return [prediction, loss ? loss(prediction, y).item() : Number.NaN];
    });
    averages.add(value, prediction, y, count);
    await turns.next();
  }
  return averages.result();
}
