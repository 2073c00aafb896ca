/** The library under its own laws, and its views under its own chains. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as typedgrad from '../../src/index.ts';
import {
  allClose,
  applyViews,
  arbitraries,
  type ConvOptions,
  type ConvTransposeOptions,
  type Implementation,
  laws,
  type NdArray,
  reference,
  toNd,
} from '../../src/testing/index.ts';

const { Tensor, tensor } = typedgrad;
type DType = typedgrad.DType;
// biome-ignore lint/suspicious/noExplicitAny: looks up conv1d, conv2d, … by rank
const functions = typedgrad as any;

/** typedgrad's functions as an implementation that laws can be tried on. */
function implementation(rank: number, dtype: DType): Implementation {
  const read = (a: NdArray): typedgrad.Tensor =>
    Tensor.from(dtype === 'float32' ? Float32Array.from(a.data) : a.data.slice(), [...a.shape]);
  const biased = <O extends ConvOptions | ConvTransposeOptions>(options: O): O =>
    options.bias === undefined ? options : { ...options, bias: read(toNd(options.bias)) };
  const call =
    (name: string) =>
    (x: NdArray, second: unknown, options: object): typedgrad.Tensor =>
      functions[`${name}${rank}d`](read(x), second, options);
  return {
    conv: (x, w, options) => call('conv')(x, read(w), biased(options)),
    convTranspose: (x, w, options) => call('convTranspose')(x, read(w), biased(options)),
    maxPool: call('maxPool'),
    avgPool: call('avgPool'),
    linear: (x, w, options) => typedgrad.linear(read(x), read(w), biased(options) as object),
  };
}

describe('typedgrad', () => {
  for (const rank of [1, 2, 3]) {
    for (const dtype of ['float32', 'float64'] as const) {
      it(`obeys every law in ${rank}-d, ${dtype}`, () => {
        const report = laws.check(implementation(rank, dtype), { rank, runs: rank === 3 ? 8 : 20, seed: 1 });
        report.throwIfFailed();
        expect(report.results.every(({ runs }) => runs > 0)).toBe(true);
      });
    }
  }

  it('views as the definition says, through chains of views', () => {
    fc.assert(
      fc.property(arbitraries.viewChain(), ({ shape, steps }) => {
        const data = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i);
        return allClose(applyViews(Tensor.from(data, shape), steps), reference.view({ shape, data }, steps));
      }),
      { numRuns: 500, seed: 1 },
    );
  });

  it('convolves any memory layout as it convolves a dense one', () => {
    const layouts = arbitraries.stridedArray({ shape: [2, 2, 4, 5], values: 'integers' });
    fc.assert(
      fc.property(layouts, ({ data, views, array }) => {
        const x = applyViews(tensor(data), views);
        const w = tensor(
          Float64Array.from({ length: 24 }, (_, i) => (i % 7) - 3),
          [2, 2, 2, 3],
        );
        return allClose(functions.conv2d(x, w, { padding: 1 }), reference.conv(array, w, { padding: 1 }));
      }),
      { numRuns: 100, seed: 1 },
    );
  });
});
