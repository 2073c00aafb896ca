import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsKernels } from '../../../src/kernels/js/index.ts';
import type { BinaryName, Strided, UnaryName } from '../../../src/kernels/types.ts';
import {
  allocate,
  at,
  dtypes,
  expectNear,
  expectSame,
  layouts,
  makeView,
  numbers,
  shapes,
  sizeOf,
  tabulate,
  viewOf,
} from './views.ts';

/** erf from its series with positive terms alone: 2/√π · e^(-x²) · Σ 2^k x^(2k+1) / (2k+1)!! (DLMF 7.6.2). */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let k = 1; Math.abs(term) > 1e-18 * Math.abs(sum); k++) {
    term *= (2 * x * x) / (2 * k + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

function roundEven(v: number): number {
  const below = Math.floor(v);
  if (Math.abs(v - below) !== 0.5) return Math.round(v);
  return below % 2 === 0 ? (below === 0 && v < 0 ? -0 : below) : v < 0 && below === -1 ? -0 : below + 1;
}

const unaries: Record<UnaryName, (v: number) => number> = {
  neg: (v) => -v,
  abs: Math.abs,
  exp: Math.exp,
  log: Math.log,
  log1p: Math.log1p,
  expm1: Math.expm1,
  sqrt: Math.sqrt,
  rsqrt: (v) => 1 / Math.sqrt(v),
  square: (v) => v * v,
  reciprocal: (v) => 1 / v,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  erf,
  sign: (v) => (v > 0 ? 1 : v < 0 ? -1 : v === 0 ? 0 : Number.NaN),
  floor: Math.floor,
  ceil: Math.ceil,
  round: roundEven,
  relu: (v) => (Number.isNaN(v) ? v : v > 0 ? v : 0),
  sigmoid: (v) => (v < -700 ? Math.exp(v) : 1 / (1 + Math.exp(-v))),
  softplus: (v) => (v > 30 ? v : Math.log1p(Math.exp(v))),
  isNaN: (v) => (Number.isNaN(v) ? 1 : 0),
};

const binaries: Record<BinaryName, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => (a === 1 || (a === -1 && !Number.isFinite(b) && !Number.isNaN(b)) ? 1 : a ** b),
  maximum: (a, b) =>
    Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : a > b || (a === b && !Object.is(a, -0)) ? a : b,
  minimum: (a, b) => (Number.isNaN(a) || Number.isNaN(b) ? Number.NaN : a < b || (a === b && Object.is(a, -0)) ? a : b),
  reluGrad: (a, b) => (b <= 0 ? 0 : a),
  eq: (a, b) => Number(a === b),
  ne: (a, b) => Number(a !== b),
  lt: (a, b) => Number(a < b),
  le: (a, b) => Number(a <= b),
  gt: (a, b) => Number(a > b),
  ge: (a, b) => Number(a >= b),
};

const interesting = [
  0.5,
  1.5,
  2.5,
  -0.5,
  -1.5,
  -2.5,
  0.25,
  -0.7,
  1e4,
  -1e4,
  3.3,
  -5.7,
  1e-9,
  -1e-9,
  0.4688,
  4.1,
  2 ** 52 + 1,
  -800,
  1,
  -1,
  Infinity,
];

const views = fc
  .tuple(dtypes, shapes)
  .chain(([dtype, shape]) => viewOf(dtype, shape, 5).map((view) => ({ dtype, shape, view })));

/** Replaces half of the numbers by fractions, halves and extremes. */
function spice(view: Strided, seed: number): void {
  const next = numbers(seed, 0);
  for (let i = 0; i < view.data.length; i++) {
    if (next() > 0) view.data[i] = interesting[Math.abs(next()) % interesting.length]!;
  }
}

describe('elementwise kernels', () => {
  it.each(Object.keys(unaries) as UnaryName[])('%s is its definition at every element of any view', (name) => {
    fc.assert(
      fc.property(views, fc.nat(), ({ dtype, shape, view }, seed) => {
        spice(view, seed);
        const y = allocate(dtype, sizeOf(shape));
        jsKernels.unary(name, view, y);
        expectNear(
          y,
          tabulate(dtype, shape, (i) => unaries[name](at(view, i))),
          8,
        );
      }),
    );
  });

  it.each(Object.keys(binaries) as BinaryName[])('%s is its definition at every element of any two views', (name) => {
    const pairs = views.chain((a) => fc.tuple(fc.constant(a), viewOf(a.dtype, a.shape, 5)));
    fc.assert(
      fc.property(pairs, fc.nat(), ([{ dtype, shape, view: a }, b], seed) => {
        spice(a, seed);
        spice(b, seed + 1);
        const y = allocate(dtype, sizeOf(shape));
        jsKernels.binary(name, a, b, y);
        expectSame(
          y,
          tabulate(dtype, shape, (i) => binaries[name](at(a, i), at(b, i))),
        );
      }),
    );
  });

  it('where takes a wherever the condition is not zero, NaN included', () => {
    const triples = views.chain((a) =>
      fc.tuple(fc.constant(a), viewOf(a.dtype, a.shape), fc.tuple(layouts(a.shape.length), fc.nat())),
    );
    fc.assert(
      fc.property(triples, ([{ dtype, shape, view: a }, b, [layout, seed]]) => {
        const next = numbers(seed, 3);
        const cond = makeView(dtype, shape, layout, () => Math.trunc(next() / 5));
        const y = allocate(dtype, sizeOf(shape));
        jsKernels.where(cond, a, b, y);
        expectSame(
          y,
          tabulate(dtype, shape, (i) => (at(cond, i) !== 0 ? at(a, i) : at(b, i))),
        );
      }),
    );
  });

  it('copy writes any view in row-major order and converts the dtype', () => {
    fc.assert(
      fc.property(views, dtypes, fc.boolean(), ({ view, shape }, to, long) => {
        const x = long
          ? { data: Float64Array.from({ length: 300 }, (_, i) => i / 3), offset: 5, shape: [7, 41], strides: [41, 1] }
          : view;
        const size = long ? x.shape : shape;
        const y = allocate(to, sizeOf(size));
        jsKernels.copy(x, y);
        expectSame(
          y,
          tabulate(to, size, (i) => at(x, i)),
        );
      }),
    );
  });

  it('assign writes every element of the target view and nothing else', () => {
    const pairs = fc
      .tuple(dtypes, dtypes, shapes)
      .chain(([a, b, shape]) => fc.tuple(viewOf(a, shape, 5, false), viewOf(b, shape)));
    fc.assert(
      fc.property(pairs, ([target, x]) => {
        const expected = target.data.slice();
        const place = { ...target, data: Float64Array.from(target.data, (_, i) => i) };
        for (const index of tabulateIndices(target.shape)) expected[at(place, index)] = at(x, index);
        jsKernels.assign(target, x);
        expectSame(target.data, expected);
      }),
    );
  });

  it.each([
    [2, 1],
    [1, 2],
    [1, 1],
    [-1, 1],
  ])('assign handles long rows with step %i in the target and %i in the source', (to, from) => {
    const n = 50;
    const x = { data: Float32Array.from({ length: 2 * n }, (_, i) => i), offset: 0, shape: [n], strides: [from] };
    const target = { data: new Float32Array(2 * n), offset: to < 0 ? n - 1 : 0, shape: [n], strides: [to] };
    jsKernels.assign(target, x);
    const written = Float32Array.from({ length: n }, (_, i) => at(target, [i]));
    expectSame(
      written,
      tabulate('float32', [n], (i) => at(x, i)),
    );
    expect(target.data.reduce((a, b) => a + b)).toBe(written.reduce((a, b) => a + b));
  });
});

function tabulateIndices(shape: readonly number[]): number[][] {
  const all: number[][] = [];
  tabulate('float64', shape, (index) => all.push(index));
  return all;
}

describe('special functions', () => {
  const scalar = (f: (x: Strided, y: Float64Array) => void, ...values: number[]): number[] => {
    const y = new Float64Array(values.length);
    f({ data: Float64Array.from(values), offset: 0, shape: [values.length], strides: [1] }, y);
    return [...y];
  };

  it('erf is within 4 units in the last place of its series from -7 to 7', () => {
    const values = Array.from({ length: 14_001 }, (_, i) => (i - 7000) / 1000 + 1e-7);
    const y = scalar((x, out) => jsKernels.unary('erf', x, out), ...values);
    for (const [i, v] of values.entries()) {
      // The series' own rounding grows with the number of its terms.
      expect(Math.abs(y[i]! - erf(v)), `erf(${v})`).toBeLessThanOrEqual(
        1e-15 * Math.abs(erf(v)) * Math.max(1, Math.abs(v)),
      );
    }
  });

  it('erf keeps its relative precision near zero and its limits', () => {
    const [tiny, ...limits] = scalar(
      (x, out) => jsKernels.unary('erf', x, out),
      1e-300,
      -0,
      Infinity,
      -Infinity,
      Number.NaN,
    );
    expect(tiny! / (1e-300 * (2 / Math.sqrt(Math.PI)))).toBeCloseTo(1, 15);
    expect(limits).toEqual([-0, 1, -1, Number.NaN]);
  });

  it('round goes to the even neighbour and keeps the sign of zero', () => {
    const y = scalar(
      (x, out) => jsKernels.unary('round', x, out),
      0.5,
      1.5,
      2.5,
      -0.5,
      -1.5,
      -0.2,
      -0,
      4503599627370497,
      0.49999999999999994,
    );
    expect(y).toEqual([0, 2, 2, -0, -2, -0, -0, 4503599627370497, 0]);
  });

  it('sigmoid and softplus hold their tails at ±1e4 and ±40', () => {
    expect(scalar((x, out) => jsKernels.unary('sigmoid', x, out), 1e4, -1e4, -40)).toEqual([1, 0, Math.exp(-40)]);
    expect(scalar((x, out) => jsKernels.unary('softplus', x, out), 1e4, -1e4, -40)).toEqual([1e4, 0, Math.exp(-40)]);
  });

  it('pow gives 1 for base 1 and NaN, and for base -1 and an infinite exponent', () => {
    const base = { data: Float64Array.of(1, -1, -1, 1, Number.NaN), offset: 0, shape: [5], strides: [1] };
    const exponent = {
      data: Float64Array.of(Number.NaN, Infinity, -Infinity, Infinity, 0),
      offset: 0,
      shape: [5],
      strides: [1],
    };
    const y = new Float64Array(5);
    jsKernels.binary('pow', base, exponent, y);
    expect([...y]).toEqual([1, 1, 1, 1, 1]);
  });
});
