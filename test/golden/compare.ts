/** How far a result is from what it should be, and where. */

export interface Difference {
  /** Relative to the element, to a share of the largest element, or to 1e-3, whichever is largest; infinite if not comparable. */
  readonly error: number;
  readonly message: string;
}

/**
 * The worst element of `actual` against `expected`. `floor` is the share of the largest expected magnitude that small
 * elements are measured against: 1 for sums of many terms, near 0 for elementwise results.
 */
export function difference(
  actual: { readonly shape: readonly number[]; toTypedArray(): ArrayLike<number> } | null,
  shape: readonly number[],
  expected: ArrayLike<number>,
  floor = 1,
): Difference {
  if (actual === null) return difference(zerosLike(shape, expected.length), shape, expected, floor);
  if (actual.shape.join() !== shape.join()) {
    return { error: Number.POSITIVE_INFINITY, message: `shape [${actual.shape}] instead of [${shape}]` };
  }
  const values = actual.toTypedArray();
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    if (Number.isFinite(expected[i])) largest = Math.max(largest, Math.abs(expected[i]!));
  }
  let error = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const e = expected[i]!;
    const a = values[i]!;
    if (Object.is(a, e) || a === e) continue;
    const scale = Math.max(Math.abs(e), floor * largest, 1e-3);
    const here = Number.isFinite(e) && Number.isFinite(a) ? Math.abs(a - e) / scale : Number.POSITIVE_INFINITY;
    if (here > error) [error, worst] = [here, i];
  }
  const message =
    error === 0 ? 'equal' : `element [${position(worst, shape)}] is ${values[worst]} instead of ${expected[worst]}`;
  return { error, message };
}

function zerosLike(shape: readonly number[], size: number): { shape: readonly number[]; toTypedArray(): Float64Array } {
  return { shape, toTypedArray: () => new Float64Array(size) };
}

function position(index: number, shape: readonly number[]): string {
  let rest = index;
  const at = shape.map(() => 0);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    at[axis] = rest % shape[axis]!;
    rest = Math.floor(rest / shape[axis]!);
  }
  return at.join(', ');
}
