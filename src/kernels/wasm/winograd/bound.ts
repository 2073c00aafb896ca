/**
 * How far results by tiles can be off. With unit roundoff u = 2⁻²⁴, first order in u, over the terms of one result:
 *
 *   V: 2 roundings, U: 4, the sum of n products: n, the way back: 4, a bias: 1.
 *
 * Each is relative to magnitudes, |A|ᵀ [(|G| |w| |G|ᵀ) ⊙ (|B|ᵀ |d| |B|)] |A|. Written out for one axis and the first
 * result that is (|d₀| + |d₂|) |w₀| + (|d₁| + |d₂|) (|w₀| + |w₁| + |w₂|): every product of a magnitude of the window and
 * one of the filter occurs at most twice, and no other; over two axes, at most four times. So with n channels (times taps
 * along the depth), windows and filters of 3 × 3,
 *
 *   |ŷ - y| ≤ 4 (n + 11) u Σ ‖window‖₁ ‖filter‖₁      directly: |ŷ - y| ≤ 9 n u Σ |window · filter|
 *
 * which for numbers of like magnitude is 4 (1 + 11 / n) times the bound of the direct sum. For the weight gradient the
 * same holds with the tiles in the place of channels, patches of 4 × 4 and gradients of 2 × 2.
 * Source: Lavin & Gray, "Fast Algorithms for Convolutional Neural Networks", 2016; Barabasz, Anderson, Soodhalter & Gregg,
 * "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks", 2020.
 */
import type { ConvGeometry, Kernels, Strided } from '../../types.ts';

const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);

type Convolutions = Pick<Kernels, 'conv' | 'convWeightGrad'>;
type Floats = Float32Array | Float64Array;

const dense = (data: Floats, shape: readonly number[]): Strided => ({
  data,
  offset: 0,
  shape,
  strides: shape.map((_, i) => product(shape.slice(i + 1))),
});

/** Each weight's place taken by the sum of its 3 × 3; `w` holds magnitudes, dense. */
export function filterSums(w: Strided): Strided {
  const data = (w.data as Floats).slice();
  for (let at = 0; at < data.length; at += 9) {
    let sum = 0;
    for (let i = 0; i < 9; i++) sum += data[at + i] as number;
    data.fill(sum, at, at + 9);
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
): Floats {
  const depth = x.shape.length - 4;
  const [h, w] = g.shape.slice(-2).map((size) => Math.ceil(size / 2)) as [number, number];
  const before = geometry.before.slice(-2);
  const boxes = (of: Strided, size: number, padding: readonly number[]): Strided => {
    const channels = of.shape[1] as number;
    const lead = of.shape.slice(2, 2 + depth);
    const ones = new (of.data.constructor as Float64ArrayConstructor)(channels * size * size).fill(1);
    const filters = dense(ones, [channels, 1, ...lead.map(() => 1), size, size]);
    const result = [...of.shape.slice(0, 2), ...lead, h, w];
    const out = new (of.data.constructor as Float64ArrayConstructor)(product(result));
    const stride = [...lead.map(() => 1), 2, 2];
    const one = stride.map(() => 1);
    const at = [...lead.map(() => 0), ...padding];
    kernels.conv(of, filters, { stride, dilation: one, before: at, groups: channels }, result, out);
    return dense(out, result);
  };
  const [patches, tiles] = [boxes(x, 4, before), boxes(g, 2, [0, 0])];
  const one = shape.slice(2).map(() => 1);
  const own = [...shape.slice(0, -2), 1, 1];
  const sums = new (x.data.constructor as Float64ArrayConstructor)(product(own));
  const at = [...geometry.before.slice(0, depth), 0, 0];
  kernels.convWeightGrad(
    patches,
    tiles,
    { stride: one, dilation: one, before: at, groups: geometry.groups },
    own,
    sums,
  );
  return new (x.data.constructor as Float64ArrayConstructor)(product(shape)).map(
    (_, i) => sums[Math.floor(i / 9)] as number,
  );
}
