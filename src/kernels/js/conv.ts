/**
 * Convolution over 1, 2 or 3 spatial axes and its two adjoints, for any stride, dilation, padding and groups.
 *
 *   y[n, m, p] = Σ_{r, k} x[n, r, reach(p, k)] · w[m, r, k]
 *
 * with m over the channels of the output and r over those of the input within one group. `conv` and `convInputGrad` are both
 * this sum, with the sides of the reach and the channel axes of w exchanged; `convWeightGrad` runs through the same terms
 * and sums over n and p instead. A row of output is a row of doubles per channel of a tile of four:
 *
 *   for each group, tile of m:  for each n, row of p:   terms = (r, outer taps that reach a row of x from here)
 *     for each tap along the row:                       acc[4][run] += w[terms][4] · x[terms][run]
 *
 * Padding is no term rather than a product with zero, so infinite weights make no NaN at the borders.
 */
import type { ConvGeometry, FloatArray, Strided } from '../types.ts';
import { addTerms, dotTerms, type Parts, type Terms, TILE } from './rows.ts';
import { denseStrides } from './walk.ts';
import { meetings, type Reach, reaches, spatial } from './window.ts';

/** Filters seen from the output: element (group, m, r, tap) lies at offset + group·g + m·m + r·r + Σ tap·taps. */
interface Filters {
  readonly groups: number;
  /** Channels of the output and of the input within one group. */
  readonly outputs: number;
  readonly inputs: number;
  readonly kernel: readonly [number, number, number];
  readonly strides: { g: number; m: number; r: number; taps: readonly [number, number, number] };
}

// biome-ignore format: fits
export function conv(x: Strided, w: Strided, geometry: ConvGeometry, shape: readonly number[], y: FloatArray, bias?: Strided): void {
  const reach = reaches(shape.slice(2), x.shape.slice(2), w.shape.slice(2), geometry, false);
  correlate(x, w, filters(w.shape, w.strides, geometry.groups), reach, y, bias);
}

// biome-ignore format: fits
export function convInputGrad(g: Strided, w: Strided, geometry: ConvGeometry, shape: readonly number[], y: FloatArray): void {
  const reach = reaches(shape.slice(2), g.shape.slice(2), w.shape.slice(2), geometry, true);
  correlate(g, w, exchanged(filters(w.shape, w.strides, geometry.groups)), reach, y);
}

// biome-ignore format: fits
export function convWeightGrad(x: Strided, g: Strided, geometry: ConvGeometry, shape: readonly number[], y: FloatArray): void {
  const reach = reaches(g.shape.slice(2), x.shape.slice(2), shape.slice(2), geometry, false);
  const bank = filters(shape, denseStrides(shape), geometry.groups);
  const sums = new Float64Array(packedSize(bank));
  const rows = [0, 0, 0, 0];
  const [sd, sh, sw] = spatial(g.strides, 0);
  for (let group = 0; group < bank.groups; group++) {
    for (let m = 0; m < bank.outputs; m += TILE) {
      const tile = tileAt(bank, m);
      const parts = partsOf(x, bank, reach[2], tile);
      sums.fill(0);
      eachRow(x, bank, reach, group, tile, (n, d, h, terms) => {
        const start = g.offset + n * g.strides[0]! + (group * bank.outputs + m) * g.strides[1]! + d * sd + h * sh;
        // Rows past the last channel repeat the first; their sums are not used.
        for (let k = 0; k < TILE; k++) rows[k] = start + (m + k < bank.outputs ? k * g.strides[1]! : 0);
        dotTerms(tile, sums, terms, parts, x.data, g.data, rows, sw);
      });
      eachWeight(bank, group, m, (packed, at) => {
        y[at] = sums[packed]!;
      });
    }
  }
}

function filters(shape: readonly number[], strides: readonly number[], groups: number): Filters {
  const outputs = shape[0]! / groups;
  return {
    groups,
    outputs,
    inputs: shape[1]!,
    kernel: spatial(shape, 1),
    strides: { g: outputs * strides[0]!, m: strides[0]!, r: strides[1]!, taps: spatial(strides, 0) },
  };
}

/** The same filters for the adjoint, whose output is the convolution's input. */
function exchanged(bank: Filters): Filters {
  const { g, m, r, taps } = bank.strides;
  return { ...bank, outputs: bank.inputs, inputs: bank.outputs, strides: { g, m: r, r: m, taps } };
}

// biome-ignore format: fits
function correlate(x: Strided, w: Strided, bank: Filters, reach: readonly [Reach, Reach, Reach], y: FloatArray, bias?: Strided): void {
  const [depth, height, width] = [reach[0].size, reach[1].size, reach[2].size];
  const packed = new Float64Array(packedSize(bank));
  const acc = new Float64Array(TILE * width);
  const channels = bank.groups * bank.outputs;
  const starts = [0, 0, 0, 0];
  for (let group = 0; group < bank.groups; group++) {
    for (let m = 0; m < bank.outputs; m += TILE) {
      const tile = tileAt(bank, m);
      const parts = partsOf(x, bank, reach[2], tile);
      eachWeight(bank, group, m, (to, from) => {
        packed[to] = w.data[w.offset + from]!;
      });
      const used = Math.min(TILE, bank.outputs - m);
      for (let k = 0; k < used; k++) starts[k] = bias ? bias.data[bias.offset + (group * bank.outputs + m + k) * bias.strides[0]!]! : 0;
      eachRow(x, bank, reach, group, tile, (n, d, h, terms) => {
        for (let k = 0; k < TILE; k++) acc.fill(starts[k]!, k * width, (k + 1) * width);
        addTerms(tile, acc, width, terms, parts, x.data, packed);
        for (let k = 0; k < used; k++) {
          const channel = n * channels + group * bank.outputs + m + k;
          storeRow(width, y, ((channel * depth + d) * height + h) * width, acc, k * width);
        }
      });
    }
  }
}

/** How many channels of the output are computed together: TILE, of which some may be unused, or 1 where just one is left. */
function tileAt(bank: Filters, m: number): number {
  return bank.outputs - m === 1 ? 1 : TILE;
}

/** Packed filters of one tile: [tap along the row][outer taps][r][tile]. */
function packedSize(bank: Filters): number {
  const [kd, kh, kw] = bank.kernel;
  return kw * kd * kh * bank.inputs * TILE;
}

/** Visits the weights of the tile that begins at output channel m, by their packed and their own place. */
function eachWeight(bank: Filters, group: number, m: number, visit: (packed: number, at: number) => void): void {
  const { strides } = bank;
  const [kd, kh, kw] = bank.kernel;
  const tile = tileAt(bank, m);
  const used = Math.min(TILE, bank.outputs - m);
  let packed = 0;
  for (let k = 0; k < kw; k++) {
    for (let j = 0; j < kd * kh; j++) {
      const tap = Math.floor(j / kh) * strides.taps[0] + (j % kh) * strides.taps[1] + k * strides.taps[2];
      const start = group * strides.g + m * strides.m + tap;
      for (let r = 0; r < bank.inputs; r++, packed += tile) {
        for (let lane = 0; lane < used; lane++) visit(packed + lane, start + lane * strides.m + r * strides.r);
      }
    }
  }
}

type OutputRow = (n: number, d: number, h: number, terms: Terms) => void;

/** Visits the rows of one group's output with their terms: the rows of x that outer taps and channels reach. */
// biome-ignore format: operands side by side
function eachRow(
  x: Strided, bank: Filters, reach: readonly [Reach, Reach, Reach], group: number, tile: number, visit: OutputRow,
): void {
  const deep = meetings(reach[0]);
  const high = meetings(reach[1]);
  const [sd, sh] = spatial(x.strides, 0);
  const terms: Terms = { count: 0, x: [], w: [] };
  for (let n = 0; n < x.shape[0]!; n++) {
    const start = x.offset + n * x.strides[0]! + group * bank.inputs * x.strides[1]!;
    for (let d = 0; d < deep.length; d++) {
      for (let h = 0; h < high.length; h++) {
        terms.count = 0;
        for (const a of deep[d]!) {
          for (const b of high[h]!) {
            const packed = (a.tap * bank.kernel[1] + b.tap) * bank.inputs * tile;
            append(terms, bank.inputs, start + a.x * sd + b.x * sh, x.strides[1]!, packed, tile);
          }
        }
        visit(n, d, h, terms);
      }
    }
  }
}

/** Appends n terms whose rows of x are `sx` apart and whose weights are `sw` apart. */
function append(terms: Terms, n: number, x: number, sx: number, w: number, sw: number): void {
  for (let i = 0; i < n; i++, terms.count++) {
    terms.x[terms.count] = x + i * sx;
    terms.w[terms.count] = w + i * sw;
  }
}

/** The taps along the row as parts of it, with the packed weights of tap k at k·kd·kh·r·tile. */
function partsOf(x: Strided, bank: Filters, reach: Reach, tile: number): Parts {
  const sx = x.strides[x.strides.length - 1]!;
  const [kd, kh] = bank.kernel;
  const list = reach.runs.map((run, tap) => ({
    n: run.count,
    at: run.y,
    x: run.x * sx,
    w: tap * kd * kh * bank.inputs * tile,
  }));
  return { list: list.filter((part) => part.n > 0), sy: reach.yStep, sx: reach.xStep * sx };
}

function storeRow(n: number, y: FloatArray, oy: number, acc: Float64Array, at: number): void {
  for (let i = 0; i < n; i++) y[oy + i] = acc[at + i]!;
}
