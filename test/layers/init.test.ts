import { describe, expect, it } from 'vitest';
import {
  compile,
  Generator,
  init,
  OptionError,
  Parameter,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from '../../src/index.ts';

const generator = new Generator(5);
const weight = (): Tensor => new Parameter(zeros([64, 32, 3, 3], { dtype: 'float64' }));
const fanIn = 32 * 9;
const fanOut = 64 * 9;

/** Mean, standard deviation, and the largest magnitude. */
function moments(x: Tensor): [mean: number, std: number, largest: number] {
  const flat = x.detach();
  return [flat.mean().item(), flat.std().item(), flat.abs().max().item()];
}

describe('init', () => {
  it.each<[string, (w: Tensor) => Tensor, std: number, bound: number]>([
    ['uniform', (w) => init.uniform(w, { low: -2, high: 2, generator }), 4 / Math.sqrt(12), 2],
    ['normal', (w) => init.normal(w, { std: 0.5, generator }), 0.5, Infinity],
    ['kaimingUniform', (w) => init.kaimingUniform(w, { generator }), Math.sqrt(2 / fanIn), Math.sqrt(6 / fanIn)],
    [
      'kaimingUniform with a slope',
      (w) => init.kaimingUniform(w, { a: Math.sqrt(5), generator }),
      Math.sqrt(1 / 3 / fanIn),
      Math.sqrt(1 / fanIn),
    ],
    [
      'kaimingNormal',
      (w) => init.kaimingNormal(w, { mode: 'fanOut', nonlinearity: 'relu', generator }),
      Math.sqrt(2 / fanOut),
      Infinity,
    ],
    [
      'xavierUniform',
      (w) => init.xavierUniform(w, { gain: 2, generator }),
      2 * Math.sqrt(2 / (fanIn + fanOut)),
      2 * Math.sqrt(6 / (fanIn + fanOut)),
    ],
    ['xavierNormal', (w) => init.xavierNormal(w, { generator }), Math.sqrt(2 / (fanIn + fanOut)), Infinity],
    // The variance of a normal number within ±2σ: 1 - 4 φ(2) / (2 Φ(2) - 1).
    ['truncNormal', (w) => init.truncNormal(w, { std: 1, generator }), 0.8796, 2],
  ])('%s has the spread and the bounds it should', (_, fill, std, bound) => {
    const w = weight();
    expect(fill(w)).toBe(w);
    const [mean, spread, largest] = moments(w);
    expect(Math.abs(mean) / std).toBeLessThan(0.03);
    expect(spread / std).toBeCloseTo(1, 1.5);
    expect(largest).toBeLessThanOrEqual(bound);
    if (bound < Infinity) expect(largest / bound).toBeGreaterThan(0.99);
  });

  it.each(['float32', 'float64'] as const)('draws in %s the numbers that one call each gives', (dtype) => {
    const x = zeros([33, 51], { dtype });
    const own = new Generator(7);
    const other = new Generator(7);
    const each = (next: () => number): unknown => tensor(new Float64Array(x.size).map(next)).to(dtype).toArray();
    const drawn = (y: Tensor): unknown => y.reshape(-1).toArray();
    expect(drawn(init.uniform(x, { low: -0.3, high: 0.1, generator: own }))).toEqual(
      each(() => other.uniform(-0.3, 0.1)),
    );
    expect(drawn(init.normal(x, { mean: 1, std: 0.02, generator: own }))).toEqual(each(() => other.normal(1, 0.02)));
    expect(own.position).toBe(other.position);
  });

  it('draws anew at each call of a compiled function, as it does without', () => {
    const own = new Generator(3);
    const x = zeros([40]);
    const fn = (): Tensor => init.normal(x, { generator: own }).clone();
    const run = compile(fn);
    const compiled = [run(), run()].map((y) => y.toArray());
    own.position = 0;
    expect(compiled).toEqual([fn(), fn()].map((y) => y.toArray()));
  });

  it('truncNormal keeps to borders off the centre', () => {
    const x = init.truncNormal(zeros([2000], { dtype: 'float64' }), { mean: 1, std: 2, low: 3, high: 4, generator });
    expect([x.min().item() >= 3, x.max().item() <= 4]).toEqual([true, true]);
    expect(x.mean().item()).toBeCloseTo(3.47, 1);
    expect(() => init.truncNormal(zeros([1]), { low: 50, high: 51 })).toThrow(OptionError);
  });

  it.each([[[4, 10]], [[10, 4]], [[6, 2, 3]]])('orthogonal gives orthonormal rows or columns: %s', (shape) => {
    const x = init.orthogonal(zeros(shape, { dtype: 'float64' }), { gain: 3, generator }).reshape([shape[0]!, -1]);
    const gram = x.shape[0]! <= x.shape[1]! ? x.matmul(x.transpose()) : x.transpose().matmul(x);
    for (const [i, row] of (gram.toArray() as number[][]).entries()) {
      for (const [j, value] of row.entries()) expect(value).toBeCloseTo(i === j ? 9 : 0, 12);
    }
  });

  it('fills with constants', () => {
    expect(init.constant(zeros([2]), 3).toArray()).toEqual([3, 3]);
    expect(init.ones(zeros([2])).toArray()).toEqual([1, 1]);
    expect(init.zeros(init.ones(zeros([2]))).toArray()).toEqual([0, 0]);
  });

  it('knows the gains', () => {
    expect(init.calculateGain('relu')).toBe(Math.SQRT2);
    expect(init.calculateGain('leakyRelu', 1)).toBe(1);
    expect(init.calculateGain('tanh')).toBe(5 / 3);
    expect(() => init.calculateGain('gelu' as never)).toThrow(OptionError);
  });

  it('rejects weights without fans, and wrong options', () => {
    expect(() => init.kaimingUniform(zeros([3]))).toThrow(ShapeError);
    expect(() => init.uniform(zeros([3]), { low: 1, high: 0 })).toThrow(OptionError);
    expect(() => init.normal(zeros([3]), { std: -1 })).toThrow(OptionError);
    expect(() => init.xavierNormal(zeros([3, 3]), { gian: 1 } as never)).toThrow(OptionError);
  });
});
