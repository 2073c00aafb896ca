/** What the garbage collector may take. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { checkpoint, defineOp, noGrad, ones, type Tensor, tensor } from '../../src/index.ts';

setFlagsFromString('--expose_gc');
const collect = runInNewContext('gc') as () => void;

/** Whether all are gone after a collection. */
async function areGone(refs: readonly WeakRef<object>[]): Promise<boolean> {
  for (let i = 0; i < 10; i++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    collect();
    if (refs.every((ref) => ref.deref() === undefined)) return true;
  }
  return false;
}

/** A chain of operations, of which only the ends are handed on. */
function chain(x: Tensor): { loss: Tensor; between: WeakRef<object>[] } {
  const a = x.exp();
  const b = a.mul(x);
  const loss = b.sum();
  return { loss, between: [new WeakRef(a), new WeakRef(a.storage), new WeakRef(b), new WeakRef(b.storage)] };
}

describe('memory', () => {
  it('of the values between is held by the result before backward', async () => {
    const x = ones(4, { requiresGrad: true });
    const { loss, between } = chain(x);
    expect(await areGone(between)).toBe(false);
    expect(loss.item()).toBeCloseTo(4 * Math.E, 5);
  });

  it('of the values between is free after backward, though result and gradient are held', async () => {
    const x = ones(4, { requiresGrad: true });
    const { loss, between } = chain(x);
    loss.backward();
    expect(await areGone(between)).toBe(true);
    expect([loss.requiresGrad, x.grad!.size]).toEqual([true, 4]);
  });

  it('is held with retainGraph', async () => {
    const x = ones(4, { requiresGrad: true });
    const { loss, between } = chain(x);
    loss.backward(undefined, { retainGraph: true });
    expect(await areGone(between)).toBe(false);
    expect(loss.size).toBe(1);
  });

  it('is not held within noGrad', async () => {
    const x = ones(4, { requiresGrad: true });
    const { loss, between } = noGrad(() => chain(x));
    expect(await areGone(between)).toBe(true);
    expect(loss.size).toBe(1);
  });

  it('of a result that is dropped goes with its graph', async () => {
    const x = ones(4, { requiresGrad: true });
    // By a function of its own, whose frame is gone when the collection comes.
    const dropped = (): WeakRef<object>[] => chain(x).between;
    expect(await areGone(dropped())).toBe(true);
    expect(x.size).toBe(4);
  });

  it('of the values within a checkpoint is not held', async () => {
    const x = ones(4, { requiresGrad: true });
    let between: WeakRef<object>[] = [];
    const run = (): Tensor =>
      checkpoint((x: Tensor) => {
        const part = chain(x);
        between = part.between;
        return part.loss;
      }, x);
    const loss = run();
    expect(await areGone(between)).toBe(true);
    loss.backward();
    expect(await areGone(between)).toBe(true);
    expect(x.grad!.size).toBe(4);
  });

  it("is not held by an operation of one's own, even with a gradient that lives on", async () => {
    const double = defineOp({
      name: 'double',
      shape: ([x]) => x,
      forward: ({ inputs: [x], output }) => output.set(x.toTypedArray().map((value) => 2 * value)),
      vjp: (g, { inputs: [x] }) => [g.add(x.mul(0)).add(g)],
    });
    const x = ones(4, { requiresGrad: true });
    const seed = tensor([1, 1, 1, 1]);
    const run = (): { y: Tensor; between: WeakRef<object>[] } => {
      const a = x.exp();
      const y = double(a);
      y.backward(seed);
      return { y, between: [new WeakRef(a), new WeakRef(a.storage)] };
    };
    const { y, between } = run();
    expect(await areGone(between)).toBe(true);
    expect([y.size, seed.size]).toEqual([4, 4]);
  });
});
