/** Convolutions by tiles, whether or not they would be chosen, against the reference kernels in float64. */
import { afterEach, describe, expect, it } from 'vitest';
import { jsKernels } from '../../../../../src/kernels/js/index.ts';
import { product } from '../../../../../src/kernels/sizes.ts';
import type { Strided } from '../../../../../src/kernels/types.ts';
import { isFused, sizesOf } from '../../../../../src/kernels/wasm/conv/parts.ts';
import { filterSums, tileRoundings, tileSums } from '../../../../../src/kernels/wasm/conv/winograd/bound.ts';
import {
  readyGradient,
  readyLinear,
  runGradient,
  runLinear,
} from '../../../../../src/kernels/wasm/conv/winograd/eager.ts';
import type { TileDepth } from '../../../../../src/kernels/wasm/conv/winograd/geometry.ts';
import {
  adjointSizes,
  canBeDeep,
  gradientPlan,
  isTiled,
  linearPlan,
} from '../../../../../src/kernels/wasm/conv/winograd/plan.ts';
import { forceFeatures } from '../../../../../src/kernels/wasm/features.ts';
import { kernelCache } from '../../../../../src/kernels/wasm/memory/cache.ts';
import { operand, Random } from '../../random.ts';
import {
  anyChunk,
  type Config,
  expectWithin,
  magnitudes,
  ROUNDOFF,
  TINY,
  testBounds,
  testNotFinite,
  wide,
  withRelaxed,
} from './helpers.ts';

/** A convolution that tiles can do: two or three axes, any padding, filters 3 × 3 behind any depth. */
function configuration(random: Random): Config {
  const rank = random.integer(2, 3);
  const groups = random.chance(0.25) ? random.integer(2, 3) : 1;
  const [c, o] = [random.integer(1, 9), random.integer(1, 15)];
  const images = random.integer(1, 5);
  const before: number[] = [];
  const config: Config = {
    x: [images, c * groups],
    w: [o * groups, c],
    y: [images, o * groups],
    geometry: { stride: Array(rank).fill(1), dilation: Array(rank).fill(1), before, groups },
  };
  for (let a = 0; a < rank; a++) {
    const k = a === rank - 3 ? random.pick([1, 2, 3, 3, 3, 4]) : 3;
    const [b, after] = [random.integer(0, 3), random.integer(0, 3)];
    const x = Math.max(1, k - b - after) + random.integer(0, a === rank - 1 ? 22 : 8);
    config.x.push(x);
    config.w.push(k);
    config.y.push(x + b + after - k + 1);
    before.push(b);
  }
  return config;
}

/** Within the bound that bound.ts states. */
function expectBounded(
  actual: Float32Array,
  expected: Float64Array,
  terms: number,
  axes: 2 | 3,
  bound: ArrayLike<number>,
): void {
  const roundings = 1.0003 * tileRoundings(terms, axes) * ROUNDOFF;
  expectWithin(actual, expected, (i) => roundings * bound[i]! + 4 ** axes * terms * TINY);
}

/** All three by tiles of one kind or the other; returns the results. */
function agree(
  random: Random,
  { x, w, y, geometry }: Config,
  value?: () => number,
  planes: TileDepth = random.chance(0.7) ? 2 : 1,
): Float32Array[] {
  const cache = kernelCache();
  const sizes = sizesOf(x, w, y, geometry);
  expect(isTiled(sizes)).toBe(true);
  const { groups } = geometry;
  const [xs, ws, gs] = [operand(random, x), operand(random, w), operand(random, y)] as [Strided, Strided, Strided];
  if (value !== undefined)
    for (const { data } of [xs, ws, gs])
      data.forEach((_, i) => {
        data[i] = value();
      });
  const bias = random.chance(0.5) ? operand(random, [w[0] as number]) : null;

  const tileDepth = canBeDeep(sizes) ? planes : 1;
  const axes = tileDepth === 2 ? 3 : 2;
  const filter = 3 ** axes;
  const forward = linearPlan(sizes, tileDepth, false, bias !== null, isFused());
  const rows = (n: number): number => Math.ceil(n / 2);
  const layers = (n: number): number => Math.ceil(n / tileDepth);
  const [depth, height] = [layers(sizes.axes[0].y), rows(sizes.axes[1].y)];
  const kernel = { ...forward.kernel, chunk: anyChunk(random, forward.kernel.chunk, depth, height, sizes.images) };
  const out = new Float32Array(product(y));
  expect(runLinear(cache, readyLinear(cache, { ...forward, kernel }, sizes.images), xs, ws, bias, groups, out)).toBe(
    true,
  );
  const expected = new Float64Array(out.length);
  jsKernels.conv(wide(xs), wide(ws), geometry, y, expected);
  const bound = new Float64Array(out.length);
  jsKernels.conv(magnitudes(xs), filterSums(magnitudes(ws), axes), geometry, y, bound);
  if (bias !== null) {
    const plane = product(y.slice(2));
    expected.forEach((_, i) => {
      const b = bias.data[
        bias.offset + (Math.floor(i / plane) % (y[1] as number)) * (bias.strides[0] as number)
      ] as number;
      expected[i] = (expected[i] as number) + b;
      bound[i] = (bound[i] as number) + Math.abs(b);
    });
  }
  expectBounded(out, expected, product(w.slice(1)) / filter, axes, bound);

  const adjoint = adjointSizes(sizes);
  const back = linearPlan(adjoint, tileDepth, true, false, isFused());
  const backChunk = anyChunk(
    random,
    back.kernel.chunk,
    layers(adjoint.axes[0].y),
    rows(adjoint.axes[1].y),
    sizes.images,
  );
  const backKernel = { ...back.kernel, chunk: backChunk };
  const dx = new Float32Array(product(x));
  expect(
    runLinear(cache, readyLinear(cache, { ...back, kernel: backKernel }, sizes.images), gs, ws, null, groups, dx),
  ).toBe(true);
  const expectedX = new Float64Array(dx.length);
  jsKernels.convInputGrad(wide(gs), wide(ws), geometry, x, expectedX);
  const boundX = new Float64Array(dx.length);
  jsKernels.convInputGrad(magnitudes(gs), filterSums(magnitudes(ws), axes), geometry, x, boundX);
  expectBounded(dx, expectedX, product(w) / (w[1] as number) / filter / groups, axes, boundX);

  const plan = gradientPlan(sizes, tileDepth, isFused());
  const gradientKernel = { ...plan.kernel, chunk: anyChunk(random, plan.kernel.chunk, depth, height, sizes.images) };
  const dw = new Float32Array(product(w));
  const ready = readyGradient(cache, { ...plan, kernel: gradientKernel }, sizes.images);
  expect(runGradient(cache, ready, xs, gs, groups, dw)).toBe(true);
  const expectedW = new Float64Array(dw.length);
  jsKernels.convWeightGrad(wide(xs), wide(gs), geometry, w, expectedW);
  const boundW = tileSums(jsKernels, magnitudes(xs), magnitudes(gs), geometry, w, axes);
  const tiles = (y[0] as number) * depth * height * rows(sizes.axes[2].y);
  expectBounded(dw, expectedW, tiles, axes, boundW);
  return [out, dx, dw];
}

describe.each([true, false])('convolutions by tiles, relaxed SIMD %s', (relaxed) => {
  afterEach(() => forceFeatures({}));

  testBounds(relaxed, (random, value) => agree(random, configuration(random), value), [40, 15]);

  it('handle every width, and every count of outputs and channels', () =>
    withRelaxed(relaxed, () => {
      const random = new Random(11);
      const geometry = { stride: [1, 1], dilation: [1, 1], before: [1, 1], groups: 1 };
      for (let n = 1; n <= 21; n++) {
        agree(random, { x: [2, 3, 5, n], w: [n, 3, 3, 3], y: [2, n, 5, n], geometry });
        agree(random, { x: [1, n, n, 6], w: [4, n, 3, 3], y: [1, 4, n, 6], geometry });
      }
      const volumes = { stride: [1, 1, 1], dilation: [1, 1, 1], before: [1, 1, 1], groups: 1 };
      for (let n = 1; n <= 13; n++) {
        agree(random, { x: [2, 2, 3, 4, n], w: [n, 2, 3, 3, 3], y: [2, n, 3, 4, n], geometry: volumes }, undefined, 2);
        agree(random, { x: [1, n, n, 3, 5], w: [2, n, 3, 3, 3], y: [1, 2, n, 3, 5], geometry: volumes }, undefined, 2);
      }
    }));
});

describe('numbers that are not finite', () => {
  testNotFinite({
    x: [2, 16, 14, 14],
    w: [16, 16, 3, 3],
    y: [2, 16, 14, 14],
    geometry: { stride: [1, 1], dilation: [1, 1], before: [1, 1], groups: 1 },
  });
});
