import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsKernels } from '../../../src/kernels/js/index.ts';
import type { Strided } from '../../../src/kernels/types.ts';
import {
  allocate,
  at,
  dtypes,
  expectSame,
  indices,
  layouts,
  makeView,
  numbers,
  shapes,
  sizeOf,
  tabulate,
  viewOf,
} from './views.ts';

const views = fc
  .tuple(dtypes, shapes)
  .chain(([dtype, shape]) => viewOf(dtype, shape, 20).map((view) => ({ dtype, shape, view })));
const filled = views.filter(({ shape }) => shape.length > 0);
const insert = (index: number[], axis: number, i: number): number[] => [
  ...index.slice(0, axis),
  i,
  ...index.slice(axis),
];

describe('reductions', () => {
  it('sum adds over any set of axes in double precision and rounds once', () => {
    fc.assert(
      fc.property(views, fc.nat(15), ({ dtype, shape, view }, mask) => {
        const axes = shape.flatMap((_, axis) => (mask & (1 << axis) ? [axis] : []));
        const kept = shape.filter((_, axis) => !axes.includes(axis));
        const sums = new Map<string, number>();
        for (const index of indices(shape)) {
          const key = index.filter((_, axis) => !axes.includes(axis)).join();
          sums.set(key, (sums.get(key) ?? 0) + at(view, index));
        }
        const y = allocate(dtype, sizeOf(kept));
        jsKernels.sum(view, axes, y);
        expectSame(
          y,
          tabulate(dtype, kept, (index) => sums.get(index.join()) ?? 0),
        );
      }),
      { numRuns: 300 },
    );
  });

  it.each(['argMax', 'argMin'] as const)('%s finds the first NaN or else the first extreme', (name) => {
    fc.assert(
      fc.property(filled, fc.nat(), ({ dtype, shape, view }, pick) => {
        const axis = pick % shape.length;
        fc.pre(shape[axis] !== 0);
        const kept = shape.filter((_, k) => k !== axis);
        const y = allocate(dtype, sizeOf(kept));
        jsKernels.argExtreme(name, view, axis, y);
        const expected = tabulate(dtype, kept, (index) => {
          const line = Array.from({ length: shape[axis]! }, (_, i) => at(view, insert(index, axis, i)));
          const nan = line.findIndex(Number.isNaN);
          return nan >= 0 ? nan : line.indexOf(name === 'argMax' ? Math.max(...line) : Math.min(...line));
        });
        expectSame(y, expected);
      }),
      { numRuns: 300 },
    );
  });

  it('cumsum holds the sum so far, rounded once', () => {
    fc.assert(
      fc.property(filled, fc.nat(), ({ dtype, shape, view }, pick) => {
        const axis = pick % shape.length;
        const y = allocate(dtype, sizeOf(shape));
        jsKernels.cumsum(view, axis, y);
        const expected = tabulate(dtype, shape, (index) => {
          let sum = 0;
          for (let i = 0; i <= index[axis]!; i++) sum += at(view, index.with(axis, i));
          return sum;
        });
        expectSame(y, expected);
      }),
    );
  });
});

describe('gather and scatterAdd', () => {
  /** A long tensor, a position view of another size along `axis`, and values of the position's shape. */
  const cases = fc
    .record({ dtype: dtypes, shape: shapes, pick: fc.nat(), count: fc.integer({ min: 0, max: 5 }), seed: fc.nat() })
    .filter(({ shape }) => shape.length > 0)
    .chain(({ dtype, shape, pick, count, seed }) => {
      const axis = pick % shape.length;
      const long = shape.with(axis, shape[axis]! + 1);
      const short = shape.with(axis, count);
      const next = numbers(seed, 0);
      return fc.record({
        dtype: fc.constant(dtype),
        axis: fc.constant(axis),
        long: viewOf(dtype, long),
        short: viewOf(dtype, short, 20),
        index: layouts(shape.length).map((layout) =>
          makeView(dtype, short, layout, () => Math.abs(next()) % long[axis]!),
        ),
      });
    });

  it('gather reads x at the given positions along one axis', () => {
    fc.assert(
      fc.property(cases, ({ dtype, axis, long, index }) => {
        const y = allocate(dtype, sizeOf(index.shape));
        jsKernels.gather(long, axis, index, y);
        expectSame(
          y,
          tabulate(dtype, index.shape, (i) => at(long, i.with(axis, at(index, i)))),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('scatterAdd adds to what y holds, in double precision, rounded once', () => {
    fc.assert(
      fc.property(cases, ({ dtype, axis, long, short, index }) => {
        const y = tabulate(dtype, long.shape, (i) => at(long, i));
        const dense: Strided = {
          ...long,
          data: y.slice(),
          offset: 0,
          strides: long.shape.map((_, k) => sizeOf(long.shape.slice(k + 1))),
        };
        const sums = new Map<string, number>();
        for (const i of indices(index.shape)) {
          const key = i.with(axis, at(index, i)).join();
          sums.set(key, (sums.get(key) ?? at(dense, i.with(axis, at(index, i)))) + at(short, i));
        }
        jsKernels.scatterAdd(short, axis, index, long.shape, y);
        expectSame(
          y,
          tabulate(dtype, long.shape, (i) => sums.get(i.join()) ?? at(dense, i)),
        );
      }),
      { numRuns: 300 },
    );
  });
});

describe('matmul', () => {
  const sizes = fc.oneof(
    { weight: 8, arbitrary: fc.integer({ min: 1, max: 7 }) },
    { weight: 1, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 30, max: 40 }) },
  );
  const cases = fc
    .record({
      dtype: dtypes,
      batch: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 2 }),
      m: sizes,
      k: sizes,
      n: sizes,
    })
    .chain((c) =>
      fc.tuple(
        fc.constant(c),
        viewOf(c.dtype, [...c.batch, c.m, c.k], 60),
        viewOf(c.dtype, [...c.batch, c.k, c.n], 60),
      ),
    );

  it('is the sum of products for every batch, view and size', () => {
    fc.assert(
      fc.property(cases, ([{ dtype, batch, m, k, n }, a, b]) => {
        const shape = [...batch, m, n];
        const y = allocate(dtype, sizeOf(shape));
        jsKernels.matmul(a, b, y);
        const expected = tabulate(dtype, shape, (index) => {
          const [i, j] = index.slice(-2) as [number, number];
          let sum = 0;
          for (let t = 0; t < k; t++)
            sum += at(a, [...index.slice(0, -2), i, t]) * at(b, [...index.slice(0, -2), t, j]);
          return sum;
        });
        expectSame(y, expected);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    [3, 5, 300],
    [300, 5, 3],
    [130, 17, 131],
  ])('is the sum of products over several blocks: %i × %i × %i', (m, k, n) => {
    const next = numbers(m, 0);
    const a = makeView('float32', [m, k], { order: [1, 0], axes: ['dense', 'stepped'], start: 2 }, next);
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const b = makeView('float32', [k, n], { order, axes: ['dense', 'dense'], start: 1 }, next);
      const y = new Float32Array(m * n);
      jsKernels.matmul(a, b, y);
      const sum = ([i, j]: number[]) =>
        Array.from({ length: k }, (_, t) => at(a, [i!, t]) * at(b, [t, j!])).reduce((p, q) => p + q, 0);
      expectSame(y, tabulate('float32', [m, n], sum));
    }
    expect.assertions(2);
  });
});
