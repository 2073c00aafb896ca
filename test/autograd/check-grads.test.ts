/** The gradient checker passes what is right, and catches what is wrong. */

import { describe, expect, it } from 'vitest';
import { AssertionError, checkGrads, defineOp, OptionError, type Tensor, tensor } from '../../src/index.ts';
import { checkGrads as fromTesting } from '../../src/testing/index.ts';

type Gradient = (g: Tensor, x: Tensor) => Tensor;

/** x³ with a gradient that may be wrong. */
const cube = (gradient: Gradient): ((x: Tensor) => Tensor) =>
  defineOp({
    name: 'cube',
    shape: ([x]) => x,
    forward({ inputs: [x], output }) {
      output.set(x.toTypedArray().map((value) => value ** 3));
    },
    vjp: (g, { inputs: [x] }) => [gradient(g, x)],
  });

const right: Gradient = (g, x) => g.mul(x.square().mul(3));
const x = tensor([
  [0.5, -1.2, 2],
  [0.3, 0.8, -0.1],
]);

describe('checkGrads', () => {
  it('accepts a right gradient, to any order', () => {
    checkGrads(cube(right), [x], { order: 3 });
  });

  it('is what typedgrad/testing exports', () => {
    expect(fromTesting).toBe(checkGrads);
  });

  it.each<[string, Gradient]>([
    ['a wrong factor', (g, x) => g.mul(x.square().mul(2))],
    ['a relative error of 1e-5', (g, x) => right(g, x).mul(1 + 1e-5)],
    ['a wrong sign', (g, x) => right(g, x).neg()],
    ['a gradient that ignores the one from above', (_, x) => x.square().mul(3)],
    ['zeros', (g) => g.mul(0)],
    ['NaN', (g) => g.mul(Number.NaN)],
    [
      'one wrong element',
      (g, x) =>
        right(g, x).mul(
          tensor(
            [
              [1, 1, 1],
              [1, 1.01, 1],
            ],
            { dtype: 'float64' },
          ),
        ),
    ],
    ['a transposed one', (g, x) => right(g.reshape([3, 2]), x.reshape([3, 2]).flip(0)).reshape([2, 3])],
  ])('catches %s', (_, gradient) => {
    expect(() => checkGrads(cube(gradient), [x])).toThrow(AssertionError);
  });

  it('catches at order 2 a gradient that is right but cannot be differentiated', () => {
    const cut = cube((g, x) => right(g, x.detach()));
    checkGrads(cut, [x]);
    expect(() => checkGrads(cut, [x], { order: 2 })).toThrow(/gradient of order 2 in input 0/);
  });

  it('catches a part of the graph that was cut off', () => {
    expect(() => checkGrads((x) => x.mul(x.detach()), [x])).toThrow(AssertionError);
    expect(() => checkGrads((x) => x.detach().exp(), [x])).toThrow(/backward gives 0 but differences give/);
  });

  it('names the input, its shape, the direction and both numbers', () => {
    const wrong = (a: Tensor, b: Tensor): Tensor => a.mul(b).add(b.detach());
    expect(() => checkGrads(wrong as never, [tensor(2), tensor([1, 2])])).toThrow(
      /^checkGrads: the gradient of order 1 in input 1, shape \[2\], is wrong: along the direction \[-?[\d.]+, -?[\d.]+\] backward gives -?[\d.]+ but differences give -?[\d.]+, relative error \d/,
    );
  });

  it('allows what the tolerance allows', () => {
    const slightly = cube((g, x) => right(g, x).mul(1.001));
    expect(() => checkGrads(slightly, [x])).toThrow(AssertionError);
    checkGrads(slightly, [x], { tolerance: 1e-2 });
  });

  it('takes several results, and none that depend on an input', () => {
    checkGrads((x, y) => [x.exp(), y.sin(), tensor([1], { dtype: 'float64' })], [x, tensor([1, 2])], { order: 2 });
    checkGrads(() => tensor(1, { dtype: 'float64' }), [x], { order: 2 });
  });

  it('leaves its inputs as they are', () => {
    const input = tensor([1, 2], { requiresGrad: true });
    checkGrads((x) => x.exp(), [input]);
    expect([input.grad, input.dtype, input.toArray()]).toEqual([null, 'float32', [1, 2]]);
  });

  it('rejects options that it does not know or that make no sense', () => {
    const check = (options: object) => () => checkGrads((x) => x.exp(), [x], options);
    expect(check({ orders: 2 })).toThrow(
      "checkGrads: unknown option 'orders'; it knows 'order', 'eps', 'tolerance', 'seed'",
    );
    expect(check({ order: 0 })).toThrow(OptionError);
    expect(check({ eps: -1 })).toThrow(OptionError);
    expect(() => checkGrads((x) => x, [1 as never])).toThrow('checkGrads: inputs must be tensors, but one is 1');
  });
});
