/** Convolution and its gradients, which may run by tiles with bounds of their own (conv/winograd/bound.ts, row/bound.ts). */
import { product } from '../../sizes.ts';
import type { ConvGeometry, FloatArray, Kernels, Strided } from '../../types.ts';
import { sizesOf } from '../conv/parts.ts';
import type { ConvSizes } from '../conv/plan.ts';
import { filterSums, tileRoundings, tileSums } from '../conv/winograd/bound.ts';
import { adjointSizes } from '../conv/winograd/plan.ts';
import { patchSums, resultTerms, weightTerms, windowSums } from '../conv/winograd/row/bound.ts';
import { isRowTiled } from '../conv/winograd/row/plan.ts';
import { fresh, type Pair, type Tiled } from './pair.ts';

/** What convolutions by tiles may be off by in addition to the direct sum's rounding. */
function byTiles(
  filter: readonly number[],
  { stride, dilation }: ConvGeometry,
  terms: number,
  magnitudes: (inputs: readonly Strided[], axes: 2 | 3) => FloatArray,
  alongRows: () => Tiled | null,
): Tiled | null {
  const isTiled = filter.length > 3 && filter.slice(-2).join() === '3,3' && stride.every((s) => s === 1);
  if (!isTiled || dilation.slice(-2).some((d) => d !== 1)) return alongRows();
  // Tiles may be two planes deep, whose magnitudes are larger, or not, whose sums are longer.
  const axes = filter.length === 5 && filter[2] === 3 ? 3 : 2;
  const roundings = Math.max(tileRoundings(terms, 2), tileRoundings(terms, axes));
  return { roundings, magnitudes: (inputs) => magnitudes(inputs, axes) };
}

function byRows(sizes: ConvSizes, isAdjoint: boolean): Tiled | null {
  if (!isRowTiled(sizes)) return null;
  const own = isAdjoint ? adjointSizes(sizes) : sizes;
  const magnitudes: Tiled['magnitudes'] = ([x, w]) => windowSums(own, x!.data, w!.data, isAdjoint);
  return { roundings: tileRoundings(resultTerms(own), 2), magnitudes };
}

function byRowPatches(sizes: ConvSizes): Tiled | null {
  if (!isRowTiled(sizes)) return null;
  const magnitudes: Tiled['magnitudes'] = ([x, g]) => patchSums(sizes, x!.data, g!.data);
  return { roundings: tileRoundings(weightTerms(sizes), 2), magnitudes };
}

export function convolutions(pair: Pair): Pick<Kernels, 'conv' | 'convInputGrad' | 'convWeightGrad'> {
  const { reference } = pair;
  return {
    conv(x, w, geometry, shape, y, bias) {
      const terms = product(w.shape.slice(1));
      const magnitudes = ([p, q, b]: readonly Strided[], axes: 2 | 3): FloatArray => {
        const out = fresh(y);
        reference.conv(p!, filterSums(q!, axes), geometry, shape, out, b);
        return out;
      };
      const alongRows = (): Tiled | null => byRows(sizesOf(x.shape, w.shape, shape, geometry), false);
      const tiled = byTiles(w.shape, geometry, terms / 9, magnitudes, alongRows);
      const inputs = bias ? [x, w, bias] : [x, w];
      pair.sums('conv', terms + 1, y, inputs, (k, out, [p, q, b]) => k.conv(p!, q!, geometry, shape, out, b), tiled);
    },
    convInputGrad(g, w, geometry, shape, y) {
      const terms = product(w.shape);
      const magnitudes = ([p, q]: readonly Strided[], axes: 2 | 3): FloatArray => {
        const out = fresh(y);
        reference.convInputGrad(p!, filterSums(q!, axes), geometry, shape, out);
        return out;
      };
      const alongRows = (): Tiled | null => byRows(sizesOf(shape, w.shape, g.shape, geometry), true);
      const tiled = byTiles(w.shape, geometry, terms / 9, magnitudes, alongRows);
      const run = (k: Kernels, out: FloatArray, [p, q]: readonly Strided[]): void =>
        k.convInputGrad(p!, q!, geometry, shape, out);
      pair.sums('convInputGrad', terms, y, [g, w], run, tiled);
    },
    convWeightGrad(x, g, geometry, shape, y) {
      const terms = product(g.shape);
      const magnitudes = ([p, q]: readonly Strided[], axes: 2 | 3): FloatArray =>
        tileSums(reference, p!, q!, geometry, shape, axes);
      const alongRows = (): Tiled | null => byRowPatches(sizesOf(x.shape, shape, g.shape, geometry));
      const tiled = byTiles(shape, geometry, terms, magnitudes, alongRows);
      const run = (k: Kernels, out: FloatArray, [p, q]: readonly Strided[]): void =>
        k.convWeightGrad(p!, q!, geometry, shape, out);
      pair.sums('convWeightGrad', terms, y, [x, g], run, tiled);
    },
  };
}
