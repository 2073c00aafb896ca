/**
 * Eager pooling on WebAssembly. For the maximum, padding is minus infinity around a copy of the plane, and positions are counted as
 * if the plane began before its first element, so they are right up to a constant.
 */
import type { FloatArray, PoolGeometry, Strided } from '../types.ts';
import type { KernelCache, KernelFunction } from './cache.ts';
import { conv, convInputGrad } from './conv.ts';
import { layoutKernels } from './layout.ts';
import { type PoolKernel, poolFunctions, poolKey } from './pooling.ts';
import { narrowFirst, writeStrided } from './transfer.ts';

type Three = readonly [number, number, number];

/** Missing leading axes count as one. */
function three(list: readonly number[], missing: number): Three {
  const padded = [missing, missing, missing, ...list].slice(-3);
  return [padded[0] as number, padded[1] as number, padded[2] as number];
}

const volume = ([d, h, w]: Three): number => d * h * w;
const map = (f: (axis: number) => number): Three => [f(0), f(1), f(2)];

interface Plan {
  readonly kernel: PoolKernel;
  readonly size: Three;
  readonly before: Three;
  readonly padded: Three;
  readonly counts: Three;
  readonly run: KernelFunction;
}

function plan(cache: KernelCache, planes: number, size: Three, geometry: PoolGeometry, counts: Three): Plan {
  const [kernel, stride, before] = [three(geometry.kernel, 1), three(geometry.stride, 1), three(geometry.before, 0)];
  // Up to the end of the last window, so that those that hang over read padding, too.
  const padded = map((a) => Math.max(before[a]! + size[a]!, (counts[a]! - 1) * stride[a]! + kernel[a]!));
  const pooled: PoolKernel = {
    images: 1,
    planes,
    size,
    counts,
    kernel,
    stride,
    imageStride: 0,
    planeStride: volume(padded),
    rowStrides: [padded[1] * padded[2], padded[2]],
    pooledImage: 0,
    indexed: true,
  };
  const run = cache.get(poolKey('pool', pooled), () => poolFunctions(pooled)).run as KernelFunction;
  return { kernel: pooled, size, before, padded, counts, run };
}

/** The index of the first largest element of each window; false if it must run on the reference kernel. */
export function maxPoolIndices(
  cache: KernelCache,
  x: Strided,
  geometry: PoolGeometry,
  shape: readonly number[],
  y: FloatArray,
): boolean {
  const [images, planes] = x.shape as [number, number];
  const size = three(x.shape.slice(2), 1);
  // Positions are computed as floats: exact up to 2²⁴. Taps are unrolled: not too many.
  if (
    geometry.dilation.some((d) => d !== 1) ||
    volume(size) > 2 ** 23 ||
    geometry.kernel.reduce((a, b) => a * b, 1) > 64
  )
    return false;
  const counts = three(shape.slice(2), 1);
  const key = `maxPool ${[planes, ...size, ...counts, ...geometry.kernel, ...geometry.stride, ...geometry.before].join()}`;
  const p = cache.plan(key, () => plan(cache, planes, size, geometry, counts));
  const isPadded = volume(p.padded) !== volume(size);
  const windows = planes * volume(counts);
  const { memory } = cache;
  const floats = [isPadded ? planes * volume(size) : 0, planes * volume(p.padded), windows, windows];
  if (
    !memory.begin(
      floats.reduce((a, b) => a + b, 0),
      4,
    )
  )
    return false;
  const [staged, source, values, indices] = floats.map((n) => memory.allocate(n)) as [number, number, number, number];
  const k = layoutKernels(cache);
  if (isPadded) memory.view(source, planes * volume(p.padded)).fill(Number.NEGATIVE_INFINITY);
  const [pd, ph, pw] = [p.padded[1] * p.padded[2], p.padded[2], 1];
  const lead = 4 * (p.before[0] * pd + p.before[1] * ph + p.before[2] * pw);
  const shift = (p.before[0] * size[1] + p.before[1]) * size[2] + p.before[2];
  for (let n = 0; n < images; n++) {
    writeStrided(memory, isPadded ? staged : source, narrowFirst(x, n, 1));
    if (isPadded) {
      const [, h, w] = size;
      k.copy(
        staged,
        source + lead,
        planes,
        ...size,
        4 * volume(size),
        4 * h * w,
        4 * w,
        4,
        4 * volume(p.padded),
        4 * pd,
        4 * ph,
        4,
      );
    }
    p.run(source, values, indices);
    if (!isPadded) {
      memory.read(indices, y as Float32Array, n * windows, windows);
      continue;
    }
    const [best, found] = [memory.view(values, windows), memory.view(indices, windows)];
    for (let i = 0; i < windows; i++) {
      // Where nothing is larger than the padding, which of the two came first decides: left to the reference.
      if (best[i] === Number.NEGATIVE_INFINITY) return false;
      y[n * windows + i] = (found[i] as number) - shift;
    }
  }
  return true;
}

/** Ones, as the filters that make a depthwise convolution the sum of each window. */
function ones(planes: number, kernel: readonly number[]): Strided {
  const shape = [planes, 1, ...kernel];
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1);
  return { data, offset: 0, shape, strides: shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1)) };
}

/** The sum of each window: a depthwise convolution with ones. */
export function windowSum(
  cache: KernelCache,
  x: Strided,
  geometry: PoolGeometry,
  shape: readonly number[],
  y: FloatArray,
): boolean {
  const planes = x.shape[1] as number;
  return conv(cache, x, ones(planes, geometry.kernel), { ...geometry, groups: planes }, shape, y);
}

/** The adjoint of the sum of each window: the input gradient of that convolution. */
export function windowSpread(
  cache: KernelCache,
  g: Strided,
  geometry: PoolGeometry,
  shape: readonly number[],
  y: FloatArray,
): boolean {
  const planes = g.shape[1] as number;
  return convInputGrad(cache, g, ones(planes, geometry.kernel), { ...geometry, groups: planes }, shape, y);
}
