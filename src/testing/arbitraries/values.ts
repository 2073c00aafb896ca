import type { Arbitrary } from 'fast-check';
import fc from 'fast-check';
import type { NdArray } from '../nd.ts';
import { sizeOf } from '../nd.ts';

/**
 * Which numbers an array holds:
 * - `integers`: -4 … 4, so that sums of products are exact in float32;
 * - `floats`: -10 … 10, each exact in float32;
 * - `negative`: integers -9 … -1, which catch a maximum that starts from 0;
 * - `ties`: 0 and 1, so that most windows have several maxima;
 * - `signedZeros`: -0, 0 and ±1;
 * - `special`: floats, and now and then NaN, ±Infinity, -0.
 */
export type ValueSet = 'integers' | 'floats' | 'negative' | 'ties' | 'signedZeros' | 'special';

export interface ArrayConstraints {
  /** The shape; drawn from `shape()` by default. */
  readonly shape?: readonly number[] | Arbitrary<number[]>;
  /** A value set by name, or an arbitrary of numbers; `integers` by default. */
  readonly values?: ValueSet | Arbitrary<number>;
}

export interface ShapeConstraints {
  /** 0 by default. */
  readonly minRank?: number;
  /** 4 by default. */
  readonly maxRank?: number;
  /** The least size of an axis: 1 by default; 0 for empty arrays too. */
  readonly minSize?: number;
  /** 4 by default. */
  readonly maxSize?: number;
}

/** A shape; it shrinks to fewer and smaller axes. */
export function shape(constraints: ShapeConstraints = {}): Arbitrary<number[]> {
  const { minRank = 0, maxRank = 4, minSize = 1, maxSize = 4 } = constraints;
  return fc.array(fc.integer({ min: minSize, max: maxSize }), { minLength: minRank, maxLength: maxRank });
}

const float = (): Arbitrary<number> => fc.float({ min: -10, max: 10, noNaN: true });

const SETS: Record<ValueSet, () => Arbitrary<number>> = {
  integers: () => fc.integer({ min: -4, max: 4 }),
  floats: float,
  negative: () => fc.integer({ min: 1, max: 9 }).map((n) => -n),
  ties: () => fc.integer({ min: 0, max: 1 }),
  signedZeros: () => fc.constantFrom(0, -0, 1, -1),
  special: () =>
    fc.oneof(
      { arbitrary: float(), weight: 4 },
      fc.constantFrom(0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
    ),
};

/** Numbers of a value set. */
export const values = (set: ValueSet): Arbitrary<number> => SETS[set]();

/** An array of a given shape. */
export function arrayOf(of: readonly number[], set: ValueSet | Arbitrary<number> = 'integers'): Arbitrary<NdArray> {
  const length = sizeOf(of);
  return fc
    .array(typeof set === 'string' ? values(set) : set, { minLength: length, maxLength: length, size: 'max' })
    .map((data) => ({ shape: [...of], data: Float64Array.from(data) }));
}

/** A number that depends on i in no simple way. Source: C. Wellons, "Prospecting for hash functions", 2018 (triple32). */
function mixed(i: number): number {
  let h = i + 1;
  h = Math.imul(h ^ (h >>> 17), 0xed5ad4bb);
  h = Math.imul(h ^ (h >>> 11), 0xac4c1b51);
  h = Math.imul(h ^ (h >>> 15), 0x31848bab);
  return (h ^ (h >>> 14)) >>> 0;
}

/** The most values that are drawn one by one; larger arrays repeat them in no order. */
const POOL = 32;

/**
 * Values for an array whose shape is not known yet. They are drawn apart from the shape, so that both shrink together:
 * a shape that shrinks keeps the values that fail, which a redrawn array would lose.
 */
export function pool(set: ValueSet | Arbitrary<number> = 'integers'): Arbitrary<number[]> {
  return fc.array(typeof set === 'string' ? values(set) : set, { minLength: 1, maxLength: POOL, size: 'max' });
}

/** The array of a shape that a pool fills: its values in order, then the same in no order. */
export function filled(shape: readonly number[], from: readonly number[]): NdArray {
  const data = Float64Array.from(
    { length: sizeOf(shape) },
    (_, i) => from[i < from.length ? i : mixed(i) % from.length] as number,
  );
  return { shape: [...shape], data };
}

/** A dense array `{ shape, data }`; it shrinks to a smaller shape and simpler values. */
export function array(constraints: ArrayConstraints = {}): Arbitrary<NdArray> {
  const { shape: of = shape(), values: set } = constraints;
  if (!('generate' in of)) return arrayOf(of, set);
  return fc.record({ shape: of, from: pool(set) }).map((drawn) => filled(drawn.shape, drawn.from));
}

export interface BroadcastPair {
  readonly a: number[];
  readonly b: number[];
  /** The shape that `a` and `b` broadcast to. */
  readonly result: number[];
}

/** Two shapes that broadcast: an axis is missing at the front of one, or 1 in one, or equal in both. */
export function broadcastPair(constraints: ShapeConstraints = {}): Arbitrary<BroadcastPair> {
  const { minRank = 0, maxRank = 4, minSize = 1, maxSize = 4 } = constraints;
  const axis = fc.record({
    n: fc.integer({ min: minSize, max: maxSize }),
    kind: fc.constantFrom('both', 'a is 1', 'b is 1'),
  });
  return fc
    .record({
      axes: fc.array(axis, { minLength: minRank, maxLength: maxRank }),
      missing: fc.nat({ max: maxRank }),
      from: fc.constantFrom('a', 'b'),
    })
    .map(({ axes, missing, from }) => {
      const dropped = Math.min(missing, axes.length);
      const side = (name: string): number[] =>
        axes.map(({ n, kind }) => (kind === `${name} is 1` ? 1 : n)).slice(from === name ? dropped : 0);
      // Where the front of one shape is missing, the other alone decides, so its own 1 stays.
      const [a, b] = [side('a'), side('b')];
      const pick = (list: number[], i: number): number => list[i - (axes.length - list.length)] ?? 1;
      return { a, b, result: axes.map((_, i) => (pick(a, i) === 1 ? pick(b, i) : pick(a, i))) };
    });
}
