/** Tasks in a worker: values go there and back, progress, cancelling, and what goes wrong. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { build } from 'esbuild';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  Adam,
  crossEntropy,
  Dense,
  fit as fitHere,
  manualSeed,
  OptionError,
  randn,
  ShapeError,
  Tensor,
  ThreadError,
  tensor,
} from '../../src/index.ts';
import { type Ask, connect, serve } from '../../src/worker/index.ts';
import type { Tasks } from './tasks.ts';

const folder = mkdtempSync(join(tmpdir(), 'typedgrad-worker-'));
const bundle = join(folder, 'tasks.mjs');
const workers: Worker[] = [];

beforeAll(async () => {
  const entryPoints = [join(import.meta.dirname, 'tasks.ts')];
  await build({ entryPoints, bundle: true, platform: 'node', format: 'esm', outfile: bundle, logLevel: 'error' });
});
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function begin(): Ask<Tasks> {
  const worker = new Worker(bundle);
  workers.push(worker);
  return connect<Tasks>(worker);
}

describe('a worker that serves tasks', () => {
  manualSeed(5);
  const x = randn([12, 4]);
  const y = Int32Array.from({ length: 12 }, (_, i) => i % 3);

  it('trains as this thread does, reports each epoch, and hands over the state', async () => {
    const model = new Dense(4, 3);
    const ask = begin();
    const epochs: number[] = [];
    const weights: Tensor[] = [];
    const onProgress = ({ epoch, weight }: { epoch: number; weight: Tensor }): void => {
      epochs.push(epoch);
      weights.push(weight);
    };
    const input = { x, y, state: model.stateDict(), epochs: 20 };
    const { state, ended, kept } = await ask('train', input, { onProgress });
    await fitHere(model, [[x, y]], {
      loss: crossEntropy,
      optimizer: new Adam(model.parameters(), { lr: 0.1 }),
      epochs: 20,
    });
    expect([ended, kept]).toEqual(['epochs', [3, 4]]);
    expect(Object.keys(state)).toEqual(['weight', 'bias']);
    expect(state.weight!.toArray()).toEqual(model.weight.toArray());
    expect(epochs).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(weights.at(-1)!.toArray()).toEqual(model.weight.toArray());
    expect(weights[0]!.toArray()).not.toEqual(model.weight.toArray());
    // What was sent is still here.
    expect([x.data.length, y.length]).toEqual([48, 12]);
  });

  it('cancels by a signal: while it works, and before it begins', async () => {
    const ask = begin();
    const input = { x, y, state: new Dense(4, 3).stateDict(), epochs: 1_000_000 };
    const controller = new AbortController();
    const onProgress = ({ epoch }: { epoch: number }): void => {
      if (epoch === 5) controller.abort();
    };
    const stopped = await ask('train', input, { onProgress, signal: controller.signal });
    expect(stopped.ended).toBe('signal');
    expect((await ask('train', input, { signal: AbortSignal.abort() })).ended).toBe('signal');
  });

  it('works on several tasks at a time, before and after it has been loaded', async () => {
    const ask = begin();
    const values = [1, 'two', null, [3, { four: new Float64Array([4]) }], new Map([[5, 5]])];
    expect(await Promise.all(values.map((value) => ask('echo', value)))).toEqual(values);
    expect(await ask('echo', 6)).toBe(6);
  });

  it('takes tensors of any strides and dtype, in lists and records', async () => {
    const a = tensor(
      [
        [1, 2],
        [3, 4],
      ],
      { dtype: 'float64' },
    ).transpose(0, 1);
    const b = tensor([1, 2, 3, 4]).slice([1, 4, 2]);
    b.requiresGrad = true;
    const sent = { list: [a, { b }], scalar: tensor(7) };
    const got = (await begin()('echo', sent)) as typeof sent;
    const [c, { b: d }] = got.list as [Tensor, { b: Tensor }];
    expect([c.toArray(), c.dtype, d.toArray(), d.requiresGrad]).toEqual([a.toArray(), 'float64', b.toArray(), true]);
    expect([got.scalar.item(), got.scalar instanceof Tensor]).toEqual([7, true]);
    expect(c.mul(2).sum().item()).toBe(20);
  });

  it('can have threads of its own', async () => {
    const [threads, wanted] = await begin()('threads', undefined);
    expect(threads).toBe(wanted);
  });

  it("passes on a task's errors, of their class", async () => {
    const ask = begin();
    await expect(ask('fail', undefined)).rejects.toThrow(ShapeError);
    await expect(ask('fail', undefined)).rejects.toThrow('fail: always');
    await expect(ask('fall' as 'fail', undefined)).rejects.toThrow(
      new OptionError("connect: the worker has no task 'fall', only train, threads, echo, fail, end"),
    );
    await expect(ask('echo', () => 1)).rejects.toThrow(/could not be cloned/);
  });

  it('does not leave anyone waiting when it ends, or cannot be loaded', async () => {
    const ask = begin();
    const waiting = ask('train', { x, y, state: new Dense(4, 3).stateDict(), epochs: 1_000_000 });
    const end = ask('end', undefined);
    await expect(waiting).rejects.toThrow(ThreadError);
    await expect(end).rejects.toThrow('connect: the worker gives no answer: it ended');
    await expect(ask('echo', 1)).rejects.toThrow(/no answer/);
    const worker = new Worker('throw new Error("not today")', { eval: true });
    await expect(connect<Tasks>(worker)('echo', 1)).rejects.toThrow('not today');
  });

  it('serves in a worker only', () => {
    expect(() => serve({})).toThrow(
      new OptionError('serve: this is no worker; call it in the module that a worker runs'),
    );
  });
});
