import { describe, expect, it } from 'vitest';
import type { ConvSizes } from '../../../../../src/kernels/wasm/conv/plan.ts';
import { unitsOf } from '../../../../../src/kernels/wasm/conv/winograd/geometry.ts';
import { linearScratch } from '../../../../../src/kernels/wasm/conv/winograd/linear.ts';
import {
  planTiles,
  planTilesInputGrad,
  planTilesWeightGrad,
} from '../../../../../src/kernels/wasm/conv/winograd/plan.ts';

type Axes = ConvSizes['axes'];
const absent = { x: 1, k: 1, y: 1, stride: 1, dilation: 1, before: 0 };
const same = (size: number, k = 3): Axes[0] => ({ x: size, k, y: size, stride: 1, dilation: 1, before: (k - 1) / 2 });

function conv2(images: number, channels: number, outputs: number, size: number): ConvSizes {
  return { images, groups: 1, channels, outputs, axes: [absent, same(size), same(size)] };
}

const plans = (c: ConvSizes): unknown[] => [
  planTiles(c, false, true),
  planTilesInputGrad(c, true),
  planTilesWeightGrad(c, true),
];

describe('tiles', () => {
  it.each([
    ['the second layer of a small network', conv2(64, 8, 16, 14)],
    ['the second layer of a network', conv2(64, 32, 64, 14)],
    ['the layers of a deep network', conv2(8, 64, 64, 56)],
    ['its last layers, where tiles hang over', conv2(8, 512, 512, 7)],
    ['volumes', { images: 4, groups: 1, channels: 16, outputs: 32, axes: [same(14), same(14), same(14)] as Axes }],
  ])('are used for %s', (_, sizes) => {
    for (const plan of plans(sizes)) expect(plan).not.toBeNull();
  });

  it.each([
    ['one channel', conv2(64, 1, 32, 28)],
    ['a depthwise convolution', { ...conv2(1, 1, 1, 56), groups: 96 }],
    ['filters of another size', { ...conv2(64, 32, 64, 14), axes: [absent, same(14, 5), same(14, 5)] as Axes }],
    [
      'a stride',
      {
        ...conv2(8, 64, 64, 14),
        axes: [absent, { ...same(14), stride: 2, y: 7 }, { ...same(14), stride: 2, y: 7 }] as Axes,
      },
    ],
    [
      'a dilation',
      { ...conv2(8, 64, 64, 14), axes: [absent, same(14), { ...same(14), dilation: 2, before: 2 }] as Axes },
    ],
  ])('are not used for %s', (_, sizes) => {
    expect(plans(sizes)).toEqual([null, null, null]);
  });

  const volume = (channels: number, outputs: number, sizes: Axes): ConvSizes => ({
    images: 4,
    groups: 1,
    channels,
    outputs,
    axes: sizes,
  });
  const cube = (size: number, k = 3): Axes => [same(size, k), same(size), same(size)];
  it.each([
    ['many channels', volume(32, 32, cube(16)), 2],
    ['few channels', volume(8, 8, cube(16)), 1],
    ['one tap along the depth', volume(32, 32, cube(16, 1)), 1],
    ['five taps along the depth', volume(32, 32, cube(16, 5)), 1],
    ['a single plane', volume(32, 32, [same(1), same(16), same(16)]), 1],
  ])('of volumes with %s are as deep as is cheaper', (_, sizes, tileDepth) => {
    for (const fma of [true, false]) {
      const own = [planTiles(sizes, false, fma), planTilesInputGrad(sizes, fma), planTilesWeightGrad(sizes, fma)];
      expect(own.map((plan) => plan?.kernel.sizes.tileDepth)).toEqual([tileDepth, tileDepth, tileDepth]);
    }
  });

  it('keep the sums of neighbouring positions and parts in different sets of the cache', () => {
    for (const sizes of [conv2(64, 32, 64, 14), conv2(64, 8, 16, 14), volume(16, 32, cube(16))]) {
      const { kernel, back } = planTilesWeightGrad(sizes, true)!;
      expect(kernel.position).toBeGreaterThanOrEqual(back.items);
      expect((kernel.position / 16) % 2).toBe(1);
    }
  });

  it('leave out as little as they can at the end of volumes', () => {
    const { sizes, chunk } = planTiles(volume(32, 32, cube(14)), false, true)!.kernel;
    expect(sizes.tileDepth).toBe(2);
    expect(7 % chunk.layers).toBe(0);
    expect(7 % chunk.rows).toBe(0);
  });

  it('are handled in chunks that lie in the second-level cache, several for several threads', () => {
    const pictures = [conv2(64, 8, 16, 14), conv2(64, 32, 64, 14), conv2(8, 64, 64, 56), conv2(2, 64, 64, 224)];
    for (const sizes of [...pictures, volume(16, 32, cube(14)), volume(32, 32, cube(16))]) {
      const plan = planTiles(sizes, false, true)!;
      expect(4 * linearScratch(plan.kernel)).toBeLessThan(1 << 20);
      const units = unitsOf(plan.kernel.sizes, plan.kernel.chunk, sizes.images).length * plan.blocks;
      expect(units).toBeGreaterThanOrEqual(8);
    }
  });

  it('are divided by outputs where there are few images', () => {
    const plan = planTiles(conv2(8, 512, 512, 7), false, true)!;
    expect(plan.blocks).toBeGreaterThanOrEqual(4);
    expect(plan.kernel.outputs * (plan.blocks - 1)).toBeLessThan(512);
    expect(plan.kernel.outputs * plan.blocks).toBeGreaterThanOrEqual(512);
  });
});
