import type { Arbitrary } from 'fast-check';
import fc from 'fast-check';
import { denseLayout, type Layout, type StridedSample, strided } from '../layouts.ts';
import { type ArrayConstraints, array } from './values.ts';

/** What may differ from row-major: the order of the axes, gaps, direction, shared elements. */
export type LayoutKind = 'permuted' | 'stepped' | 'negative' | 'broadcast';

const KINDS: readonly LayoutKind[] = ['permuted', 'stepped', 'negative', 'broadcast'];

export interface StridedConstraints extends ArrayConstraints {
  /** Which differences may occur; all by default, none for dense arrays. */
  readonly kinds?: readonly LayoutKind[];
}

/** A memory layout for an array of this shape; it shrinks to row-major. */
export function layout(shape: readonly number[], kinds: readonly LayoutKind[] = KINDS): Arbitrary<Layout> {
  const dense = denseLayout(shape);
  const rank = shape.length;
  const list = <T>(entry: Arbitrary<T>): Arbitrary<T[]> => fc.array(entry, { minLength: rank, maxLength: rank });
  return fc.record<Layout>({
    // Sorted by a rank per axis, which shrinks to the axes in their own order.
    order: kinds.includes('permuted')
      ? list(fc.nat({ max: 2 * rank })).map((ranks) =>
          dense.order.toSorted((a, b) => (ranks[a] as number) - (ranks[b] as number)),
        )
      : fc.constant(dense.order),
    steps: kinds.includes('stepped') ? list(fc.integer({ min: 1, max: 3 })) : fc.constant(dense.steps),
    reversed: kinds.includes('negative') ? list(fc.boolean()) : fc.constant(dense.reversed),
    // One axis in four: an array whose every axis repeats holds a single value.
    repeated: kinds.includes('broadcast') ? list(fc.nat({ max: 3 }).map((n) => n === 3)) : fc.constant(dense.repeated),
    offset: kinds.includes('stepped') ? fc.nat({ max: 3 }) : fc.constant(0),
  });
}

/**
 * A strided view `{ data, shape, strides, offset }` in any memory layout, with the values it shows as `array` and the
 * chain of `views` that makes it from its flat data. It shrinks to smaller shapes, then simpler values, then row-major.
 */
export function stridedArray(constraints: StridedConstraints = {}): Arbitrary<StridedSample> {
  return array(constraints).chain((dense) => layout(dense.shape, constraints.kinds).map((how) => strided(dense, how)));
}
