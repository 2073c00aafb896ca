/** Eager draws on WebAssembly: drawn into scratch in chunks that stay in the cache, and copied out. */
import type { Draw, FloatArray } from '../../types.ts';
import type { KernelCache, KernelFunction } from '../memory/cache.ts';
import { drawFunctions, drawKey, drawOperands } from './kernel.ts';

/** Numbers of a chunk: 32 KB. */
const CHUNK = 8192;

/** Fills y; false if the scratch cannot be had. */
export function draw(cache: KernelCache, what: Draw, seed: number, position: number, y: FloatArray): boolean {
  const { memory } = cache;
  const at = memory.place({ y: Math.min(CHUNK, y.length) });
  if (at === null) return false;
  const run = cache.get(drawKey(what), () => drawFunctions(what)).run as KernelFunction;
  for (let from = 0; from < y.length; from += CHUNK) {
    const count = Math.min(CHUNK, y.length - from);
    run(at.y, count, seed, position + from, ...drawOperands(what));
    memory.read(at.y, y as Float32Array, from, count);
  }
  return true;
}
