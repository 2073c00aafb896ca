/** When a function is traced, what of its surroundings is state, and what its traces hold for. */

import { describe, expect, test } from 'vitest';
import {
  add,
  BatchNorm1d,
  checkGrads,
  compile,
  crossEntropy,
  Dense,
  Dropout,
  grad,
  mul,
  noGrad,
  Parameter,
  ReLU,
  Sequential,
  type Tensor,
  tensor,
  zeros,
} from '../../src/index.ts';
import { counted, expectClose, expectSame, normals } from './helpers.ts';

describe('one trace per kind of call', () => {
  test('the same shapes are traced once, others anew, and both stay', () => {
    const { run, traces } = counted((x: Tensor) => x.mul(2).add(1));
    for (const size of [3, 3, 5, 3, 5]) {
      const x = normals(size, size);
      expectSame(run(x), x.mul(2).add(1));
    }
    expect(traces()).toBe(2);
  });

  test('dtypes, and whether an argument requires a gradient, are told apart', () => {
    const { run, traces } = counted((x: Tensor) => x.square());
    expect(run(tensor([3])).dtype).toBe('float32');
    expect(run(tensor([3], { dtype: 'float64' })).dtype).toBe('float64');
    expect(run(tensor([3], { requiresGrad: true })).toArray()).toEqual([9]);
    expect(traces()).toBe(3);
  });

  test('records and arrays of tensors go in and come out', () => {
    const { run, traces } = counted(({ a, list }: { a: Tensor; list: Tensor[] }) => ({
      sum: list.reduce((x, y) => x.add(y), a),
      parts: [a, { twice: a.mul(2) }] as const,
      none: null,
      name: 'x',
    }));
    for (let i = 0; i < 3; i++) {
      const result = run({ a: tensor([i]), list: [tensor([1]), tensor([10])] });
      expect(result.sum.toArray()).toEqual([i + 11]);
      expect(result.parts[0].toArray()).toEqual([i]);
      expect(result.parts[1].twice.toArray()).toEqual([2 * i]);
      expect([result.none, result.name]).toEqual([null, 'x']);
    }
    expect(traces()).toBe(1);
    expect(run({ a: tensor([0]), list: [tensor([1])] }).sum.toArray()).toEqual([1]);
    expect(traces()).toBe(2);
  });

  test('numbers, strings and switches are part of the key', () => {
    const { run, traces } = counted((x: Tensor, factor: number, options: { negate: boolean }) =>
      options.negate ? x.mul(-factor) : x.mul(factor),
    );
    expect(run(tensor([1]), 2, { negate: false }).toArray()).toEqual([2]);
    expect(run(tensor([1]), 3, { negate: false }).toArray()).toEqual([3]);
    expect(run(tensor([1]), 3, { negate: true }).toArray()).toEqual([-3]);
    expect(run(tensor([5]), 2, { negate: false }).toArray()).toEqual([10]);
    expect(traces()).toBe(3);
    expect(1 / run(tensor([1]), -0, { negate: false }).item()).toBe(-Infinity);
    expect(1 / run(tensor([1]), 0, { negate: false }).item()).toBe(Infinity);
  });

  test('values that print alike are told apart, and records without a prototype are records', () => {
    let count = 0;
    const run = compile((x: Tensor, _: unknown) => x.mul(++count));
    const [symbol, other] = [Symbol('s'), Symbol('s')];
    const kinds = [
      1,
      1n,
      '1',
      true,
      'true',
      null,
      undefined,
      'undefined',
      symbol,
      other,
      [0],
      [-0],
      [1],
      [[1]],
      ['a,b'],
    ];
    for (const kind of kinds) run(tensor([1]), kind);
    expect(count).toBe(kinds.length);
    for (const [i, kind] of kinds.entries()) expect(run(tensor([1]), kind).item()).toBe(i + 1);
    const record = compile((given: { x: Tensor }) => given.x.mul(2));
    for (const value of [1, 2]) {
      const given = Object.assign(Object.create(null) as { x: Tensor }, { x: tensor([value]) });
      expect(record(given).item()).toBe(2 * value);
    }
  });

  test('the same tensor or array given twice is one, here and there', () => {
    const { run, traces } = counted((a: Tensor, b: Tensor, first: Int32Array, second: Int32Array) => {
      a.mul(b).sum().backward();
      return [a === b ? a.grad : b, crossEntropy(a, first), crossEntropy(a, second)];
    });
    const x = tensor([[2, 3]], { requiresGrad: true });
    const labels = Int32Array.of(1);
    const [gradient, ...losses] = run(x, x, labels, labels);
    expect(gradient!.toArray()).toEqual([[4, 6]]);
    expectSame(losses[0]!, losses[1]!);
    const other = tensor([[5, 5]]);
    expect(run(tensor([[2, 3]], { requiresGrad: true }), other, labels, Int32Array.of(0))[0]!.toArray()).toEqual([
      [5, 5],
    ]);
    expect(traces()).toBe(2);
  });

  test('labels as integer arrays are values, not part of the key', () => {
    const { run, traces } = counted((logits: Tensor, labels: Int32Array | Uint8Array) => crossEntropy(logits, labels));
    const logits = normals(1, 3, 4);
    for (const labels of [
      [0, 1, 2],
      [3, 3, 0],
      [1, 0, 2],
    ]) {
      expectClose(run(logits, Int32Array.from(labels)), crossEntropy(logits, labels), 1e-6);
      expectClose(run(logits, Uint8Array.from(labels)), crossEntropy(logits, labels), 1e-6);
    }
    expect(traces()).toBe(1);
    expect(() => run(logits, Int32Array.of(0, 1, 4))).toThrow('4');
  });

  test('labels know their number while traced, and say that they are no array', () => {
    const count = compile((labels: Int32Array) => tensor([labels.length]));
    expect(count(Int32Array.of(5, 6, 7)).toArray()).toEqual([3]);
    expect(() => compile((labels: Int32Array) => tensor([...labels]))(Int32Array.of(1))).toThrow(/labels.*traced/);
    expect(() => compile((labels: Int32Array) => tensor([labels[0]!]))(Int32Array.of(1))).toThrow(/labels.*traced/);
    expect(() => compile((labels: Int32Array) => tensor(labels))(Int32Array.of(1))).toThrow(/labels.*a tensor there/);
  });

  test('tensors that are views, of any strides, are arguments like others', () => {
    const run = compile((x: Tensor) => x.mul(1).sum(0));
    const x = normals(1, 4, 3);
    expectClose(run(x.transpose()), x.transpose().sum(0), 1e-6);
    expectClose(run(x.flip([0, 1]).slice(null, [null, null, 1])), x.flip([0, 1]).sum(0), 1e-6);
    expectClose(run(tensor([2]).expand([4, 3])), tensor([8, 8, 8]), 0);
  });

  test('a scalar and an empty tensor are arguments like others', () => {
    const run = compile((x: Tensor) => [x.mul(2), x.sum()]);
    expect(run(tensor(3)).map((y) => y.toArray())).toEqual([6, 3]);
    expect(run(zeros([0, 2])).map((y) => y.toArray())).toEqual([[], 0]);
  });

  test('ever new numbers are traced ever anew, but only so many traces are kept', () => {
    const { run, traces } = counted((x: Tensor, k: number) => x.add(k));
    for (let k = 0; k < 100; k++) expect(run(tensor([1]), k).item()).toBe(k + 1);
    expect(run(tensor([1]), 99).item()).toBe(100);
    expect(traces()).toBe(100);
    expect(run(tensor([1]), 0).item()).toBe(1);
    expect(traces()).toBe(101);
  });

  test('a compiled function within another is part of it', () => {
    const inner = counted((x: Tensor) => x.add(1));
    const outer = counted((x: Tensor) => inner.run(inner.run(x)).mul(2));
    expect(outer.run(tensor([1])).toArray()).toEqual([6]);
    expect(outer.run(tensor([2])).toArray()).toEqual([8]);
    expect([inner.traces(), outer.traces()]).toEqual([2, 1]);
    expect(inner.run(tensor([1])).toArray()).toEqual([2]);
  });
});

describe('what a function captures', () => {
  test('tensors are read anew at each call', () => {
    const weight = tensor([2]);
    const { run, traces } = counted((x: Tensor) => x.mul(weight));
    expect(run(tensor([1])).item()).toBe(2);
    weight.assign(5);
    expect(run(tensor([1])).item()).toBe(5);
    weight.data[0] = 7;
    expect(run(tensor([1])).item()).toBe(7);
    expect(traces()).toBe(1);
  });

  test('tensors that it changes keep the change, and show it', () => {
    const count = zeros([]);
    const run = compile((x: Tensor) => {
      count.assign(count.add(x));
      return count.mul(10);
    });
    expect([1, 2, 3].map((x) => run(tensor(x)).item())).toEqual([10, 30, 60]);
    expect(count.item()).toBe(6);
    expect(count.data[0]).toBe(6);
  });

  test('a part of a captured tensor may be changed', () => {
    const board = zeros([3, 4]);
    const step = (x: Tensor): Tensor => {
      board.slice([0, null, 2], [null, null, -1]).assign(x);
      board.select(1, 1).assign(board.select(1, 2).mul(2));
      return board.sum(0);
    };
    const run = compile(step);
    const x = normals(1, 2, 4);
    run(x);
    const after = board.clone();
    board.assign(0);
    step(x);
    expectSame(after, board);
  });

  test('tensors made within are made anew at each call', () => {
    const run = compile((x: Tensor) => {
      const total = zeros([2]);
      total.assign(total.add(x));
      total.assign(total.add(x));
      return [total, zeros([1])];
    });
    expect(run(tensor([1, 2]))[0]!.toArray()).toEqual([2, 4]);
    const [total, fixed] = run(tensor([3, 4]));
    expect(total!.toArray()).toEqual([6, 8]);
    fixed!.assign(9);
    expect(run(tensor([3, 4]))[1]!.item()).toBe(0);
  });

  test('a captured tensor comes back as itself', () => {
    const weight = new Parameter(tensor([1, 2]));
    const run = compile((x: Tensor) => ({ y: x.mul(weight), weight }));
    const { y, weight: same } = run(tensor([3, 4]));
    expect(y.toArray()).toEqual([3, 8]);
    expect(same).toBe(weight);
  });

  test('results are tensors of their own, whatever later calls do', () => {
    const run = compile((x: Tensor) => [x.add(1), x.add(1).transpose()]);
    const first = run(tensor([[1, 2]]));
    run(tensor([[5, 6]]));
    expect(first.map((y) => y.toArray())).toEqual([[[2, 3]], [[2], [3]]]);
  });

  test('numbers are fixed when the function is traced', () => {
    let factor = 2;
    const run = compile((x: Tensor) => x.mul(factor));
    expect(run(tensor([1])).item()).toBe(2);
    factor = 3;
    expect(run(tensor([1])).item()).toBe(2);
  });

  test('whether a captured tensor requires a gradient is watched', () => {
    const weight = new Parameter(tensor([3]));
    const bias = new Parameter(tensor([1]));
    const { run, traces } = counted((x: Tensor) => {
      weight.mul(x).add(bias).sum().backward();
    });
    run(tensor([5]));
    expect([weight.grad?.item(), bias.grad?.item()]).toEqual([5, 1]);
    for (const x of [weight, bias]) x.grad = null;
    weight.requiresGrad = false;
    run(tensor([5]));
    expect([weight.grad, bias.grad?.item()]).toEqual([null, 1]);
    for (const x of [bias]) x.grad = null;
    weight.requiresGrad = true;
    run(tensor([5]));
    expect(weight.grad!.item()).toBe(5);
    expect(traces()).toBe(2);
  });

  test('the mode of modules is watched, also of one that is switched alone', () => {
    const dropout = new Dropout(1);
    const norm = new BatchNorm1d(2);
    const { run, traces } = counted((x: Tensor) => add(norm.forward(x), dropout.forward(x)));
    const x = normals(1, 5, 2);
    const modes = [
      [true, true],
      [true, false],
      [false, false],
      [true, true],
    ] as const;
    for (const [dropping, training] of modes) {
      dropout.train(dropping);
      norm.train(training);
      const twin = new BatchNorm1d(2).train(training);
      twin.loadStateDict(norm.stateDict());
      const expected = dropping ? twin.forward(x) : add(twin.forward(x), x);
      expectClose(run(x), expected, 1e-5, `${dropping} ${training}`);
      expectClose(norm.runningMean!, twin.runningMean!, 1e-6);
      expectClose(norm.runningVar!, twin.runningVar!, 1e-6);
    }
    expect(traces()).toBe(3);
  });

  test('noGrad around a call is watched', () => {
    const w = new Parameter(tensor([2]));
    const run = compile(() => w.mul(w).requiresGrad);
    expect([run(), noGrad(() => run()), run()]).toEqual([true, false, true]);
  });

  test('modules converted to another dtype are traced anew', () => {
    const model = new Sequential(new Dense(3, 4), new ReLU(), new Dense(4, 2));
    const { run, traces } = counted((x: Tensor) => model.forward(x));
    const x = normals(1, 2, 3);
    expectClose(run(x), model.forward(x), 1e-6);
    model.to('float64');
    const y = x.to('float64');
    expectSame(run(y), model.forward(y).detach());
    expect(() => run(x)).toThrow('float64');
    model.to('float32');
    expectClose(run(x), model.forward(x), 1e-6);
    expect(traces()).toBe(4);
  });

  test('grad() works within, of any order', () => {
    const run = compile((x: Tensor) => grad((y: Tensor) => grad((z: Tensor) => mul(z, z).mul(z).sum())(y).sum())(x));
    expect(run(tensor([1, 2])).toArray()).toEqual([6, 12]);
  });

  test('a compiled function that is differentiated from outside is part of what does that', () => {
    const { run, traces } = counted((x: Tensor) => x.square().sum());
    expect(grad(run)(tensor([1, 2])).toArray()).toEqual([2, 4]);
    expect(traces()).toBe(1);
    checkGrads(run, [tensor([1, 2])], { order: 2 });
    const calls = traces();
    expect([run(tensor([1, 2])).item(), run(tensor([1, 3])).item()]).toEqual([5, 10]);
    expect(traces()).toBe(calls + 1);
    // Without recording there is nothing to differentiate.
    const target = grad((x: Tensor) => x.mul(noGrad(() => run(tensor([1, 2])))).sum());
    expect(target(tensor([1, 1])).toArray()).toEqual([5, 5]);
    expect(traces()).toBe(calls + 2);
  });

  test('float64 comes to the same as without compiling, bit for bit', () => {
    const model = new Sequential(new Dense(6, 5), new ReLU(), new Dense(5, 3)).to('float64');
    const run = compile((x: Tensor) => model.forward(x));
    const x = normals(1, 4, 6).to('float64');
    expectSame(run(x), model.forward(x).detach());
  });
});
