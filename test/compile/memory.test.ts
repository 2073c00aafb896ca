/** Memory: what programs and storages took comes back, and calls take nothing. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { programMemory } from '../../src/compile/memory.ts';
import {
  Adam,
  BatchNorm2d,
  Conv2d,
  compile,
  crossEntropy,
  Dense,
  Flatten,
  MaxPool2d,
  noGrad,
  Parameter,
  ReLU,
  Sequential,
  type Tensor,
  tensor,
} from '../../src/index.ts';
import { normals } from './helpers.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Garbage is collected, and what waits for that is done, in later turns of the event loop. */
async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const network = (): Sequential =>
  new Sequential(
    new Conv2d(1, 3, 3, { padding: 1 }),
    new BatchNorm2d(3),
    new ReLU(),
    new MaxPool2d(2),
    new Flatten(),
    new Dense(48, 4),
  );

/** A training step and a place where its program is held. */
function training(): { step: (x: Tensor, labels: Uint8Array) => Tensor; dispose: () => void } {
  const model = network();
  const optimizer = new Adam(model.parameters(), { lr: 0.01 });
  const step = compile((x: Tensor, labels: Uint8Array) => {
    const loss = crossEntropy(model.forward(x), labels);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  });
  return { step, dispose: () => step.dispose() };
}

const batch = [normals(1, 5, 1, 8, 8), Uint8Array.of(0, 1, 2, 3, 0)] as const;

describe('memory of programs', () => {
  test('comes back when a program, its parameters and its optimizer are garbage', async () => {
    await settle();
    const before = programMemory().used;
    let during = 0;
    const use = (): void => {
      for (let i = 0; i < 3; i++) training().step(...batch);
      during = programMemory().used;
    };
    use();
    expect(during).toBeGreaterThan(before + 3 * 4 * 5 * 3 * 64);
    await settle();
    expect(programMemory().used).toBe(before);
  });

  test('comes back at once from dispose, except for parameters that are in use', async () => {
    await settle();
    const before = programMemory().used;
    const weight = new Parameter(normals(1, 1000));
    const run = compile((x: Tensor) => weight.mul(x).add(1).sqrt());
    run(normals(2, 1000));
    const during = programMemory().used;
    run.dispose();
    const after = programMemory().used;
    expect(after).toBeLessThan(during);
    expect(after - before).toBeGreaterThanOrEqual(4000);
    expect(after - before).toBeLessThan(6000);
    expect(weight.size).toBe(1000);
  });

  test('of a parameter stays while somebody holds the array of its values', async () => {
    let held: Float32Array | undefined;
    const use = (): void => {
      const weight = new Parameter(tensor([1, 2, 3, 4]));
      compile((x: Tensor) => weight.mul(x))(tensor([1]));
      held = weight.data as Float32Array;
    };
    use();
    await settle();
    const total = tensor([9, 9, 9, 9]);
    for (let i = 0; i < 20; i++) compile((x: Tensor) => noGrad(() => total.assign(total.add(x))) && total)(tensor([i]));
    expect([...held!]).toEqual([1, 2, 3, 4]);
  });
});

describe('10,000 training steps', () => {
  test('let neither the heap of JavaScript nor the memory of programs grow', { timeout: 120_000 }, async () => {
    const { step } = training();
    const run = (steps: number): void => {
      for (let i = 0; i < steps; i++) step(...batch);
    };
    run(2000);
    let growth = Number.POSITIVE_INFINITY;
    // Optimised code comes in the first thousands of steps; a leak of some bytes a step would show in every round.
    for (let round = 0; round < 4 && growth >= 64 * 1024; round++) {
      await settle();
      const [heap, used] = [process.memoryUsage().heapUsed, programMemory().used];
      run(10_000);
      // Without a turn of the event loop in between.
      expect(programMemory().used).toBe(used);
      await settle();
      growth = process.memoryUsage().heapUsed - heap;
      expect(programMemory().used).toBe(used);
    }
    expect(growth).toBeLessThan(64 * 1024);
  });

  test('of which each meets gradients that were made without compiling', async () => {
    const w = new Parameter(normals(1, 256));
    const optimizer = new Adam([w], { lr: 1e-3 });
    const update = compile(() => optimizer.step());
    const step = (): void => {
      w.grad = w.detach().mul(0.1);
      update();
    };
    for (let i = 0; i < 100; i++) step();
    const { used } = programMemory();
    for (let i = 0; i < 2000; i++) step();
    expect(programMemory().used).toBe(used);
    await settle();
  });
});
