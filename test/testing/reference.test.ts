import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { OptionError, ShapeError } from '../../src/errors.ts';
import { type ArrayInput, allClose, type NdArray, reference, toNd, toNested } from '../../src/testing/index.ts';

interface GoldenArray {
  shape: number[];
  data: (number | '-Infinity')[];
}
interface Golden {
  operation: string;
  inputs: (GoldenArray | number[])[];
  options: Record<string, unknown>;
  outputs: GoldenArray[];
}

const golden = JSON.parse(readFileSync(new URL('./golden/reference.json', import.meta.url), 'utf8')) as Golden[];
const isArray = (value: unknown): value is GoldenArray =>
  typeof value === 'object' && value !== null && 'shape' in value;
const read = (a: GoldenArray): NdArray => toNd({ shape: a.shape, data: a.data.map(Number) });

describe('reference', () => {
  const operations = reference as unknown as Record<string, (...args: unknown[]) => ArrayInput | ArrayInput[]>;

  for (const operation of new Set(golden.map((c) => c.operation))) {
    const cases = golden.filter((c) => c.operation === operation);
    it(`agrees with PyTorch on ${cases.length} cases of ${operation}`, () => {
      for (const { inputs, options, outputs } of cases) {
        const args = inputs.map((input) => (isArray(input) ? read(input) : input));
        const opts = Object.fromEntries(Object.entries(options).map(([k, v]) => [k, isArray(v) ? read(v) : v]));
        const result = (operations[operation] as (...args: unknown[]) => unknown)(...args, opts);
        const results = (Array.isArray(result) ? result : [result]) as ArrayInput[];
        results.forEach((y, i) => {
          allClose(y, read(outputs[i] as GoldenArray), { rtol: 1e-13, atol: 1e-13 });
        });
      }
    });
  }

  it('convolves without flipping the filter and adds a bias per output channel', () => {
    const y = reference.conv([[[1, 2, 3]]], [[[1, 10]], [[0, 1]]], { bias: [100, 200] });
    expect(toNested(y)).toEqual([
      [
        [121, 132],
        [202, 203],
      ],
    ]);
  });

  it("puts the odd element of 'same' padding at the end", () => {
    expect(toNested(reference.conv([[[1, 2, 3]]], [[[1, 10]]], { padding: 'same' }))).toEqual([[[21, 32, 3]]]);
  });

  it('pads by every mode, and crops by negative amounts', () => {
    const padded = (mode: 'constant' | 'reflect' | 'replicate' | 'circular'): unknown =>
      toNested(reference.pad([1, 2, 3], [[2, 2]], { mode }));
    expect(padded('constant')).toEqual([0, 0, 1, 2, 3, 0, 0]);
    expect(padded('reflect')).toEqual([3, 2, 1, 2, 3, 2, 1]);
    expect(padded('replicate')).toEqual([1, 1, 1, 2, 3, 3, 3]);
    expect(padded('circular')).toEqual([2, 3, 1, 2, 3, 1, 2]);
    expect(toNested(reference.pad([[1, 2, 3]], [[-1, 1]], { value: 9 }))).toEqual([[2, 3, 9]]);
    expect(toNested(reference.pad([1, 2, 3], [[-1, 1]], { mode: 'circular' }))).toEqual([2, 3, 1]);
  });

  it('takes the first of equal maxima and the first NaN, and -Infinity from padding alone', () => {
    const [values, indices] = reference.maxPoolWithIndices([[[2, 2, -1, Number.NaN, Number.NaN, 5]]], 3);
    expect([toNested(values), toNested(indices)]).toEqual([[[[2, Number.NaN]]], [[[0, 3]]]]);
    const [alone, place] = reference.maxPoolWithIndices([[[7]]], 2, { dilation: 2, padding: [[1, 1]] }).map(toNested);
    expect([alone, place]).toEqual([[[[Number.NEGATIVE_INFINITY]]], [[[-1]]]]);
    expect(toNested(reference.maxPool([[[Number.NEGATIVE_INFINITY, -5]]], 1))).toEqual([
      [[Number.NEGATIVE_INFINITY, -5]],
    ]);
  });

  it('refuses what the definition does not cover', () => {
    const x = [[[1, 2, 3]]];
    expect(() => reference.conv(x, [[[1], [1]]])).toThrow(/x has 1 channels but weight expects 2/);
    expect(() => reference.conv(x, [[[1, 1, 1, 1]]])).toThrow(ShapeError);
    expect(() => reference.conv(x, [[[1]]], { stride: 0 })).toThrow(OptionError);
    expect(() => reference.conv(x, [[[1]]], { stride: [1, 1] })).toThrow(/stride has 2 entries/);
    expect(() => reference.conv(x, [[[1]]], { strides: 1 } as never)).toThrow(/unknown option 'strides'; known: bias/);
    expect(() => reference.conv(x, [[[1, 1]]], { padding: 'same', stride: 2 })).toThrow(/needs stride 1/);
    expect(() => reference.conv(x, [[[1]]], { padding: 3, paddingMode: 'reflect' })).toThrow(
      /reflect cannot pad an axis of 3/,
    );
    expect(() => reference.conv(x, [[[1]]], { bias: [1, 2] })).toThrow(/bias must be \[1\]/);
    expect(() => reference.conv(x, [[[1]]], { groups: 2 })).toThrow(/groups 2 must divide/);
    expect(() => reference.convTranspose(x, [[[1]]], { outputPadding: 1 })).toThrow(/must be less than stride 1/);
    expect(() => reference.maxPool(x, 2, { padding: 2 })).toThrow(/more than half/);
    expect(() => reference.avgPool(x, 4)).toThrow(/does not fit/);
    expect(() => reference.linear([1, 2], [[1, 2, 3]])).toThrow(ShapeError);
  });
});
