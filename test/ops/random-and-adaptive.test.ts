/** Dropout, one-hot rows and adaptive pooling. */

import { describe, expect, it } from 'vitest';
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  adaptiveMaxPool1d,
  adaptiveMaxPool2d,
  adaptiveMaxPool3d,
  dropout,
  Generator,
  IndexError,
  manualSeed,
  OptionError,
  oneHot,
  ones,
  randn,
  ShapeError,
  type Tensor,
  tensor,
} from '../../src/index.ts';

describe('dropout', () => {
  const draw = (p: number, seed = 1): number[] =>
    dropout(ones(20_000), { p, generator: new Generator(seed) }).toArray() as number[];

  it.each([0.1, 0.5, 0.9])('drops with probability %d, and scales the rest', (p) => {
    const values = draw(p);
    const dropped = values.filter((value) => value === 0).length / values.length;
    expect(Math.abs(dropped - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / values.length));
    expect(new Set(values.filter((value) => value !== 0))).toEqual(new Set([Math.fround(1 / (1 - p))]));
  });

  it('repeats with the seed, of its own generator or the default stream, and differs from call to call', () => {
    expect(draw(0.5, 3)).toEqual(draw(0.5, 3));
    expect(draw(0.5, 3)).not.toEqual(draw(0.5, 4));
    const x = ones(100);
    const run = (): unknown[] => [manualSeed(2), dropout(x).toArray(), x.dropout().toArray()].slice(1);
    const [first, second] = run();
    expect(first).not.toEqual(second);
    expect(run()).toEqual([first, second]);
  });

  it('passes the gradient through the elements that it kept', () => {
    const x = ones(50, { requiresGrad: true });
    const y = dropout(x, { p: 0.3 });
    y.sum().backward();
    expect(x.grad!.toArray()).toEqual(y.toArray());
  });

  it('is x itself without training or with p = 0, and nothing with p = 1', () => {
    const x = ones(5);
    expect(dropout(x, { training: false })).toBe(x);
    expect(dropout(x, { p: 0 })).toBe(x);
    expect(dropout(x, { p: 1 }).toArray()).toEqual([0, 0, 0, 0, 0]);
  });

  it('rejects what makes no sense', () => {
    expect(() => dropout(ones(1), { p: 1.1 })).toThrow('dropout: p must be a number in [0, 1], but is 1.1');
    expect(() => dropout(ones(1), { generator: 7 as never })).toThrow(
      'dropout: generator must be a Generator, but is 7',
    );
    expect(() => dropout(ones(1), { training: 'yes' as never })).toThrow(OptionError);
    expect(() => dropout(ones(1), { rate: 0.5 } as never)).toThrow(
      "dropout: unknown option 'rate'; it knows 'p', 'training', 'generator'",
    );
  });
});

describe('oneHot', () => {
  it('gives rows for labels of any shape, in their dtype', () => {
    expect(oneHot([[1, 0]], 2).toArray()).toEqual([
      [
        [0, 1],
        [1, 0],
      ],
    ]);
    expect(oneHot(2, 3).toArray()).toEqual([0, 0, 1]);
    expect(oneHot(Uint8Array.of(1), 2).dtype).toBe('float32');
    expect(tensor([1], { dtype: 'float64' }).oneHot(2).dtype).toBe('float64');
    expect(oneHot([], 4).shape).toEqual([0, 4]);
  });

  it('names a label that is no class', () => {
    expect(() => oneHot([0, 1, 3], 3)).toThrow(
      new IndexError('oneHot: label 3 at [2] is not a class; the classes are 0 to 2'),
    );
    expect(() => oneHot([0], 0)).toThrow(OptionError);
    expect(() => oneHot('1' as never, 2)).toThrow(IndexError);
  });
});

describe('adaptive pooling', () => {
  /** The mean and the maximum of window i of `count`, by definition. */
  const windows = (values: number[], count: number): number[][] =>
    Array.from({ length: count }, (_, i) =>
      values.slice(Math.floor((i * values.length) / count), Math.ceil(((i + 1) * values.length) / count)),
    );

  it('takes windows from floor(i L / P) to ceil((i + 1) L / P), for every L and P', () => {
    for (let length = 1; length <= 9; length++) {
      const values = Array.from({ length }, (_, i) => Math.sin(3 * i));
      const x = tensor([[values]], { dtype: 'float64' });
      for (let count = 1; count <= 11; count++) {
        const expected = windows(values, count);
        const means = expected.map((w) => w.reduce((a, b) => a + b) / w.length);
        const close = (adaptiveAvgPool1d(x, count).flatten().toArray() as number[]).map(
          (value, i) => Math.abs(value - means[i]!) < 1e-15,
        );
        expect(close).toEqual(means.map(() => true));
        expect(adaptiveMaxPool1d(x, count).flatten().toArray()).toEqual(expected.map((w) => Math.max(...w)));
      }
    }
  });

  it('keeps an axis whose size is null, and takes one size for all', () => {
    const x = randn([2, 3, 5, 7]);
    expect(adaptiveAvgPool2d(x, [null, 3]).shape).toEqual([2, 3, 5, 3]);
    expect(adaptiveMaxPool2d(x, [2, null]).shape).toEqual([2, 3, 2, 7]);
    expect(
      adaptiveAvgPool2d(x, 1)
        .flatten(1)
        .sub(x.mean([2, 3]))
        .abs()
        .max()
        .item(),
    ).toBeLessThan(1e-6);
  });

  it('gives the gradient of a tie to the first element in row-major order, whether windows are even or not', () => {
    for (const [size, first] of [
      [2, [0, 3, 12, 15]],
      [4, [0, 1, 3, 4]],
    ] as const) {
      const x = ones([1, 1, 6, 6], { requiresGrad: true });
      adaptiveMaxPool2d(x, size).sum().backward();
      const winners = (x.grad!.flatten().toArray() as number[]).flatMap((g, i) => (g > 0 ? [i] : []));
      const rows = size === 2 ? [0, 3] : [0, 1, 3, 4];
      expect(winners).toEqual(rows.flatMap((row) => rows.map((column) => 6 * row + column)));
      expect(first.length).toBe(4);
    }
  });

  it('keeps NaN and infinities within their windows', () => {
    const x = tensor([[[Number.NaN, 1, 2, Infinity, 3]]]);
    const [a, b, c] = adaptiveAvgPool1d(x, 3).flatten().toArray() as number[];
    expect([a, b, c]).toEqual([Number.NaN, Infinity, Infinity]);
    expect(adaptiveMaxPool1d(x, 3).flatten().toArray()).toEqual([Number.NaN, Infinity, Infinity]);
    const clean = adaptiveAvgPool1d(tensor([[[Number.NaN, 1, 2, 3, 4, 5, 6]]]), 3)
      .flatten()
      .toArray() as number[];
    expect(clean.slice(1)).toEqual([3, 5]);
  });

  it('says what does not fit', () => {
    const pool = (x: Tensor, size: unknown) => () => adaptiveMaxPool3d(x, size as never);
    expect(pool(randn([1, 1, 2, 2]), 1)).toThrow(/adaptiveMaxPool3d: x must be \[N, C, D, H, W\]/);
    expect(pool(randn([1, 1, 2, 2, 2]), [1, 2])).toThrow(
      /outputSize must be a whole number of at least 1, or a list of 3 such numbers or nulls/,
    );
    expect(pool(randn([1, 1, 2, 2, 2]), 0)).toThrow(OptionError);
    expect(pool(tensor(new Float32Array(0), [1, 1, 0, 2, 2]), 1)).toThrow(ShapeError);
  });
});
