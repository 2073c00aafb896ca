import { describe, expect, it } from 'vitest';
import { DataLoader, TensorDataset } from '../../src/data/index.ts';
import {
  Adam,
  accuracy,
  crossEntropy,
  Dense,
  Dropout,
  evaluate,
  type FitOptions,
  Generator,
  Module,
  manualSeed,
  mseLoss,
  OptionError,
  ReduceLROnPlateau,
  ReLU,
  randn,
  Sequential,
  SGD,
  ShapeError,
  StepLR,
  type Tensor,
  tensor,
  fit as train,
} from '../../src/index.ts';

/** Points in a plane, told apart by the sign of the product of their coordinates. */
const points = randn([120, 2], { generator: new Generator(4) });
const labels = Int32Array.from({ length: 120 }, (_, i) => (points.at(i, 0) * points.at(i, 1) > 0 ? 1 : 0));
const loader = (): DataLoader<[Tensor, Int32Array]> =>
  new DataLoader(new TensorDataset(points, labels), { batchSize: 50, shuffle: true, seed: 1 });

function network(): Sequential {
  const generator = new Generator(2);
  return new Sequential(new Dense(2, 16, { generator }), new ReLU(), new Dense(16, 2, { generator }));
}

const run = async (more: Partial<FitOptions<Int32Array>> = {}) => {
  const model = network();
  const optimizer = new Adam(model.parameters(), { lr: 0.05 });
  const history = await train(model, loader(), {
    loss: crossEntropy,
    optimizer,
    metrics: { accuracy },
    epochs: 2,
    ...more,
  });
  return { model, optimizer, history };
};

describe('fit', () => {
  it('learns, and tells losses and metrics of every epoch', async () => {
    const { history } = await run({ epochs: 25, validation: loader() });
    expect(history.losses).toHaveLength(25);
    expect(history.losses.at(-1)!).toBeLessThan(0.4 * history.losses[0]!);
    expect(history.metrics.accuracy!.at(-1)!).toBeGreaterThan(0.9);
    expect(history.validation.metrics.accuracy!.at(-1)!).toBeGreaterThan(0.9);
    expect(history.validation.losses).toHaveLength(25);
    expect([history.ended, history.notCompiled, history.rates.at(-1)]).toEqual(['epochs', null, 0.05]);
  });

  it('gives the same losses for the same seed, and, to rounding, the same without compiling', async () => {
    const [a, b, c] = [await run(), await run(), await run({ compile: false })];
    expect(a.history.losses).toEqual(b.history.losses);
    expect(a.history.losses[1]!).toBeCloseTo(c.history.losses[1]!, 5);
    expect(c.history.notCompiled).toBe('compile is false');
  });

  it('weights averages by the size of the batches', async () => {
    const model = new Dense(1, 1, { bias: false });
    model.weight.detach().assign(1);
    const batches = [
      [tensor([[1], [1], [1]]), tensor([[1], [1], [1]])],
      [tensor([[3]]), tensor([[1]])],
    ] as const;
    const optimizer = new SGD(model.parameters(), { lr: 0 });
    const { losses, metrics } = await train(model, batches, {
      loss: mseLoss,
      optimizer,
      metrics: { size: (x) => x.shape[0]! },
    });
    expect(losses).toEqual([1]);
    expect(metrics.size).toEqual([2.5]);
  });

  it('calls back after batches and epochs, waits for the answer, and ends when it is false', async () => {
    const heard: string[] = [];
    const { history } = await run({
      epochs: 5,
      callbacks: [
        {
          onBatchEnd: ({ epoch, batch, count, loss }) =>
            void heard.push(`${epoch}.${batch} ${count} ${Number.isFinite(loss)}`),
        },
        {
          onEpochEnd: async ({ epoch, history, validation, lr }) => {
            await new Promise((resolve) => setTimeout(resolve, 5));
            heard.push(`end of ${epoch}: ${history.losses.length} ${validation} ${lr}`);
            return epoch < 1;
          },
        },
      ],
    });
    expect(heard).toEqual([
      '0.0 50 true',
      '0.1 50 true',
      '0.2 20 true',
      'end of 0: 1 null 0.05',
      '1.0 50 true',
      '1.1 50 true',
      '1.2 20 true',
      'end of 1: 2 null 0.05',
    ]);
    expect([history.ended, history.losses.length]).toEqual(['callback', 2]);
  });

  it('ends after the batch at work when the signal says so, heard from outside', async () => {
    const control = new AbortController();
    let batches = 0;
    setTimeout(() => control.abort(), 20);
    const { history, model } = await run({
      epochs: 1e6,
      signal: control.signal,
      callbacks: { onBatchEnd: () => void batches++ },
    });
    expect(history.ended).toBe('signal');
    expect(batches).toBeGreaterThan(0);
    expect(model.parameters().every((p) => p.grad === null)).toBe(true);
    const { history: none } = await run({ signal: control.signal });
    expect([none.ended, none.losses]).toEqual(['signal', []]);
  });

  it('lets other tasks run between batches', async () => {
    const order: string[] = [];
    const beat = setInterval(() => order.push('task'), 0);
    await run({ epochs: 30, callbacks: { onBatchEnd: () => void order.push('batch') } });
    clearInterval(beat);
    const first = order.indexOf('task');
    expect(first).toBeGreaterThanOrEqual(0);
    expect(order.lastIndexOf('batch')).toBeGreaterThan(first);
  });

  it('judges in evaluation, and leaves the modes as they were', async () => {
    const modes: boolean[] = [];
    class Spy extends Module {
      override forward(x: Tensor): Tensor {
        modes.push(this.training);
        return x;
      }
    }
    const model = new Sequential(new Dense(2, 2), new Spy(), new Dropout(0.5).eval());
    const optimizer = new SGD(model.parameters(), { lr: 0.1 });
    const batch = [points.narrow(0, 0, 4), labels.slice(0, 4)] as const;
    await train(model, [batch], { loss: crossEntropy, optimizer, validation: [batch], compile: false });
    expect(modes).toEqual([true, false]);
    expect(model.modules().map((module) => module.training)).toEqual([true, true, true, false]);
  });

  it('steps a schedule after every epoch, or every batch, and gives one that watches the loss its number', async () => {
    const model = network();
    const make = (schedulePer: 'epoch' | 'batch') => {
      const optimizer = new SGD(model.parameters(), { lr: 1 });
      const scheduler = new StepLR(optimizer, { stepSize: 1, gamma: 0.5 });
      return { loss: crossEntropy, optimizer, scheduler, schedulePer, epochs: 2 };
    };
    expect((await train(model, loader(), make('epoch'))).rates).toEqual([1, 0.5]);
    expect((await train(model, loader(), make('batch'))).rates).toEqual([1, 0.125]);
    const optimizer = new SGD(model.parameters(), { lr: 0 });
    optimizer.lr = 1e-9;
    const scheduler = new ReduceLROnPlateau(optimizer, { patience: 0, factor: 0.5, eps: 0 });
    await train(model, loader(), { loss: crossEntropy, optimizer, scheduler, epochs: 3 });
    expect(optimizer.lr).toBe(0.25e-9);
  });

  it('sees in a compiled step what a schedule sets', async () => {
    const [a, b] = await Promise.all(
      [true, false].map((compile) => {
        const model = network();
        const optimizer = new SGD(model.parameters(), { lr: 1 });
        const scheduler = new StepLR(optimizer, { stepSize: 1, gamma: 0.3 });
        return train(model, loader(), { loss: crossEntropy, optimizer, scheduler, epochs: 4, compile });
      }),
    );
    for (const [i, loss] of a!.losses.entries()) expect(loss).toBeCloseTo(b!.losses[i]!, 5);
  });

  it('limits the norm of the gradient', async () => {
    const model = new Dense(1, 1, { bias: false });
    model.weight.detach().assign(0);
    const optimizer = new SGD(model.parameters(), { lr: 1 });
    await train(model, [[tensor([[100]]), tensor([[100]])]], { loss: mseLoss, optimizer, maxGradNorm: 0.5 });
    expect(model.weight.item()).toBeCloseTo(0.5, 5);
  });

  it('runs as it is what cannot be compiled, and says why', async () => {
    const loss = (prediction: Tensor, target: Int32Array): Tensor => {
      const value = crossEntropy(prediction, target);
      return value.item() > 0 ? value : value.neg();
    };
    const { history } = await run({ loss });
    const { history: plain } = await run({ loss, compile: false });
    expect(history.notCompiled).toMatch(/item|value/);
    expect(history.losses).toEqual(plain.losses);
  });

  it('goes through data that arrive in time', async () => {
    async function* late(): AsyncGenerator<[Tensor, Int32Array]> {
      for (const batch of loader()) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        yield batch;
      }
    }
    const model = network();
    const optimizer = new SGD(model.parameters());
    const options = { loss: crossEntropy, optimizer };
    expect((await train(model, late(), options)).losses).toHaveLength(1);
    const once = late();
    await expect(train(model, once, { ...options, epochs: 2 })).rejects.toThrow(/gave no batch in epoch 1/);
  });

  it.each<[string, (o: SGD, m: Dense) => Promise<unknown>, RegExp]>([
    ['no model', (o) => train(5 as never, [], { loss: mseLoss, optimizer: o }), /the model must be a Module, but is 5/],
    ['no data', (o, m) => train(m, 5 as never, { loss: mseLoss, optimizer: o }), /data must be iterable/],
    ['empty data', (o, m) => train(m, [], { loss: mseLoss, optimizer: o }), /gave no batch in epoch 0/],
    [
      'batches that are none',
      (o, m) => train(m, [tensor([1])] as never, { loss: mseLoss, optimizer: o }),
      /a batch must be \[x, y\]/,
    ],
    ['no loss', (o, m) => train(m, [], { optimizer: o } as never), /loss must be a function/],
    ['no optimizer', (_, m) => train(m, [], { loss: mseLoss } as never), /optimizer must be one/],
    [
      'unknown options',
      (o, m) => train(m, [], { loss: mseLoss, optimizer: o, epoch: 1 } as never),
      /unknown option 'epoch'/,
    ],
    [
      'half epochs',
      (o, m) => train(m, [], { loss: mseLoss, optimizer: o, epochs: 0.5 }),
      /epochs must be a whole number/,
    ],
    [
      'no validation data',
      (o, m) => train(m, [], { loss: mseLoss, optimizer: o, validation: 1 as never }),
      /validation must be iterable/,
    ],
    [
      'metrics that give no number',
      (o, m) =>
        train(m, [[tensor([[1]]), tensor([[1]])]], { loss: mseLoss, optimizer: o, metrics: { a: () => 'x' as never } }),
      /metric a must return a number/,
    ],
    [
      'losses of many numbers',
      (o, m) =>
        train(m, [[tensor([[1], [2]]), tensor([[1], [2]])]], {
          loss: (p, t) => mseLoss(p, t, { reduction: 'none' }),
          optimizer: o,
        }),
      /the loss must be one number/,
    ],
  ])('rejects %s', async (_, call, message) => {
    const model = new Dense(1, 1);
    await expect(call(new SGD(model.parameters()), model)).rejects.toThrow(message);
    expect(model.training).toBe(true);
  });

  it('throws what a callback throws', async () => {
    const failure = new Error('mine');
    await expect(run({ callbacks: { onBatchEnd: () => Promise.reject(failure) } })).rejects.toBe(failure);
  });
});

describe('evaluate', () => {
  it('averages over examples without changing anything', async () => {
    manualSeed(1);
    const model = network();
    const before = model.parameters().map((p) => p.toArray());
    const whole = accuracy(model.forward(points), labels);
    const found = await evaluate(model, loader(), { loss: crossEntropy, metrics: { accuracy } });
    expect(found.count).toBe(120);
    expect(found.metrics.accuracy!).toBeCloseTo(whole, 12);
    expect(found.loss).toBeCloseTo(crossEntropy(model.forward(points), labels).item(), 5);
    expect(model.parameters().map((p) => p.toArray())).toEqual(before);
    await expect(evaluate(model, 1 as never)).rejects.toThrow(OptionError);
  });
});

describe('accuracy', () => {
  it('takes labels as lists, arrays, tensors, or probabilities, and pictures of labels', () => {
    const prediction = tensor([
      [0.9, 0.1],
      [0.2, 0.8],
      [0.6, 0.4],
      [0.3, 0.7],
    ]);
    expect(accuracy(prediction, [0, 1, 1, 1])).toBe(0.75);
    expect(accuracy(prediction, Uint8Array.of(0, 1, 0, 1))).toBe(1);
    expect(accuracy(prediction, tensor([1, 0, 1, 0]))).toBe(0);
    expect(accuracy(prediction, prediction.neg())).toBe(0);
    expect(
      accuracy(
        prediction.reshape([2, 2, 2]),
        [
          [0, 0],
          [0, 1],
        ].flat(),
      ),
    ).toBe(0.75);
  });

  it('rejects what does not fit', () => {
    expect(() => accuracy(tensor([[1, 2]]), [0, 1])).toThrow(ShapeError);
    expect(() => accuracy(tensor([1, 2]), [0, 1])).toThrow(/must be \[N, classes, ...\]/);
  });
});
