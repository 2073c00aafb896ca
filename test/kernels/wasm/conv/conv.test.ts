import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { jsKernels } from '../../../../src/kernels/js/index.ts';
import type { ConvGeometry } from '../../../../src/kernels/types.ts';
import { differential } from '../../../../src/kernels/wasm/differential/index.ts';
import { forceFeatures } from '../../../../src/kernels/wasm/features.ts';
import { createWasmKernels } from '../../../../src/kernels/wasm/index.ts';
import { blank, operand, Random } from '../random.ts';

let fallbacks: string[] = [];
const tested = differential(createWasmKernels({ threshold: 0, onFallback: (name) => fallbacks.push(name) }), jsKernels);

interface Config {
  readonly x: number[];
  readonly w: number[];
  readonly y: number[];
  readonly geometry: ConvGeometry;
}

/** A valid convolution of 1 to 3 spatial axes, all sizes small but tails of every residue among them. */
function configuration(random: Random, rank: number): Config {
  const groups = random.chance(0.3) ? random.integer(2, 4) : 1;
  const [c, o] = random.chance(0.15) ? [1, 1] : [random.integer(1, 9), random.integer(1, 14)];
  const config: Config = {
    x: [random.integer(1, 5), c * groups],
    w: [o * groups, c],
    y: [],
    geometry: { stride: [], dilation: [], before: [], groups },
  };
  config.y.push(config.x[0] as number, o * groups);
  const { stride, dilation, before } = config.geometry as unknown as Record<'stride' | 'dilation' | 'before', number[]>;
  for (let a = 0; a < rank; a++) {
    const many = rank === 1 ? 150 : 9;
    const [k, d, s] = [random.integer(1, random.chance(0.1) ? many : 5), random.integer(1, 3), random.integer(1, 4)];
    const [b, after] = [random.integer(0, 4), random.integer(0, 4)];
    const extent = d * (k - 1) + 1;
    const x = Math.max(1, extent - b - after) + random.integer(0, rank === 3 ? 6 : 20);
    config.x.push(x);
    config.w.push(k);
    config.y.push(Math.floor((x + b + after - extent) / s) + 1);
    stride?.push(s);
    dilation?.push(d);
    before?.push(b);
  }
  return config;
}

/** A filter of its own for each channel, over all that is not copied into padded rows and a little beyond. */
function depthwise(random: Random): Config {
  const groups = random.integer(2, 7);
  const images = random.integer(1, 3);
  const geometry = { stride: [] as number[], dilation: [] as number[], before: [] as number[], groups };
  const config = { x: [images, groups], w: [groups, 1], y: [images, groups], geometry };
  for (const most of [13, 30]) {
    const [k, d, s] = [random.integer(1, 3), random.pick([1, 1, 1, 2, 3]), random.pick([1, 1, 2, 2, 3])];
    const [b, after] = [random.integer(0, 5), random.integer(0, 5)];
    const x = Math.max(1, d * (k - 1) + 1 - b - after) + random.integer(0, most);
    config.x.push(x);
    config.w.push(k);
    config.y.push(Math.floor((x + b + after - d * (k - 1) - 1) / s) + 1);
    geometry.stride.push(s);
    geometry.dilation.push(d);
    geometry.before.push(b);
  }
  return config;
}

/** All three convolutions on one configuration; the differential kernels throw where they differ. */
function agree(random: Random, { x, w, y, geometry }: Config, awkward: number): void {
  const [xs, ws, gs] = [operand(random, x, awkward), operand(random, w, awkward), operand(random, y, awkward)];
  tested.conv(xs, ws, geometry, y, blank(y));
  tested.conv(xs, ws, geometry, y, blank(y), operand(random, [y[1]!], awkward));
  tested.convInputGrad(gs, ws, geometry, x, blank(x));
  tested.convWeightGrad(xs, gs, geometry, w, blank(w));
}

describe.each([true, false])('convolutions on WebAssembly, relaxed SIMD %s', (relaxed) => {
  beforeEach(() => {
    fallbacks = [];
    forceFeatures(relaxed ? {} : { relaxed: false });
  });
  afterEach(() => forceFeatures({}));

  it.each([1, 2, 3])('agree with the reference over %i spatial axes, and never leave a call to it', (rank) => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = new Random(seed);
        agree(random, configuration(random, rank), 0);
        expect(fallbacks).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  it('agree on NaN, infinities, denormals and numbers that overflow', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 3 }), (seed, rank) => {
        const random = new Random(seed);
        agree(random, configuration(random, rank), random.pick([0.01, 0.1]));
      }),
      { numRuns: 60, examples: [[-2126854444, 1]] },
    );
  });

  it('agree channel by channel over all borders, strides and dilations', () => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(0, 0.03), (seed, awkward) => {
        const random = new Random(seed);
        const { x, w, y, geometry } = depthwise(random);
        const [xs, ws] = [operand(random, x, awkward), operand(random, w, awkward)];
        tested.conv(xs, ws, geometry, y, blank(y), random.chance(0.5) ? operand(random, [y[1]!], awkward) : undefined);
      }),
      { numRuns: 80 },
    );
  });

  it('compute rows of whole planes without a copy, so that infinite weights are no reason to leave them', () => {
    const geometry = { stride: [1, 2], dilation: [1, 1], before: [1, 1], groups: 3 };
    const random = new Random(4);
    const w = { data: new Float32Array(27).fill(Number.POSITIVE_INFINITY), shape: [3, 1, 3, 3], strides: [9, 9, 3, 1] };
    const x = operand(random, [2, 3, 5, 9], 0);
    tested.conv(x, { ...w, offset: 0 }, geometry, [2, 3, 5, 5], blank([2, 3, 5, 5]));
    expect(fallbacks).toEqual([]);
  });

  it.each([0, 1])('agree on sizes of %i', (size) => {
    const geometry = { stride: [1], dilation: [1], before: [0], groups: 1 };
    for (const [n, c, o, s] of [
      [size, 2, 3, 4],
      [2, size, 3, 4],
      [2, 3, size, 4],
      [2, 3, 4, size],
    ] as const) {
      const k = Math.min(1, s);
      agree(new Random(5), { x: [n, c, s], w: [o, c, k], y: [n, o, s - k + (k === 0 ? 0 : 1)], geometry }, 0);
    }
  });

  it('handles every count of outputs and every width', () => {
    const geometry = { stride: [1, 1], dilation: [1, 1], before: [1, 1], groups: 1 };
    const random = new Random(3);
    for (let n = 1; n <= 25; n++) {
      agree(random, { x: [1, 2, 2, n], w: [n, 2, 3, 3], y: [1, n, 2, n], geometry }, 0);
      agree(random, { x: [1, n, 2, 5], w: [3, n, 3, 3], y: [1, 3, 2, 5], geometry }, 0);
    }
    expect(fallbacks).toEqual([]);
  });

  it('handles weights so large that the input gradient wants them exchanged', () => {
    const geometry = { stride: [2, 1], dilation: [1, 1], before: [2, 1], groups: 2 };
    agree(new Random(9), { x: [2, 84, 9, 7], w: [26, 42, 5, 5], y: [2, 26, 5, 5], geometry }, 0);
    expect(fallbacks).toEqual([]);
  });

  it('handles filters of more taps than are unrolled, forward and back', () => {
    const geometry = { stride: [1, 1], dilation: [1, 1], before: [6, 6], groups: 1 };
    agree(new Random(9), { x: [2, 3, 14, 13], w: [7, 3, 13, 13], y: [2, 7, 14, 13], geometry }, 0);
    expect(fallbacks).toEqual([]);
  });
});
