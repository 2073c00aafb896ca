/** What a program tells of itself. */

import { describe, expect, test, vi } from 'vitest';
import {
  Adam,
  Conv2d,
  compile,
  crossEntropy,
  Dense,
  defineOp,
  Flatten,
  MaxPool2d,
  manualSeed,
  matmul,
  ReLU,
  rand,
  Sequential,
  type Tensor,
  tensor,
} from '../../src/index.ts';
import { normals } from './helpers.ts';

const model = new Sequential(
  new Conv2d(1, 4, 3, { padding: 1 }),
  new ReLU(),
  new MaxPool2d(2),
  new Flatten(),
  new Dense(64, 3),
);
const optimizer = new Adam(model.parameters(), { lr: 0.01 });
const step = compile((x: Tensor, labels: Uint8Array) => {
  const loss = crossEntropy(model.forward(x).dropout({ p: 0.1 }), labels);
  loss.backward();
  optimizer.step();
  optimizer.zeroGrad();
  return loss;
});
const batch = [normals(1, 5, 1, 8, 8), Uint8Array.of(0, 1, 2, 0, 1)] as const;
step(...batch);

describe('report', () => {
  const [report] = step.report();

  test('counts multiplications and additions of convolutions and products', () => {
    const conv = report!.steps.find(({ operations }) => operations.includes('conv'))!;
    expect(conv.operations).toEqual(expect.arrayContaining(['conv', 'add', 'maxPoolTaps', 'pickTaps']));
    // 2 · 9 per output, 1 for the bias, 4 comparisons and 1 for ReLU per pooled one.
    expect(conv.flops).toBe(5 * 4 * 64 * (2 * 9 + 1) + 5 * 4 * 16 * (4 + 1));
    expect(conv.shape).toEqual([5, 4, 4, 4]);
    // The input, the weight, the bias; the pooled values and a byte for the tap of each.
    expect(conv.bytes).toBe(4 * (5 * 64 + 36 + 4 + 5 * 4 * 16) + 5 * 4 * 16);
    const products = report!.steps.filter(({ operations }) => operations.includes('matmul'));
    expect(products.map(({ flops }) => Math.floor(flops / (2 * 5 * 64 * 3)))).toEqual([1, 1, 1]);
  });

  test('never computes the gradient of the input', () => {
    const names = report!.steps.flatMap(({ operations }) => operations);
    expect(names).toContain('convWeightGrad');
    expect(names).not.toContain('convInputGrad');
  });

  test('says what runs by an eager kernel, and why', () => {
    const rate = report!.steps.find(({ operations }) => operations.includes('to'))!;
    expect(rate.eager === null || rate.eager.includes('float64')).toBe(true);
    expect(report!.steps.find(({ operations }) => operations.includes('conv'))!.eager).toBeNull();
  });

  test('measures the last call that came to an end', () => {
    const run = compile((x: Tensor, index: Tensor) => x.gather(0, index.add(1)));
    const call = (index: number) => (): Tensor => run(tensor([5, 6]), tensor([index]));
    expect(call(7)).toThrow('gather');
    expect(run.report({ time: true })[0]!.steps.map(({ milliseconds }) => milliseconds)).toEqual([null, null]);
    expect(call(0)().toArray()).toEqual([6]);
    expect(call(7)).toThrow('gather');
    for (const { milliseconds } of run.report({ time: true })[0]!.steps) expect(milliseconds).toBeGreaterThanOrEqual(0);
  });

  test('says why what has a kernel runs by the eager one', () => {
    const whyNot = (fn: (x: Tensor) => Tensor, ...shape: number[]): (string | null)[] => {
      const run = compile(fn);
      run(normals(1, ...shape));
      return run.report()[0]!.steps.map(({ eager }) => eager);
    };
    expect(whyNot((x) => matmul(x, x.transpose()), 3, 0)).toEqual(['nothing is added up']);
    expect(whyNot((x) => x.softmax(1), 0, 4)).toEqual(['it has nothing to compute']);
    expect(whyNot(() => rand([3], { dtype: 'float64' }), 1)).toEqual(['float64 has the reference kernels only']);
    expect(whyNot(() => rand([3]), 1)).toEqual([null]);
  });

  test('gives the arena and its floor', () => {
    expect(report!.arena).toBeGreaterThan(0);
    expect(report!.arena).toBeLessThanOrEqual(1.1 * report!.floor);
  });

  test('measures steps without leaving a trace in parameters, optimizer or random stream', () => {
    const values = (): number[][] =>
      Object.values({ ...model.stateDict(), ...optimizer.stateDict().state }).map((t) => [...t.toTypedArray()]);
    const generator = manualSeed(3);
    const before = values();
    const [timed] = step.report({ time: true });
    expect(values()).toEqual(before);
    expect(generator.position).toBe(0);
    expect(model.parameters().every((p) => p.grad === null)).toBe(true);
    for (const { milliseconds } of timed!.steps) expect(milliseconds).toBeGreaterThanOrEqual(0);
    expect(timed!.peak).toBeGreaterThan(1e9);
    expect(report!.peak).toBeNull();
  });
});

describe('explain', () => {
  test('is a table with a row for each step and totals', () => {
    const text = step.explain({ time: true });
    expect(text).toMatch(/^\(float32\[5,1,8,8\],float32\[5\]\): \d+ operations in \d+ steps\n/);
    expect(text).toMatch(/step +shape +MFLOP +kB +µs +GFLOP\/s +% of peak +GB\/s/);
    expect(text).toMatch(/ 0 {2}convolution \+ bias \+ max pool \+ ReLU +\[5, 4, 4, 4\]/);
    expect(text).toMatch(/total/);
    expect(text).toMatch(/peak: [\d.]+ GFLOP\/s/);
    expect(text).toMatch(/arena: [\d.]+ kB, 1\.\d+ times/);
    expect(text).toMatch(/ \d+ {2}dropoutMask +\[5, 3\]/);
    const double = compile(() => rand([3], { dtype: 'float64' }));
    double();
    expect(double.explain()).toMatch(/\* not compiled.*\n(.*\n)* +float64 has the reference kernels only: 0 rand/);
    expect(step.explain()).not.toMatch('µs');
  });

  test('has times where the clock steps by a tenth of a millisecond, as in a page that is not isolated', () => {
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => Math.floor(now() * 10) / 10);
    try {
      expect(step.explain({ time: true })).not.toMatch(/Infinity|NaN/);
      for (const { milliseconds, eager } of step.report({ time: true })[0]!.steps) {
        if (eager === null) expect(milliseconds).toBeGreaterThan(0);
      }
    } finally {
      clock.mockRestore();
    }
  });

  test('has no times by a clock that stands still, instead of waiting for it', () => {
    const clock = vi.spyOn(performance, 'now').mockReturnValue(5);
    try {
      expect(step.explain({ time: true })).toBe(step.explain());
    } finally {
      clock.mockRestore();
    }
  });

  test('has one table for each kind of call, the last one first', () => {
    const run = compile((x: Tensor) => x.add(1));
    expect(run.explain()).toBe('');
    run(tensor([1]));
    run(tensor([1, 2]));
    const titles = (): string[] =>
      run
        .explain()
        .split('\n\n')
        .map((text) => text.split(':')[0]!);
    expect(titles()).toEqual(['(float32[2])', '(float32[1])']);
    run(tensor([1]));
    expect(titles()).toEqual(['(float32[1])', '(float32[2])']);
  });

  test('rejects unknown options', () => {
    expect(() => step.explain({ times: true } as never)).toThrow(/times.*time/);
    expect(() => step.graph('svg' as never)).toThrow(/text.*dot/);
  });
});

describe('graph', () => {
  test('prints one operation a line', () => {
    const run = compile((x: Tensor) => x.add(1).relu());
    run(tensor([1]));
    expect(run.graph()).toMatch(/= add\(.*\n.*= relu\(/);
  });

  test('draws a node for each operation and an edge for each operand', () => {
    const run = compile((x: Tensor) => x.mul(x.add(1)));
    run(tensor([1]));
    const dot = run.graph('dot');
    expect(dot).toMatch(/^digraph \{/);
    expect(dot.match(/label="(mul|add)/g)).toHaveLength(2);
    expect(dot.match(/->/g)!.length).toBeGreaterThanOrEqual(5);
    expect(dot.trimEnd()).toMatch(/\}$/);
  });

  test('as DOT whatever operations are called', () => {
    const odd = defineOp({
      name: 'a "b\\\n',
      shape: ([x]) => x,
      forward: ({ inputs: [x], output }) => output.set(x.toTypedArray()),
    });
    const run = compile((x: Tensor) => odd(x));
    run(tensor([1]));
    expect(run.graph('dot')).toContain(String.raw`label="a \"b\\\n\n[1]"`);
  });
});
