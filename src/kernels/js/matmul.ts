/**
 * y [...B, M, N] = a [...B, M, K] · b [...B, K, N], batched and strided.
 *
 *   acc[4][block of columns] += a[4 rows][k, k + 1] · b[k, k + 1][block]        for all k
 *
 * Rows of a block of b are read once per four rows of y. They are packed first where their elements are not neighbours.
 * Where y is tall and narrow, the transposed product is computed, so that the inner loop stays long.
 */
import type { FloatArray, Strided } from '../types.ts';
import { addTerms, type Parts, type Terms, TILE } from './rows.ts';
import { denseStrides, walk } from './walk.ts';

/** Columns handled together: a block of 128 doubles × K stays in the second-level cache up to K = 512. */
const BLOCK = 128;

/** A matrix inside of a larger array: element (i, j) lies at offset + i·row + j·column. */
interface Matrix {
  readonly data: FloatArray;
  readonly offset: number;
  readonly row: number;
  readonly column: number;
}

export function matmul(a: Strided, b: Strided, y: FloatArray): void {
  const rank = a.shape.length;
  const batch = a.shape.slice(0, -2);
  const [m, k, n] = [a.shape[rank - 2]!, a.shape[rank - 1]!, b.shape[rank - 1]!];
  const out = denseStrides([...batch, m, n]);
  const outer = [
    { offset: 0, strides: out.slice(0, -2) },
    ...[a, b].map((t) => ({ offset: t.offset, strides: t.strides.slice(0, -2) })),
  ];
  const narrow = n < m && n < 32;
  walk(batch, outer, (count, at, step) => {
    for (let i = 0; i < count; i++) {
      const left = matrix(a, at[1]! + i * step[1]!);
      const right = matrix(b, at[2]! + i * step[2]!);
      const result: Matrix = { data: y, offset: at[0]! + i * step[0]!, row: n, column: 1 };
      if (narrow) multiply(n, k, m, transposed(right), transposed(left), transposed(result));
      else multiply(m, k, n, left, right, result);
    }
  });
}

function matrix(x: Strided, offset: number): Matrix {
  const rank = x.strides.length;
  return { data: x.data, offset, row: x.strides[rank - 2]!, column: x.strides[rank - 1]! };
}

function transposed(x: Matrix): Matrix {
  return { ...x, row: x.column, column: x.row };
}

function multiply(m: number, k: number, n: number, a: Matrix, b: Matrix, y: Matrix): void {
  const acc = new Float64Array(TILE * BLOCK);
  const weights = new Float64Array(TILE * k);
  const terms: Terms = { count: k, x: new Array<number>(k), w: new Array<number>(k) };
  for (let j = 0; j < n; j += BLOCK) {
    const width = Math.min(BLOCK, n - j);
    const block = rowsOf(b, k, j, width);
    const whole: Parts = { list: [{ n: width, at: 0, x: 0, w: 0 }], sy: 1, sx: 1 };
    for (let i = 0; i < m; i += TILE) {
      const used = Math.min(TILE, m - i);
      const tile = used === 1 ? 1 : TILE;
      for (let t = 0; t < k; t++) {
        terms.x[t] = block.offset + t * block.row;
        terms.w[t] = t * tile;
        for (let lane = 0; lane < used; lane++)
          weights[t * tile + lane] = a.data[a.offset + (i + lane) * a.row + t * a.column]!;
      }
      acc.fill(0);
      addTerms(tile, acc, width, terms, whole, block.data, weights);
      for (let lane = 0; lane < used; lane++) {
        storeRow(width, y.data, y.offset + (i + lane) * y.row + j * y.column, y.column, acc, lane * width);
      }
    }
  }
}

/** Columns j … j + width of b with neighbouring elements: b itself, or a packed copy. */
function rowsOf(b: Matrix, k: number, j: number, width: number): Matrix {
  const offset = b.offset + j * b.column;
  if (b.column === 1) return { ...b, offset };
  const data = new Float64Array(k * width);
  for (let t = 0; t < k; t++) {
    let at = offset + t * b.row;
    for (let i = 0; i < width; i++, at += b.column) data[t * width + i] = b.data[at]!;
  }
  return { data, offset: 0, row: width, column: 1 };
}

function storeRow(n: number, y: FloatArray, oy: number, sy: number, acc: Float64Array, at: number): void {
  for (let i = 0; i < n; i++) y[oy + i * sy] = acc[at + i]!;
}
