/** Laws of transposed convolution. */
import { build, type NdArray, sizeOf } from '../nd.ts';
import { type ConvTransposeOptions, list } from '../reference/options.ts';
import {
  add,
  concat,
  flip,
  type Geometry,
  geometryOf,
  narrow,
  plainPadding,
  reshape,
  scale,
  spatialAxes,
  upsample,
} from './arrays.ts';
import { type Bench, defineLaw, type Law, type Sample } from './law.ts';
import { applyMatrix, convolutionMatrix } from './toeplitz.ts';

type Body = (bench: Bench, sample: Sample<'convTranspose'>) => void;
const transpose = (name: string, says: string, body: Body): Law<'convTranspose'> =>
  defineLaw('convTranspose', ['convTranspose'], name, says, body);

function unbiased({ bias: _, ...options }: ConvTransposeOptions): ConvTransposeOptions {
  return options;
}

interface TransposeGeometry extends Geometry {
  readonly outputPadding: number[];
  /** The spatial size of the output. */
  readonly output: number[];
}

function transposeGeometry(x: NdArray, w: NdArray, options: ConvTransposeOptions): TransposeGeometry {
  const geometry = geometryOf(w, options);
  const { pairs, reach, stride } = geometry;
  const outputPadding = list(options.outputPadding ?? 0, reach.length);
  const output = x.shape.slice(2).map((n, axis) => {
    const [before, after] = pairs[axis] as readonly [number, number];
    return (
      (n - 1) * (stride[axis] as number) - before - after + (reach[axis] as number) + (outputPadding[axis] as number)
    );
  });
  return { ...geometry, outputPadding, output };
}

/** convTranspose is linear in its input. */
export const transposeLinear: Law<'convTranspose'> = transpose(
  'transposeLinear',
  'convTranspose(2·x - 3·x′, w) = 2·convTranspose(x, w) - 3·convTranspose(x′, w)',
  ({ run, close, material }, { x, w, options }) => {
    const o = unbiased(options);
    const other = material.array(x.shape);
    const combined = run.convTranspose(add(scale(x, 2), scale(other, -3)), w, o);
    close(combined, add(scale(run.convTranspose(x, w, o), 2), scale(run.convTranspose(other, w, o), -3)));
  },
);

/** Its matrix is the transpose of a convolution's matrix: hence the name. */
export const transposeMatrixForm: Law<'convTranspose'> = transpose(
  'transposeMatrixForm',
  'convTranspose(x, w) = T(w)ᵀ·x, T the matrix of the convolution from the output back to the input',
  ({ run, close }, { x, w, options }) => {
    const geometry = transposeGeometry(x, w, options);
    // With an output padding of a stride or more, the convolution back has places to spare.
    const { matrix } = convolutionMatrix(w, geometry.output, geometry, x.shape.slice(2));
    const filters = (w.shape[1] as number) * geometry.groups;
    close(run.convTranspose(x, w, unbiased(options)), applyMatrix(matrix, x, [filters, ...geometry.output], true));
  },
);

/** The bias is added to every element of its output channel, also where nothing else reaches. */
export const transposeBias: Law<'convTranspose'> = transpose(
  'transposeBias',
  'convTranspose(x, w, b)[n, o, p] = convTranspose(x, w)[n, o, p] + b[o]',
  ({ run, close, material }, { x, w, options }) => {
    const y = run.convTranspose(x, w, unbiased(options));
    const bias = material.array([y.shape[1] as number]);
    const places = sizeOf(y.shape.slice(2));
    const expected = y.data.map((v, i) => v + (bias.data[Math.floor(i / places) % bias.data.length] as number));
    close(run.convTranspose(x, w, { ...options, bias }), { shape: y.shape, data: expected });
  },
);

/** Output padding makes the output longer and changes nothing in front. */
export const outputPaddingExtends: Law<'convTranspose'> = transpose(
  'outputPaddingExtends',
  'convTranspose(x, w, outputPadding e) without its last e elements = convTranspose(x, w)',
  ({ run, close }, { x, w, options }) => {
    const { outputPadding, output } = transposeGeometry(x, w, options);
    // Without output padding the output may be empty, which is not every library's business.
    const shorter = output.map((n, axis) => n - (outputPadding[axis] as number));
    if (shorter.some((n) => n < 1)) return;
    const { outputPadding: _, ...plain } = options;
    const y = shorter.reduce((array, n, axis) => narrow(array, axis + 2, 0, n), run.convTranspose(x, w, options));
    close(y, run.convTranspose(x, w, plain));
  },
);

/** Groups are transposed convolutions side by side. */
export const transposeGroupsAreSeparate: Law<'convTranspose'> = transpose(
  'transposeGroupsAreSeparate',
  'convTranspose(x, w, groups g) = cat of convTranspose(x of the group, w of the group)',
  ({ run, close }, { x, w, options }) => {
    const { groups = 1, ...rest } = unbiased(options);
    const channels = (x.shape[1] as number) / groups;
    const single = Array.from({ length: groups }, (_, g) =>
      run.convTranspose(narrow(x, 1, g * channels, channels), narrow(w, 0, g * channels, channels), rest),
    );
    close(run.convTranspose(x, w, unbiased(options)), concat(single, 1));
  },
);

/** `w [C, O/groups, ...K]` with inputs and outputs exchanged within each group: `[O, C/groups, ...K]`. */
function exchanged(w: NdArray, groups: number): NdArray {
  const [channels = 0, filters = 0, ...kernel] = w.shape;
  const perGroup = channels / groups;
  const taps = sizeOf(kernel);
  return build([filters * groups, perGroup, ...kernel], ([o, c], position) => {
    const from = Math.floor(o / filters) * perGroup + c;
    return w.data[(from * filters + (o % filters)) * taps + (position % taps)] as number;
  });
}

/** A transposed convolution is a convolution with the flipped filter over a picture with zeros between its elements. */
export const zeroStuffing: Law<'convTranspose'> = defineLaw(
  'convTranspose',
  ['convTranspose', 'conv'],
  'zeroStuffing',
  'convTranspose(x, w, stride s) = conv(x with s - 1 zeros between its elements, flip w), padding dilation·(K - 1) - padding',
  ({ run, close }, { x, w, options }) => {
    const { pairs, stride, dilation, reach, outputPadding, groups, output } = transposeGeometry(x, w, options);
    const margin = reach.map((n, axis): [number, number] => {
      const [before, after] = pairs[axis] as readonly [number, number];
      return [n - 1 - before, n - 1 - after + (outputPadding[axis] as number)];
    });
    // Padding beyond the kernel's reach would have to crop, which padding of a convolution cannot say.
    if (margin.flat().some((n) => n < 0) || output.some((n) => n < 1)) return;
    const stuffed = upsample(x, stride);
    const filters = flip(exchanged(w, groups), spatialAxes(w));
    const forward = run.conv(stuffed, filters, { padding: plainPadding(margin), dilation, groups });
    close(run.convTranspose(x, w, unbiased(options)), reshape(forward, forward.shape));
  },
);
