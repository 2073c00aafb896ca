/**
 * How far results by tiles can be off. With unit roundoff u = 2⁻²⁴, first order in u, over the terms of one result:
 *
 *   V: 2 roundings (one for each axis), U: 4, the sum of n products: n, the way back: 4, a bias: 1.
 *
 * Each is relative to magnitudes, |A|ᵀ [(|G| |w| |G|ᵀ) ⊙ (|B|ᵀ |d| |B|)] |A|. Written out for one axis and the first
 * result that is (|d₀| + |d₂|) |w₀| + (|d₁| + |d₂|) (|w₀| + |w₁| + |w₂|): every product of a magnitude of the window and
 * one of the filter occurs at most twice, and no other; over two axes, at most four times. So with n channels (times taps
 * along the depth), windows and filters of 3 × 3,
 *
 *   |ŷ - y| ≤ 4 (n + 11) u Σ ‖window‖₁ ‖filter‖₁      directly: |ŷ - y| ≤ 9 n u Σ |window · filter|
 *
 * which for numbers of like magnitude is 4 (1 + 11 / n) times the bound of the direct sum. Over three axes each product
 * occurs at most eight times, and there are five roundings more: with n channels, windows and filters of 3 × 3 × 3,
 *
 *   |ŷ - y| ≤ 8 (n + 16) u Σ ‖window‖₁ ‖filter‖₁      directly: |ŷ - y| ≤ 27 n u Σ |window · filter|
 *
 * For the weight gradient the same holds with the tiles in the place of channels, patches of 4 × 4 (× 4) and gradients of
 * 2 × 2 (× 2).
 * Source: Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2016; Barabasz, Anderson, Soodhalter & Gregg,
 * "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks", 2020.
 */
import { product } from '../../../sizes.ts';
import type { ConvGeometry, Kernels, Strided } from '../../../types.ts';

type Convolutions = Pick<Kernels, 'conv' | 'convWeightGrad'>;
type Floats = Float32Array | Float64Array;

const dense = (data: Floats, shape: readonly number[]): Strided => ({
  data,
  offset: 0,
  shape,
  strides: shape.map((_, i) => product(shape.slice(i + 1))),
});

/** Axes that are transformed: height and width, and perhaps the depth. */
type Axes = 2 | 3;

/** The bound's factor of u Σ ‖window‖₁ ‖filter‖₁ for sums of `terms` products. */
export const tileRoundings = (terms: number, axes: Axes): number => 2 ** axes * (terms + 1 + 5 * axes);

/** Each weight's place taken by the sum of its 3 × 3, or 3 × 3 × 3; `w` holds magnitudes, dense. */
export function filterSums(w: Strided, axes: Axes): Strided {
  const data = (w.data as Floats).slice();
  const size = 3 ** axes;
  for (let at = 0; at < data.length; at += size) {
    let sum = 0;
    for (let i = 0; i < size; i++) sum += data[at + i] as number;
    data.fill(sum, at, at + size);
  }
  return dense(data, w.shape);
}

/** Σ over tiles of ‖patch‖₁ ‖gradient's tile‖₁ for each weight; `x` and `g` hold magnitudes, dense. */
export function tileSums(
  kernels: Convolutions,
  x: Strided,
  g: Strided,
  geometry: ConvGeometry,
  shape: readonly number[],
  axes: Axes,
): Floats {
  const lead = x.shape.length - 2 - axes;
  const tiled = g.shape.slice(-axes).map((size) => Math.ceil(size / 2));
  const ones = (count: number): number[] => new Array<number>(count).fill(1);
  const boxes = (of: Strided, size: number, padding: readonly number[]): Strided => {
    const channels = of.shape[1] as number;
    const box = [...ones(lead), ...new Array<number>(axes).fill(size)];
    const filters = dense(new (of.data.constructor as Float64ArrayConstructor)(channels * product(box)).fill(1), [
      channels,
      1,
      ...box,
    ]);
    const result = [...of.shape.slice(0, 2 + lead), ...tiled];
    const out = new (of.data.constructor as Float64ArrayConstructor)(product(result));
    const stride = [...ones(lead), ...new Array<number>(axes).fill(2)];
    const at = [...new Array<number>(lead).fill(0), ...padding];
    kernels.conv(of, filters, { stride, dilation: ones(stride.length), before: at, groups: channels }, result, out);
    return dense(out, result);
  };
  const none = new Array<number>(axes).fill(0);
  const [patches, tiles] = [boxes(x, 4, geometry.before.slice(-axes)), boxes(g, 2, none)];
  const one = ones(shape.length - 2);
  const own = [...shape.slice(0, -axes), ...ones(axes)];
  const sums = new (x.data.constructor as Float64ArrayConstructor)(product(own));
  const at = [...geometry.before.slice(0, lead), ...none];
  kernels.convWeightGrad(
    patches,
    tiles,
    { stride: one, dilation: one, before: at, groups: geometry.groups },
    own,
    sums,
  );
  return new (x.data.constructor as Float64ArrayConstructor)(product(shape)).map(
    (_, i) => sums[Math.floor(i / 3 ** axes)] as number,
  );
}
