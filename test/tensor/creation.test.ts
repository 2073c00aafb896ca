import { describe, expect, it } from 'vitest';
import {
  arange,
  DTypeError,
  eye,
  full,
  linspace,
  OptionError,
  ones,
  ShapeError,
  Tensor,
  TypedgradError,
  tensor,
  zeros,
} from '../../src/index.ts';

describe('tensor', () => {
  it('takes numbers, nested arrays, booleans, typed arrays and tensors', () => {
    expect([tensor(3).shape, tensor(3).item()]).toEqual([[], 3]);
    expect(
      tensor([
        [1, 2],
        [3, 4],
      ]).toArray(),
    ).toEqual([
      [1, 2],
      [3, 4],
    ]);
    expect(tensor([true, false] as never).toArray()).toEqual([1, 0]);
    expect(tensor([]).shape).toEqual([0]);
    expect(tensor([[], []]).shape).toEqual([2, 0]);
    expect(tensor(Uint8Array.of(1, 255)).toArray()).toEqual([1, 255]);
    expect(tensor(Int32Array.of(1, 2, 3, 4), [2, 2]).toArray()).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it('uses a float array as it is, copies a tensor, and picks the dtype from the array', () => {
    const data = new Float32Array(4);
    expect(tensor(data).data).toBe(data);
    expect(Tensor.from(data, [2, 2]).data).toBe(data);
    expect(tensor(data, { dtype: 'float64' }).data).not.toBe(data);
    const x = tensor(new Float64Array(2));
    expect([x.dtype, tensor(x).dtype, tensor(x).data === x.data]).toEqual(['float64', 'float64', false]);
    expect(tensor([0.1]).item()).toBe(Math.fround(0.1));
    expect(tensor([0.1], { dtype: 'float64' }).item()).toBe(0.1);
    expect(tensor([1], { requiresGrad: true }).requiresGrad).toBe(true);
  });

  it.each<[string, () => unknown, new (message: string) => Error, RegExp]>([
    [
      'ragged arrays',
      () => tensor([[1, 2], [3]]),
      ShapeError,
      /ragged; expected 2 elements at depth 1, but found 1 elements/,
    ],
    [
      'a number where a list should be',
      () => tensor([[1], 2]),
      ShapeError,
      /ragged; expected 1 elements at depth 1, but found 2/,
    ],
    ['a list where a number should be', () => tensor([1, [2]] as never), ShapeError, /expected a number at depth 1/],
    ['texts', () => tensor(['a'] as never), ShapeError, /found 'a'/],
    ['a wrong count', () => tensor(new Float32Array(3), [2, 2]), ShapeError, /3 elements do not fill shape \[2, 2\]/],
    ['big integers', () => tensor(new BigInt64Array(1) as never), DTypeError, /a typed array of numbers/],
    [
      'a dtype that is none',
      () => tensor([1], { dtype: 'int8' as never }),
      DTypeError,
      /there are 'float32' and 'float64'/,
    ],
    [
      'unknown options',
      () => tensor([1], { type: 'float64' } as never),
      OptionError,
      /unknown option 'type'; it knows 'dtype', 'requiresGrad'/,
    ],
    ['a negative size', () => zeros([-1]), ShapeError, /whole numbers of at least 0/],
    ['half a size', () => ones([1.5]), ShapeError, /whole numbers of at least 0/],
    ['a shape too large', () => zeros([2 ** 40, 2 ** 40]), ShapeError, /too large/],
    ['a value that is none', () => full([1], 'x' as never), OptionError, /must be a number, but is 'x'/],
    ['a step of 0', () => arange(0, 1, 0), OptionError, /the step not 0/],
    ['an endless range', () => arange(Infinity), OptionError, /must be finite/],
    ['a negative count', () => linspace(0, 1, -1), OptionError, /count must be a whole number/],
  ])('rejects %s', (_, make, kind, message) => {
    expect(make).toThrow(kind);
    expect(make).toThrow(TypedgradError);
    expect(make).toThrow(message);
  });
});

describe('constants', () => {
  it('fill shapes, a number being a list of one', () => {
    expect(zeros(2).toArray()).toEqual([0, 0]);
    expect(ones([1, 2]).toArray()).toEqual([[1, 1]]);
    expect(full([2], 7, { dtype: 'float64' }).toArray()).toEqual([7, 7]);
    expect(eye(2).toArray()).toEqual([
      [1, 0],
      [0, 1],
    ]);
    expect(eye(2, 3, { dtype: 'float64' }).toArray()).toEqual([
      [1, 0, 0],
      [0, 1, 0],
    ]);
  });

  it('count as NumPy counts', () => {
    expect(arange(3).toArray()).toEqual([0, 1, 2]);
    expect(arange(2, 5).toArray()).toEqual([2, 3, 4]);
    expect(arange(1, 0, -0.25).toArray()).toEqual([1, 0.75, 0.5, 0.25]);
    expect(arange(5, 1).toArray()).toEqual([]);
    expect(arange(0, 1, 0.1, { dtype: 'float64' }).size).toBe(10);
  });

  it('reach both ends of a linspace exactly', () => {
    const x = linspace(0.1, 0.7, 7, { dtype: 'float64' });
    expect([x.at(0), x.at(-1)]).toEqual([0.1, 0.7]);
    expect(linspace(3, 9, 1).toArray()).toEqual([3]);
    expect(linspace(3, 9, 0).toArray()).toEqual([]);
    expect(linspace(1, -1, 5).toArray()).toEqual([1, 0.5, 0, -0.5, -1]);
  });
});
