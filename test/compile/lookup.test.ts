/** Operations by places in programs: positions of extremes, gather, scatterAdd, and values that are checked. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bceLoss,
  compile,
  crossEntropy,
  gather,
  grad,
  IndexError,
  indexSelect,
  multiMarginLoss,
  nllLoss,
  OptionError,
  scatterAdd,
  type Tensor,
  tensor,
  zeros,
} from '../../src/index.ts';
import { expectClose, expectSame, normals } from './helpers.ts';

/** The operations of the last program traced that are not compiled. */
function leftOf(program: { report(): { steps: readonly { name: string; eager: string | null }[] }[] }): string[] {
  return program
    .report()[0]!
    .steps.filter(({ eager }) => eager !== null)
    .map(({ name }) => name);
}

const shapes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 3 });
const cases = fc
  .record({
    shape: fc.oneof(shapes, fc.constantFrom([3, 700], [700, 3], [40, 9, 30])),
    pick: fc.nat(),
    count: fc.integer({ min: 1, max: 30 }),
    seed: fc.nat(),
    flips: fc.boolean(),
  })
  .map(({ shape, pick, count, seed, flips }) => {
    const axis = pick % shape.length;
    const wide = normals(seed, ...shape);
    const x = flips ? wide.flip([0]) : wide;
    const counts = [...shape].map((length, a) => (a === axis ? count : length));
    const source = normals(seed + 1, ...counts);
    const index = tensor(
      Float32Array.from({ length: source.size }, (_, i) => (seed + 7 * i + (i >> 2)) % shape[axis]!),
      counts,
    );
    return { x, axis, index, source };
  });

describe('programs that go by places', () => {
  it('gather and scatterAdd as eager code does, along any axis', () => {
    fc.assert(
      fc.property(cases, ({ x, axis, index, source }) => {
        const fn = (z: Tensor, at: Tensor, s: Tensor): Tensor[] => [
          gather(z.mul(1.5), axis, at),
          scatterAdd(z.mul(1.5), axis, at, s.add(1)),
          scatterAdd(zeros(z.shape), axis, at, s),
        ];
        const program = compile(fn);
        const [read, added, spread] = program(x, index, source) as [Tensor, Tensor, Tensor];
        const [expected, ...sums] = fn(x, index, source) as [Tensor, Tensor, Tensor];
        expectSame(read, expected);
        expectClose(added, sums[0]!, 1e-5, 'added', 1);
        expectClose(spread, sums[1]!, 1e-5, 'spread', 1);
        expect(leftOf(program)).toEqual([]);
        program.dispose();
      }),
      { numRuns: 40 },
    );
  });

  it('find extremes as eager code does, first NaN included, and give their gradients', () => {
    fc.assert(
      fc.property(cases, fc.boolean(), ({ x, axis }, hasNaN) => {
        if (hasNaN) x.data[x.size >> 1] = Number.NaN;
        const fn = (z: Tensor): Tensor[] => {
          const y = z.mul(3).round();
          return [y.argMax(axis), y.argMin(axis), y.argMax(), y.max(axis), grad((v: Tensor) => v.min(axis).sum())(z)];
        };
        const program = compile(fn);
        const results = program(x);
        fn(x).forEach((expected, i) => expectSame(results[i]!, expected, `result ${i}`));
        expect(leftOf(program)).toEqual([]);
        program.dispose();
      }),
      { numRuns: 40 },
    );
  });

  it('select whole rows of a table, and add up what flows back to them', () => {
    const table = normals(1, 10, 37);
    const rows = Int32Array.from({ length: 50 }, (_, i) => (i * i) % 10);
    const both = (x: Tensor, at: Int32Array | Tensor): Tensor[] => [
      indexSelect(x, 0, at),
      grad((v: Tensor) => indexSelect(v, 0, at).square().sum())(x),
    ];
    const program = compile(both);
    const [selected, gradient] = program(table, rows) as [Tensor, Tensor];
    const [expected, expectedGradient] = both(table, rows) as [Tensor, Tensor];
    expectSame(selected, expected);
    expectClose(gradient, expectedGradient, 1e-6);
    expect(leftOf(program)).toEqual([]);
    expect(() => program(table, rows.with(3, 10))).toThrow(/gather: index 10 is not a whole number from 0 to 9/);
  });

  it('add many terms in one place in double precision', () => {
    const program = compile((source: Tensor) => scatterAdd(zeros([2]).add(2 ** 24), 0, zeros([1000]), source));
    expect(program(zeros([1000]).add(1)).toArray()).toEqual([2 ** 24 + 1000, 2 ** 24]);
  });

  it('add up along any axis as eager code does, to the last bit', () => {
    fc.assert(
      fc.property(cases, ({ x, axis }) => {
        const fn = (z: Tensor): Tensor => z.mul(2).cumsum(axis);
        const program = compile(fn);
        expectSame(program(x), fn(x));
        expect(leftOf(program)).toEqual([]);
        program.dispose();
      }),
      { numRuns: 30 },
    );
  });

  it('refuse places outside of the axis, wherever they come from', () => {
    const x = normals(2, 3, 4);
    const program = compile((z: Tensor, at: Tensor) => gather(z, 1, at.add(1)));
    expectSame(program(x, zeros([3, 2])), gather(x, 1, zeros([3, 2]).add(1)));
    expect(() =>
      program(
        x,
        tensor([
          [0, 0],
          [3, 0],
          [0, 0],
        ]),
      ),
    ).toThrow(IndexError);
    expect(() =>
      program(
        x,
        tensor([
          [0, 0],
          [0, 0],
          [0, -3e9],
        ]),
      ),
    ).toThrow(IndexError);
    const constant = compile((z: Tensor) => gather(z, 1, tensor([[0], [9], [0]])));
    expect(() => constant(x)).toThrow(/index 9 is not a whole number from 0 to 3/);
  });

  it('smooth labels, weigh classes and take margins without operations left to eager kernels', () => {
    const x = normals(3, 6, 5);
    const labels = Int32Array.of(0, 4, 2, -100, 1, 1);
    const weight = normals(4, 5).abs();
    const losses = (z: Tensor, y: Int32Array): Tensor[] => [
      crossEntropy(z, y, { labelSmoothing: 0.1, weight }),
      crossEntropy(z, y, { weight }),
      nllLoss(z, y, { weight }),
      grad((v: Tensor) => crossEntropy(v, y, { labelSmoothing: 0.1, weight }))(z),
    ];
    const program = compile(losses);
    const results = program(x, labels);
    losses(x, labels).forEach((expected, i) => expectClose(results[i]!, expected, 1e-6, `loss ${i}`));
    expect(leftOf(program)).toEqual([]);
    expect(() => program(x, labels.with(1, 5))).toThrow(/label 5 at \[1\] is not a class/);
    const margin = compile((z: Tensor, y: Int32Array) => multiMarginLoss(z, y));
    const classes = Int32Array.of(0, 4, 2, 0, 1, 1);
    expectClose(margin(x, classes), multiMarginLoss(x, classes), 1e-6);
    expect(() => margin(x, labels)).toThrow(
      /multiMarginLoss: label -100 at \[3\] is not a class; the classes are 0 to 4/,
    );
  });

  it('check values that must lie within bounds', () => {
    const loss = compile((p: Tensor, t: Tensor) => bceLoss(p, t));
    const target = tensor([0, 1, 1]);
    const p = tensor([0.1, 0.7, 1]);
    expectClose(loss(p, target), bceLoss(p, target), 1e-6);
    expect(leftOf(loss)).toEqual([]);
    expect(() => loss(tensor([0.1, 1.5, 1]), target)).toThrow(OptionError);
    const computed = compile((q: Tensor, t: Tensor) => bceLoss(q.sub(1), t));
    expect(() => computed(p, target)).toThrow(/predictions must be probabilities/);
  });
});
