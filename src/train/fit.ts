/** Training, epoch by epoch. */

import { compile as compiled } from '../compile/compile.ts';
import { GradError, OptionError, TraceError } from '../errors.ts';
import { type Layer, Module } from '../layers/module.ts';
import { clipGradNorm } from '../optim/clip.ts';
import { type AnyOptimizer, Optimizer } from '../optim/optimizer.ts';
import { ReduceLROnPlateau } from '../optim/plateau.ts';
import type { Schedule } from '../optim/schedule.ts';
import { checkChoice, checkInteger, checkKeys, checkNumber, show } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import {
  Averages,
  type Batches,
  checkBatches,
  type Evaluation,
  inMode,
  judge,
  type LossFunction,
  readBatch,
} from './evaluate.ts';
import type { Metric } from './metrics.ts';
import { Turns } from './turn.ts';

/** What a callback hears after a batch. */
export interface BatchReport {
  /** Counts from 0. */
  readonly epoch: number;
  /** Counts from 0 in each epoch. */
  readonly batch: number;
  /** Examples in the batch. */
  readonly count: number;
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** What a callback hears after an epoch. */
export interface EpochReport {
  /** Counts from 0. */
  readonly epoch: number;
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** Averages over the validation data; null without them. */
  readonly validation: Evaluation | null;
  /** The learning rate during the epoch. */
  readonly lr: number;
  readonly history: History;
}

/** Functions that hear of progress. Training waits for them, and ends when one returns (or resolves to) false. */
export interface Callbacks {
  onBatchEnd?(report: BatchReport): unknown;
  onEpochEnd?(report: EpochReport): unknown;
}

/** Options of `fit`. */
export interface FitOptions<T> {
  /** One number, the mean over the batch: what to minimise. */
  loss: LossFunction<T>;
  /** Of the model's parameters. */
  optimizer: AnyOptimizer;
  /** How often to go through the data. Default 1. */
  epochs?: number;
  /** Batches to judge the model on after every epoch. */
  validation?: Batches<T>;
  /** Numbers to average over examples, by name, such as `{ accuracy }`. */
  metrics?: Readonly<Record<string, Metric<T>>>;
  /** A learning rate schedule; `ReduceLROnPlateau` watches the validation loss, or without one the training loss. */
  scheduler?: Schedule | ReduceLROnPlateau;
  /** When the schedule steps. Default `'epoch'`. */
  schedulePer?: 'epoch' | 'batch';
  /** Limits the norm of the gradient: see `clipGradNorm`. Default none. */
  maxGradNorm?: number;
  callbacks?: Callbacks | readonly Callbacks[];
  /** Ends training after the batch at work, without an error. */
  signal?: AbortSignal;
  /** Whether to compile the step; what cannot be compiled runs as it is, and the history says why. Default true. */
  compile?: boolean;
}

/** What happened, one entry per finished epoch. */
export interface History {
  /** The mean training loss. */
  readonly losses: number[];
  /** The mean of each metric on the training data, while it was being learned. */
  readonly metrics: Record<string, number[]>;
  /** The same of the validation data; empty without them. */
  readonly validation: { readonly losses: number[]; readonly metrics: Record<string, number[]> };
  /** The learning rate at the beginning. */
  readonly rates: number[];
  /** What ended training: all epochs were done, a callback returned false, or the signal. */
  readonly ended: 'epochs' | 'callback' | 'signal';
  /** Why steps were not compiled; null if they were. */
  readonly notCompiled: string | null;
}

type Step<T> = (x: Tensor, y: T) => { loss: Tensor; prediction: Tensor };

const keys = [
  'loss',
  'optimizer',
  'epochs',
  'validation',
  'metrics',
  'scheduler',
  'schedulePer',
  'maxGradNorm',
  'callbacks',
  'signal',
  'compile',
];

/**
 * Trains a model on batches `[x, y]`. Between batches the event loop turns, so that a page stays responsive. The modes
 * (training or evaluation) of the model's modules are afterwards as they were.
 *
 * @returns losses and metrics per epoch; an epoch that was cut short is not among them.
 * @throws OptionError if an option or the data are of the wrong kind; whatever the loss, a metric or a callback throws.
 * @example
 * ```ts
 * import { Adam, Dense, fit, mseLoss, tensor } from 'typedgrad';
 * const model = new Dense(1, 1);
 * const batches = [[tensor([[0], [1], [2]]), tensor([[1], [3], [5]])]] as const;
 * const optimizer = new Adam(model.parameters(), { lr: 0.1 });
 * const history = await fit(model, batches, { loss: mseLoss, optimizer, epochs: 300 });
 * history.losses.length; // → 300
 * model.weight.item().toFixed(1); // → '2.0'
 * ```
 */
export async function fit<T>(model: Layer, data: Batches<T>, options: FitOptions<T>): Promise<History> {
  checkFit(model, data, options);
  const turns = new Turns();
  const run = new Run(model, options, turns);
  try {
    return await inMode(model, true, () => run.all(data));
  } finally {
    turns.close();
  }
}

function checkFit<T>(model: Layer, data: Batches<T>, options: FitOptions<T>): void {
  checkKeys('fit', options, keys);
  if (!(model instanceof Module)) throw new OptionError(`fit: the model must be a Module, but is ${show(model)}`);
  checkBatches('fit', 'data', data);
  if (options.validation !== undefined) checkBatches('fit', 'validation', options.validation);
  if (typeof options.loss !== 'function')
    throw new OptionError(`fit: loss must be a function of prediction and target, but is ${show(options.loss)}`);
  if (!((options.optimizer as unknown) instanceof Optimizer))
    throw new OptionError(`fit: optimizer must be one, such as SGD, but is ${show(options.optimizer)}`);
  checkInteger('fit', 'epochs', options.epochs ?? 1);
  checkChoice('fit', 'schedulePer', options.schedulePer ?? 'epoch', ['epoch', 'batch']);
  if (options.maxGradNorm !== undefined) checkNumber('fit', 'maxGradNorm', options.maxGradNorm, 0);
}

/** One call of `fit`. */
class Run<T> {
  readonly #model: Layer;
  readonly #options: FitOptions<T>;
  readonly #turns: Turns;
  readonly #callbacks: readonly Callbacks[];
  readonly #history: { -readonly [K in keyof History]: History[K] };
  readonly #eager: Step<T>;
  #step: Step<T>;
  #dispose: () => void = () => {};

  constructor(model: Layer, options: FitOptions<T>, turns: Turns) {
    this.#model = model;
    this.#options = options;
    this.#turns = turns;
    this.#callbacks = [options.callbacks ?? []].flat() as Callbacks[];
    const columns = (): Record<string, number[]> =>
      Object.fromEntries(Object.keys(options.metrics ?? {}).map((name) => [name, []]));
    this.#history = {
      losses: [],
      metrics: columns(),
      validation: { losses: [], metrics: columns() },
      rates: [],
      ended: 'epochs',
      notCompiled: null,
    };
    this.#eager = stepOf(model, options);
    this.#step = this.#eager;
    if (options.compile ?? true) {
      const step = compiled(this.#eager);
      this.#step = step;
      this.#dispose = () => step.dispose();
    } else this.#history.notCompiled = 'compile is false';
  }

  async all(data: Batches<T>): Promise<History> {
    this.#options.optimizer.zeroGrad();
    try {
      for (let epoch = 0; epoch < (this.#options.epochs ?? 1); epoch++) {
        if (this.#stopped() || !(await this.#epoch(epoch, data))) break;
      }
    } finally {
      this.#dispose();
    }
    return this.#history;
  }

  #stopped(): boolean {
    if (this.#options.signal?.aborted) this.#history.ended = 'signal';
    return this.#history.ended !== 'epochs';
  }

  /** Whether training goes on. */
  async #epoch(epoch: number, data: Batches<T>): Promise<boolean> {
    const averages = new Averages<T>(this.#options.metrics ?? {});
    const lr = this.#options.optimizer.lr;
    let batch = 0;
    for await (const entry of data) {
      const [x, y, count] = readBatch('fit', entry);
      const { loss, prediction } = this.#run(x, y);
      const report = {
        epoch,
        batch: batch++,
        count,
        loss: loss.item(),
        metrics: averages.add(loss.item(), prediction, y, count),
      };
      if (this.#options.schedulePer === 'batch') this.#schedule(report.loss);
      await this.#tell('onBatchEnd', report);
      await this.#turns.next();
      if (this.#stopped()) return false;
    }
    if (batch === 0) {
      throw new OptionError(
        `fit: the data gave no batch in epoch ${epoch}; an iterator that ends after one pass cannot be used again, a DataLoader can`,
      );
    }
    return this.#endEpoch(epoch, averages.result(), lr);
  }

  async #endEpoch(epoch: number, { loss, metrics }: Evaluation, lr: number): Promise<boolean> {
    const { validation: data, signal, loss: lossFunction, metrics: metricFunctions = {} } = this.#options;
    const validation =
      data === undefined
        ? null
        : await inMode(this.#model, false, () =>
            judge(
              this.#model,
              data,
              { loss: lossFunction, metrics: metricFunctions, ...(signal && { signal }) },
              this.#turns,
            ),
          );
    this.#history.losses.push(loss);
    this.#history.rates.push(lr);
    for (const [name, value] of Object.entries(metrics)) this.#history.metrics[name]!.push(value);
    if (validation) {
      this.#history.validation.losses.push(validation.loss);
      for (const [name, value] of Object.entries(validation.metrics))
        this.#history.validation.metrics[name]!.push(value);
    }
    if (this.#options.schedulePer !== 'batch') this.#schedule(validation?.loss ?? loss);
    await this.#tell('onEpochEnd', { epoch, loss, metrics, validation, lr, history: this.#history });
    return !this.#stopped();
  }

  #schedule(loss: number): void {
    const { scheduler } = this.#options;
    if (scheduler instanceof ReduceLROnPlateau) scheduler.step(loss);
    else scheduler?.step();
  }

  async #tell<K extends keyof Callbacks>(name: K, report: Parameters<NonNullable<Callbacks[K]>>[0]): Promise<void> {
    for (const callback of this.#callbacks) {
      const answer = await callback[name]?.(report as BatchReport & EpochReport);
      if (answer === false) this.#history.ended = 'callback';
    }
  }

  /** One step; from the first that cannot be compiled on, as it is. */
  #run(x: Tensor, y: T): { loss: Tensor; prediction: Tensor } {
    if (this.#step === this.#eager) return this.#eager(x, y);
    try {
      return this.#step(x, y);
    } catch (error) {
      if (!(error instanceof TraceError)) throw error;
      this.#history.notCompiled = error.message;
      this.#step = this.#eager;
      this.#options.optimizer.zeroGrad();
      return this.#eager(x, y);
    }
  }
}

/** Forward, backward, update. */
function stepOf<T>(model: Layer, { loss: lossFunction, optimizer, maxGradNorm }: FitOptions<T>): Step<T> {
  return (x, y) => {
    const prediction = model.forward(x);
    const loss = lossFunction(prediction, y);
    if (loss.size !== 1)
      throw new GradError(
        `fit: the loss must be one number, but its shape is [${loss.shape.join(', ')}]; use reduction 'mean'`,
      );
    loss.backward();
    if (maxGradNorm !== undefined) clipGradNorm(model.parameters(), maxGradNorm);
    optimizer.step();
    optimizer.zeroGrad();
    return { loss: loss.detach(), prediction: prediction.detach() };
  };
}
