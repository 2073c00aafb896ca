/**
 * The inner loops of matmul and convolution: rows of doubles, updated by several terms at once.
 *
 *   acc[m][i] += Σ_t w[t][m] · x[t][i]      4 rows × 2 terms: 8 multiply-adds for 6 loads and 4 stores
 *
 * Row updates were measured against tiles of 4×2 and 4×4 sums kept in local variables with the terms as the inner loop:
 * V8 runs the rows 10 to 60 % faster, as it has 16 registers to hold sums and checks the bounds of every load. They also need no
 * packed copy of the image, and let padding be left out by shortening the row.
 */
import type { FloatArray } from '../types.ts';

/** Rows that are updated together. */
export const TILE = 4;

/** Where the terms of a sum of products lie: each one's row of x, and its weights (TILE of them, or 1). */
export interface Terms {
  count: number;
  readonly x: number[];
  readonly w: number[];
}

/** Which part of the rows is meant: n elements, from acc[at] with step sy and x[terms.x + x] with step sx, weights at w[terms.w + w]. */
export interface Part {
  readonly n: number;
  readonly at: number;
  readonly x: number;
  readonly w: number;
}

/** The parts of a row and the steps they share. */
export interface Parts {
  readonly list: readonly Part[];
  readonly sy: number;
  readonly sx: number;
}

/** Adds every part of every term to `tile` (TILE or 1) rows of accumulators, `width` apart. */
// biome-ignore format: operands side by side
export function addTerms(
  tile: number, acc: Float64Array, width: number, terms: Terms, parts: Parts, x: FloatArray, w: Float64Array,
): void {
  const { count, x: xs, w: ws } = terms;
  const { list, sy, sx } = parts;
  let t = 0;
  // All parts of a few rows of x in turn: the rows stay in the first-level cache.
  if (tile === 1) {
    for (; t + 4 <= count; t += 4) {
      for (const p of list) {
        add1x4(p.n, acc, p.at, sy, x, xs[t]! + p.x, xs[t + 1]! + p.x, xs[t + 2]! + p.x, xs[t + 3]! + p.x, sx,
          w[ws[t]! + p.w]!, w[ws[t + 1]! + p.w]!, w[ws[t + 2]! + p.w]!, w[ws[t + 3]! + p.w]!);
      }
    }
    for (; t < count; t++) {
      for (const p of list) add1x1(p.n, acc, p.at, sy, x, xs[t]! + p.x, sx, w[ws[t]! + p.w]!);
    }
  } else {
    for (; t + 2 <= count; t += 2) {
      for (const p of list) {
        add4x2(p.n, acc, p.at, width, sy, x, xs[t]! + p.x, xs[t + 1]! + p.x, sx, w, ws[t]! + p.w, ws[t + 1]! + p.w);
      }
    }
    if (t < count) for (const p of list) add4x1(p.n, acc, p.at, width, sy, x, xs[t]! + p.x, sx, w, ws[t]! + p.w);
  }
}

// biome-ignore format: operands side by side
function add4x2(
  n: number, acc: Float64Array, y0: number, width: number, sy: number,
  x: FloatArray, xa: number, xb: number, sx: number, w: Float64Array, wa: number, wb: number,
): void {
  const a0 = w[wa]!, a1 = w[wa + 1]!, a2 = w[wa + 2]!, a3 = w[wa + 3]!;
  const b0 = w[wb]!, b1 = w[wb + 1]!, b2 = w[wb + 2]!, b3 = w[wb + 3]!;
  let y1 = y0 + width, y2 = y1 + width, y3 = y2 + width;
  for (let i = 0; i < n; i++) {
    const a = x[xa]!;
    const b = x[xb]!;
    acc[y0]! += a0 * a + b0 * b;
    acc[y1]! += a1 * a + b1 * b;
    acc[y2]! += a2 * a + b2 * b;
    acc[y3]! += a3 * a + b3 * b;
    xa += sx; xb += sx;
    y0 += sy; y1 += sy; y2 += sy; y3 += sy;
  }
}

// biome-ignore format: operands side by side
function add4x1(
  n: number, acc: Float64Array, y0: number, width: number, sy: number,
  x: FloatArray, xa: number, sx: number, w: Float64Array, wa: number,
): void {
  const a0 = w[wa]!, a1 = w[wa + 1]!, a2 = w[wa + 2]!, a3 = w[wa + 3]!;
  let y1 = y0 + width, y2 = y1 + width, y3 = y2 + width;
  for (let i = 0; i < n; i++) {
    const a = x[xa]!;
    acc[y0]! += a0 * a;
    acc[y1]! += a1 * a;
    acc[y2]! += a2 * a;
    acc[y3]! += a3 * a;
    xa += sx;
    y0 += sy; y1 += sy; y2 += sy; y3 += sy;
  }
}

// biome-ignore format: operands side by side
function add1x4(
  n: number, acc: Float64Array, y: number, sy: number,
  x: FloatArray, xa: number, xb: number, xc: number, xd: number, sx: number, a: number, b: number, c: number, d: number,
): void {
  for (let i = 0; i < n; i++) {
    acc[y]! += a * x[xa]! + b * x[xb]! + c * x[xc]! + d * x[xd]!;
    xa += sx; xb += sx; xc += sx; xd += sx;
    y += sy;
  }
}

// biome-ignore format: operands side by side
function add1x1(n: number, acc: Float64Array, y: number, sy: number, x: FloatArray, xa: number, sx: number, a: number): void {
  for (let i = 0; i < n; i++, y += sy, xa += sx) acc[y]! += a * x[xa]!;
}

/**
 * The adjoint in the weights: sums[terms.w + part.w + m] += Σ_i g[m][part.at + i·sy] · x[term][part.x + i·sx] for every term and
 * part and m < tile (TILE or 1). `rows` holds where the rows of g begin, `sg` the step between its elements.
 */
// biome-ignore format: operands side by side
export function dotTerms(
  tile: number, sums: Float64Array, terms: Terms, parts: Parts, x: FloatArray, g: FloatArray, rows: readonly number[], sg: number,
): void {
  const { count, x: xs, w: ws } = terms;
  const { list, sx } = parts;
  const step = parts.sy * sg;
  const g0 = rows[0]!, g1 = rows[1]!, g2 = rows[2]!, g3 = rows[3]!;
  let t = 0;
  if (tile === 1) {
    for (; t < count; t++) {
      for (const p of list) sums[ws[t]! + p.w]! += dot(p.n, x, xs[t]! + p.x, sx, g, g0 + p.at * sg, step);
    }
  } else {
    for (; t + 2 <= count; t += 2) {
      for (const p of list) {
        const at = p.at * sg;
        dot4x2(p.n, sums, ws[t]! + p.w, ws[t + 1]! + p.w, x, xs[t]! + p.x, xs[t + 1]! + p.x, sx, g, g0 + at, g1 + at, g2 + at, g3 + at, step);
      }
    }
    if (t < count) {
      for (const p of list) {
        const at = p.at * sg;
        dot4x1(p.n, sums, ws[t]! + p.w, x, xs[t]! + p.x, sx, g, g0 + at, g1 + at, g2 + at, g3 + at, step);
      }
    }
  }
}

// biome-ignore format: operands side by side
function dot4x2(
  n: number, sums: Float64Array, wa: number, wb: number, x: FloatArray, xa: number, xb: number, sx: number,
  g: FloatArray, g0: number, g1: number, g2: number, g3: number, sg: number,
): void {
  let a0 = 0, a1 = 0, a2 = 0, a3 = 0;
  let b0 = 0, b1 = 0, b2 = 0, b3 = 0;
  for (let i = 0; i < n; i++) {
    const a = x[xa]!, b = x[xb]!;
    const p = g[g0]!, q = g[g1]!, r = g[g2]!, s = g[g3]!;
    a0 += a * p; b0 += b * p;
    a1 += a * q; b1 += b * q;
    a2 += a * r; b2 += b * r;
    a3 += a * s; b3 += b * s;
    xa += sx; xb += sx;
    g0 += sg; g1 += sg; g2 += sg; g3 += sg;
  }
  sums[wa]! += a0; sums[wa + 1]! += a1; sums[wa + 2]! += a2; sums[wa + 3]! += a3;
  sums[wb]! += b0; sums[wb + 1]! += b1; sums[wb + 2]! += b2; sums[wb + 3]! += b3;
}

// biome-ignore format: operands side by side
function dot4x1(
  n: number, sums: Float64Array, wa: number, x: FloatArray, xa: number, sx: number,
  g: FloatArray, g0: number, g1: number, g2: number, g3: number, sg: number,
): void {
  let a0 = 0, a1 = 0, a2 = 0, a3 = 0;
  for (let i = 0; i < n; i++) {
    const a = x[xa]!;
    a0 += a * g[g0]!; a1 += a * g[g1]!; a2 += a * g[g2]!; a3 += a * g[g3]!;
    xa += sx;
    g0 += sg; g1 += sg; g2 += sg; g3 += sg;
  }
  sums[wa]! += a0; sums[wa + 1]! += a1; sums[wa + 2]! += a2; sums[wa + 3]! += a3;
}

// biome-ignore format: operands side by side
function dot(n: number, x: FloatArray, xa: number, sx: number, g: FloatArray, ga: number, sg: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++, xa += sx, ga += sg) sum += x[xa]! * g[ga]!;
  return sum;
}
