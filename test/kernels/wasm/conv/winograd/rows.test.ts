/** Convolutions along rows by tiles, whether or not they would be chosen, against the reference kernels in float64. */
import { afterEach, describe, expect, it } from 'vitest';
import { jsKernels } from '../../../../../src/kernels/js/index.ts';
import { product } from '../../../../../src/kernels/sizes.ts';
import type { Strided } from '../../../../../src/kernels/types.ts';
import { isFused, sizesOf } from '../../../../../src/kernels/wasm/conv/parts.ts';
import {
  readyGradient,
  readyLinear,
  runGradient,
  runLinear,
} from '../../../../../src/kernels/wasm/conv/winograd/eager.ts';
import { linearScratch } from '../../../../../src/kernels/wasm/conv/winograd/linear.ts';
import {
  adjointSizes,
  planTiles,
  planTilesInputGrad,
  planTilesWeightGrad,
} from '../../../../../src/kernels/wasm/conv/winograd/plan.ts';
import { combine, type Matrix, rowAlgorithm } from '../../../../../src/kernels/wasm/conv/winograd/row/algorithm.ts';
import {
  patchSums,
  resultTerms,
  weightTerms,
  windowSums,
} from '../../../../../src/kernels/wasm/conv/winograd/row/bound.ts';
import { isRowTiled, rowGradientPlan, rowLinearPlan } from '../../../../../src/kernels/wasm/conv/winograd/row/plan.ts';
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

describe('filtering along a row', () => {
  const apply = (steps: readonly Matrix[], values: readonly number[]): number[] =>
    steps.reduce<number[]>(
      (given, matrix) =>
        matrix.map((row) =>
          combine(
            row,
            (i) => given[i]!,
            (a, b) => a + b,
            (a, b) => a - b,
          ),
        ),
      [...values],
    );
  const magnitude = ([first, second]: readonly [Matrix, Matrix]): number[][] =>
    second.map((row) => first[0]!.map((_, j) => row.reduce((sum, v, i) => sum + Math.abs(v * first[i]![j]!), 0)));

  it.each(Array.from({ length: 15 }, (_, i) => i + 2))('of %i taps is exact in whole numbers', (taps) => {
    const random = new Random(taps);
    const { terms, input, filter, output } = rowAlgorithm(taps);
    const whole = (count: number): number[] => Array.from({ length: count }, () => random.integer(-50, 50));
    const [d, w] = [whole(taps + 3), whole(taps)];
    const [v, u] = [apply(input, d), apply(filter, w)];
    expect(v.length).toBe(u.length);
    let at = 0;
    const sums = terms.map((count) => {
      at += count;
      return v.slice(at - count, at).reduce((sum, value, i) => sum + value * u[at - count + i]!, 0);
    });
    const expected = [0, 1, 2, 3].map((j) => 2 * w.reduce((sum, value, i) => sum + value * d[i + j]!, 0));
    expect(apply(output, sums)).toEqual(expected);
  });

  it('has each product of an element and a tap at most four times, and none of an element outside of the window', () => {
    for (let taps = 2; taps <= 16; taps++) {
      const { terms, input, filter, output } = rowAlgorithm(taps);
      const [v, u, y] = [magnitude(input), magnitude(filter), magnitude(output)];
      const position = terms.flatMap((count, i) => Array<number>(count).fill(i));
      for (let j = 0; j < 4; j++) {
        for (let i = 0; i < taps + 3; i++) {
          for (let k = 0; k < taps; k++) {
            const count = position.reduce((sum, p, n) => sum + (y[j]![p]! * v[n]![i]! * u[n]![k]!) / 2, 0);
            const isInside = i >= j && i < j + taps + (taps % 2);
            expect(count, `${taps} taps, result ${j}, element ${i}, tap ${k}`).toBeLessThanOrEqual(isInside ? 4 : 0);
          }
        }
      }
    }
  });
});

/** A convolution along rows: one to three axes, any padding along the last. */
function configuration(random: Random): Config {
  const rank = random.integer(1, 3);
  const groups = random.chance(0.25) ? random.integer(2, 3) : 1;
  const [c, o, images] = [random.integer(1, 9), random.integer(1, 27), random.integer(1, 5)];
  const k = random.integer(2, 9);
  const [before, after] = [random.integer(0, k), random.integer(0, k)];
  const width = Math.max(1, k - before - after) + random.integer(0, 30);
  const lead = Array.from({ length: rank - 1 }, () => random.integer(1, 4));
  const ones = lead.map(() => 1);
  return {
    x: [images, c * groups, ...lead, width],
    w: [o * groups, c, ...ones, k],
    y: [images, o * groups, ...lead, width + before + after - k + 1],
    geometry: {
      stride: [...ones, 1],
      dilation: [...ones, 1],
      before: [...lead.map(() => 0), before],
      groups,
    },
  };
}

/** Absolute values of numbers as they lie. */
const sizesIn = (x: Strided): Float64Array => magnitudes(x).data as Float64Array;

/** Within the bound that row/bound.ts states. */
const expectBounded = (actual: Float32Array, expected: Float64Array, terms: number, bound: ArrayLike<number>): void =>
  expectWithin(actual, expected, (i) => 4.001 * (terms + 11) * ROUNDOFF * bound[i]! + 16 * terms * TINY);

/** All three along rows. */
function agree(random: Random, { x, w, y, geometry }: Config, value?: () => number): void {
  const cache = kernelCache();
  const sizes = sizesOf(x, w, y, geometry);
  expect(isRowTiled(sizes)).toBe(true);
  const { groups } = geometry;
  const { images } = sizes;
  const [xs, ws, gs] = [operand(random, x), operand(random, w), operand(random, y)] as [Strided, Strided, Strided];
  if (value !== undefined) {
    for (const { data } of [xs, ws, gs]) for (let i = 0; i < data.length; i++) data[i] = value();
  }
  const bias = random.chance(0.5) ? operand(random, [w[0]!]) : null;
  const rows = product(x.slice(2, -1));
  const tiles = (width: number): number => Math.ceil(width / 4);
  const linear = (from: Strided, by: Strided | null, isAdjoint: boolean): Float32Array => {
    const own = isAdjoint ? adjointSizes(sizes) : sizes;
    const plan = rowLinearPlan(own, isAdjoint, by !== null, isFused());
    const kernel = {
      ...plan.kernel,
      chunk: anyChunk(random, plan.kernel.chunk, rows, tiles(own.axes[2].y), images),
    };
    const out = new Float32Array(product(isAdjoint ? x : y));
    const ready = readyLinear(cache, { ...plan, kernel }, images);
    expect(runLinear(cache, ready, from, ws, by, groups, out)).toBe(true);
    return out;
  };

  const expected = new Float64Array(product(y));
  jsKernels.conv(wide(xs), wide(ws), geometry, y, expected, bias === null ? undefined : wide(bias));
  const bound = windowSums(sizes, sizesIn(xs), sizesIn(ws), false);
  if (bias !== null) {
    const [sums, plane] = [sizesIn(bias), product(y.slice(2))];
    bound.forEach((_, i) => {
      bound[i] = bound[i]! + sums[Math.floor(i / plane) % y[1]!]!;
    });
  }
  expectBounded(linear(xs, bias, false), expected, resultTerms(sizes), bound);

  const expectedX = new Float64Array(product(x));
  jsKernels.convInputGrad(wide(gs), wide(ws), geometry, x, expectedX);
  const boundX = windowSums(adjointSizes(sizes), sizesIn(gs), sizesIn(ws), true);
  expectBounded(linear(gs, null, true), expectedX, resultTerms(adjointSizes(sizes)), boundX);

  const plan = rowGradientPlan(sizes, isFused());
  const kernel = { ...plan.kernel, chunk: anyChunk(random, plan.kernel.chunk, rows, tiles(y.at(-1)!), images) };
  const dw = new Float32Array(product(w));
  expect(runGradient(cache, readyGradient(cache, { ...plan, kernel }, images), xs, gs, groups, dw)).toBe(true);
  const expectedW = new Float64Array(dw.length);
  jsKernels.convWeightGrad(wide(xs), wide(gs), geometry, w, expectedW);
  const boundW = patchSums(sizes, sizesIn(xs), sizesIn(gs));
  expectBounded(dw, expectedW, weightTerms(sizes), boundW);
}

/** A convolution of one axis whose results are as many as its elements. */
function same(images: number, channels: number, outputs: number, width: number, k: number, groups = 1): Config {
  const geometry = { stride: [1], dilation: [1], before: [(k - 1) >> 1], groups };
  return { x: [images, channels, width], w: [outputs, channels / groups, k], y: [images, outputs, width], geometry };
}

describe.each([true, false])('convolutions along rows by tiles, relaxed SIMD %s', (relaxed) => {
  afterEach(() => forceFeatures({}));

  testBounds(relaxed, (random, value) => agree(random, configuration(random), value), [25, 10]);

  it('handle every width, every count of outputs and channels, and every number of taps', () =>
    withRelaxed(relaxed, () => {
      const random = new Random(11);
      for (let n = 1; n <= 21; n++) {
        agree(random, same(2, 3, n, n, 7));
        agree(random, same(3, n, 4, 6, 3));
      }
      for (let k = 2; k <= 16; k++) agree(random, same(2, 4, 8, 21, k));
    }));
});

describe('numbers that are not finite', () => {
  const config = same(8, 32, 32, 24, 5);
  testNotFinite(config);

  it('go by tiles along rows in these tests', () => {
    const sizes = sizesOf(config.x, config.w, config.y, config.geometry);
    for (const plan of [
      planTiles(sizes, false, isFused()),
      planTilesInputGrad(sizes, isFused()),
      planTilesWeightGrad(sizes, isFused()),
    ]) {
      expect(plan?.kernel.sizes.row).toBe(5);
    }
  });
});

describe('the plan of rows', () => {
  const plans = ({ x, w, y, geometry }: Config): unknown[] => {
    const sizes = sizesOf(x, w, y, geometry);
    return [planTiles(sizes, false, true), planTilesInputGrad(sizes, true), planTilesWeightGrad(sizes, true)];
  };

  it.each([
    ['short rows', same(64, 128, 128, 12, 7)],
    ['rows of a signal', same(64, 32, 64, 96, 7)],
    ['filters of three', same(64, 64, 64, 48, 3)],
    ['a long signal alone', same(1, 32, 32, 4096, 5)],
    ['groups', same(16, 64, 64, 100, 9, 2)],
  ])('has tiles for %s', (_, config) => {
    for (const plan of plans(config)) expect(plan).not.toBeNull();
  });

  const strided = same(64, 32, 64, 96, 7);
  it.each([
    ['one channel', same(64, 1, 32, 192, 7)],
    ['a depthwise convolution', same(8, 32, 32, 100, 7, 32)],
    ['filters of one', same(64, 32, 64, 96, 1)],
    ['a stride', { ...strided, y: [64, 64, 48], geometry: { ...strided.geometry, stride: [2] } }],
    ['a dilation', { ...strided, geometry: { ...strided.geometry, dilation: [2], before: [6] } }],
  ])('has none for %s', (_, config) => {
    expect(plans(config)).toEqual([null, null, null]);
  });

  it('has chunks that lie in the second-level cache, several for several threads', () => {
    for (const { x, w, y, geometry } of [
      same(64, 32, 64, 96, 7),
      same(64, 128, 128, 12, 7),
      same(1, 64, 64, 4096, 9),
    ]) {
      const plan = planTiles(sizesOf(x, w, y, geometry), false, isFused())!;
      expect(4 * linearScratch(plan.kernel)).toBeLessThan(1 << 20);
      const ready = readyLinear(kernelCache(), plan, x[0]!);
      expect(ready.units.length * plan.blocks).toBeGreaterThanOrEqual(8);
    }
  });
});
