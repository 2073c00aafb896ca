/** A worker's module for tests: it offers these tasks. */
import { availableParallelism } from 'node:os';
import {
  Adam,
  backend,
  crossEntropy,
  Dense,
  ShapeError,
  type StateDict,
  setThreads,
  type Tensor,
  fit as train,
} from '../../src/index.ts';
import { type Job, serve } from '../../src/worker/index.ts';

/** What a run of training begins with. */
interface Training {
  readonly x: Tensor;
  readonly y: Int32Array;
  readonly state: StateDict;
  readonly epochs: number;
}

const tasks = {
  async train({ x, y, state, epochs }: Training, { report, signal }: Job<{ epoch: number; weight: Tensor }>) {
    const model = new Dense(x.shape[1]!, 3);
    model.loadStateDict(state);
    const history = await train(model, [[x, y]], {
      loss: crossEntropy,
      optimizer: new Adam(model.parameters(), { lr: 0.1 }),
      epochs,
      signal,
      callbacks: { onEpochEnd: ({ epoch }) => report({ epoch, weight: model.weight }) },
    });
    return { state: model.stateDict(), ended: history.ended, kept: model.weight.shape };
  },
  async threads(): Promise<number[]> {
    await setThreads('auto');
    return [backend().threads, Math.min(8, availableParallelism())];
  },
  echo: (value: unknown): unknown => value,
  fail(): never {
    throw new ShapeError('fail: always');
  },
  end(): void {
    process.exit(3);
  },
};

export type Tasks = typeof tasks;

serve(tasks);
