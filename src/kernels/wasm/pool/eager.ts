/**
 * Eager pooling on WebAssembly. A few planes at a time are copied in, so that all of them stay in the second-level cache; for the
 * maximum, padding is minus infinity around each plane.
 */
import { copy } from '../../js/elementwise.ts';
import type { FloatArray, PoolGeometry, Strided } from '../../types.ts';
import type { KernelCache, KernelFunction } from '../memory/cache.ts';
import { layoutKernels } from '../memory/layout.ts';
import { isDense } from '../memory/transfer.ts';
import { sumFunctions, sumKernelOf, sumKey } from './sums.ts';
import { map, type Three, three, volume, type WindowKernel, windowFunctions, windowKey } from './windows.ts';

/** Floats of x that are handled together: 128 KB, beside as much for a result. */
const CHUNK = 32768;

/** Positions are floats: exact up to 2²⁴. */
export const MOST_POSITIONS: number = 2 ** 23;

/** The kernel over planes of x, padded up to the end of the last window, so that those that hang over read padding, too. */
export function windowKernelOf(
  kind: WindowKernel['kind'],
  x: readonly number[],
  geometry: PoolGeometry,
  y: readonly number[],
): WindowKernel {
  const [size, counts] = [three(x.slice(2), 1), three(y.slice(2), 1)];
  const [kernel, stride] = [three(geometry.kernel, 1), three(geometry.stride, 1)];
  const [dilation, before] = [three(geometry.dilation, 1), three(geometry.before, 0)];
  const padded = map((a) =>
    Math.max(before[a] + size[a], (counts[a] - 1) * stride[a] + (kernel[a] - 1) * dilation[a] + 1),
  );
  return { kind, size, padded, before, counts, kernel, stride, dilation };
}

/** Planes that are read with their padding. */
type Padded = Pick<WindowKernel, 'size' | 'padded' | 'before'>;

/** Is there padding around the planes? */
export function isPadded({ padded, size }: Padded): boolean {
  return volume(padded) !== volume(size);
}

/** Bytes from the start of a padded plane to its first element. */
export function leadOf({ before, padded }: Padded): number {
  return 4 * ((before[0] * padded[1] + before[1]) * padded[2] + before[2]);
}

/** Sizes of a plane, and the bytes from plane to plane and along its axes, without padding and with it. */
export function rowSizes({ size, padded }: Padded): Record<'counts' | 'dense' | 'padded', readonly number[]> {
  const distances = ([d, h, w]: Three): number[] => [4 * d * h * w, 4 * h * w, 4 * w, 4];
  return { counts: size, dense: distances(size), padded: distances(padded) };
}

interface Plan<K extends Padded = WindowKernel> {
  readonly kernel: K;
  readonly run: KernelFunction;
  readonly isPadded: boolean;
}

function plan(
  cache: KernelCache,
  kind: WindowKernel['kind'],
  x: readonly number[],
  geometry: PoolGeometry,
  y: readonly number[],
): Plan {
  const kernel = windowKernelOf(kind, x, geometry, y);
  const key = windowKey(kernel);
  return cache.plan(key, () => ({
    kernel,
    run: cache.get(key, () => windowFunctions(kernel)).run as KernelFunction,
    isPadded: isPadded(kernel),
  }));
}

/** A dense view of the same elements. */
function denseOf(x: Strided): Strided {
  if (isDense(x)) return x;
  const data = new Float32Array(x.shape.reduce((a, b) => a * b, 1));
  copy(x, data);
  return { data, offset: 0, shape: x.shape, strides: [] };
}

/** Dense planes to their places within padding. */
function put(
  cache: KernelCache,
  { kernel, isPadded }: Plan<Padded>,
  x: Strided,
  from: number,
  planes: number,
  at: number,
  staged: number,
): void {
  const all = volume(kernel.size);
  cache.memory.write(isPadded ? staged : at, x.data as Float32Array, x.offset + from * all, planes * all);
  if (!isPadded) return;
  const { counts, dense, padded } = rowSizes(kernel);
  layoutKernels(cache).copy(staged, at + leadOf(kernel), planes, ...counts, ...dense, ...padded);
}

/** The same back into an array. */
function take(
  cache: KernelCache,
  { kernel, isPadded }: Plan,
  at: number,
  planes: number,
  y: FloatArray,
  from: number,
  staged: number,
): void {
  const all = volume(kernel.size);
  if (isPadded) {
    const { counts, dense, padded } = rowSizes(kernel);
    layoutKernels(cache).copy(at + leadOf(kernel), staged, planes, ...counts, ...padded, ...dense);
  }
  cache.memory.read(isPadded ? staged : at, y as Float32Array, from * all, planes * all);
}

/** What the kernels read beside x: planes of x's shape (`pick`) or pooled ones (`spread`), and the shape of the pooled ones. */
interface Call {
  readonly kind: WindowKernel['kind'];
  readonly x: Strided;
  readonly beside?: Strided;
  readonly geometry: PoolGeometry;
  readonly pooled: readonly number[];
  readonly y: FloatArray;
}

/** False if it must run on the reference kernels. */
function run(cache: KernelCache, { kind, x, beside, geometry, pooled, y }: Call): boolean {
  const p = plan(cache, kind, x.shape, geometry, pooled);
  const { size, padded, counts } = p.kernel;
  if (kind !== 'max' && volume(padded) > MOST_POSITIONS) return false;
  const planes = (x.shape[0] as number) * (x.shape[1] as number);
  const chunk = Math.max(1, Math.min(planes, Math.floor(CHUNK / volume(padded))));
  const isWide = kind === 'pick' || kind === 'spread';
  const { memory } = cache;
  const [wideFloats, windows] = [chunk * volume(padded), volume(counts)];
  const at = memory.place({
    staged: p.isPadded ? chunk * volume(size) : 0,
    from: wideFloats,
    wide: isWide ? wideFloats : 0,
    to: chunk * windows,
  });
  if (at === null) return false;
  const { staged, from, wide, to } = at;
  if (p.isPadded) memory.view(from, wideFloats).fill(Number.NEGATIVE_INFINITY);
  if (p.isPadded && kind === 'pick') memory.zero(wide, wideFloats);
  const [source, other] = [denseOf(x), beside === undefined ? null : denseOf(beside)];
  for (let first = 0; first < planes; first += chunk) {
    const n = Math.min(chunk, planes - first);
    put(cache, p, source, first, n, from, staged);
    if (kind === 'pick') put(cache, p, other as Strided, first, n, wide, staged);
    if (kind === 'spread') {
      memory.zero(wide, n * volume(padded));
      memory.write(to, other?.data as Float32Array, (other as Strided).offset + first * windows, n * windows);
    }
    // Where nothing is larger than the padding, which of the two came first decides: left to the reference.
    if ((isWide ? p.run(n, from, wide, to) : p.run(n, from, to)) !== 0) return false;
    if (kind === 'spread') take(cache, p, wide, n, y, first, staged);
    else memory.read(to, y as Float32Array, first * windows, n * windows);
  }
  return true;
}

type Shape = readonly number[];

/** The largest element of each window; `shape` is that of y. */
export function maxPool(cache: KernelCache, x: Strided, geometry: PoolGeometry, shape: Shape, y: FloatArray): boolean {
  return run(cache, { kind: 'max', x, geometry, pooled: shape, y });
}

/** Where the first largest element of each window is; `shape` is that of y. */
// biome-ignore format: one line, as its neighbours
export function maxPoolIndices(cache: KernelCache, x: Strided, geometry: PoolGeometry, shape: Shape, y: FloatArray): boolean {
  return run(cache, { kind: 'index', x, geometry, pooled: shape, y });
}

/** The elements of v where windows of x have their first largest element. */
// biome-ignore format: one line, as its neighbours
export function maxPoolPick(cache: KernelCache, v: Strided, x: Strided, geometry: PoolGeometry, shape: Shape, y: FloatArray): boolean {
  return run(cache, { kind: 'pick', x, beside: v, geometry, pooled: shape, y });
}

/** g, added up where windows of x have their first largest element. */
export function maxPoolSpread(
  cache: KernelCache,
  g: Strided,
  x: Strided,
  geometry: PoolGeometry,
  y: FloatArray,
): boolean {
  return run(cache, { kind: 'spread', x, beside: g, geometry, pooled: g.shape, y });
}

/** False if it must run on the reference kernels. */
function runSums(
  cache: KernelCache,
  kind: 'sum' | 'spread',
  x: Strided,
  geometry: PoolGeometry,
  shape: Shape,
  y: FloatArray,
): boolean {
  const p = cache.plan(`${kind} ${JSON.stringify([x.shape, geometry, shape])}`, () => {
    const kernel = sumKernelOf(kind, x.shape, shape, geometry);
    if (kernel === null) return null;
    const run = cache.get(sumKey(kernel), () => sumFunctions(kernel)).run as KernelFunction;
    return { kernel, run, isPadded: isPadded(kernel) };
  });
  if (p === null) return false;
  const [size, padded, target] = [p.kernel.size, p.kernel.padded, p.kernel.target].map(volume) as [
    number,
    number,
    number,
  ];
  const planes = (x.shape[0] as number) * (x.shape[1] as number);
  const chunk = Math.max(1, Math.min(planes, Math.floor(CHUNK / Math.max(padded, target))));
  const { memory } = cache;
  const at = memory.place({ staged: p.isPadded ? chunk * size : 0, from: chunk * padded, to: chunk * target });
  if (at === null) return false;
  if (p.isPadded) memory.zero(at.from, chunk * padded);
  const source = denseOf(x);
  for (let first = 0; first < planes; first += chunk) {
    const n = Math.min(chunk, planes - first);
    put(cache, p, source, first, n, at.from, at.staged);
    p.run(n, at.from, at.to);
    memory.read(at.to, y as Float32Array, first * target, n * target);
  }
  return true;
}

/** The sum of each window; `shape` is that of y. */
export function windowSum(
  cache: KernelCache,
  x: Strided,
  geometry: PoolGeometry,
  shape: Shape,
  y: FloatArray,
): boolean {
  return runSums(cache, 'sum', x, geometry, shape, y);
}

/** The adjoint of the sum of each window; `shape` is that of y. */
// biome-ignore format: one line, as its neighbours
export function windowSpread(cache: KernelCache, g: Strided, geometry: PoolGeometry, shape: Shape, y: FloatArray): boolean {
  return runSums(cache, 'spread', g, geometry, shape, y);
}
