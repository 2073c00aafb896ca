/** Softmax and the cross entropy of labels in programs. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compile,
  crossEntropy,
  Dense,
  grad,
  IndexError,
  logSoftmax,
  Parameter,
  SGD,
  softmax,
  type Tensor,
  tensor,
  zeros,
} from '../../src/index.ts';
import { expectClose, normals } from './helpers.ts';

/** What steps of the last program traced are called. */
function stepsOf(program: { report(): { steps: readonly { name: string; eager: string | null }[] }[] }): string[] {
  return program.report()[0]!.steps.map(({ name, eager }) => (eager === null ? name : `* ${name}`));
}

const gradientOf = (fn: (x: Tensor, labels: Int32Array | Tensor) => Tensor) => {
  const gradient = grad(fn);
  return (x: Tensor, labels: Int32Array | Tensor): [Tensor, Tensor] => [fn(x, labels), gradient(x, labels)];
};

/** Logits of every layout of lines: few classes and many, on any axis, with numbers that cannot be. */
const cases = fc
  .record({
    shape: fc.oneof(
      fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 })),
      fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 90 })),
    ),
    seed: fc.nat(),
    scale: fc.constantFrom(1, 30),
    awkward: fc.constantFrom(null, null, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
  })
  .map(({ shape, seed, scale, awkward }) => {
    const x = normals(seed, ...shape).mul(scale);
    if (awkward !== null) x.data[seed % x.size] = awkward;
    const list = Float32Array.from({ length: x.size / shape[1]! }, (_, i) =>
      (seed + i) % 7 === 0 ? -100 : (seed + 5 * i) % shape[1]!,
    );
    return { x, labels: tensor(list).reshape(shape.toSpliced(1, 1)) };
  });

describe('programs with softmax', () => {
  it.each(['mean', 'sum', 'none'] as const)(
    'give the cross entropy and its gradient as eager code does: %s',
    (reduction) => {
      const both = gradientOf((x, labels) => crossEntropy(x, labels, { reduction }).sum());
      fc.assert(
        fc.property(cases, ({ x, labels }) => {
          const program = compile(both);
          const [loss, gradient] = both(x, labels);
          const [ownLoss, ownGradient] = program(x, labels);
          expectClose(ownLoss, loss, 1e-5, 'loss', 1);
          expectClose(ownGradient, gradient, 1e-6, 'gradient', 1);
          expect(stepsOf(program)).toContain('cross entropy with its gradient');
          program.dispose();
        }),
        { numRuns: 25 },
      );
    },
  );

  it('give softmax and its logarithm, and their gradients, as eager code does', () => {
    fc.assert(
      fc.property(cases, fc.boolean(), ({ x }, isLast) => {
        const axis = isLast ? x.rank - 1 : 1;
        const fn = (z: Tensor): Tensor => softmax(z, axis).mul(logSoftmax(z, axis)).mul(z).sum();
        const all = (z: Tensor): Tensor[] => [softmax(z, axis), logSoftmax(z, axis), grad(fn)(z)];
        const program = compile(all);
        const results = program(x);
        all(x).forEach((expected, i) => expectClose(results[i]!, expected, 1e-5, `result ${i}`, 1));
        expect(stepsOf(program)).toEqual(expect.arrayContaining(['softmax', 'logSoftmax']));
        program.dispose();
      }),
      { numRuns: 25 },
    );
  });

  it('compute the loss alone where nobody asks for a gradient, and the gradient alone where nobody reads the loss', () => {
    const x = normals(1, 6, 4);
    const labels = Int32Array.of(0, 1, 2, 3, 0, 1);
    const loss = compile((z: Tensor, y: Int32Array) => crossEntropy(z, y));
    loss(x, labels);
    expect(stepsOf(loss)).toContain('cross entropy');
    const gradient = compile((z: Tensor, y: Int32Array) => grad((v: Tensor) => crossEntropy(v, y))(z));
    expectClose(gradient(x, labels), grad((v: Tensor) => crossEntropy(v, labels))(x), 1e-6);
    expect(stepsOf(gradient)).toContain('gradient of cross entropy');
    expect(() => gradient(x, labels.with(2, 4))).toThrow(/crossEntropy: label 4 at \[2\] is not a class/);
  });

  it('tell the gradient of one loss from that of another', () => {
    const [a, b] = [normals(1, 6, 4), normals(2, 6, 4)];
    const labels = [Int32Array.of(0, 1, 2, 3, 0, 1), Int32Array.of(3, 3, 0, 0, 1, 2)] as const;
    const fn = (x: Tensor, z: Tensor, y: Int32Array, w: Int32Array): Tensor[] => [
      crossEntropy(x, y),
      grad((v: Tensor) => crossEntropy(v, y))(z),
      grad((v: Tensor) => crossEntropy(v, w))(x),
    ];
    const results = compile(fn)(a, b, ...labels);
    fn(a, b, ...labels).forEach((expected, i) => expectClose(results[i]!, expected, 1e-6, `result ${i}`));
  });

  it('differentiate twice', () => {
    const x = normals(4, 5, 3);
    const labels = Int32Array.of(0, 2, 1, -100, 2);
    const second = (z: Tensor): Tensor =>
      grad((v: Tensor) =>
        grad((w: Tensor) => crossEntropy(w, labels))(v)
          .square()
          .sum(),
      )(z);
    expectClose(compile(second)(x), second(x), 1e-5);
  });

  it('take losses whose gradients differ from sample to sample', () => {
    const factors = normals(9, 70);
    const labels = Int32Array.from({ length: 70 }, (_, i) => i % 3);
    const both = gradientOf((x, y) => crossEntropy(x, y, { reduction: 'none' }).mul(factors).sum());
    const x = normals(2, 70, 3);
    const [loss, gradient] = compile(both)(x, labels);
    expectClose(loss, both(x, labels)[0], 1e-5);
    expectClose(gradient, both(x, labels)[1], 1e-6);
  });
});

describe('labels that are no class, in a program', () => {
  const model = new Dense(4, 3);
  const optimizer = new SGD(model.parameters(), { lr: 0.1 });
  const x = normals(3, 5, 4);
  const train = (labels: Int32Array | Tensor): Tensor => {
    const loss = crossEntropy(model.forward(x), labels);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  };

  it('give the error of eager code, and leave the parameters as they were', () => {
    const step = compile(train);
    step(Int32Array.of(0, 1, 2, 0, 1));
    expect(
      stepsOf(step)
        .filter((name) => name.startsWith('*'))
        .join(),
    ).not.toMatch(/labels|gather|argMax|scatter/);
    const before = [...model.weight.toTypedArray()];
    const bad = Int32Array.of(0, 1, 2, 3, 1);
    let message = '';
    try {
      train(bad);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toBe('crossEntropy: label 3 at [3] is not a class; the classes are 0 to 2, and -100 is ignored');
    expect(() => step(bad)).toThrow(new IndexError(message));
    expect(() => step(tensor([0, 1.5, 0, 0, 0]) as never)).toThrow(/label 1.5 at \[1\]/);
    expect(() => step(tensor([0, 1, 0, 0, Number.NaN]) as never)).toThrow(/label NaN at \[4\]/);
    expect([...model.weight.toTypedArray()]).toEqual(before);
    expect(step(Int32Array.of(0, 1, 2, 0, -100)).item()).toBeGreaterThan(0);
  });

  it('are found in captured tensors and among what the program computes', () => {
    const captured = zeros([2]);
    const logits = normals(1, 2, 3);
    const loss = compile((z: Tensor) => crossEntropy(z, captured));
    loss(logits);
    captured.data[1] = 7;
    expect(() => loss(logits)).toThrow(/label 7 at \[1\] is not a class/);
    captured.data[1] = 1;
    expectClose(loss(logits), crossEntropy(logits, captured), 1e-6);
    const computed = compile((z: Tensor, offset: Tensor) => crossEntropy(z, z.argMax(1).add(offset)));
    expectClose(computed(logits, zeros([2])), crossEntropy(logits, logits.argMax(1)), 1e-6);
    expect(() => computed(logits, tensor([0, 10]))).toThrow(IndexError);
    expect(() => computed(logits, tensor([-1e9, 0]))).toThrow(IndexError);
  });

  it('are found where a state that the program updates holds them', () => {
    const labels = new Parameter(zeros([2]));
    const logits = normals(1, 2, 3);
    const loss = compile((z: Tensor) => {
      const value = crossEntropy(z, labels.detach());
      labels.detach().assign(labels.detach().add(1));
      return value;
    });
    for (let i = 0; i < 3; i++) loss(logits);
    expect(() => loss(logits)).toThrow(/label 3 at \[0\] is not a class/);
  });
});
