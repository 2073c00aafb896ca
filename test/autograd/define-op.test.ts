/** Operations of a user's own behave like the built-in ones. */

import { describe, expect, it } from 'vitest';
import {
  checkGrads,
  type DefinedOp,
  DTypeError,
  defineOp,
  GradError,
  noGrad,
  OptionError,
  ones,
  ShapeError,
  type Tensor,
  tensor,
} from '../../src/index.ts';

/** x · w, both of one shape; counts how often its vjp runs. */
function product(): { mul: (...inputs: Tensor[]) => Tensor; runs: () => number } {
  let count = 0;
  const mul: DefinedOp<undefined> = defineOp({
    name: 'product',
    shape([x, w]) {
      if (String(x) !== String(w)) throw new ShapeError(`product: shapes [${x}] and [${w}] differ`);
      return x;
    },
    forward({ inputs: [x, w], output }) {
      const [a, b] = [x.toTypedArray(), w.toTypedArray()];
      for (let i = 0; i < output.length; i++) output[i] = a[i]! * b[i]!;
    },
    vjp(g, { inputs: [x, w] }) {
      count++;
      return [g.mul(w), mul(g, x)];
    },
  });
  return { mul, runs: () => count };
}

describe("an operation of one's own", () => {
  it('computes, and is differentiable to any order', () => {
    const { mul } = product();
    expect(mul(tensor([1, 2]), tensor([3, 4])).toArray()).toEqual([3, 8]);
    checkGrads((a, b) => mul(a.exp(), mul(a, b)), [tensor([0.5, 1.5]), tensor([2, 3])], { order: 3 });
  });

  it('sees inputs that are not contiguous through toTypedArray, and keeps the dtype', () => {
    const { mul } = product();
    const x = tensor(
      [
        [1, 2],
        [3, 4],
      ],
      { dtype: 'float64' },
    );
    const y = mul(x.transpose(), x);
    expect([y.toArray(), y.dtype]).toEqual([
      [
        [1, 6],
        [6, 16],
      ],
      'float64',
    ]);
  });

  it('runs its vjp once for all inputs, and again for another gradient', () => {
    const { mul, runs } = product();
    const [a, b] = [tensor([1, 2], { requiresGrad: true }), tensor([3, 4], { requiresGrad: true })];
    const y = mul(a, b);
    y.backward(ones(2), { retainGraph: true });
    expect(runs()).toBe(1);
    const g = ones(2);
    y.backward(g, { retainGraph: true });
    y.backward(g, { retainGraph: true });
    expect(runs()).toBe(3);
    expect([a.grad!.toArray(), b.grad!.toArray()]).toEqual([
      [9, 12],
      [3, 6],
    ]);
  });

  it('is recorded anew when the same gradient comes with createGraph', () => {
    const { mul } = product();
    const [a, b] = [tensor([2], { requiresGrad: true }), tensor([3], { requiresGrad: true })];
    const y = mul(a.exp(), b);
    const g = ones(1);
    y.backward(g, { retainGraph: true });
    expect(a.grad!.requiresGrad).toBe(false);
    a.grad = null;
    y.backward(g, { createGraph: true });
    expect(a.grad!.requiresGrad).toBe(true);
  });

  it('takes attributes behind its tensors', () => {
    const scale: DefinedOp<{ by: number }> = defineOp({
      name: 'scale',
      shape: ([x], _attrs: { by: number }) => x,
      forward({ inputs: [x], output, attrs }) {
        output.set(x.toTypedArray().map((value) => value * attrs.by));
      },
      vjp: (g, { attrs }) => [scale(g, attrs)],
    });
    expect(scale(tensor([1, 2]), { by: 3 }).toArray()).toEqual([3, 6]);
    checkGrads((x) => scale(x.sin(), { by: 3 }), [tensor([1, 2])], { order: 2 });
  });

  it('reads its output in the vjp', () => {
    const exp = defineOp({
      name: 'exponential',
      shape: ([x]) => x,
      forward({ inputs: [x], output }) {
        output.set(x.toTypedArray().map(Math.exp));
      },
      vjp: (g, { output }) => [g.mul(output)],
    });
    checkGrads(exp, [tensor([0.5, 1])], { order: 3 });
  });

  it('counts null as a gradient of zero', () => {
    const first = defineOp({
      name: 'first',
      shape: ([x]) => x,
      forward({ inputs: [x], output }) {
        output.set(x.toTypedArray());
      },
      vjp: (g) => [g, null],
    });
    const [a, b] = [tensor([1, 2], { requiresGrad: true }), tensor([3], { requiresGrad: true })];
    first(a, b).sum().backward();
    expect([a.grad!.toArray(), b.grad!.toArray()]).toEqual([[1, 1], [0]]);
  });

  it('has no gradient without a vjp', () => {
    const floor = defineOp({
      name: 'floored',
      shape: ([x]) => x,
      forward: ({ inputs: [x], output }) => output.set(x.floor().toTypedArray()),
    });
    const y = floor(tensor([1.5], { requiresGrad: true }));
    expect([y.toArray(), y.requiresGrad]).toEqual([[1], false]);
  });

  it('notices that an input it reads was changed in place, and minds no other', () => {
    const { mul } = product();
    const [a, b] = [tensor([1, 2], { requiresGrad: true }), tensor([3, 4])];
    const y = mul(a, b);
    noGrad(() => b.assign(5));
    expect(() => y.sum().backward()).toThrow(/input 1 of product, shape \[2\], was changed in place/);
    const idle = defineOp({
      name: 'idle',
      shape: ([x]) => x,
      forward: ({ inputs: [x], output }) => output.set(x.toTypedArray()),
      vjp: (g) => [g],
    });
    const z = idle(a);
    noGrad(() => a.assign(5));
    z.sum().backward();
    expect(a.grad!.toArray()).toEqual([1, 1]);
  });

  it('says what is wrong with its use', () => {
    const { mul } = product();
    expect(() => mul(ones(2), ones(3))).toThrow('product: shapes [2] and [3] differ');
    expect(() => mul(ones(2), ones(2, { dtype: 'float64' }))).toThrow(DTypeError);
    expect(() => mul()).toThrow('product: needs at least one tensor');
  });

  it('says what is wrong with its vjp', () => {
    const bad = (vjp: (g: Tensor) => never) => () =>
      defineOp({ name: 'bad', shape: ([x]) => x, forward: () => {}, vjp })(ones(2, { requiresGrad: true }))
        .sum()
        .backward();
    expect(bad((g) => g as never)).toThrow('bad: vjp must return a list of 1 tensors or nulls, one for each input');
    expect(bad(() => [] as never)).toThrow(GradError);
    expect(bad((g) => [g.sum()] as never)).toThrow(
      'the vjp of bad gave a gradient of shape [] for input 0 of shape [2]',
    );
  });

  it('says what is wrong with its definition', () => {
    const define = (definition: object) => () => defineOp(definition as never);
    const rest = { shape: () => [], forward: () => {} };
    expect(define({ name: 'x', ...rest, backward: () => {} })).toThrow(/unknown option 'backward'/);
    expect(define({ ...rest })).toThrow('defineOp: name must be a string, but is undefined');
    expect(define({ name: 'x', shape: () => [] })).toThrow(
      'defineOp: forward of x must be a function, but is undefined',
    );
    expect(define({ name: 'x', ...rest, vjp: 3 })).toThrow(OptionError);
    expect(() => defineOp({ name: 'odd', shape: () => [-1], forward: () => {} })(ones(1))).toThrow(
      /odd: a shape is a list/,
    );
  });
});
