import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clipGradNorm, clipGradValue, OptionError, Parameter, tensor, zeros } from '../../src/index.ts';

const withGrad = (values: number[]): Parameter => {
  const p = new Parameter(zeros([values.length], { dtype: 'float64' }));
  p.grad = tensor(values, { dtype: 'float64' });
  return p;
};
const number = fc.double({ min: -100, max: 100, noNaN: true });

describe('clipGradNorm', () => {
  it('keeps the direction, and limits the norm over all parameters', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(number, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
        fc.constantFrom(1, 2, 3, Number.POSITIVE_INFINITY),
        fc.double({ min: 0.01, max: 1000, noNaN: true }),
        (lists, normType, max) => {
          const parameters = lists.map(withGrad);
          const all = lists.flat().map(Math.abs);
          const expected =
            normType === Infinity ? Math.max(...all) : all.reduce((sum, v) => sum + v ** normType, 0) ** (1 / normType);
          const total = clipGradNorm(parameters, max, { normType }).item();
          expect(Math.abs(total - expected)).toBeLessThanOrEqual(1e-9 * (1 + expected));
          const factor = Math.min(1, max / (expected + 1e-6));
          for (const [i, p] of parameters.entries()) {
            for (const [j, g] of [...p.grad!.toTypedArray()].entries())
              expect(g).toBeCloseTo(lists[i]![j]! * factor, 8);
          }
        },
      ),
    );
  });

  it('takes one parameter, skips those without a gradient, and gives 0 without any', () => {
    const p = withGrad([3, 4]);
    expect(clipGradNorm(p, 10).item()).toBe(5);
    expect(p.grad!.toArray()).toEqual([3, 4]);
    expect(clipGradNorm([new Parameter(zeros([2])), p], 1).item()).toBe(5);
    expect(clipGradNorm([new Parameter(zeros([2]))], 1).item()).toBe(0);
  });

  it('rejects limits and norms that cannot be', () => {
    expect(() => clipGradNorm([withGrad([1])], -1)).toThrow(OptionError);
    expect(() => clipGradNorm([withGrad([1])], 1, { normType: 0 })).toThrow(OptionError);
    expect(() => clipGradNorm([1] as never, 1)).toThrow(/expected parameters, but got 1/);
  });
});

describe('clipGradValue', () => {
  it('limits every element on both sides', () => {
    const p = withGrad([-3, 0.5, 2]);
    clipGradValue([p], 1);
    expect(p.grad!.toArray()).toEqual([-1, 0.5, 1]);
    expect(() => clipGradValue([p], -1)).toThrow(OptionError);
  });
});
