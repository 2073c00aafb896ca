import { describe, expect, it } from 'vitest';
import { arange, type DType, type Tensor, type TensorData, tensor, zeros } from '../../src/index.ts';
import golden from './printing.golden.json';

describe.each(['float32', 'float64'] as const)('%s prints as in NumPy', (dtype: DType) => {
  const { rows, special, ranges } = golden[dtype];
  it.each(Object.entries(rows))('%s', (_, [value, text]) => {
    expect(String(tensor(value as TensorData, { dtype }))).toBe(text);
  });

  it.each(Object.entries(special))('%s', (_, [values, text]) => {
    const numbers = (values as string[]).map(
      (v) => ({ nan: Number.NaN, inf: Infinity, '-inf': -Infinity })[v] ?? Number(v),
    );
    expect(String(tensor(numbers, { dtype }))).toBe(text);
  });

  it.each(Object.entries(ranges))('a range: %s', (_, [shape, text]) => {
    const sizes = shape as number[];
    expect(
      String(
        arange(
          sizes.reduce((a, b) => a * b, 1),
          { dtype },
        ).reshape(sizes),
      ),
    ).toBe(text);
  });
});

describe('printing', () => {
  it('prints views by their own layout', () => {
    const x = tensor([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(String(x.transpose().flip(0))).toBe('[[3. 6.]\n [2. 5.]\n [1. 4.]]');
    expect(String(tensor([7]).expand([2, 3]))).toBe('[[7. 7. 7.]\n [7. 7. 7.]]');
  });

  it('keeps the sign of zero, and says the shape of what is empty', () => {
    expect(String(tensor([-0, 0]))).toBe('[-0.  0.]');
    expect(String(zeros([0, 3]))).toBe('[], shape [0, 3]');
  });

  it('is what console.log shows in Node', () => {
    const x = tensor([1, 2]);
    const key = Symbol.for('nodejs.util.inspect.custom') as unknown as keyof Tensor;
    expect((x[key] as () => string)()).toBe('[1. 2.]');
  });
});
