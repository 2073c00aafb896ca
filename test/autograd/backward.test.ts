/** Recording, going back, and what guards both. */

import { describe, expect, it } from 'vitest';
import {
  crossEntropy,
  GradError,
  grad,
  noGrad,
  OptionError,
  ones,
  randn,
  ShapeError,
  type Tensor,
  tensor,
  valueAndGrad,
  where,
  zeros,
} from '../../src/index.ts';

const leaf = (data: number | number[] | number[][]): Tensor => tensor(data, { requiresGrad: true, dtype: 'float64' });

describe('backward', () => {
  it('adds to the gradient that is there', () => {
    const x = leaf([1, 2]);
    x.square().sum().backward();
    expect(x.grad!.toArray()).toEqual([2, 4]);
    x.mul(10).sum().backward();
    expect(x.grad!.toArray()).toEqual([12, 14]);
    x.grad = null;
    x.sum().backward();
    expect(x.grad!.toArray()).toEqual([1, 1]);
  });

  it('adds up all ways from a leaf to the result', () => {
    const x = leaf(3);
    const y = x.mul(x).add(x).mul(x.add(x));
    y.backward();
    expect(x.grad!.item()).toBe(6 * 9 + 4 * 3);
  });

  it('takes a gradient of the result for results of several elements', () => {
    const x = leaf([1, 2]);
    x.square().backward(tensor([1, 10], { dtype: 'float64' }));
    expect(x.grad!.toArray()).toEqual([2, 40]);
    expect(() => x.square().backward()).toThrow(/a gradient is needed, since the shape is \[2\] and not one number/);
    expect(() => x.square().backward(ones(3))).toThrow(ShapeError);
  });

  it('fills grad of leaves alone', () => {
    const x = leaf([1, 2]);
    const y = x.exp();
    y.sum().backward();
    expect([x.isLeaf, y.isLeaf, y.grad]).toEqual([true, false, null]);
  });

  it('gives gradients that share memory neither with each other nor with the seed', () => {
    const [a, b, seed] = [leaf([1, 2]), leaf([3, 4]), ones(2, { dtype: 'float64' })];
    a.add(b).backward(seed);
    noGrad(() => a.grad!.assign(7));
    expect([b.grad!.toArray(), seed.toArray()]).toEqual([
      [1, 1],
      [1, 1],
    ]);
    const c = leaf([1, 2, 3]);
    c.sum().backward();
    noGrad(() => c.grad!.assign(tensor([1, 2, 3], { dtype: 'float64' })));
    expect(c.grad!.toArray()).toEqual([1, 2, 3]);
  });

  it('goes through a graph once, or more often with retainGraph', () => {
    const x = leaf(2);
    const y = x.mul(x);
    y.backward(undefined, { retainGraph: true });
    y.backward();
    expect(x.grad!.item()).toBe(8);
    expect(() => y.backward()).toThrow(GradError);
    expect(() => y.backward()).toThrow(/the graph of mul was already used and released; pass \{ retainGraph: true \}/);
  });

  it('with createGraph can be differentiated itself', () => {
    const x = leaf(2);
    x.pow(3).backward(undefined, { createGraph: true });
    const penalty = x.grad!.square();
    x.grad = null;
    penalty.backward();
    expect(x.grad!.item()).toBe(2 * 12 * 12);
  });

  it('does not record what it does without createGraph', () => {
    const x = leaf(2);
    x.pow(3).backward();
    expect([x.grad!.requiresGrad, x.grad!.isLeaf]).toEqual([false, true]);
  });

  it('names an option that it does not know', () => {
    expect(() =>
      leaf(1)
        .exp()
        .backward(undefined, { retain: true } as never),
    ).toThrow(OptionError);
  });

  it('needs something that requires a gradient', () => {
    expect(() => tensor(1).exp().backward()).toThrow(/this tensor depends on nothing that requires a gradient/);
    expect(() => noGrad(() => leaf(1).exp()).backward()).toThrow(GradError);
    expect(() => leaf(1).detach().backward()).toThrow(GradError);
  });

  it('follows a chain of 100,000 operations', () => {
    const x = leaf(1);
    let y: Tensor = x;
    for (let i = 0; i < 100_000; i++) y = y.mul(1.00001);
    y.backward();
    expect(x.grad!.item()).toBeCloseTo(1.00001 ** 100_000, 8);
  });

  it('visits each operation once, however many ways lead there', () => {
    const x = leaf(1);
    let y: Tensor = x;
    for (let i = 0; i < 200; i++) y = y.add(y); // 2²⁰⁰ ways
    y.backward();
    expect(x.grad!.item()).toBe(2 ** 200);
  });

  it('adds gradients of very different age in one fixed order, so it gives the same bits each time', () => {
    const run = (): unknown => {
      const x = tensor([0.1, 0.7, -0.3], { requiresGrad: true });
      const y = x
        .exp()
        .mul(x.sin())
        .add(x.sigmoid().div(x.square().add(1)));
      y.sum().backward();
      return x.grad!.toArray();
    };
    expect(run()).toEqual(run());
  });
});

describe('a tensor that requires a gradient', () => {
  it('makes results require one, unless made within noGrad or by detach', () => {
    const x = leaf([1, 2]);
    expect(x.exp().requiresGrad).toBe(true);
    expect(x.detach().requiresGrad).toBe(false);
    expect(noGrad(() => x.exp()).requiresGrad).toBe(false);
    expect(x.slice(0).requiresGrad).toBe(true);
  });

  it('cannot have that taken away if it is a result', () => {
    const y = leaf(1).exp();
    expect(() => {
      y.requiresGrad = false;
    }).toThrow(/requiresGrad: this tensor is a result of exp; detach\(\) gives one without gradient/);
  });

  it('can be an intermediate value to grad()', () => {
    const f = (x: Tensor): Tensor => grad((y: Tensor) => y.pow(3).mul(x))(x);
    expect(grad(f)(leaf(2)).item()).toBe(3 * 4 * 2 + 3 * 4);
  });
});

describe('noGrad', () => {
  it('restores recording, also after an error and within itself', () => {
    const x = leaf(1);
    expect(() =>
      noGrad(() => {
        throw new RangeError('inside');
      }),
    ).toThrow(RangeError);
    expect(x.exp().requiresGrad).toBe(true);
    noGrad(() => {
      noGrad(() => {});
      expect(x.exp().requiresGrad).toBe(false);
    });
    expect(x.exp().requiresGrad).toBe(true);
  });

  it('rejects an async function, whose later part would be recorded', () => {
    expect(() => noGrad(async () => await 1)).toThrow(/the function is async/);
  });
});

describe('an update in place', () => {
  it('is an error where it is recorded', () => {
    const x = leaf([1, 2]);
    expect(() => x.assign(0)).toThrow(/assign: an in-place update has no gradient; call it within noGrad/);
    expect(() => zeros(2, { dtype: 'float64' }).assign(x)).toThrow(GradError);
  });

  it('between an operation and backward is noticed, where the value is needed', () => {
    const [x, w] = [leaf([1, 2]), leaf([3, 4])];
    const y = x.mul(w).sum();
    noGrad(() => w.assign(0));
    expect(() => y.backward()).toThrow(GradError);
    expect(() => x.mul(w).sum().backward()).not.toThrow();
  });

  it('names the operation, the shape and both versions', () => {
    const x = leaf([1, 2]);
    const y = x.square().sum();
    noGrad(() => x.assign(0));
    expect(() => y.backward()).toThrow(
      'backward: input 0 of square, shape [2], was changed in place after it was used (version 0, now 1); update it after backward, or use a clone()',
    );
  });

  it('is noticed through every view of the memory', () => {
    const x = leaf([
      [1, 2],
      [3, 4],
    ]);
    const y = x.square().sum();
    noGrad(() => x.transpose().select(0, 1).assign(9));
    expect(() => y.backward()).toThrow(GradError);
    const z = x.exp();
    const loss = z.sum();
    noGrad(() => z.detach().slice(0).assign(0));
    expect(() => loss.backward()).toThrow(/the result of exp/);
  });

  it('does not matter where the value is not needed', () => {
    const [x, w] = [leaf([1, 2]), leaf([3, 4])];
    const y = x.add(w).sum();
    noGrad(() => w.assign(0));
    y.backward();
    expect(x.grad!.toArray()).toEqual([1, 1]);
  });

  it('of a copy does not matter', () => {
    const x = leaf([1, 2]);
    const y = x.square().sum();
    noGrad(() => x.clone().assign(0));
    y.backward();
    expect(x.grad!.toArray()).toEqual([2, 4]);
  });
});

describe('grad and valueAndGrad', () => {
  it('differentiate by the first argument, or by those that argnums names', () => {
    const f = (x: Tensor, k: number, w: Tensor): Tensor => x.mul(w).mul(k).sum();
    const [x, w] = [tensor([1, 2]), tensor([3, 4])];
    expect(grad(f)(x, 2, w).toArray()).toEqual([6, 8]);
    expect(grad(f, { argnums: 2 })(x, 2, w).toArray()).toEqual([2, 4]);
    expect(grad(f, { argnums: [2, 0] })(x, 2, w).map((g) => g.toArray())).toEqual([
      [2, 4],
      [6, 8],
    ]);
    const [value, gradient] = valueAndGrad(f)(x, 2, w);
    expect([value.item(), gradient.toArray(), value.requiresGrad]).toEqual([22, [6, 8], false]);
  });

  it('leave grad of their arguments alone', () => {
    const x = leaf([1, 2]);
    grad((x: Tensor) => x.square().sum())(x);
    expect(x.grad).toBeNull();
  });

  it('nest to any depth', () => {
    let f = (x: Tensor): Tensor => x.pow(6);
    for (let order = 1; order <= 4; order++) f = grad(f);
    expect(f(tensor(2, { dtype: 'float64' })).item()).toBe(6 * 5 * 4 * 3 * 4);
  });

  it('give zeros for an argument that does not matter', () => {
    expect(grad((x: Tensor, y: Tensor) => y.sum().add(x.detach().sum()))(ones(2), ones(2)).toArray()).toEqual([0, 0]);
  });

  it('work for an inner gradient step, as in meta-learning', () => {
    const inner = (w: Tensor): Tensor => w.square().sum();
    const outer = (w: Tensor): Tensor => inner(w.sub(grad(inner)(w).mul(0.25)));
    expect(grad(outer)(tensor([2, -4], { dtype: 'float64' })).toArray()).toEqual([1, -2]);
  });
});

describe('NaN and infinity', () => {
  it('in the branch that where() does not take leave the gradient alone', () => {
    const x = leaf([0, 4]);
    where(x.gt(0), x.sqrt(), 0).sum().backward();
    expect(x.grad!.at(1)).toBe(0.25);
    const safe = leaf([0, 4]);
    where(safe.gt(0), where(safe.gt(0), safe, 1).sqrt(), 0)
      .sum()
      .backward();
    expect(safe.grad!.toArray()).toEqual([0, 0.25]);
  });

  it('leave the gradients of other samples alone', () => {
    const x = leaf([
      [1, 2],
      [Number.NaN, 1],
    ]);
    crossEntropy(x, [0, 1], { reduction: 'none' }).backward(tensor([1, 0], { dtype: 'float64' }));
    const [first] = x.grad!.toArray() as number[][];
    expect(first!.every(Number.isFinite)).toBe(true);
  });

  it('of norms, deviations and powers at 0 have gradient 0', () => {
    for (const f of [
      (x: Tensor) => x.norm(),
      (x: Tensor) => x.std(),
      (x: Tensor) => x.pow(2).sum(),
      (x: Tensor) => x.prod(),
    ]) {
      const x = leaf([0, 0, 0]);
      f(x).backward();
      expect(x.grad!.abs().toArray()).toEqual([0, 0, 0]);
    }
  });
});

describe('a step of descent', () => {
  it('by hand finds the solution of a linear system', () => {
    const a = randn([6, 3]);
    const solution = tensor([1, -2, 0.5]);
    const target = a.matmul(solution);
    const w = zeros(3, { requiresGrad: true });
    for (let i = 0; i < 800; i++) {
      a.matmul(w).sub(target).square().mean().backward();
      noGrad(() => w.assign(w.sub(w.grad!.mul(0.2))));
      w.grad = null;
    }
    expect(w.sub(solution).abs().max().item()).toBeLessThan(1e-3);
  });
});
