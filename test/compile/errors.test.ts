/** What cannot be traced says so, names the operation and the line, and leaves everything as it was. */

import { describe, expect, test } from 'vitest';
import {
  Adam,
  compile,
  Dense,
  Generator,
  manualSeed,
  Parameter,
  randperm,
  SGD,
  StepLR,
  type Tensor,
  TraceError,
  tensor,
  where,
} from '../../src/index.ts';
import { expectSame, normals } from './helpers.ts';

describe('a value that is not known while tracing', () => {
  const reads: Record<string, (y: Tensor) => unknown> = {
    item: (y) => y.sum().item(),
    data: (y) => y.data,
    toArray: (y) => y.toArray(),
    toTypedArray: (y) => y.toTypedArray(),
    at: (y) => y.at(0),
    String: (y) => String(y),
    'a branch': (y) => (y.sum().item() > 0 ? y : y.neg()),
  };
  test.each(Object.entries(reads))('%s says which operation it is of, and in which line', (_, read) => {
    const run = compile((x: Tensor) => {
      const y = x.exp();
      return read(y);
    });
    const call = (): unknown => run(tensor([1, 2]));
    expect(call).toThrow(TraceError);
    expect(call).toThrow(
      /compile: the value of (exp, shape \[2\]|sum, shape \[\]), was read \(.*errors\.test\.ts\b\S*:\d+:\d+.*\) while/,
    );
    expect(call).toThrow('where()');
  });

  test('an argument is named by its number', () => {
    expect(() => compile((_: Tensor, x: Tensor) => x.item())(tensor(1), tensor(2))).toThrow(/argument 1, shape \[\]/);
  });

  test('a captured tensor may be another at the next call', () => {
    const weight = tensor([1, 2]);
    const run = compile((x: Tensor) => (weight.data[0]! > 0 ? x : x.neg()));
    expect(() => run(tensor([1]))).toThrow(
      /values of a captured tensor \(of 2 elements\) were read \(.*errors\.test\.ts.*\)/,
    );
    const optimizer = new SGD([new Parameter(tensor([1]))], { lr: 0.1 });
    expect(() => compile((x: Tensor) => x.mul(optimizer.lr))(tensor([1]))).toThrow(TraceError);
  });

  test('a constant made within is known', () => {
    expect(compile((x: Tensor) => x.mul(tensor([2, 3]).sum().item()))(tensor([1])).item()).toBe(5);
  });

  test('a traced tensor that escaped says that it has no value', () => {
    let escaped: Tensor | undefined;
    const run = compile((x: Tensor) => {
      escaped = x.mul(2);
      return escaped.add(1);
    });
    run(tensor([1]));
    expect(() => escaped!.item()).toThrow(/mul, shape \[1\], belongs to a traced function.*return it/);
  });

  test('where() chooses instead', () => {
    const run = compile((x: Tensor) => where(x.sum().gt(0), x, x.neg()));
    expect(run(tensor([1, 2])).toArray()).toEqual([1, 2]);
    expect(run(tensor([-1, -2])).toArray()).toEqual([1, 2]);
  });
});

describe('what a trace would repeat', () => {
  const draws: Record<string, (generator: Generator) => unknown> = {
    uniform: (generator) => generator.uniform(),
    randperm: (generator) => randperm(3, { generator }),
    manualSeed: () => manualSeed(1),
  };
  test.each(Object.entries(draws))('random numbers by %s', (_, draw) => {
    const generator = new Generator(1);
    const run = compile((x: Tensor) => {
      draw(generator);
      return x.add(1);
    });
    expect(() => run(tensor([1]))).toThrow(/random number was drawn \(.*errors\.test\.ts.*\).*rand\(\) or randn\(\)/);
    expect(generator.position).toBe(0);
  });

  test('a learning rate that is set within, also by a schedule', () => {
    const optimizer = new SGD([new Parameter(tensor([1]))], { lr: 0.1 });
    const set = compile(() => {
      optimizer.lr = 0.2;
    });
    expect(() => set()).toThrow(/lr was set.*outside/);
    const schedule = new StepLR(optimizer, { stepSize: 1 });
    expect(() => compile(() => schedule.step())()).toThrow();
    expect(optimizer.lr).toBe(0.1);
  });
});

describe('calls that cannot be', () => {
  test('an argument that is overwritten', () => {
    const x = tensor([1, 2]);
    const run = compile((y: Tensor) => void y.slice([0, 1]).assign(5));
    expect(() => run(x)).toThrow(/assign overwrites argument 0 \(.*errors\.test\.ts.*\); clone\(\)/);
    expect(x.toArray()).toEqual([1, 2]);
  });

  test('an argument that is captured and changed as well', () => {
    const w = new Parameter(tensor([1]));
    const update = compile((x: Tensor) => {
      w.detach().assign(w.detach().add(1));
      return x.mul(2);
    });
    expect(update(tensor([3])).item()).toBe(6);
    expect(() => update(w.detach())).toThrow(/argument 0, shape \[1\], is also captured/);
    expect(w.item()).toBe(2);
    const optimizer = new SGD([w], { lr: 0.1 });
    const step = compile((weight: Tensor) => {
      weight.square().sum().backward();
      optimizer.step();
    });
    expect(() => step(w)).toThrow(/argument 0.*captured/);
    expect([w.item(), w.grad]).toEqual([2, null]);
  });

  test('an async function', async () => {
    const w = new Parameter(tensor([1]));
    const run = compile(async (x: Tensor) => {
      w.mul(x).sum().backward();
      await Promise.resolve();
      return x.item();
    });
    expect(() => run(tensor([2]))).toThrow(/async.*await outside/);
    await new Promise((resolve) => setTimeout(resolve));
    expect(w.grad).toBeNull();
  });

  test('what is no function, and arrays that hold no numbers', () => {
    expect(() => compile(3 as never)).toThrow(/expected a function, but got 3/);
    expect(() => compile((x: unknown) => x)(new BigInt64Array(1))).toThrow(TraceError);
  });
});

describe('a function that throws while it is traced', () => {
  test('leaves parameters, gradients, states and versions as they were', () => {
    const model = new Dense(2, 2);
    const optimizer = new Adam(model.parameters(), { lr: 0.1 });
    const x = normals(1, 3, 2);
    const pending = model.forward(x).square().sum();
    let fails = true;
    const step = compile((input: Tensor) => {
      model.forward(input).square().sum().backward();
      optimizer.step();
      if (fails) throw new RangeError('no');
      optimizer.zeroGrad();
    });
    const before = Object.values({ ...model.stateDict(), ...optimizer.stateDict().state }).map((t) => t.clone());
    const compare = (): void => {
      const now = Object.values({ ...model.stateDict(), ...optimizer.stateDict().state });
      for (const [i, t] of now.entries()) expectSame(t, before[i]!);
    };
    expect(() => step(x)).toThrow(RangeError);
    compare();
    expect(model.parameters().map((p) => p.grad)).toEqual([null, null]);
    // What was recorded before would complain if a saved value counted as changed.
    pending.backward();
    const twin = new Dense(2, 2);
    twin.loadStateDict(model.stateDict());
    optimizer.zeroGrad();
    fails = false;
    step(x);
    const other = new Adam(twin.parameters(), { lr: 0.1 });
    twin.forward(x).square().sum().backward();
    other.step();
    for (const [i, p] of twin.parameters().entries()) {
      expect(p.sub(model.parameters()[i]!).abs().max().item()).toBeLessThan(1e-6);
    }
  });

  test('leaves the door to operations open, and random streams where they were', () => {
    const generator = manualSeed(1);
    const run = compile((x: Tensor) => {
      x.dropout();
      throw new Error('no');
    });
    expect(() => run(tensor([1]))).toThrow('no');
    expect(tensor([1]).add(1).item()).toBe(2);
    expect(generator.position).toBe(0);
  });
});

describe('dispose', () => {
  test('forgets all traces; a later call traces again', () => {
    let traces = 0;
    const weight = new Parameter(tensor([2]));
    const run = compile((x: Tensor) => {
      traces++;
      return weight.mul(x);
    });
    const first = run(tensor([1]));
    run.dispose();
    run.dispose();
    expect(run.explain()).toBe('');
    expect(run(tensor([3])).item()).toBe(6);
    expect([first.item(), weight.item(), traces]).toEqual([2, 2, 2]);
  });
});
