import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsKernels } from '../../../src/kernels/js/index.ts';
import type { ConvGeometry, Strided } from '../../../src/kernels/types.ts';
import { allocate, at, type Dtype, dtypes, expectSame, indices, inside, sizeOf, tabulate, viewOf } from './views.ts';

interface Setup {
  dtype: Dtype;
  geometry: ConvGeometry;
  x: number[];
  w: number[];
  y: number[];
}

const axis = fc
  .record({
    size: fc.integer({ min: 1, max: 9 }),
    kernel: fc.integer({ min: 1, max: 4 }),
    stride: fc.integer({ min: 1, max: 3 }),
    dilation: fc.integer({ min: 1, max: 3 }),
    before: fc.integer({ min: 0, max: 4 }),
    after: fc.integer({ min: 0, max: 4 }),
  })
  .map((a) => {
    const room = a.size + a.before + a.after - a.dilation * (a.kernel - 1) - 1;
    return { ...a, output: Math.max(0, Math.floor(room / a.stride) + 1) };
  });

/** Geometries over 1 to 3 axes, kernels larger than the input and sizes that floor leaves over included; now and then empty. */
const setups: fc.Arbitrary<Setup> = fc
  .record({
    dtype: dtypes,
    axes: fc.array(axis, { minLength: 1, maxLength: 3 }),
    batch: fc.constantFrom(1, 2, 2, 3, 0),
    groups: fc.constantFrom(1, 1, 2, 3),
    inputs: fc.constantFrom(1, 2, 3, 5, 0),
    outputs: fc.constantFrom(1, 2, 3, 4, 5, 6, 0),
  })
  .map(({ dtype, axes, batch, groups, inputs, outputs }) => ({
    dtype,
    geometry: {
      groups,
      stride: axes.map((a) => a.stride),
      dilation: axes.map((a) => a.dilation),
      before: axes.map((a) => a.before),
    },
    x: [batch, groups * inputs, ...axes.map((a) => a.size)],
    w: [groups * outputs, inputs, ...axes.map((a) => a.kernel)],
    y: [batch, groups * outputs, ...axes.map((a) => a.output)],
  }));

/** Every product that the definition holds: y[n, o, p] with x[n, c, s] and w[o, c - group's first, k], s inside of x. */
function* products(setup: Setup): Generator<{ x: number[]; w: number[]; y: number[] }> {
  const { geometry } = setup;
  const perGroup = setup.w[0]! / geometry.groups;
  for (const y of indices(setup.y)) {
    for (const tap of indices(setup.w.slice(1))) {
      const [c, ...k] = tap as [number, ...number[]];
      const s = k.map((ki, a) => y[a + 2]! * geometry.stride[a]! + ki * geometry.dilation[a]! - geometry.before[a]!);
      if (s.some((si, a) => si < 0 || si >= setup.x[a + 2]!)) continue;
      yield { x: [y[0]!, Math.floor(y[1]! / perGroup) * setup.w[1]! + c, ...s], w: [y[1]!, c, ...k], y };
    }
  }
}

/** Σ over all products of two operands, at the place of the third. */
function define(setup: Setup, out: 'x' | 'w' | 'y', operands: Partial<Record<'x' | 'w' | 'y', Strided>>): Float64Array {
  const sums = new Float64Array(sizeOf(setup[out]));
  const factors = Object.entries(operands) as ['x' | 'w' | 'y', Strided][];
  for (const place of products(setup)) {
    let product = 1;
    for (const [name, view] of factors) product *= at(view, place[name]);
    const to = place[out].reduce((row, i, axis) => row * setup[out][axis]! + i, 0);
    sums[to] = sums[to]! + product;
  }
  return sums;
}

const rounded = (dtype: Dtype, sums: Float64Array) => (dtype === 'float32' ? Float32Array.from(sums) : sums);

const withViews = (a: 'x' | 'w' | 'y', b: 'x' | 'w' | 'y') =>
  setups.chain((setup) =>
    fc.tuple(fc.constant(setup), viewOf(setup.dtype, setup[a], 40), viewOf(setup.dtype, setup[b], 40)),
  );

describe('convolution kernels', () => {
  it('conv is the sum of its definition for every geometry, view and special value', () => {
    fc.assert(
      fc.property(withViews('x', 'w'), ([setup, x, w]) => {
        const y = allocate(setup.dtype, sizeOf(setup.y));
        jsKernels.conv(x, w, setup.geometry, setup.y, y);
        expectSame(y, rounded(setup.dtype, define(setup, 'y', { x, w })));
      }),
      { numRuns: 400 },
    );
  });

  it('convInputGrad is the adjoint sum', () => {
    fc.assert(
      fc.property(withViews('y', 'w'), ([setup, g, w]) => {
        const y = allocate(setup.dtype, sizeOf(setup.x));
        jsKernels.convInputGrad(g, w, setup.geometry, setup.x, y);
        expectSame(y, rounded(setup.dtype, define(setup, 'x', { y: g, w })));
      }),
      { numRuns: 400 },
    );
  });

  it('convWeightGrad is the adjoint sum', () => {
    fc.assert(
      fc.property(withViews('x', 'y'), ([setup, x, g]) => {
        const y = allocate(setup.dtype, sizeOf(setup.w));
        jsKernels.convWeightGrad(x, g, setup.geometry, setup.w, y);
        expectSame(y, rounded(setup.dtype, define(setup, 'w', { x, y: g })));
      }),
      { numRuns: 400 },
    );
  });

  it('pads with no term at all, so an infinite weight makes no NaN at the border', () => {
    const x: Strided = { data: Float32Array.of(1, 2), offset: 0, shape: [1, 1, 2], strides: [2, 2, 1] };
    const w: Strided = { data: Float32Array.of(Infinity, 1), offset: 0, shape: [1, 1, 2], strides: [2, 2, 1] };
    const y = new Float32Array(3);
    jsKernels.conv(x, w, { groups: 1, stride: [1], dilation: [1], before: [1] }, [1, 1, 3], y);
    expect([...y]).toEqual([1, Infinity, Infinity]);
  });
});

describe('pooling kernels', () => {
  type Pool = { setup: Setup; x: Strided };
  const pools = (name: 'x' | 'y'): fc.Arbitrary<Pool> =>
    setups
      .map((s): Setup => ({ ...s, y: [...s.x.slice(0, 2), ...s.y.slice(2)] }))
      .chain((setup) => viewOf(setup.dtype, setup[name], 8).map((x) => ({ setup, x })));
  const kernelOf = (setup: Setup) => setup.w.slice(2);

  /** Positions of x, outside of it too, under the window at y, in ascending order. */
  const under = (setup: Setup, y: number[]): number[][] =>
    [...indices(kernelOf(setup))].map((k) => [
      ...y.slice(0, 2),
      ...k.map(
        (ki, a) => y[a + 2]! * setup.geometry.stride[a]! + ki * setup.geometry.dilation[a]! - setup.geometry.before[a]!,
      ),
    ]);

  it('maxPoolIndices finds the first NaN, or else the first largest element, or else -1', () => {
    fc.assert(
      fc.property(pools('x'), fc.boolean(), ({ setup, x }, lowest) => {
        if (lowest) x.data.fill(-Infinity);
        const y = allocate(setup.dtype, sizeOf(setup.y));
        jsKernels.maxPoolIndices(x, { ...setup.geometry, kernel: kernelOf(setup) }, setup.y, y);
        const expected = tabulate(setup.dtype, setup.y, (p) => {
          const found = under(setup, p).flatMap((s) => {
            const value = inside(x, s);
            const flat = s.slice(2).reduce((sum, si, a) => sum * setup.x[a + 2]! + si, 0);
            return value === undefined ? [] : [{ value, flat }];
          });
          const largest = Math.max(...found.map((f) => f.value));
          return found.find((f) => f.value === largest || (Number.isNaN(largest) && Number.isNaN(f.value)))?.flat ?? -1;
        });
        expectSame(y, expected);
      }),
      { numRuns: 400 },
    );
  });

  it('windowSum adds what lies under each window, padding counting as zero', () => {
    fc.assert(
      fc.property(pools('x'), ({ setup, x }) => {
        const y = allocate(setup.dtype, sizeOf(setup.y));
        jsKernels.windowSum(x, { ...setup.geometry, kernel: kernelOf(setup) }, setup.y, y);
        const sum = (p: number[]) => under(setup, p).reduce((total, s) => total + (inside(x, s) ?? 0), 0);
        expectSame(y, tabulate(setup.dtype, setup.y, sum));
      }),
      { numRuns: 300 },
    );
  });

  it('windowSpread is the adjoint of windowSum', () => {
    fc.assert(
      fc.property(pools('y'), ({ setup, x: g }) => {
        const y = allocate(setup.dtype, sizeOf(setup.x));
        jsKernels.windowSpread(g, { ...setup.geometry, kernel: kernelOf(setup) }, setup.x, y);
        const sums = new Map<string, number>();
        for (const p of indices(setup.y)) {
          for (const s of under(setup, p)) sums.set(s.join(), (sums.get(s.join()) ?? 0) + at(g, p));
        }
        expectSame(
          y,
          tabulate(setup.dtype, setup.x, (s) => sums.get(s.join()) ?? 0),
        );
      }),
      { numRuns: 300 },
    );
  });
});
