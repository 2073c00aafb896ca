/** What the suites of tiles share: configurations, operands in float64, comparison within a bound, features left out. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { jsKernels } from '../../../../../src/kernels/js/index.ts';
import { product } from '../../../../../src/kernels/sizes.ts';
import type { ConvGeometry, Strided } from '../../../../../src/kernels/types.ts';
import type { Chunk } from '../../../../../src/kernels/wasm/conv/winograd/geometry.ts';
import { forceFeatures } from '../../../../../src/kernels/wasm/features.ts';
import { createWasmKernels } from '../../../../../src/kernels/wasm/index.ts';
import { Random } from '../../random.ts';

/** Half a unit in the last place of 1 in float32. */
export const ROUNDOFF: number = 2 ** -24;
/** The smallest normal float32. */
export const TINY: number = 2 ** -126;

/** Shapes of x, weight and result, and what relates them. */
export interface Config {
  readonly x: number[];
  readonly w: number[];
  readonly y: number[];
  readonly geometry: ConvGeometry;
}

/** Chunks of any size: what is transformed at once must not show in results. */
export function anyChunk(random: Random, chunk: Chunk, layers: number, rows: number, images: number): Chunk {
  if (random.chance(0.4)) return chunk;
  const cut = random.integer(0, 2);
  if (cut === 0) return { images: 1, layers: random.integer(1, layers), rows };
  if (cut === 1) return { images: 1, layers: random.integer(1, layers), rows: random.integer(1, rows) };
  return { images: random.integer(1, images + 1), layers, rows };
}

const dense = (data: Float32Array | Float64Array, shape: readonly number[]): Strided => ({
  data,
  offset: 0,
  shape,
  strides: shape.map((_, i) => product(shape.slice(i + 1))),
});

/** The same numbers in float64. */
export const wide = (x: Strided): Strided => ({ ...x, data: Float64Array.from(x.data) });

/** Their absolute values in float64. */
export function magnitudes(x: Strided): Strided {
  const data = new Float64Array(product(x.shape));
  jsKernels.unary('abs', wide(x), data);
  return dense(data, x.shape);
}

/** Fails at the first element that is further off than `allowed` says of it. */
export function expectWithin(actual: Float32Array, expected: Float64Array, allowed: (element: number) => number): void {
  for (let i = 0; i < actual.length; i++) {
    const off = Math.abs(actual[i]! - expected[i]!);
    if (!(off <= allowed(i))) {
      throw new Error(`element ${i}: ${actual[i]} instead of ${expected[i]}, allowed ${allowed(i)}`);
    }
  }
}

/** Runs a test with or without relaxed SIMD; the suite forgets it behind each test. */
export const withRelaxed = (relaxed: boolean, body: () => void): void => {
  forceFeatures(relaxed ? {} : { relaxed: false });
  body();
};

/** Checks a property of many random sources. */
const forSeeds = (numRuns: number, body: (random: Random) => void): void =>
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      body(new Random(seed));
    }),
    { numRuns },
  );

/** Tests that `agree`, which draws a configuration and checks its results, holds for ordinary numbers and for awkward ones. */
export function testBounds(
  relaxed: boolean,
  agree: (random: Random, value?: () => number) => void,
  [ordinary, awkward]: readonly [number, number],
): void {
  it('are within the stated bound of the exact result', () =>
    withRelaxed(relaxed, () => forSeeds(ordinary, (random) => agree(random))));

  it('are so for denormal numbers and numbers of very different size', () =>
    withRelaxed(relaxed, () =>
      forSeeds(awkward, (random) => {
        const scale = [1e-42, 1e-39, 1e-20, 1, 1, 1e15];
        agree(random, () => (2 * random.next() - 1) * random.pick(scale));
      }),
    ));
}

/** Tests that one number that is not finite reaches what the definition says, through kernels as they are chosen. */
export function testNotFinite({ x, w, y, geometry }: Config): void {
  const shapes = [x, w, y];
  const run = (kernels: typeof jsKernels, [xs, ws, gs]: readonly Strided[]): Float32Array[] => {
    const results = [y, x, w].map((shape) => new Float32Array(product(shape)));
    kernels.conv(xs!, ws!, geometry, y, results[0]!);
    kernels.convInputGrad(gs!, ws!, geometry, x, results[1]!);
    kernels.convWeightGrad(xs!, gs!, geometry, w, results[2]!);
    return results;
  };

  it.each([
    ['x', 0, Number.NaN],
    ['x', 0, Number.POSITIVE_INFINITY],
    ['x', 0, 3e38],
    ['w', 1, Number.NEGATIVE_INFINITY],
    ['w', 1, 3.4e38],
    ['g', 2, Number.NaN],
    ['g', 2, Number.POSITIVE_INFINITY],
  ])('%s with one of them (operand %i, %f) reaches what depends on it and nothing else', (_, which, value) => {
    for (const at of [0, 500, 2303]) {
      const random = new Random(5);
      const list = shapes.map((shape) =>
        dense(
          Float32Array.from({ length: product(shape) }, () => 2 * random.next() - 1),
          shape,
        ),
      );
      list[which]!.data[at] = value;
      const [actual, expected] = [run(createWasmKernels(), list), run(jsKernels, list)];
      actual.forEach((result, r) => {
        const wrong = result.findIndex((a, i) => {
          const e = expected[r]![i]!;
          return Number.isFinite(e) ? !(Math.abs(a - e) <= 1e-3 + 1e-5 * Math.abs(e)) : !Object.is(a, e);
        });
        expect(wrong).toBe(-1);
      });
    }
  });
}
