import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arange, IndexError, noGrad, ShapeError, type SliceSpec, type Tensor, tensor } from '../../src/index.ts';
import { broadcastShapes, reshapeStrides } from '../../src/tensor/shape.ts';

/** What a view is, without strides: sizes, and for every index the number of the element of the base. */
interface Model {
  readonly shape: readonly number[];
  at(index: readonly number[]): number;
}

/** All indices of a shape, the last axis fastest. */
function indices(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (found, length) => found.flatMap((head) => Array.from({ length }, (_, i) => [...head, i])),
    [[]],
  );
}

const values = (model: Model): number[] => indices(model.shape).map((index) => model.at(index));

/** A model of given elements in row-major order. */
function dense(shape: readonly number[], elements: readonly number[]): Model {
  return { shape, at: (index) => elements[index.reduce((position, i, axis) => position * shape[axis]! + i, 0)]! };
}

/** One view of either side. */
interface Change {
  readonly name: string;
  readonly tensor: (x: Tensor) => Tensor;
  readonly model: (m: Model) => Model;
}

const replaced = <T>(list: readonly T[], at: number, ...items: T[]): T[] => [
  ...list.slice(0, at),
  ...items,
  ...list.slice(at + 1),
];

/** Python's slice of a range, by going through it. */
function pythonRange(length: number, start: number | null, stop: number | null, step: number): number[] {
  const clip = (value: number): number => {
    const from = value < 0 ? value + length : value;
    return step > 0 ? Math.min(Math.max(from, 0), length) : Math.min(Math.max(from, -1), length - 1);
  };
  const first = start === null ? (step > 0 ? 0 : length - 1) : clip(start);
  const last = stop === null ? (step > 0 ? length : -1) : clip(stop);
  const found: number[] = [];
  for (let i = first; step > 0 ? i < last : i > last; i += step) found.push(i);
  return found;
}

function picked(m: Model, axis: number, positions: readonly number[]): Model {
  return {
    shape: replaced(m.shape, axis, positions.length),
    at: (index) => m.at(replaced(index, axis, positions[index[axis]!]!)),
  };
}

function selection(axis: number, i: number): Change {
  const at = (m: Model): number => (i < 0 ? i + m.shape[axis]! : i);
  return {
    name: `select ${i} of ${axis}`,
    tensor: (x) => x.select(axis, i),
    model: (m) => ({
      shape: replaced(m.shape, axis),
      at: (index) => m.at([...index.slice(0, axis), at(m), ...index.slice(axis)]),
    }),
  };
}

/** A random view of a shape. */
function changes(shape: readonly number[]): fc.Arbitrary<Change> {
  const rank = shape.length;
  const nullable = fc.option(fc.integer({ min: -7, max: 7 }));
  const options: fc.Arbitrary<Change>[] = [
    fc
      .shuffledSubarray(
        shape.map((_, axis) => axis),
        { minLength: rank, maxLength: rank },
      )
      .map((axes) => ({
        name: `permute ${axes}`,
        tensor: (x) => x.permute(axes),
        model: (m) => ({
          shape: axes.map((axis) => m.shape[axis]!),
          at: (index) => m.at(m.shape.map((_, axis) => index[axes.indexOf(axis)]!)),
        }),
      })),
    fc.integer({ min: 0, max: rank }).map((at) => ({
      name: `unsqueeze ${at}`,
      tensor: (x) => x.unsqueeze(at),
      model: (m) => ({
        shape: [...m.shape.slice(0, at), 1, ...m.shape.slice(at)],
        at: (index) => m.at(replaced(index, at)),
      }),
    })),
    fc.integer({ min: 1, max: 3 }).map((count) => ({
      name: `expand by ${count}`,
      tensor: (x) => x.expand([count, ...x.shape]),
      model: (m) => ({ shape: [count, ...m.shape], at: (index) => m.at(index.slice(1)) }),
    })),
    fc.constant({
      name: 'reshape to a list',
      tensor: (x: Tensor) => x.reshape([x.size]),
      model: (m: Model) => dense([values(m).length], values(m)),
    }),
  ];
  if (rank > 0) {
    const axes = fc.integer({ min: 0, max: rank - 1 });
    options.push(
      fc.tuple(axes, nullable, nullable, fc.constantFrom(-3, -2, -1, 1, 2, 3)).map(([axis, start, stop, step]) => ({
        name: `slice axis ${axis} by [${start}, ${stop}, ${step}]`,
        tensor: (x) => x.slice(...shape.map((_, a): SliceSpec => (a === axis ? [start, stop, step] : null))),
        model: (m) => picked(m, axis, pythonRange(m.shape[axis]!, start, stop, step)),
      })),
      axes.map((axis) => ({
        name: `flip ${axis}`,
        tensor: (x) => x.flip(axis),
        model: (m) =>
          picked(
            m,
            axis,
            Array.from({ length: m.shape[axis]! }, (_, i) => m.shape[axis]! - 1 - i),
          ),
      })),
    );
  }
  for (const [axis, length] of shape.entries()) {
    if (length > 0) options.push(fc.integer({ min: -length, max: length - 1 }).map((i) => selection(axis, i)));
  }
  return fc.oneof(...options);
}

const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 });

/** A base of numbered elements under a chain of random views, with its model. */
const viewed: fc.Arbitrary<{ base: Tensor; x: Tensor; m: Model; names: string[] }> = shapes.chain((shape) => {
  const size = shape.reduce((product, length) => product * length, 1);
  const base = arange(size).reshape(shape);
  let chain = fc.constant({ base, x: base, m: dense(shape, [...base.toTypedArray()]), names: [] as string[] });
  for (let i = 0; i < 4; i++) {
    chain = chain.chain((before) =>
      changes(before.x.shape)
        .filter((change) => before.x.size <= 64 || !change.name.startsWith('expand'))
        .map((change) => ({
          base,
          x: change.tensor(before.x),
          m: change.model(before.m),
          names: [...before.names, change.name],
        })),
    );
  }
  return chain;
});

describe('views of views', () => {
  it('are the elements that a naive model of indices says, however they are read', () => {
    fc.assert(
      fc.property(viewed, ({ x, m }) => {
        const expected = values(m);
        expect(x.shape).toEqual(m.shape);
        expect([...x.toTypedArray()]).toEqual(expected);
        expect([x.toArray()].flat(9)).toEqual(expected);
        expect([...x.contiguous().data.slice(0, x.contiguous().size)]).toHaveLength(expected.length);
        expect(x.contiguous().isContiguous()).toBe(true);
        if (x.size > 0) expect(indices(x.shape).map((index) => x.at(...index))).toEqual(expected);
        expect([...x.neg().neg().toTypedArray()]).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  it('share memory unless a reshape had to copy, which it does only if no strides would do', () => {
    fc.assert(
      fc.property(viewed, fc.constantFrom(1, 2, 3, 4, 6), ({ x }, rows) => {
        fc.pre(x.size % rows === 0 && x.size > 0);
        const shape = [rows, x.size / rows];
        const y = x.reshape(shape);
        expect([...y.toTypedArray()]).toEqual([...x.toTypedArray()]);
        const possible = stridesBySearch(x, shape);
        expect(y.data === x.data).toBe(possible);
        if (possible) expect(x.view(shape).data).toBe(x.data);
        else expect(() => x.view(shape)).toThrow(ShapeError);
      }),
      { numRuns: 500 },
    );
  });

  it('write through to their base', () => {
    const base = arange(6).reshape([2, 3]);
    noGrad(() =>
      base
        .transpose()
        .flip(0)
        .select(1, 0)
        .assign(tensor([7, 8, 9])),
    );
    expect(base.toArray()).toEqual([
      [9, 8, 7],
      [3, 4, 5],
    ]);
    noGrad(() => base.assign(base.flip()));
    expect(base.toArray()).toEqual([
      [5, 4, 3],
      [7, 8, 9],
    ]);
  });
});

/** Whether a tensor's elements in order can be read as rows and columns by some strides: by looking at all positions. */
function stridesBySearch(x: Tensor, [rows, columns]: readonly number[]): boolean {
  const positions = indices(x.shape).map((index) => index.reduce((at, i, axis) => at + i * x.strides[axis]!, x.offset));
  const across = columns! > 1 ? positions[1]! - positions[0]! : 0;
  const down = rows! > 1 ? positions[columns!]! - positions[0]! : 0;
  return positions.every(
    (position, i) => position === positions[0]! + Math.floor(i / columns!) * down + (i % columns!) * across,
  );
}

describe('strides', () => {
  it.each<[string, (x: Tensor) => Tensor, number[], number[], number]>([
    ['of a dense tensor', (x) => x, [2, 3, 4], [12, 4, 1], 0],
    ['of a transpose', (x) => x.transpose(0, 2), [4, 3, 2], [1, 4, 12], 0],
    ['of a flip', (x) => x.flip(2), [2, 3, 4], [12, 4, -1], 3],
    ['of a slice', (x) => x.slice(1, [null, null, 2], [3, null, -2]), [2, 2], [8, -2], 15],
    ['of an expand', (x) => x.narrow(1, 2, 1).expand([2, 5, 4]), [2, 5, 4], [12, 0, 1], 8],
    ['of unfold', (x) => x.unfold(2, 3, 1), [2, 3, 2, 3], [12, 4, 1, 1], 0],
  ])('%s', (_, change, shape, strides, offset) => {
    const x = change(arange(24).reshape([2, 3, 4]));
    expect([x.shape, x.strides, x.offset]).toEqual([shape, strides, offset]);
  });

  it('for a reshape keep borders that cannot be crossed', () => {
    const columns = { shape: [4, 2], strides: [1, 4], offset: 0 };
    expect(reshapeStrides(columns, [8])).toBeNull();
    expect(reshapeStrides(columns, [2, 2, 2])).toEqual([2, 1, 4]);
    expect(reshapeStrides(columns, [4, 1, 2])).not.toBeNull();
    expect(reshapeStrides({ shape: [3, 2], strides: [0, 0], offset: 0 }, [6])).toEqual([0]);
    expect(reshapeStrides({ shape: [3], strides: [-1], offset: 2 }, [3, 1])).not.toBeNull();
  });
});

describe('broadcasting', () => {
  it('follows NumPy: sizes agree from the last axis, and 1 fits any', () => {
    const lengths = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 4 });
    fc.assert(
      fc.property(lengths, lengths, (a, b) => {
        const rank = Math.max(a.length, b.length);
        const [left, right] = [a, b].map((s) => [...new Array<number>(rank - s.length).fill(1), ...s]) as [
          number[],
          number[],
        ];
        const fits = left.every((n, i) => n === right[i] || n === 1 || right[i] === 1);
        if (fits) expect(broadcastShapes('add', a, b)).toEqual(left.map((n, i) => (n === 1 ? right[i] : n)));
        else expect(() => broadcastShapes('add', a, b)).toThrow(ShapeError);
      }),
    );
  });

  it('says which shapes and which axis do not fit', () => {
    expect(() => broadcastShapes('add', [2, 3], [2, 4])).toThrow(
      'add: shapes [2, 3] and [2, 4] do not broadcast; axis -1 has sizes 3 and 4',
    );
  });
});

describe('views reject', () => {
  const x = arange(6).reshape([2, 3]);
  it.each<[string, () => unknown, new (message: string) => Error, RegExp]>([
    ['an axis that does not exist', () => x.select(2, 0), IndexError, /axis 2 does not exist; the axes are -2 to 1/],
    ['an index outside', () => x.slice(2), IndexError, /index 2 is outside of axis 0/],
    ['a step of 0', () => x.slice([0, 1, 0]), IndexError, /step not 0/],
    ['too long a part', () => x.narrow(1, 2, 2), IndexError, /2 elements from 2 do not lie within axis 1/],
    ['an axis twice', () => x.flip([0, -2]), IndexError, /name an axis twice/],
    ['half a permutation', () => x.permute([0]), ShapeError, /must list all 2 axes/],
    [
      'a shape that does not hold the elements',
      () => x.reshape([4]),
      ShapeError,
      /holds 6 elements, which shape \[4\] cannot hold/,
    ],
    ['two unknown sizes', () => x.reshape([-1, -1]), ShapeError, /whole numbers of at least 0/],
    ['an expand of what is not 1', () => x.expand([4, 3]), ShapeError, /does not expand to \[4, 3\]/],
    ['at with too few indices', () => x.at(0), IndexError, /1 indices for the 2 axes/],
    ['at outside', () => x.at(0, -4), IndexError, /index -4 is outside of axis 1/],
    ['item of many', () => x.item(), ShapeError, /only a tensor of one element has one value/],
  ])('%s', (_, call, kind, message) => {
    expect(call).toThrow(kind);
    expect(call).toThrow(message);
  });
});
