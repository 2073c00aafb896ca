import { describe, expect, it } from 'vitest';
import {
  Adagrad,
  Adam,
  AdamW,
  type AnyOptimizer,
  compile,
  Generator,
  OptionError,
  Parameter,
  RMSprop,
  randn,
  SGD,
  StateDictError,
  type Tensor,
  tensor,
  zeros,
} from '../../src/index.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/io/index.ts';

type Make = (parameters: Iterable<Tensor>) => AnyOptimizer;

const makers: [name: string, make: Make][] = [
  ['SGD', (p) => new SGD(p, { lr: 0.1 })],
  ['SGD with all', (p) => new SGD(p, { lr: 0.1, momentum: 0.9, dampening: 0.3, weightDecay: 0.01 })],
  ['SGD by Nesterov', (p) => new SGD(p, { lr: 0.1, momentum: 0.9, nesterov: true })],
  ['Adam', (p) => new Adam(p, { lr: 0.1, weightDecay: 0.1, amsgrad: true })],
  ['AdamW', (p) => new AdamW(p, { lr: 0.1 })],
  ['RMSprop', (p) => new RMSprop(p, { momentum: 0.5, centered: true, weightDecay: 0.1 })],
  ['Adagrad', (p) => new Adagrad(p, { lrDecay: 0.1, initialAccumulatorValue: 0.5 })],
];

/** Two parameters, and a loss with a gradient that changes from step to step. */
function problem(): { parameters: Parameter[]; loss: (x: Tensor) => Tensor } {
  const generator = new Generator(3);
  const parameters = [new Parameter(randn([3, 2], { generator })), new Parameter(randn([2], { generator }))];
  return { parameters, loss: (x) => x.matmul(parameters[0]!).add(parameters[1]!).tanh().sub(0.5).square().mean() };
}

const inputs = Array.from({ length: 8 }, (_, seed) => randn([4, 3], { generator: new Generator(seed) }));
const valuesOf = (parameters: readonly Tensor[]): unknown => parameters.map((p) => p.toArray());

function train(optimizer: AnyOptimizer, loss: (x: Tensor) => Tensor, batches: readonly Tensor[]): void {
  for (const x of batches) {
    optimizer.zeroGrad();
    loss(x).backward();
    optimizer.step();
  }
}

describe.each(makers)('%s', (_, make) => {
  it('continues from a saved state as if it had never stopped', () => {
    const [a, b] = [problem(), problem()];
    const first = make(a.parameters);
    train(first, a.loss, inputs.slice(0, 4));
    const { state, groups } = first.stateDict();
    const saved = { state: decodeSafetensors(encodeSafetensors(state)), groups: JSON.parse(JSON.stringify(groups)) };
    for (const [i, p] of b.parameters.entries()) p.assign.call(p.detach(), a.parameters[i]!.detach());
    const second = make(b.parameters);
    second.lr = 123;
    second.loadStateDict(saved);
    expect(second.lr).toBe(first.lr);
    train(first, a.loss, inputs.slice(4));
    train(second, b.loss, inputs.slice(4));
    expect(valuesOf(b.parameters)).toEqual(valuesOf(a.parameters));
  });

  it('does the same compiled, though the learning rate changes and a step count goes on', () => {
    const [a, b] = [problem(), problem()];
    const [eager, other] = [make(a.parameters), make(b.parameters)];
    const step = compile((x: Tensor) => {
      const loss = b.loss(x);
      loss.backward();
      other.step();
      other.zeroGrad();
      return loss.detach();
    });
    for (const [i, x] of inputs.entries()) {
      train(eager, a.loss, [x]);
      step(x);
      if (i === 3) for (const optimizer of [eager, other]) optimizer.lr /= 2;
    }
    const flat = (parameters: readonly Tensor[]): number[] => parameters.flatMap((p) => [...p.toTypedArray()]);
    for (const [i, value] of flat(b.parameters).entries()) expect(value).toBeCloseTo(flat(a.parameters)[i]!, 5);
  });

  it('leaves parameters without a gradient alone, even with weight decay, and counts their own steps', () => {
    const [a, b] = [problem(), problem()];
    const [whole, alone] = [make(a.parameters), make([b.parameters[0]!])];
    const before = a.parameters[1]!.toArray();
    a.parameters[1]!.requiresGrad = false;
    train(whole, a.loss, inputs.slice(0, 3));
    train(alone, b.loss, inputs.slice(0, 3));
    expect(a.parameters[1]!.toArray()).toEqual(before);
    expect(a.parameters[0]!.toArray()).toEqual(b.parameters[0]!.toArray());
    const { state } = whole.stateDict();
    expect([state['0.step']!.item(), state['1.step']!.item()]).toEqual([3, 0]);
  });

  it('never reads a number back while it steps', () => {
    const { parameters, loss } = problem();
    const optimizer = make(parameters);
    train(optimizer, loss, inputs.slice(0, 1));
    loss(inputs[1]!).backward();
    const item = parameters[0]!.item;
    const prototype = Object.getPrototypeOf(Object.getPrototypeOf(Object.getPrototypeOf(parameters[0]!)));
    prototype.item = () => {
      throw new Error('item was called');
    };
    try {
      optimizer.step();
    } finally {
      prototype.item = item;
    }
  });
});

describe('optimizers', () => {
  const x = (): Parameter => new Parameter(zeros([1]));

  it('take groups with settings of their own', () => {
    const [a, b] = [x(), x()];
    const optimizer = new SGD(
      [
        { params: [a], lr: 1 },
        { params: b as never, momentum: 0.5 },
      ],
      { lr: 0.1, weightDecay: 0.25 },
    );
    expect(
      optimizer.groups.map(({ lr, momentum, weightDecay, nesterov }) => [lr, momentum, weightDecay, nesterov]),
    ).toEqual([
      [1, 0, 0.25, false],
      [0.1, 0.5, 0.25, false],
    ]);
    expect(optimizer.groups[1]!.params).toEqual([b]);
    a.sum().add(b.sum()).backward();
    optimizer.step();
    expect([a.item(), b.item()]).toEqual([-1, Math.fround(-0.1)]);
    optimizer.groups[0]!.lr = 3;
    expect([optimizer.lr, optimizer.groups[1]!.lr]).toEqual([3, 0.1]);
    optimizer.lr = 2;
    expect(optimizer.groups.map(({ lr }) => lr)).toEqual([2, 2]);
    optimizer.zeroGrad();
    expect([a.grad, b.grad]).toEqual([null, null]);
  });

  it('keep settings to full precision, and rates in float32 only where parameters are', () => {
    const optimizer = new Adam([new Parameter(zeros([1], { dtype: 'float64' }))], { lr: 0.1, betas: [0.8, 0.99] });
    expect([optimizer.lr, ...optimizer.groups[0]!.betas]).toEqual([0.1, 0.8, 0.99]);
    optimizer.groups[0]!.betas = [0.7, 0.9];
    expect(optimizer.groups[0]!.betas).toEqual([0.7, 0.9]);
  });

  it('gain a momentum when it is set later', () => {
    const p = x();
    const optimizer = new SGD([p], { lr: 1 });
    optimizer.groups[0]!.momentum = 0.5;
    for (let i = 0; i < 2; i++) {
      optimizer.zeroGrad();
      p.sum().backward();
      optimizer.step();
    }
    expect(p.item()).toBe(-2.5);
  });

  it('count steps apart for parameters that join late', () => {
    const [a, b, c] = [x(), x(), x()];
    const [both, alone] = [new Adam([a, b], { lr: 0.1 }), new Adam([c], { lr: 0.1 })];
    for (let i = 0; i < 5; i++) {
      for (const p of [a, b, c]) p.grad = null;
      (i < 2 ? a.sum() : a.sum().add(b.sub(i).square().sum())).backward();
      if (i >= 2) c.sub(i).square().sum().backward();
      both.step();
      alone.step();
    }
    expect(b.item()).toBe(c.item());
    const { state } = both.stateDict();
    expect([state['0.step']!.item(), state['1.step']!.item()]).toEqual([5, 3]);
  });

  it.each<[string, () => unknown, RegExp]>([
    ['no parameters', () => new SGD([]), /the list of parameters is empty/],
    ['something else', () => new SGD(5 as never), /SGD: expected a list of parameters .* but got 5/],
    ['no tensors', () => new Adam([1] as never), /entry 0 must be a group/],
    ['results of operations', () => new SGD([x().mul(2)]), /parameter 0 of group 0 is a result of an operation/],
    [
      'a parameter twice',
      () => {
        const p = x();
        return new SGD([p, p]);
      },
      /parameter 1 of group 0, shape \[1\], appears twice/,
    ],
    [
      'unknown options',
      () => new SGD([x()], { rate: 1 } as never),
      /SGD: unknown option 'rate'; it knows 'lr', 'momentum'/,
    ],
    ['unknown settings of a group', () => new SGD([{ params: [x()], rate: 1 } as never]), /unknown option 'rate'/],
    ['a negative rate', () => new Adam([x()], { lr: -1 }), /Adam: lr must be a number/],
    ['a rate of NaN', () => new SGD([x()], { lr: Number.NaN }), /lr must be a number/],
    [
      'betas of 1',
      () => new AdamW([x()], { betas: [0.9, 1] }),
      /AdamW: betas must be two numbers in \[0, 1\), but are \[0.9, 1\]/,
    ],
    ['one beta', () => new Adam([x()], { betas: [0.9] }), /betas must be two numbers/],
    ['nesterov alone', () => new SGD([x()], { nesterov: true }), /nesterov needs a momentum/],
    ['a negative alpha', () => new RMSprop([x()], { alpha: -1 }), /RMSprop: alpha/],
    ['a negative decay', () => new Adagrad([x()], { lrDecay: -1 }), /Adagrad: lrDecay/],
    [
      'a wrong rate later',
      () => {
        new SGD([x()]).lr = -1;
      },
      /SGD: lr must be/,
    ],
  ])('reject %s', (_, make, message) => {
    expect(make).toThrow(OptionError);
    expect(make).toThrow(message);
  });

  it('list everything that does not fit in a state, and change nothing then', () => {
    const optimizer = new SGD([x()], { momentum: 0.9 });
    const { state, groups } = optimizer.stateDict();
    const group = groups[0]!;
    const bad = [
      { state: {}, groups },
      { state: { ...state, other: zeros([1]) }, groups },
      { state: { ...state, '0.momentum_buffer': zeros([2]) }, groups },
      { state, groups: [group, group] },
      { state, groups: [{ ...group, params: [0, 1] }] },
      { state, groups: [{ params: [0], lr: 1 }] },
    ];
    const messages = [
      /missing '0.step'; missing '0.momentum_buffer'/,
      /unexpected 'other'/,
      /'0.momentum_buffer' is \[2\] but must be \[1\]/,
      /2 groups instead of 1/,
      /group 0 has 2 parameters instead of 1/,
      /group 0 has settings lr instead of lr, momentum/,
    ];
    for (const [i, given] of bad.entries()) {
      expect(() => optimizer.loadStateDict(given)).toThrow(StateDictError);
      expect(() => optimizer.loadStateDict(given)).toThrow(messages[i]!);
    }
    expect(() => optimizer.loadStateDict({ state, groups: [{ ...group, lr: -1 }] })).toThrow(OptionError);
    expect(optimizer.lr).toBe(0.01);
  });

  it('takes a first step of about the learning rate in Adam, whatever the gradient', () => {
    const p = new Parameter(tensor([1, 1, 1], { dtype: 'float64' }));
    p.mul(tensor([1e-3, 1, 1e3], { dtype: 'float64' }))
      .sum()
      .backward();
    new Adam([p], { lr: 0.25 }).step();
    for (const value of p.toTypedArray()) expect(value).toBeCloseTo(0.75, 4);
  });
});
