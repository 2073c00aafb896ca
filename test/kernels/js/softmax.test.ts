import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsKernels } from '../../../src/kernels/js/index.ts';
import {
  allocate,
  at,
  dtypes,
  expectNear,
  layouts,
  makeView,
  numbers,
  shapes,
  sizeOf,
  tabulate,
  viewOf,
} from './views.ts';

const IGNORED = -7;

/** Logits of any view, and labels and a gradient of their shape without the axis. */
const cases = fc
  .record({ dtype: dtypes, shape: shapes, pick: fc.nat(), seed: fc.nat() })
  .filter(({ shape }) => shape.length > 0)
  .chain(({ dtype, shape, pick, seed }) => {
    const axis = pick % shape.length;
    const rest = shape.filter((_, a) => a !== axis);
    const next = numbers(seed, 0);
    const label = (): number => {
      const value = Math.abs(next());
      return value % 5 === 4 ? IGNORED : value % Math.max(1, shape[axis]!);
    };
    return fc.record({
      dtype: fc.constant(dtype),
      axis: fc.constant(axis),
      x: viewOf(dtype, shape, 25),
      g: viewOf(dtype, rest, 0),
      labels: layouts(rest.length).map((layout) => makeView(dtype, rest, layout, label)),
    });
  });

const insert = (index: readonly number[], axis: number, i: number): number[] => index.toSpliced(axis, 0, i);

describe('softmax and its relatives', () => {
  it('are what their formulas say, for any view, NaN and infinities included', () => {
    fc.assert(
      fc.property(cases, ({ dtype, axis, x, labels, g }) => {
        const { shape } = x;
        const rest = labels.shape;
        const count = shape[axis]!;
        const line = (index: readonly number[]): number[] =>
          Array.from({ length: count }, (_, i) => at(x, insert(index, axis, i)));
        const log = (index: readonly number[], i: number): number => {
          const values = line(index);
          const most = Math.max(...values);
          return values[i]! - most - Math.log(values.reduce((sum, v) => sum + Math.exp(v - most), 0));
        };
        const along = (index: readonly number[]): [number[], number] => [index.toSpliced(axis, 1), index[axis]!];
        const y = allocate(dtype, sizeOf(shape));
        jsKernels.softmax(x, axis, y);
        expectNear(
          y,
          tabulate(dtype, shape, (i) => Math.exp(log(...along(i)))),
          60,
        );
        jsKernels.logSoftmax(x, axis, y);
        expectNear(
          y,
          tabulate(dtype, shape, (i) => log(...along(i))),
          4,
        );
        const gradient = tabulate(dtype, shape, (i) => {
          const [index, own] = along(i);
          const label = at(labels, index);
          return label === IGNORED ? 0 : at(g, index) * (Math.exp(log(index, own)) - (own === label ? 1 : 0));
        });
        jsKernels.crossEntropyGrad(x, labels, g, axis, IGNORED, y);
        y.forEach((value, i) => {
          const error = Math.abs(value - gradient[i]!);
          if (!Number.isNaN(value) || !Number.isNaN(gradient[i]!)) expect(error).toBeLessThanOrEqual(2 ** 24 * 1e-6);
        });
        if (count === 0) return;
        const losses = allocate(dtype, sizeOf(rest));
        jsKernels.crossEntropy(x, labels, axis, IGNORED, losses);
        expectNear(
          losses,
          tabulate(dtype, rest, (i) => (at(labels, i) === IGNORED ? 0 : 0 - log(i, at(labels, i)))),
          4,
        );
      }),
      { numRuns: 200 },
    );
  });
});
