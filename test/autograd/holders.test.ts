/** Arrays of gradients that serve again: never one that somebody can still see. */

import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { defineOp, manualSeed, ones, rand, relu, type Tensor, zeros } from '../../src/index.ts';
import { eager, type Interpreter, withInterpreter } from '../../src/ops/apply.ts';
import { fromStorage } from '../../src/tensor/creation.ts';
import { allocate } from '../../src/tensor/dtype.ts';
import { sizeOf } from '../../src/tensor/shape.ts';
import { giveSpare, renewSpares, spareBytes, takeSpare } from '../../src/tensor/spare.ts';
import { inputsOf, type Sample, samples } from '../ops/samples.ts';

afterEach(() => {
  renewSpares();
  renewSpares();
});

/** As many elements as make an array worth keeping. */
const shape = [128, 130];

/** Steps of a random function: each adds a tensor to a list, made from earlier ones. */
const steps: readonly ((pick: () => Tensor) => Tensor)[] = [
  (pick) => pick().add(pick()),
  (pick) => pick().mul(pick()),
  (pick) => pick().sub(1),
  (pick) => relu(pick()),
  (pick) => pick().reshape([130, 128]).transpose(0, 1).reshape(shape),
  (pick) => pick().sum(0).expand(shape).mul(0.01),
  (pick) => pick().flip(1),
  (pick) => pick().narrow(0, 3, 1).add(pick()),
  (pick) => pick().detach().add(pick()),
];

function result(leaves: readonly Tensor[], choices: readonly (readonly [number, number, number])[]): Tensor {
  const list = [...leaves];
  for (const [step, a, b] of choices) {
    let picked = 0;
    // Mostly the last ones, so that most of them count.
    list.push(steps[step]!(() => list[Math.max(0, list.length - 1 - ((picked++ === 0 ? a : b) % 4))]!));
  }
  return list.at(-1)!.mul(list[0]!).sum();
}

/** The first element in which two arrays differ, or -1. */
function difference(a: Float32Array | null, b: Float32Array | null): number {
  if (a === null || b === null) return a === b ? -1 : 0;
  return a.findIndex((value, i) => !Object.is(value, b[i]));
}

describe('gradients', () => {
  it('are those of a recorded pass, which keeps all arrays, and stay what they are', () => {
    const index = fc.nat(1000);
    const choice = fc.tuple(fc.nat(steps.length - 1), index, index);
    fc.assert(
      fc.property(fc.array(choice, { minLength: 1, maxLength: 12 }), (choices) => {
        const leaves = [rand(shape), rand(shape), rand(shape)];
        for (const leaf of leaves) leaf.requiresGrad = true;
        const gradientsBy = (createGraph: boolean): (Float32Array | null)[] => {
          for (const leaf of leaves) leaf.grad = null;
          result(leaves, choices).backward(undefined, { createGraph });
          return leaves.map(({ grad }) => (grad === null ? null : (grad.data as Float32Array)));
        };
        const first = gradientsBy(false);
        const copies = first.map((g) => g?.slice() ?? null);
        const second = gradientsBy(false);
        const expected = gradientsBy(true);
        for (const got of [first, copies, second])
          expect(got.map((g, i) => difference(g, expected[i]!))).toEqual([-1, -1, -1]);
      }),
      { numRuns: 30 },
    );
  });

  it('that an operation hands to several tensors are not added to in place', () => {
    const x = rand(shape, { requiresGrad: true });
    const [a, b] = [x.mul(1), x.mul(1)];
    const c = a.mul(3);
    // Both a and b get the same array; a gets more from c, before b is done.
    a.add(b).add(c).sum().backward();
    expect(new Set(x.grad!.data)).toEqual(new Set([5]));
  });

  it('that a user gives stay what they are', () => {
    const x = rand(shape, { requiresGrad: true });
    const given = ones(shape);
    for (let i = 0; i < 3; i++) relu(x).mul(2).backward(given);
    expect(new Set(given.data)).toEqual(new Set([1]));
    expect(new Set(x.grad!.data)).toEqual(new Set([6]));
  });

  it('that a function of a user has seen stay what they are', () => {
    const kept: Tensor[] = [];
    const spy = defineOp({
      name: 'spy',
      shape: ([x]) => x,
      forward: ({ inputs: [x], output }) => output.set(x.toTypedArray()),
      vjp(g) {
        const part = g.mul(2);
        kept.push(g, part);
        return [part];
      },
    });
    const x = rand(shape, { requiresGrad: true });
    for (let i = 0; i < 3; i++) {
      spy(x.mul(3)).mul(5).sum().backward();
      for (const t of kept) expect([5, 10]).toContain(t.data[7]);
    }
    expect(kept).toHaveLength(6);
    for (const [i, t] of kept.entries()) expect(new Set(t.data)).toEqual(new Set([i % 2 === 0 ? 5 : 10]));
  });

  it('leave arrays behind for the next results, and only those of the last pass', () => {
    const x = rand(shape, { requiresGrad: true });
    relu(relu(x).mul(2)).sum().backward();
    expect(spareBytes()).toBeGreaterThanOrEqual(4 * sizeOf(shape));
    zeros([1], { requiresGrad: true }).mul(2).backward();
    zeros([1], { requiresGrad: true }).mul(2).backward();
    expect(spareBytes()).toBe(0);
  });
});

describe('spare arrays', () => {
  it('come back by size, once', () => {
    const array = new Float32Array(20_000);
    giveSpare(array);
    expect(takeSpare(20_001)).toBeNull();
    expect(takeSpare(20_000)).toBe(array);
    expect(takeSpare(20_000)).toBeNull();
  });

  it('are few, large and of float32', () => {
    giveSpare(new Float32Array(100));
    giveSpare(new Float64Array(20_000));
    expect(spareBytes()).toBe(0);
    for (let i = 0; i < 5; i++) giveSpare(new Float32Array(2 ** 22));
    expect(spareBytes()).toBe(2 ** 26);
  });
});

describe('operations that claim to overwrite their result', () => {
  /** Gives them arrays of NaN, and to others zeros. */
  const poisoned: Interpreter = {
    ...eager,
    apply(op, inputs, attrs) {
      if (op.kind === 'view' || !op.overwrites) return eager.apply(op, inputs, attrs);
      const out = op.infer(inputs, attrs);
      const y = allocate(out.dtype, sizeOf(out.shape)).fill(Number.NaN);
      op.compute(inputs, attrs, out, y);
      return fromStorage(y, out.shape);
    },
  };
  /** The results of a sample, and the gradients of their sum. */
  const everythingOf = ({ fn }: Sample, inputs: readonly Tensor[]): string[] => {
    manualSeed(3);
    const results = [fn(...inputs)].flat() as Tensor[];
    const total = results.map((y) => y.sum()).reduce((a, b) => a.add(b));
    for (const x of inputs) x.grad = null;
    if (total.requiresGrad) total.backward();
    return [...results, ...inputs.map((x) => x.grad ?? x)].map(String);
  };

  it.each(Object.entries(samples))('%s', (_, list) => {
    for (const sample of list) {
      const inputs = inputsOf(sample);
      for (const x of inputs) x.requiresGrad = true;
      expect(withInterpreter(poisoned, () => everythingOf(sample, inputs))).toEqual(everythingOf(sample, inputs));
    }
  });
});
