/** Wrong uses of differentiation one at a time, and gradients that could share memory with something. */

import { describe, expect, it } from 'vitest';
import {
  checkGrads,
  checkpoint,
  defineOp,
  dropout,
  GradError,
  grad,
  manualSeed,
  noGrad,
  OptionError,
  ones,
  rand,
  ShapeError,
  type Tensor,
  type TypedgradError,
  tensor,
  valueAndGrad,
  where,
  zeros,
} from '../../src/index.ts';

const leaf = (...values: number[]): Tensor => tensor(values, { requiresGrad: true });
const any = (value: unknown): never => value as never;

const doubled = (name: string, shapeOf: (g: Tensor) => Tensor): ((x: Tensor) => Tensor) =>
  defineOp({
    name,
    shape: ([x]) => x,
    forward({ inputs: [x], output }) {
      output.set(x.toTypedArray());
    },
    vjp: (g) => [shapeOf(g)],
  });

type Case = [message: string, kind: typeof TypedgradError, call: () => unknown];

const cases: Case[] = [
  ['checkGrads: eps must be', OptionError, () => checkGrads((x) => x, [tensor(1)], { eps: 0 })],
  ['checkGrads: eps must be', OptionError, () => checkGrads((x) => x, [tensor(1)], { eps: 1.5 })],
  ['checkGrads: tolerance must be', OptionError, () => checkGrads((x) => x, [tensor(1)], { tolerance: -1 })],
  ['checkGrads: tolerance must be', OptionError, () => checkGrads((x) => x, [tensor(1)], { tolerance: 1.5 })],
  ['checkGrads: seed must be a whole number', OptionError, () => checkGrads((x) => x, [tensor(1)], { seed: 0.5 })],
  ['backward: this tensor depends on nothing that requires a gradient', GradError, () => tensor([1]).backward()],
  [
    'backward: a gradient is needed, since the shape is [2] and not one number',
    GradError,
    () => leaf(1, 2).mul(2).backward(),
  ],
  [
    'backward: a gradient is needed, since the shape is [0] and not one number',
    GradError,
    () => zeros([0], { requiresGrad: true }).mul(2).backward(),
  ],
  [
    'backward: the gradient is [3] but the tensor is [2]',
    ShapeError,
    () =>
      leaf(1, 2)
        .mul(2)
        .backward(ones([3])),
  ],
  [
    'backward: the vjp of flat gave a gradient of shape [1, 2] for input 0 of shape [2]',
    GradError,
    () =>
      doubled('flat', (g) => g.unsqueeze(0))(leaf(1, 2))
        .sum()
        .backward(),
  ],
  [
    'grad: argument 1 must be a tensor to differentiate by, but is 3',
    OptionError,
    () =>
      grad(
        any((x: Tensor) => x),
        { argnums: 1 },
      )(any(tensor(1)), any(3)),
  ],
  ['grad: argnums must be a whole number', OptionError, () => grad((x: Tensor) => x, { argnums: 0.5 })],
  ['grad: argnums must be a whole number', OptionError, () => grad((x: Tensor) => x, { argnums: [0, -1] })],
  [
    'grad: the function must return a tensor of one number, but returned 3',
    GradError,
    () => grad(any(() => 3))(tensor(1)),
  ],
  [
    'grad: the function must return one number, but returned shape [2]',
    GradError,
    () => grad((x: Tensor) => x)(tensor([1, 2])),
  ],
  [
    'grad: the function must return one number, but returned shape [0]',
    GradError,
    () => grad((x: Tensor) => x)(zeros([0])),
  ],
  ["grad: unknown option 'argnum'", OptionError, () => grad((x: Tensor) => x, any({ argnum: 0 }))],
  ['checkGrads: inputs must be a list of tensors', OptionError, () => checkGrads((x) => x, any(tensor(1)))],
  ['checkGrads: inputs must be tensors, but one is 3', OptionError, () => checkGrads((x) => x, [tensor(1), any(3)])],
  [
    'checkGrads: order must be a whole number of at least 1',
    OptionError,
    () => checkGrads((x) => x, [tensor(1)], { order: 0 }),
  ],
];

describe('a wrong use', () => {
  it.each(cases)('%s', (message, kind, call) => {
    expect(call).toThrow(kind);
    expect(call).toThrow(message);
  });
});

describe('grad', () => {
  it('gives the value too, cut off from the graph unless createGraph is asked for', () => {
    const square = valueAndGrad((x: Tensor) => x.mul(x));
    const [value, slope] = square(tensor(3));
    expect([value.item(), slope.item(), value.requiresGrad, slope.requiresGrad]).toEqual([9, 6, false, false]);
    const kept = valueAndGrad((x: Tensor) => x.mul(x), { createGraph: true })(tensor(3));
    expect(kept.map((x) => x.requiresGrad)).toEqual([true, true]);
  });

  it('can be differentiated by default where an argument requires a gradient, or within another grad', () => {
    const slope = grad((x: Tensor) => x.mul(x).mul(x));
    expect(slope(leaf(2).sum()).requiresGrad).toBe(true);
    expect(slope(tensor(2)).requiresGrad).toBe(false);
    expect(grad(slope)(tensor(2)).item()).toBe(12);
    expect(slope(tensor(2)).requiresGrad).toBe(false);
  });

  it('within another grad can be differentiated by what its function closes over', () => {
    const inner = (x: Tensor): Tensor => grad((y: Tensor) => y.mul(x).mul(x))(tensor(1));
    expect(grad(inner)(tensor(3)).item()).toBe(6);
    expect(grad((x: Tensor) => grad(inner)(tensor(3)).mul(x))(tensor(2)).item()).toBe(6);
  });

  it('can be differentiated where any one argument requires a gradient', () => {
    const slope = grad((x: Tensor, y: Tensor) => x.mul(x).mul(y));
    expect(slope(tensor(2), leaf(3).sum()).requiresGrad).toBe(true);
    expect(slope(leaf(2).sum(), tensor(3)).requiresGrad).toBe(true);
  });

  it('by what does not matter is a dense tensor of zeros', () => {
    const found = grad((_: Tensor) => tensor(1))(tensor([1, 2, 3]));
    expect([found.toArray(), found.strides, found.storage.length]).toEqual([[0, 0, 0], [1], 3]);
    const [, other] = grad((x: Tensor, _: Tensor) => x.sum(), { argnums: [0, 1] })(ones([2]), ones([3]));
    expect([other!.toArray(), other!.strides, other!.storage.length]).toEqual([[0, 0, 0], [1], 3]);
  });

  it('is not nested any more after the function threw', () => {
    const failing = grad((): Tensor => {
      throw new Error('no');
    });
    expect(() => failing()).toThrow();
    expect(() => (failing as (x: Tensor) => Tensor)(tensor(1))).toThrow('no');
    expect(grad((x: Tensor) => x.mul(x))(tensor(2)).requiresGrad).toBe(false);
  });

  it('by several arguments gives a list, in the order of argnums', () => {
    const product = (a: Tensor, b: Tensor, c: Tensor): Tensor => a.mul(b).mul(b).mul(c);
    const found = grad(product, { argnums: [2, 0] })(tensor(2), tensor(3), tensor(5));
    expect(found.map((x) => x.item())).toEqual([18, 45]);
    const [value, slopes] = valueAndGrad((a: Tensor, _b: Tensor) => a.detach(), { argnums: [0, 1] })(
      tensor(2),
      ones([2]),
    );
    expect([value.item(), ...slopes.map((x) => x.toArray())]).toEqual([2, 0, [0, 0]]);
  });
});

describe('backward', () => {
  it('leaves what requires no gradient without one', () => {
    const [x, constant] = [leaf(1, 2), tensor([3, 4])];
    x.mul(constant).add(constant.mul(2)).sum().backward();
    expect([x.grad!.toArray(), constant.grad]).toEqual([[3, 4], null]);
  });

  it('gives nothing to an input through which no gradient flows', () => {
    const [condition, a, b] = [leaf(1, 0), leaf(1, 2), leaf(3, 4)];
    where(condition, a, b).sum().backward();
    expect([condition.grad, a.grad!.toArray(), b.grad!.toArray()]).toEqual([null, [1, 0], [0, 1]]);
  });

  it('through a checkpoint draws the random numbers again from where the stream was', () => {
    manualSeed(3);
    rand([5]);
    const x = leaf(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
    const y = checkpoint((v: Tensor) => dropout(v, { p: 0.5 }), x);
    y.sum().backward();
    expect(x.grad!.toArray()).toEqual(y.toArray());
  });
});

describe('the memory of gradients', () => {
  it('is dense and its own for a leaf that was sliced, repeated or summed', () => {
    const x = leaf(1, 2, 3, 4);
    x.reshape([2, 2])
      .sum(0)
      .mul(tensor([10, 20]))
      .sum()
      .backward();
    x.grad!.toTypedArray();
    noGrad(() => x.grad!.assign(x.grad!.mul(2)));
    expect(x.grad!.toArray()).toEqual([20, 40, 20, 40]);
  });

  it('is not that of the seed, of another leaf or of a larger tensor', () => {
    const [a, b] = [leaf(1, 2), leaf(3, 4)];
    const seed = tensor([
      [1, 2],
      [3, 4],
    ]);
    const whole = defineOp({
      name: 'rows',
      shape: ([x]) => [2, x[0]!],
      forward({ inputs: [x, y], output }) {
        output.set([...x.toTypedArray(), ...y!.toTypedArray()]);
      },
      vjp: (g) => [g.select(0, 0), g.select(0, 1)],
    });
    whole(a, b).mul(2).backward(seed);
    expect([a.grad!.toArray(), b.grad!.toArray()]).toEqual([
      [2, 4],
      [6, 8],
    ]);
    const storages = [seed, a.grad!, b.grad!, a, b].map((x) => x.storage);
    expect(new Set(storages).size).toBe(5);
    expect([a.grad!, b.grad!].map((x) => [x.offset, x.storage.length])).toEqual([
      [0, 2],
      [0, 2],
    ]);
  });

  it('is not that of another leaf to which the same gradient flows', () => {
    const [a, b] = [leaf(1, 2), leaf(3, 4)];
    a.add(b)
      .mul(tensor([5, 6]))
      .sum()
      .backward();
    noGrad(() => a.grad!.assign(0));
    expect(b.grad!.toArray()).toEqual([5, 6]);
  });

  it('is not that of the leaf itself, where a vjp gives its input back', () => {
    const x = leaf(1, 2);
    const own = defineOp({
      name: 'own',
      shape: ([shape]) => shape,
      forward({ inputs: [v], output }) {
        output.set(v.toTypedArray());
      },
      vjp: (_, { inputs: [v] }) => [v.detach()],
    });
    own(x).sum().backward();
    expect(x.grad!.storage).not.toBe(x.storage);
    expect(x.grad!.toArray()).toEqual([1, 2]);
  });

  it('is recorded with createGraph and not without, when it is added to what is there', () => {
    const x = leaf(3);
    x.mul(x).sum().backward(undefined, { createGraph: true });
    x.mul(x).sum().backward(undefined, { createGraph: true });
    expect([x.grad!.requiresGrad, x.grad!.item()]).toEqual([true, 12]);
    x.grad = null;
    x.mul(x).sum().backward();
    expect(x.grad!.requiresGrad).toBe(false);
  });
});

describe('what checkGrads reports', () => {
  const wrong = (seed?: number): string => {
    try {
      const cut = (x: Tensor): Tensor => x.mul(x.detach());
      checkGrads(cut, [tensor([1, 2, 3, 4, 5, 6, 7])], seed === undefined ? {} : { seed });
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };

  it('depends on the seed alone, which is 0 by default', () => {
    expect(wrong()).toBe(wrong(0));
    expect(wrong(1)).toBe(wrong(1));
    expect(wrong(1)).not.toBe(wrong(0));
  });

  it('shows the first six numbers of a direction', () => {
    expect(/direction \[(.*)\] backward/.exec(wrong())![1]!.split(', ')).toHaveLength(7);
    expect(wrong()).toContain(', …]');
  });

  it.each([3, -3])('is the relative error of two slopes, along a direction of length 1, for a slope of %d', (slope) => {
    const wrong = defineOp({
      name: 'wrong',
      shape: ([x]) => x,
      forward({ inputs: [x], output }) {
        output.set(x.toTypedArray().map((v) => slope * v));
      },
      vjp: (g) => [g.mul(2 * slope)],
    });
    let message = '';
    try {
      checkGrads(wrong, [tensor([1, 2, 3])]);
    } catch (error) {
      message = (error as Error).message;
    }
    const [, direction, actual, expected, relative] =
      /direction \[(.*)\] backward gives (\S+) but differences give (\S+), relative error (\S+)/.exec(message)!;
    const length = Math.hypot(...direction!.split(', ').map(Number));
    expect(Math.abs(length - 1)).toBeLessThan(1e-3);
    expect(Number(actual) / Number(expected)).toBeCloseTo(2, 6);
    expect(relative).toBe('5.00e-1');
  });
});

describe("an operation of one's own", () => {
  const sum2 = (vjp: () => unknown): ((...inputs: Tensor[]) => Tensor) =>
    defineOp({
      name: 'sum2',
      shape: ([x]) => x,
      forward({ inputs: [x, y], output }) {
        for (const i of output.keys()) output[i] = x.toTypedArray()[i]! + y!.toTypedArray()[i]!;
      },
      vjp: vjp as never,
    });

  it('has to give a tensor or null for each input', () => {
    const both = (vjp: () => unknown): (() => unknown) => {
      const y = sum2(vjp)(leaf(1), leaf(2));
      return () => y.backward();
    };
    expect(both(() => [ones([1]), 3])).toThrow('sum2: vjp must return a list of 2 tensors or nulls');
    expect(both(() => [3, ones([1])])).toThrow('sum2: vjp must return a list of 2 tensors or nulls');
    expect(both(() => [ones([1])])).toThrow('sum2: vjp must return a list of 2 tensors or nulls');
    expect(both(() => [ones([1]), null])).not.toThrow();
  });

  it('takes attributes behind any number of tensors', () => {
    const scaled: (...args: unknown[]) => Tensor = defineOp({
      name: 'scaled',
      shape: ([x], _factor: number) => x,
      forward({ inputs, output, attrs }) {
        for (const x of inputs) for (const [i, v] of x.toTypedArray().entries()) output[i]! += attrs * v;
      },
    }) as never;
    const x = tensor([1, 2]);
    expect([scaled(x, 3).toArray(), scaled(x, x, 3).toArray(), scaled(x, x, x, 3).toArray()]).toEqual([
      [3, 6],
      [6, 12],
      [9, 18],
    ]);
  });

  it('needs a tensor, not attributes alone', () => {
    const op = sum2(() => []) as (...args: unknown[]) => Tensor;
    expect(() => op()).toThrow('sum2: needs at least one tensor');
    expect(() => op(2)).toThrow('sum2: needs at least one tensor');
  });
});
