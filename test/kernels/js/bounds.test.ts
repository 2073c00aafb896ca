/** No kernel writes past the end of its result: what lies behind it in a longer array stays. */
import { describe, expect, it } from 'vitest';
import { jsKernels } from '../../../src/kernels/js/index.ts';
import type { BinaryName, FloatArray, Strided, UnaryName } from '../../../src/kernels/types.ts';

const unaries = (
  'neg abs exp log log1p expm1 sqrt rsqrt square reciprocal sin cos tanh erf sign floor ceil round relu sigmoid ' +
  'softplus isNaN'
).split(' ') as UnaryName[];
const binaries = 'add sub mul div pow maximum minimum eq ne lt le gt ge'.split(' ') as BinaryName[];

/** A matrix or more of 1, 2, 3, …, its last axis two apart, so that rows are walked one by one. */
function stepped(...shape: number[]): Strided {
  const size = shape.reduce((a, b) => a * b, 1);
  const data = Float64Array.from({ length: 2 * size + 2 }, (_, i) => 1 + (i % 7));
  const strides = shape.map((_, axis) => 2 * shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  return { data, offset: 0, shape, strides };
}

function zerosOf(...shape: number[]): Strided {
  const { strides } = stepped(...shape);
  return { data: new Float64Array(stepped(...shape).data.length), offset: 0, shape, strides };
}

const GUARD = -12345;

/** Runs a kernel on a result of `size` zeros that is followed by guards. */
function expectBounded(size: number, kernel: (y: FloatArray) => void): void {
  const y = new Float64Array(size + 8).fill(GUARD);
  y.fill(0, 0, size);
  kernel(y);
  expect([...y.subarray(size)]).toEqual(new Array(8).fill(GUARD));
}

const x = stepped(2, 3);
const one = { stride: [1], dilation: [1], before: [0] };

describe('behind the result nothing changes', () => {
  it.each(unaries)('by %s', (name) => {
    expectBounded(6, (y) => jsKernels.unary(name, x, y));
  });

  it.each(binaries)('by %s', (name) => {
    expectBounded(6, (y) => jsKernels.binary(name, x, stepped(2, 3), y));
  });

  const others: [string, number, (y: FloatArray) => void][] = [
    ['where', 6, (y) => jsKernels.where(zerosOf(2, 3), x, stepped(2, 3), y)],
    ['copy', 6, (y) => jsKernels.copy(x, y)],
    ['copy of a long row', 40, (y) => jsKernels.copy({ ...stepped(40), strides: [1] }, y)],
    ['assign', 6, (y) => jsKernels.assign({ data: y, offset: 0, shape: [2, 3], strides: [3, 1] }, x)],
    ['sum of rows', 2, (y) => jsKernels.sum(x, [1], y)],
    ['sum of columns', 3, (y) => jsKernels.sum(x, [0], y)],
    ['sum of nothing', 6, (y) => jsKernels.sum(x, [], y)],
    ['argExtreme', 2, (y) => jsKernels.argExtreme('argMax', x, 1, y)],
    ['cumsum along rows', 6, (y) => jsKernels.cumsum(x, 1, y)],
    ['cumsum along columns', 6, (y) => jsKernels.cumsum(x, 0, y)],
    ['gather', 6, (y) => jsKernels.gather(x, 0, zerosOf(2, 3), y)],
    ['scatterAdd', 6, (y) => jsKernels.scatterAdd(x, 0, zerosOf(2, 3), [2, 3], y)],
    ['matmul', 4, (y) => jsKernels.matmul(x, stepped(3, 2), y)],
    ['matmul of a tall matrix', 21, (y) => jsKernels.matmul(stepped(7, 3), stepped(3, 3), y)],
    ['matmul of many columns', 260, (y) => jsKernels.matmul(stepped(2, 3), stepped(3, 130), y)],
    ...[1, 4, 5, 8].flatMap((channels): [string, number, (y: FloatArray) => void][] => {
      const [w, image, g] = [stepped(channels, 3, 2), stepped(2, 3, 5), stepped(2, channels, 4)];
      const geometry = { ...one, groups: 1 };
      return [
        [
          `conv of ${channels} filters`,
          2 * channels * 4,
          (y) => jsKernels.conv(image, w, geometry, [2, channels, 4], y),
        ],
        [`convInputGrad of ${channels}`, 30, (y) => jsKernels.convInputGrad(g, w, geometry, [2, 3, 5], y)],
        [
          `convWeightGrad of ${channels}`,
          channels * 6,
          (y) => jsKernels.convWeightGrad(image, g, geometry, [channels, 3, 2], y),
        ],
      ];
    }),
    ['maxPoolIndices', 8, (y) => jsKernels.maxPoolIndices(stepped(1, 2, 5), { ...one, kernel: [2] }, [1, 2, 4], y)],
    ['windowSum', 8, (y) => jsKernels.windowSum(stepped(1, 2, 5), { ...one, kernel: [2] }, [1, 2, 4], y)],
    ['windowSpread', 10, (y) => jsKernels.windowSpread(stepped(1, 2, 4), { ...one, kernel: [2] }, [1, 2, 5], y)],
  ];
  it.each(others)('by %s', (_, size, kernel) => {
    expectBounded(size, kernel);
  });
});

describe('copies of long rows', () => {
  const numbers = Float64Array.from({ length: 100 }, (_, i) => i);
  it.each([
    ['neighbours', 10, 1],
    ['every other element', 10, 2],
    ['backwards', 80, -1],
    ['one element repeated', 10, 0],
  ])('take %s', (_, offset, stride) => {
    for (const n of [31, 32, 33, 34, 45]) {
      const y = new Float64Array(n);
      jsKernels.copy({ data: numbers, offset, shape: [n], strides: [stride] }, y);
      expect([...y]).toEqual(Array.from({ length: n }, (_, i) => offset + i * stride));
    }
  });

  it('go to every other place', () => {
    const data = new Float64Array(90).fill(-1);
    const x = { data: numbers, offset: 3, shape: [40], strides: [1] };
    jsKernels.assign({ data, offset: 5, shape: [40], strides: [2] }, x);
    const place = (i: number): number => (i - 5) / 2;
    expect([...data]).toEqual(
      Array.from(data, (_, i) => (i % 2 === 1 && place(i) >= 0 && place(i) < 40 ? place(i) + 3 : -1)),
    );
  });
});
