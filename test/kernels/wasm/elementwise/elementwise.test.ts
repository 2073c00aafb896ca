import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { jsKernels } from '../../../../src/kernels/js/index.ts';
import type { BinaryName, UnaryName } from '../../../../src/kernels/types.ts';
import { differential } from '../../../../src/kernels/wasm/differential/index.ts';
import { forceFeatures } from '../../../../src/kernels/wasm/features.ts';
import { createWasmKernels } from '../../../../src/kernels/wasm/index.ts';
import { blank, expanded, operand, Random } from '../random.ts';

const fallbacks: string[] = [];
const tested = differential(createWasmKernels({ threshold: 0, onFallback: (name) => fallbacks.push(name) }), jsKernels);

const UNARY: readonly UnaryName[] = [
  'neg',
  'abs',
  'exp',
  'log',
  'log1p',
  'expm1',
  'sqrt',
  'rsqrt',
  'square',
  'reciprocal',
  'sin',
  'cos',
  'tanh',
  'erf',
  'sign',
  'floor',
  'ceil',
  'round',
  'relu',
  'sigmoid',
  'softplus',
  'isNaN',
];
const BINARY: readonly BinaryName[] = [
  'add',
  'sub',
  'mul',
  'div',
  'pow',
  'maximum',
  'minimum',
  'eq',
  'ne',
  'lt',
  'le',
  'gt',
  'ge',
];
/** Shapes with tails of every residue, in one row or in several, short and long. */
const shapeOf = (random: Random): number[] =>
  random.pick([
    () => [random.integer(192, 270)],
    () => [random.integer(1, 3), random.integer(4000, 4200)],
    () => [random.integer(1, 4), random.integer(1, 5), random.integer(1, 300)],
    () => [random.integer(1, 3), random.integer(1, 3), random.integer(14, 17), random.integer(14, 17)],
    () => [],
  ])();
const numbers = (random: Random): number => random.pick([0, 0.02]);

describe.each([true, false])('elementwise operations on WebAssembly, relaxed SIMD %s', (relaxed) => {
  afterEach(() => forceFeatures({}));

  it.each(UNARY)('%s agrees with the reference', (name) => {
    forceFeatures(relaxed ? {} : { relaxed: false });
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new Random(seed);
        const shape = shapeOf(random);
        const x = operand(random, shape, numbers(random));
        const scale = random.pick([1, 10, 100]);
        for (let i = 0; i < x.data.length; i++) x.data[i] = scale * (x.data[i] as number);
        tested.unary(name, x, blank(shape));
      }),
      { numRuns: 15 },
    );
  });

  it.each(BINARY)('%s agrees with the reference', (name) => {
    forceFeatures(relaxed ? {} : { relaxed: false });
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new Random(seed);
        const shape = shapeOf(random);
        const make = random.chance(0.5) ? expanded : operand;
        tested.binary(name, make(random, shape, numbers(random)), make(random, shape, numbers(random)), blank(shape));
      }),
      { numRuns: 15 },
    );
  });

  it('where agrees with the reference', () => {
    forceFeatures(relaxed ? {} : { relaxed: false });
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new Random(seed);
        const shape = shapeOf(random);
        const condition = expanded(random, shape, 0.5);
        tested.where(condition, expanded(random, shape, 0.1), operand(random, shape, 0.1), blank(shape));
      }),
      { numRuns: 30 },
    );
  });
});

describe('elementwise operations on WebAssembly', () => {
  it('may write where they read, and are compared all the same', () => {
    const y = new Float32Array(300).fill(2);
    const own = { data: y, offset: 0, shape: [300], strides: [1] };
    tested.binary('add', own, { ...own, data: new Float32Array(300).fill(3) }, y);
    expect([...new Set(y)]).toEqual([5]);
  });

  it('run there when rows are long, and not when they are short', () => {
    fallbacks.length = 0;
    const random = new Random(8);
    const dense = { data: blank([4, 250]), offset: 0, shape: [4, 250], strides: [250, 1] };
    tested.unary('exp', dense, blank([4, 250]));
    expect(fallbacks).toEqual([]);
    tested.unary('exp', { ...dense, shape: [250, 4], strides: [1, 250] }, blank([250, 4]));
    expect(fallbacks).toEqual(['exp']);
    tested.unary('neg', operand(random, [0, 3]), blank([0, 3]));
    expect(fallbacks).toEqual(['exp']);
  });
});
