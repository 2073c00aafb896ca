// biome-ignore-all lint/style/noParameterAssign: the places of rows are counters; copies of them would be a second set of names
// biome-ignore-all lint/style/useSingleVarDeclarator: a tile reads as a tile when its sums stand in rows
/**
 * The inner loops of matmul and convolution: rows of doubles, updated by several terms at once.
 *
 *   acc[m][i] += Σ_t w[t][m] · x[t][i]        4 rows × 3 terms: 12 multiply-adds for 7 loads and 4 stores
 *   sums[t][m] += Σ_i g[m][i] · x[t][i]       its adjoint: the 12 sums stay in registers along the row
 *
 * Measured with V8 on 64 channels of 56×56, 3×3: 4×2 rows 3.2 GFLOP/s, 4×3 3.9, 4×4 4.4, but 4×4 leaves a remainder for every
 * 3×3 filter and its adjoint no longer fits the 16 registers. Tiles of 4×2 and 4×4 local sums over an inner loop of terms were no faster
 * than rows, and rows need no packed copy of the image and leave padding out by being shorter.
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

/** n elements along each row: from acc[at] on and from x[terms.x + x] on; the weights are at w[terms.w + w]. */
export interface Part {
  readonly n: number;
  readonly at: number;
  readonly x: number;
  readonly w: number;
}

/** The parts of a row, and their steps in the accumulators and in x. */
export interface Parts {
  readonly list: readonly Part[];
  readonly sy: number;
  readonly sx: number;
}

/**
 * Adds every part of every term to `tile` (TILE or 1) rows of accumulators, `width` apart. All parts of a few rows of x
 * come in turn, so that these rows stay in the first-level cache.
 */
// biome-ignore format: operands side by side
export function addTerms(
  tile: number, acc: Float64Array, width: number, terms: Terms, parts: Parts, x: FloatArray, w: Float64Array,
): void {
  const { count, x: xs, w: ws } = terms;
  const { list, sy, sx } = parts;
  let t = 0;
  if (tile === 1) {
    for (; t + 4 <= count; t += 4) {
      const x0 = xs[t]!, x1 = xs[t + 1]!, x2 = xs[t + 2]!, x3 = xs[t + 3]!;
      const w0 = ws[t]!, w1 = ws[t + 1]!, w2 = ws[t + 2]!, w3 = ws[t + 3]!;
      for (const p of list) {
        add1x4(p.n, acc, p.at, sy, x, x0 + p.x, x1 + p.x, x2 + p.x, x3 + p.x, sx, w[w0 + p.w]!, w[w1 + p.w]!, w[w2 + p.w]!, w[w3 + p.w]!);
      }
    }
    for (; t < count; t++) {
      for (const p of list) add1x1(p.n, acc, p.at, sy, x, xs[t]! + p.x, sx, w[ws[t]! + p.w]!);
    }
    return;
  }
  for (; t + 3 <= count; t += 3) {
    const x0 = xs[t]!, x1 = xs[t + 1]!, x2 = xs[t + 2]!;
    const w0 = ws[t]!, w1 = ws[t + 1]!, w2 = ws[t + 2]!;
    for (const p of list) {
      add4x3(p.n, acc, p.at, width, sy, x, x0 + p.x, x1 + p.x, x2 + p.x, sx, w, w0 + p.w, w1 + p.w, w2 + p.w);
    }
  }
  for (; t < count; t++) {
    for (const p of list) add4x1(p.n, acc, p.at, width, sy, x, xs[t]! + p.x, sx, w, ws[t]! + p.w);
  }
}

// biome-ignore format: operands side by side
function add4x3(
  n: number, acc: Float64Array, y0: number, width: number, sy: number,
  x: FloatArray, xa: number, xb: number, xc: number, sx: number, w: Float64Array, wa: number, wb: number, wc: number,
): void {
  const a0 = w[wa]!, a1 = w[wa + 1]!, a2 = w[wa + 2]!, a3 = w[wa + 3]!;
  const b0 = w[wb]!, b1 = w[wb + 1]!, b2 = w[wb + 2]!, b3 = w[wb + 3]!;
  const c0 = w[wc]!, c1 = w[wc + 1]!, c2 = w[wc + 2]!, c3 = w[wc + 3]!;
  let y1 = y0 + width, y2 = y1 + width, y3 = y2 + width;
  for (let i = 0; i < n; i++) {
    const a = x[xa]!, b = x[xb]!, c = x[xc]!;
    acc[y0]! += a0 * a + b0 * b + c0 * c;
    acc[y1]! += a1 * a + b1 * b + c1 * c;
    acc[y2]! += a2 * a + b2 * b + c2 * c;
    acc[y3]! += a3 * a + b3 * b + c3 * c;
    xa += sx; xb += sx; xc += sx;
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
 * The adjoint in the weights: sums[terms.w + part.w + m] += Σ_i g[m][part.at + i·sy] · x[terms.x + part.x + i·sx] for every
 * term and part and m < tile (TILE or 1). `rows` holds where the rows of g begin; their elements are `sg` apart.
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
    return;
  }
  for (; t + 3 <= count; t += 3) {
    const x0 = xs[t]!, x1 = xs[t + 1]!, x2 = xs[t + 2]!;
    const w0 = ws[t]!, w1 = ws[t + 1]!, w2 = ws[t + 2]!;
    for (const p of list) {
      const at = p.at * sg;
      dot4x3(p.n, sums, w0 + p.w, w1 + p.w, w2 + p.w, x, x0 + p.x, x1 + p.x, x2 + p.x, sx, g, g0 + at, g1 + at, g2 + at, g3 + at, step);
    }
  }
  for (; t < count; t++) {
    for (const p of list) {
      const at = p.at * sg;
      dot4x1(p.n, sums, ws[t]! + p.w, x, xs[t]! + p.x, sx, g, g0 + at, g1 + at, g2 + at, g3 + at, step);
    }
  }
}

// biome-ignore format: operands side by side
function dot4x3(
  n: number, sums: Float64Array, wa: number, wb: number, wc: number, x: FloatArray, xa: number, xb: number, xc: number, sx: number,
  g: FloatArray, g0: number, g1: number, g2: number, g3: number, sg: number,
): void {
  let a0 = 0, a1 = 0, a2 = 0, a3 = 0;
  let b0 = 0, b1 = 0, b2 = 0, b3 = 0;
  let c0 = 0, c1 = 0, c2 = 0, c3 = 0;
  for (let i = 0; i < n; i++) {
    const a = x[xa]!, b = x[xb]!, c = x[xc]!;
    const p = g[g0]!, q = g[g1]!, r = g[g2]!, s = g[g3]!;
    a0 += a * p; b0 += b * p; c0 += c * p;
    a1 += a * q; b1 += b * q; c1 += c * q;
    a2 += a * r; b2 += b * r; c2 += c * r;
    a3 += a * s; b3 += b * s; c3 += c * s;
    xa += sx; xb += sx; xc += sx;
    g0 += sg; g1 += sg; g2 += sg; g3 += sg;
  }
  sums[wa]! += a0; sums[wa + 1]! += a1; sums[wa + 2]! += a2; sums[wa + 3]! += a3;
  sums[wb]! += b0; sums[wb + 1]! += b1; sums[wb + 2]! += b2; sums[wb + 3]! += b3;
  sums[wc]! += c0; sums[wc + 1]! += c1; sums[wc + 2]! += c2; sums[wc + 3]! += c3;
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
