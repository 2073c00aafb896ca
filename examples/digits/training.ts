import { Adam, compile, LinearLR, noGrad, type Sequential, SGD, softmax, Tensor } from 'typedgrad';
import { DataLoader, TensorDataset } from 'typedgrad/data';
import { type History, type Judgement, judge } from './history.ts';
import { LOSS_FUNCTIONS } from './model.ts';
import { type TrainOptions, UsageError } from './options.ts';
import type { Progress } from './progress.ts';
import type { Digits } from './source.ts';

/** Set by Ctrl-C; a run looks at it after every step. */
export interface Stop {
  requested: boolean;
}

export type Settings = Pick<TrainOptions, 'epochs' | 'batchSize' | 'lr' | 'seed' | 'optimizer' | 'loss' | 'eager'>;

/** Signals are delivered between steps, never inside one. */
const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Mean and spread of MNIST's pixels, ink being 1: inputs around 0 learn faster. Drawn digits have much the same. */
const MEAN = 0.13;
const SPREAD = 0.31;

/** `[count, 1, size, size]`, normalised. */
export function toTensor(digits: Digits, from = 0, to: number = digits.count): Tensor {
  const area = digits.size * digits.size;
  const values = Float32Array.from(
    digits.pixels.subarray(from * area, to * area),
    (value) => (value / 255 - MEAN) / SPREAD,
  );
  return Tensor.from(values, [to - from, 1, digits.size, digits.size]);
}

/**
 * Trains until the epochs are through or a stop is requested; after every epoch the test digits are judged for the
 * learning curve.
 */
export async function train(
  model: Sequential,
  digits: Digits,
  settings: Settings,
  hooks: { readonly progress: Progress; readonly stop: Stop; readonly judge: () => Promise<Judgement> },
): Promise<History> {
  const history: History = { steps: [], tests: [] };
  const { lr, batchSize, seed } = settings;
  const dataset = new TensorDataset(toTensor(digits), digits.labels);
  const loader = new DataLoader(dataset, { batchSize, shuffle: true, seed });
  const optimizer =
    settings.optimizer === 'adam'
      ? new Adam(model.parameters(), { lr })
      : new SGD(model.parameters(), { lr, momentum: 0.9 });
  const schedule = new LinearLR(optimizer, {
    startFactor: 1,
    endFactor: 0,
    totalIters: settings.epochs * loader.length,
  });
  const lossOf = LOSS_FUNCTIONS[settings.loss];
  const learn = (x: Tensor, labels: Int32Array) => {
    const scores = model.forward(x);
    const loss = lossOf(scores, labels);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return { scores, loss };
  };
  const stepOn = settings.eager ? learn : compile(learn);
  const running = { loss: new Running(), accuracy: new Running() };
  let seen = 0;
  for (let epoch = 1; epoch <= settings.epochs && !hooks.stop.requested; epoch++) {
    for (const [x, labels] of loader) {
      const { scores, loss } = stepOn(x, labels);
      schedule.step();
      seen += labels.length;
      const step = { seen, epoch, loss: loss.item(), accuracy: share(scores, labels) };
      if (!Number.isFinite(step.loss)) {
        throw new UsageError(`the loss became ${step.loss} after ${seen} digits: try a smaller --lr than ${lr}`);
      }
      history.steps.push(step);
      hooks.progress.step({
        epoch,
        seen,
        loss: running.loss.add(step.loss),
        accuracy: running.accuracy.add(step.accuracy),
      });
      await breathe();
      if (hooks.stop.requested) break;
    }
    if (hooks.stop.requested) break;
    const { accuracy } = await hooks.judge();
    history.tests.push({ seen, accuracy });
    if (epoch < settings.epochs) hooks.progress.note(`epoch ${epoch}: test accuracy ${accuracy.toFixed(4)}`);
  }
  return history;
}

/** The share of right answers of a batch. */
function share(scores: Tensor, labels: Int32Array): number {
  const answers = noGrad(() => scores.argMax(1).toTypedArray());
  let right = 0;
  for (const [i, label] of labels.entries()) if (answers[i] === label) right++;
  return right / labels.length;
}

/** A mean that forgets, without a pull towards 0 at the start. */
class Running {
  #sum = 0;
  #weight = 0;

  add(value: number): number {
    this.#sum = 0.95 * this.#sum + 0.05 * value;
    this.#weight = 0.95 * this.#weight + 0.05;
    return this.#sum / this.#weight;
  }
}

const JUDGED_AT_ONCE = 250;

/** Lets the model judge digits, a few hundred at a time: the whole test set's feature maps would not fit the caches. */
export async function judgeDigits(model: Sequential, digits: Digits, count: number = digits.count): Promise<Judgement> {
  const probabilities = new Float32Array(10 * count);
  model.eval();
  for (let from = 0; from < count; from += JUDGED_AT_ONCE) {
    const to = Math.min(count, from + JUDGED_AT_ONCE);
    const part = noGrad(() => softmax(model.forward(toTensor(digits, from, to)), 1).toTypedArray());
    probabilities.set(part, 10 * from);
    await breathe();
  }
  model.train();
  return judge(probabilities, digits.labels.subarray(0, count));
}
