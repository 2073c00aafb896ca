/** Laws that say what else a convolution is: a matrix, a product of spectra, a composition, the adjoint of a transposed one. */
import { build, type NdArray, sizeOf } from '../nd.ts';
import type { ConvOptions } from '../reference/options.ts';
import { pad } from '../reference/pad.ts';
import {
  add,
  blockDiagonal,
  concat,
  dot,
  flip,
  geometryOf,
  narrow,
  reshape,
  spatialAxes,
  subsample,
  take,
  upsample,
} from './arrays.ts';
import { fft, powerOfTwo, type Spectrum } from './fourier.ts';
import { type Bench, defineLaw, type Law, type Sample } from './law.ts';
import { applyMatrix, convolutionMatrix } from './toeplitz.ts';

const conv = (name: string, says: string, body: (bench: Bench, sample: Sample<'conv'>) => void): Law<'conv'> =>
  defineLaw('conv', ['conv'], name, says, body);

function unbiased({ bias: _, ...options }: ConvOptions): ConvOptions {
  return options;
}

function zeroPadded({ bias: _, paddingMode: __, ...options }: ConvOptions): ConvOptions {
  return options;
}

/** v [P, O] as filters of one tap, `[P, O, 1, …]`. */
const pointwise = (v: NdArray, rank: number): NdArray => reshape(v, [...v.shape, ...new Array<number>(rank).fill(1)]);

/** (a · b)[i, ...] = Σ_j a[i, j] · b[j, ...] */
function product(a: NdArray, b: NdArray): NdArray {
  const [rows = 0, inner = 0] = a.shape;
  const rest = sizeOf(b.shape.slice(1));
  return build([rows, ...b.shape.slice(1)], ([i], position) => {
    let sum = 0;
    for (let j = 0; j < inner; j++)
      sum += (a.data[i * inner + j] as number) * (b.data[j * rest + (position % rest)] as number);
    return sum;
  });
}

/** Mixing the output channels afterwards is mixing the filters before. */
export const pointwiseAfter: Law<'conv'> = conv(
  'pointwiseAfter',
  'conv(conv(x, w), v) = conv(x, v·w), v of size 1×1',
  ({ run, close, material }, { x, w, options }) => {
    const o = unbiased(options);
    const v = material.array([2, w.shape[0] as number]);
    const { groups: _, ...ungrouped } = o;
    const mixed = run.conv(x, product(v, blockDiagonal(w, options.groups ?? 1)), ungrouped);
    close(run.conv(run.conv(x, w, o), pointwise(v, w.shape.length - 2), {}), mixed);
  },
);

/** Mixing the input channels first is mixing them within the filters. */
export const pointwiseBefore: Law<'conv'> = conv(
  'pointwiseBefore',
  'conv(conv(x, u), w) = conv(x, w·u), u of size 1×1',
  ({ run, close, material }, { x, w, options }) => {
    const { groups = 1, ...ungrouped } = unbiased(options);
    const channels = x.shape[1] as number;
    const u = material.array([channels, 2]);
    // (w·u)[o, i, k] = Σ_c w[o, c, k] · u[c, i]: with the channels of w in front, a product of matrices.
    const dense = blockDiagonal(w, groups);
    const taps = sizeOf(w.shape.slice(2));
    const mixed = build([dense.shape[0] as number, 2, ...w.shape.slice(2)], ([o, i], position) => {
      let sum = 0;
      for (let c = 0; c < channels; c++) {
        sum += (dense.data[(o * channels + c) * taps + (position % taps)] as number) * (u.data[c * 2 + i] as number);
      }
      return sum;
    });
    const source = material.array([x.shape[0] as number, 2, ...x.shape.slice(2)]);
    const first = run.conv(source, pointwise(u, w.shape.length - 2), {});
    close(run.conv(first, w, unbiased(options)), run.conv(source, mixed, ungrouped));
  },
);

/** Two convolutions in a row are one with the filters' full convolution. */
export const composition: Law<'conv'> = conv(
  'composition',
  'conv(conv(x, w), v) = conv(x, conv(w, flip v, padding V - 1)), for one channel',
  ({ run, close, material }, { x, w }) => {
    const rank = w.shape.length - 2;
    const ones = new Array<number>(rank).fill(1);
    const single = narrow(narrow(w, 0, 0, 1), 1, 0, 1);
    const v = material.array(single.shape);
    const margin = v.shape.slice(2).map((k) => k - 1);
    const picture = pad(
      take(x, 1, [0]),
      margin.map((n) => [n, n]),
    );
    const both = run.conv(single, flip(v, spatialAxes(v)), { padding: margin });
    close(run.conv(run.conv(picture, single, { stride: ones }), v, {}), run.conv(picture, both, {}));
  },
);

/** Picture and filter may change places. */
export const exchange: Law<'conv'> = conv(
  'exchange',
  'conv(x, w, padding K - 1) = flip conv(w, x, padding S - 1), for one channel',
  ({ run, close }, { x, w }) => {
    if (x.data.length === 0) return;
    const picture = narrow(narrow(x, 0, 0, 1), 1, 0, 1);
    const filter = narrow(narrow(w, 0, 0, 1), 1, 0, 1);
    const full = (a: NdArray, b: NdArray): NdArray => run.conv(a, b, { padding: b.shape.slice(2).map((n) => n - 1) });
    close(full(picture, filter), flip(full(filter, picture), spatialAxes(picture)));
  },
);

/** A convolution is a matrix, with the filters' taps along its diagonals. */
export const matrixForm: Law<'conv'> = conv(
  'matrixForm',
  'conv(x, w) = T(w)·x, T the (block) Toeplitz matrix of w',
  ({ run, close }, { x, w, options }) => {
    const o = zeroPadded(options);
    const { matrix, output } = convolutionMatrix(w, x.shape.slice(2), geometryOf(w, o));
    close(run.conv(x, w, o), applyMatrix(matrix, x, output));
  },
);

/** The spectrum of a real array padded with zeros to `shape`. */
function spectrum(a: NdArray, shape: readonly number[]): Spectrum {
  const { data } = pad(
    a,
    a.shape.map((n, axis) => [0, (shape[axis] as number) - n]),
  );
  return fft({ shape, re: data, im: new Float64Array(data.length) }, -1);
}

/** Correlation of one picture with one filter by their spectra: the inverse transform of X · conj(W). */
function correlation(x: NdArray, w: NdArray): NdArray {
  const shape = x.shape.map(powerOfTwo);
  const [a, b] = [spectrum(x, shape), spectrum(w, shape)];
  const re = a.re.map((v, i) => v * (b.re[i] as number) + (a.im[i] as number) * (b.im[i] as number));
  const im = a.im.map((v, i) => v * (b.re[i] as number) - (a.re[i] as number) * (b.im[i] as number));
  const back = fft({ shape, re, im }, 1);
  const whole: NdArray = { shape, data: back.re.map((v) => v / back.re.length) };
  // The transform is circular: only the places where the filter does not run over the end are the correlation.
  return w.shape.reduce((array, k, axis) => narrow(array, axis, 0, (x.shape[axis] as number) - k + 1), whole);
}

/** Convolution theorem: convolution in space is multiplication of spectra. */
export const convolutionTheorem: Law<'conv'> = conv(
  'convolutionTheorem',
  'conv(x, w) = F⁻¹(F(x) · conj F(w)), summed over channels, by a fast Fourier transform',
  ({ run, close }, { x, w, options }) => {
    const o = unbiased(options);
    const { pairs, stride, dilation, groups } = geometryOf(w, o);
    const picture = pad(x, pairs, { mode: options.paddingMode ?? 'zeros' });
    const filters = upsample(blockDiagonal(w, groups), dilation);
    const slice = (a: NdArray, i: number, j: number): NdArray =>
      reshape(take(take(a, 0, [i]), 1, [j]), a.shape.slice(2));
    const [batch = 0, channels = 0] = x.shape;
    if (batch === 0) return;
    const rows = Array.from({ length: batch }, (_, n) => {
      const maps = Array.from({ length: w.shape[0] as number }, (__, f) => {
        const parts = Array.from({ length: channels }, (___, c) =>
          correlation(slice(picture, n, c), slice(filters, f, c)),
        );
        const sum = parts.reduce(add);
        return subsample(reshape(sum, [1, 1, ...sum.shape]), stride);
      });
      return concat(maps, 1);
    });
    close(run.conv(x, w, o), concat(rows, 0));
  },
);

/** Convolution and transposed convolution are adjoint: ⟨conv(x, w), y⟩ = ⟨x, convᵀ(y, w)⟩. */
export const adjointness: Law<'conv'> = defineLaw(
  'conv',
  ['conv', 'convTranspose'],
  'adjointness',
  '⟨conv(x, w), y⟩ = ⟨x, convTranspose(y, w)⟩',
  ({ run, close, material }, { x, w, options }) => {
    const o = zeroPadded(options);
    const { pairs, stride, dilation, reach, groups } = geometryOf(w, o);
    const forward = run.conv(x, w, o);
    const y = material.array(forward.shape);
    // What floor left over: convTranspose must be told, since several sizes of x lead to the size of y.
    const outputPadding = x.shape.slice(2).map((n, axis) => {
      const [before, after] = pairs[axis] as readonly [number, number];
      return (n + before + after - (reach[axis] as number)) % (stride[axis] as number);
    });
    // Transposed convolutions have no uneven padding: there the padded picture's part of the output is cut out by hand.
    const even = pairs.every(([before, after]) => before === after);
    const padding = even ? pairs.map(([before]) => before) : 0;
    const whole = run.convTranspose(y, w, { stride, padding, dilation, groups, outputPadding });
    const back = even
      ? whole
      : pad(
          whole,
          pairs.map(([before, after]) => [-before, -after]),
        );
    close(back.shape as number[], x.shape as number[]);
    close(dot(forward, y), dot(x, back));
  },
);
