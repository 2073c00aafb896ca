/** Arbitrary views for kernel tests, and reading them by index: the only iteration the definitions in these tests use. */
import fc from 'fast-check';
import { expect } from 'vitest';
import type { FloatArray, Strided } from '../../../src/kernels/types.ts';

export type Dtype = 'float32' | 'float64';
export const dtypes: fc.Arbitrary<Dtype> = fc.constantFrom('float32', 'float64');

export function allocate(dtype: Dtype, size: number): FloatArray {
  return dtype === 'float32' ? new Float32Array(size) : new Float64Array(size);
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Every index of a shape, in row-major order. */
export function* indices(shape: readonly number[]): Generator<number[]> {
  if (shape.length === 0) {
    yield [];
    return;
  }
  for (let i = 0; i < shape[0]!; i++) for (const rest of indices(shape.slice(1))) yield [i, ...rest];
}

export function at(x: Strided, index: readonly number[]): number {
  const place = index.reduce((sum, i, axis) => sum + i * x.strides[axis]!, x.offset);
  const value = x.data[place];
  if (value === undefined) throw new Error(`index [${index}] of the definition lies outside of the array`);
  return value;
}

/** The element at `index`, or undefined outside of the shape. */
export function inside(x: Strided, index: readonly number[]): number | undefined {
  return index.every((i, axis) => i >= 0 && i < x.shape[axis]!) ? at(x, index) : undefined;
}

const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0];

/**
 * Whole numbers, so that sums are exact in double precision in any order; the large ones lose digits in float32 sums.
 * One in `rare` is NaN, infinite or -0 (never where `rare` is 0).
 */
export function numbers(seed: number, rare: number): () => number {
  let state = (seed >>> 0) + 0x9e3779b9;
  const next = (): number => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5;
    state ^= state >>> 13;
    return (state >>> 0) / 2 ** 32;
  };
  return () => {
    if (rare > 0 && next() * rare < 1) return special[Math.floor(next() * special.length)]!;
    return next() < 0.1 ? 2 ** 24 * (next() < 0.5 ? 1 : -1) : Math.floor(next() * 15) - 7;
  };
}

type Axis = 'dense' | 'stepped' | 'reversed' | 'repeated';

export interface Layout {
  readonly order: readonly number[];
  readonly axes: readonly Axis[];
  readonly start: number;
}

/** How a view may lie in its array: axes permuted, stepped, reversed, repeated (stride 0), after a gap; half of them dense. */
export function layouts(rank: number, repeated = true): fc.Arbitrary<Layout> {
  const kinds: Axis[] = ['dense', 'dense', 'stepped', 'reversed'];
  const axis = fc.constantFrom<Axis>(...kinds, ...(repeated ? (['repeated'] as const) : []));
  const natural = Array.from({ length: rank }, (_, k) => k);
  const any = fc.record({
    order: fc.shuffledSubarray(natural, { minLength: rank, maxLength: rank }),
    axes: fc.array(axis, { minLength: rank, maxLength: rank }),
    start: fc.integer({ min: 0, max: 3 }),
  });
  return fc.oneof(any, fc.constant({ order: natural, axes: natural.map((): Axis => 'dense'), start: 0 }));
}

export function makeView(dtype: Dtype, shape: readonly number[], layout: Layout, next: () => number): Strided {
  const strides = shape.map(() => 0);
  let size = 1;
  let offset = layout.start;
  for (const axis of [...layout.order].reverse()) {
    const kind = layout.axes[axis]!;
    if (kind === 'repeated') continue;
    const stride = size * (kind === 'stepped' ? 2 : 1);
    size = stride * Math.max(1, shape[axis]!);
    strides[axis] = kind === 'reversed' ? -stride : stride;
    if (kind === 'reversed') offset += stride * Math.max(0, shape[axis]! - 1);
  }
  const data = allocate(dtype, size + layout.start);
  for (let i = 0; i < data.length; i++) data[i] = next();
  return { data, offset, shape: [...shape], strides };
}

/** A view of this shape, for properties that need several of them to agree. */
export function viewOf(dtype: Dtype, shape: readonly number[], rare = 12, repeated = true): fc.Arbitrary<Strided> {
  return fc
    .tuple(layouts(shape.length, repeated), fc.nat())
    .map(([layout, seed]) => makeView(dtype, shape, layout, numbers(seed, rare)));
}

/** Shapes of rank 0 to 4 with sizes 0 to 5, zero being rare. */
export const shapes: fc.Arbitrary<number[]> = fc.array(
  fc.oneof({ weight: 20, arbitrary: fc.integer({ min: 1, max: 5 }) }, { weight: 1, arbitrary: fc.constant(0) }),
  { maxLength: 4 },
);

/** A dense array of the values `f` gives, rounded once to the dtype. */
export function tabulate(dtype: Dtype, shape: readonly number[], f: (index: number[]) => number): FloatArray {
  const y = allocate(dtype, sizeOf(shape));
  let i = 0;
  for (const index of indices(shape)) y[i++] = f(index);
  return y;
}

/** Equal to the last bit; the sign of zero counts, and any NaN equals any other. */
export function expectSame(actual: FloatArray, expected: FloatArray): void {
  expect(actual.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    if (!Object.is(actual[i], expected[i])) {
      expect.fail(`element ${i} is ${actual[i]}, not ${expected[i]}\n  ${actual}\n  ${expected}`);
    }
  }
}

/** Equal within `units` in the last place of the dtype; the sign of zero counts. */
export function expectNear(actual: FloatArray, expected: FloatArray, units: number): void {
  const eps = actual instanceof Float32Array ? 2 ** -23 : 2 ** -52;
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [actual[i]!, expected[i]!];
    if (Object.is(a, b) || (a !== b && Math.abs(a - b) <= units * eps * Math.abs(b))) continue;
    expect.fail(`element ${i} is ${a}, not ${b}`);
  }
}
