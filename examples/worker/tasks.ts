/** What the worker does: it trains a small convolutional network on pictures that it is given. */
import { Adam, crossEntropy, fit, type StateDict, setThreads, type Tensor } from 'typedgrad';
import { DataLoader, TensorDataset } from 'typedgrad/data';
import { type Job, serve } from 'typedgrad/worker';
import { makeModel } from './model.ts';

/** Pictures, and the digits on them. */
interface Training {
  images: Tensor;
  labels: Int32Array;
  epochs: number;
}

const tasks = {
  async train({ images, labels, epochs }: Training, { report, signal }: Job<string>): Promise<StateDict> {
    await setThreads('auto');
    const model = makeModel();
    await fit(model, new DataLoader(new TensorDataset(images, labels), { batchSize: 32 }), {
      loss: crossEntropy,
      optimizer: new Adam(model.parameters(), { lr: 0.005 }),
      epochs,
      signal,
      callbacks: { onEpochEnd: ({ epoch, loss }) => report(`epoch ${epoch + 1}: loss ${loss.toFixed(3)}`) },
    });
    return model.stateDict();
  },
};

export type Tasks = typeof tasks;

serve(tasks);
