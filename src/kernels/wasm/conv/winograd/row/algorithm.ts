/**
 * Minimal filtering along a row: four results of a filter of k taps from fewer than 4 k products, as data.
 *
 * First in pairs. With the elements d of even places E[s] = d[2s] and of odd ones O[s] = d[2s + 1], and the taps of even and
 * of odd number, wₑ and wₒ, three filters of half the length do the work of four, F(2,2):
 *
 *   y[2s]     = P + Q      P = wₑ ⋆ (E - O)        Q = (wₑ + wₒ) ⋆ O
 *   y[2s + 1] = Q + R      R = wₒ ⋆ (E′ - O)       E′[s] = E[s + 1]
 *
 * Each of the three makes two neighbours at a time, by F(2,3) for every three taps; one or two taps that are left over add
 * products to the same four sums:
 *
 *   y0 = m0 + m1 + m2      y1 = m1 - m2 + m3
 *
 *   three taps   m0: (d0 - d2) w0    m1: (d1 + d2) ½(w0 + w1 + w2)    m2: (d2 - d1) ½(w0 - w1 + w2)    m3: (d3 - d1) w2
 *   two          m0: (d0 - d1) w0    m1: d1 (w0 + w1)                                                 m3: (d2 - d1) w1
 *   one          m0: d0 w0                                                                            m3: d1 w0
 *
 * Seven taps: 6 + 6 + 4 products in place of 28. Filters are held doubled, and results halved in the end, so that no filter
 * becomes a denormal number on the way.
 * Sources: Winograd, "Arithmetic Complexity of Computations", 1980, for F(2,3); Mou & Duhamel, "Short-Length FIR Filters
 * and Their Use in Fast Nonrecursive Filtering", 1991, for filters of half the length.
 */

/** A linear map: each result is a row of factors of the given numbers. */
export type Matrix = readonly (readonly number[])[];

/** Results of a tile. */
export const TILE = 4;

export interface RowAlgorithm {
  readonly taps: number;
  /** Products of each position, which are summed up there; they are numbered position by position. */
  readonly terms: readonly number[];
  /** Elements of a patch, taps + 3 of them, to one factor of every product, in two steps. */
  readonly input: readonly [Matrix, Matrix];
  /** Taps to the other factor, doubled, in two steps. */
  readonly filter: readonly [Matrix, Matrix];
  /** Positions to results, doubled, in two steps. */
  readonly output: readonly [Matrix, Matrix];
}

type Term = { readonly position: number; readonly input: number[]; readonly filter: number[] };

/** `values` from place `at` on, of `size` places. */
const placed = (size: number, at: number, ...values: number[]): number[] =>
  Array.from({ length: size }, (_, i) => values[i - at] ?? 0);

/** The products for two results of a filter of `taps`. */
function pairTerms(taps: number): Term[] {
  const terms: Term[] = [];
  let at = 0;
  const add = (position: number, input: number[], filter: number[]): void => {
    terms.push({ position, input: placed(taps + 1, at, ...input), filter: placed(taps, at, ...filter) });
  };
  for (; at + 3 <= taps; at += 3) {
    add(0, [1, 0, -1], [2]);
    add(1, [0, 1, 1], [1, 1, 1]);
    add(2, [0, -1, 1], [1, -1, 1]);
    add(3, [0, -1, 0, 1], [0, 0, 2]);
  }
  if (taps - at === 2) {
    add(0, [1, -1], [2]);
    add(1, [0, 1], [2, 2]);
    add(3, [0, -1, 1], [0, 2]);
  } else if (taps - at === 1) {
    add(0, [1], [2]);
    add(3, [0, 1], [2]);
  }
  return terms.sort((a, b) => a.position - b.position);
}

const pairInput: Matrix = [
  [1, -1, 0],
  [0, 1, 0],
  [0, -1, 1],
];
const pairFilter: Matrix = [
  [1, 0],
  [1, 1],
  [0, 1],
];
const pairOutput: Matrix = [
  [1, 1, 0],
  [0, 1, 1],
];
const twoResults: Matrix = [
  [1, 1, 1, 0],
  [0, 1, -1, 1],
];

/** Matrices along a diagonal. */
function diagonal(parts: readonly { readonly rows: Matrix; readonly columns: number }[]): Matrix {
  const size = parts.reduce((sum, { columns }) => sum + columns, 0);
  let from = 0;
  return parts.flatMap(({ rows, columns }) => {
    const at = from;
    from += columns;
    return rows.map((row) => placed(size, at, ...row));
  });
}

/** The algorithm for a filter of 2 taps or more. */
export function rowAlgorithm(taps: number): RowAlgorithm {
  const lengths = [Math.ceil(taps / 2), Math.ceil(taps / 2), Math.floor(taps / 2)];
  const parts = lengths.map(pairTerms);
  const used = parts.map((terms) => [0, 1, 2, 3].filter((p) => terms.some(({ position }) => position === p)));
  return {
    taps,
    terms: parts.flatMap((terms, b) => (used[b] as number[]).map((p) => terms.filter((t) => t.position === p).length)),
    input: [
      lengths.flatMap((length, b) =>
        Array.from({ length: length + 1 }, (_, s) => placed(taps + 3, 2 * s, ...(pairInput[b] as number[]))),
      ),
      diagonal(parts.map((terms, b) => ({ rows: terms.map((t) => t.input), columns: (lengths[b] as number) + 1 }))),
    ],
    filter: [
      lengths.flatMap((length, b) =>
        Array.from({ length }, (_, s) => placed(taps, 2 * s, ...(pairFilter[b] as number[]))),
      ),
      diagonal(parts.map((terms, b) => ({ rows: terms.map((t) => t.filter), columns: lengths[b] as number }))),
    ],
    output: [
      diagonal(
        used.map((positions) => ({
          rows: twoResults.map((row) => positions.map((p) => row[p] as number)),
          columns: positions.length,
        })),
      ),
      // Of each of the three pairs, results 2s and 2s + 1 for s = 0 and 1.
      [0, 1].flatMap((s) => pairOutput.map((row) => row.flatMap((factor) => placed(2, s, factor)))),
    ],
  };
}

export const transposed = (m: Matrix): Matrix => (m[0] ?? []).map((_, j) => m.map((row) => row[j] as number));

/** Σ factor · value, of factors 0, ±1 and ±2, the positive ones first. */
export function combine<T>(
  row: readonly number[],
  value: (i: number) => T,
  add: (a: T, b: T) => T,
  sub: (a: T, b: T) => T,
): T {
  const sum = (size: number, start: T | null): T | null => {
    let total = start;
    for (const sign of [size, -size]) {
      row.forEach((factor, i) => {
        if (factor !== sign) return;
        if (total === null) total = value(i);
        else total = sign > 0 ? add(total, value(i)) : sub(total, value(i));
      });
    }
    return total;
  };
  const twice = sum(2, null);
  return sum(1, twice === null ? null : add(twice, twice)) as T;
}
