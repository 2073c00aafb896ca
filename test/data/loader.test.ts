import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataLoader, type Dataset, TensorDataset } from '../../src/data/index.ts';
import {
  arange,
  Generator,
  IndexError,
  manualSeed,
  OptionError,
  ShapeError,
  type Tensor,
  tensor,
} from '../../src/index.ts';

/** `count` examples of 6 numbers, in one of several layouts with the same values. */
function examples(count: number, layout: 'dense' | 'offset' | 'transposed' | 'reversed' | 'expanded'): Tensor {
  const dense = arange(count * 6).reshape([count, 2, 3]);
  if (layout === 'offset')
    return arange(-12, count * 6)
      .reshape([count + 2, 2, 3])
      .narrow(0, 2, count);
  if (layout === 'transposed') return dense.permute([2, 0, 1]).contiguous().permute([1, 2, 0]);
  if (layout === 'reversed') return dense.flip([0, 2]).contiguous().flip([0, 2]);
  if (layout === 'expanded') return dense.narrow(0, 0, 1).expand([count, 2, 3]);
  return dense;
}

const layouts = fc.constantFrom('dense', 'offset', 'transposed', 'reversed', 'expanded' as const);

describe('TensorDataset', () => {
  it('gives the rows that were asked for, in order, in every layout of the tensor', () => {
    fc.assert(
      fc.property(
        layouts,
        fc
          .integer({ min: 1, max: 7 })
          .chain((count) => fc.tuple(fc.constant(count), fc.array(fc.nat({ max: count - 1 }), { maxLength: 9 }))),
        (layout, [count, wanted]) => {
          const x = examples(count, layout);
          const labels = Int32Array.from({ length: count }, (_, i) => 100 + i);
          const [batch, y] = new TensorDataset(x, labels).batch(Int32Array.from(wanted));
          const all = x.toArray() as number[][][];
          expect(batch.shape).toEqual([wanted.length, 2, 3]);
          expect(batch.toArray()).toEqual(wanted.map((i) => all[i]));
          expect([...y]).toEqual(wanted.map((i) => 100 + i));
        },
      ),
    );
  });

  it('keeps the dtype, and takes any number of columns', () => {
    const dataset = new TensorDataset(arange(3, { dtype: 'float64' }), [1, 2, 3], arange(6).reshape([3, 2]));
    const [a, b, c] = dataset.batch(Int32Array.of(2, 0));
    expect(a.dtype).toBe('float64');
    expect(b).toEqual(Int32Array.of(3, 1));
    expect(c.toArray()).toEqual([
      [4, 5],
      [0, 1],
    ]);
  });

  it('shows later changes of its columns, and copies shuffled rows', () => {
    const x = arange(4);
    const dataset = new TensorDataset(x);
    const [before] = dataset.batch(Int32Array.of(3, 1));
    x.assign(9);
    const [after] = dataset.batch(Int32Array.of(3, 1));
    expect(before.toArray()).toEqual([3, 1]);
    expect(after.toArray()).toEqual([9, 9]);
  });

  it('lets gradients flow to a column that wants them', () => {
    const x = tensor([1, 2, 3], { requiresGrad: true });
    const [batch] = new TensorDataset(x).batch(Int32Array.of(2, 0, 2));
    batch.mul(batch).sum().backward();
    expect(x.grad?.toArray()).toEqual([2, 0, 12]);
  });

  it('rejects columns that do not fit, with their sizes', () => {
    expect(() => new TensorDataset(arange(3), [0, 1])).toThrow(ShapeError);
    expect(() => new TensorDataset(arange(3), [0, 1])).toThrow('hold 3, 2 (a tensor [3], 2 labels)');
    expect(() => new TensorDataset(tensor(1))).toThrow('shape []');
    expect(() => new TensorDataset()).toThrow(OptionError);
    expect(() => new TensorDataset([0, 0.5])).toThrow('label 1 is 0.5');
    expect(() => new TensorDataset([2 ** 31])).toThrow('label 0 is 2147483648');
    expect(() => new TensorDataset('abc' as never)).toThrow("one is 'abc'");
    expect(() => new TensorDataset(arange(3)).batch(Int32Array.of(3))).toThrow('no example 3 among 3');
    expect(() => new TensorDataset(arange(3)).batch(Int32Array.of(-1))).toThrow(IndexError);
  });
});

describe('DataLoader', () => {
  const seen = (loader: DataLoader<[Int32Array]>): number[][] => [...loader].map(([labels]) => [...labels]);
  const numbers = (count: number): TensorDataset<readonly [Int32Array]> =>
    new TensorDataset(Int32Array.from({ length: count }, (_, i) => i));

  it('takes every example exactly once per pass, in batches of the wanted size', () => {
    fc.assert(
      fc.property(fc.nat({ max: 40 }), fc.integer({ min: 1, max: 50 }), fc.boolean(), (count, batchSize, shuffle) => {
        const loader = new DataLoader(numbers(count), { batchSize, shuffle, seed: 1 });
        const batches = seen(loader);
        expect(batches.length).toBe(loader.length);
        expect(batches.slice(0, -1).every((batch) => batch.length === batchSize)).toBe(true);
        const all = batches.flat();
        if (shuffle) all.sort((a, b) => a - b);
        expect(all).toEqual(Array.from({ length: count }, (_, i) => i));
      }),
    );
  });

  it('leaves out a last batch that is not full, if told so', () => {
    fc.assert(
      fc.property(fc.nat({ max: 40 }), fc.integer({ min: 1, max: 50 }), (count, batchSize) => {
        const loader = new DataLoader(numbers(count), { batchSize, dropLast: true });
        const batches = seen(loader);
        expect(batches.length).toBe(loader.length);
        expect(batches.length).toBe(Math.floor(count / batchSize));
        expect(batches.every((batch) => batch.length === batchSize)).toBe(true);
      }),
    );
  });

  it('draws another order each pass, and the same passes from the same seed', () => {
    const loader = (): DataLoader<[Int32Array]> =>
      new DataLoader(numbers(30), { batchSize: 7, shuffle: true, seed: 3 });
    const a = loader();
    const b = loader();
    const [first, second] = [seen(a), seen(a)];
    expect(first).not.toEqual(second);
    expect([seen(b), seen(b)]).toEqual([first, second]);
    expect(seen(new DataLoader(numbers(30), { batchSize: 7, shuffle: true, generator: new Generator(3) }))).toEqual(
      first,
    );
  });

  it('draws from the stream of manualSeed unless given another', () => {
    manualSeed(5);
    const first = seen(new DataLoader(numbers(20), { shuffle: true }));
    manualSeed(5);
    expect(seen(new DataLoader(numbers(20), { shuffle: true }))).toEqual(first);
  });

  it('draws nothing without shuffle', () => {
    const generator = new Generator(1);
    seen(new DataLoader(numbers(20), { generator }));
    expect(generator.position).toBe(0);
  });

  it('can be left in the middle of a pass and started anew', () => {
    const loader = new DataLoader(numbers(10), { batchSize: 3 });
    for (const [labels] of loader) {
      expect([...labels]).toEqual([0, 1, 2]);
      break;
    }
    expect(seen(loader).flat()).toHaveLength(10);
  });

  it('takes any dataset that knows its length and its batches', () => {
    const squares: Dataset<number[]> = { length: 4, batch: (indices) => Array.from(indices, (i) => i * i) };
    expect([...new DataLoader(squares, { batchSize: 3 })]).toEqual([[0, 1, 4], [9]]);
  });

  it('rejects wrong options, with the value', () => {
    const make = (options: object) => () => new DataLoader(numbers(3), options);
    expect(make({ batchSize: 0 })).toThrow('batchSize must be a whole number of at least 1, but is 0');
    expect(make({ batchsize: 4 })).toThrow("unknown option 'batchsize'; it knows 'batchSize'");
    expect(make({ shuffle: 'yes' })).toThrow("shuffle must be true or false, but is 'yes'");
    expect(make({ dropLast: 1 })).toThrow(OptionError);
    expect(make({ generator: {} })).toThrow('generator must be a Generator');
    expect(make({ generator: new Generator(1), seed: 1 })).toThrow('not both');
    expect(() => new DataLoader([1, 2] as never)).toThrow('a length and a method batch');
  });
});
