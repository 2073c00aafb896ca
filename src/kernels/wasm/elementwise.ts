/**
 * Eager elementwise operations on WebAssembly: rows are copied in, computed and copied out in chunks that stay in the
 * first-level cache. A chunk kernel has a fixed length (what lies behind a shorter row is computed in vain), so that one
 * compiled kernel per function and broadcasting pattern serves all shapes.
 */
import { type Operand, walk } from '../js/walk.ts';
import type { BinaryName, FloatArray, Strided, UnaryName } from '../types.ts';
import type { KernelCache, KernelFunction } from './cache.ts';
import { features } from './features.ts';
import { hasVectorForm, type LoopKernel, loopFunctions, loopKey } from './loops.ts';

/** Elements of a chunk: three arrays of 16 KB, most of them in a 32 KB cache. */
const CHUNK = 4096;
const CHUNKS: readonly number[] = [256, 512, 1024, 2048, CHUNK];
/** Shorter rows cost more to move than the reference kernels take. */
const LEAST_ROW = 192;

type Name = UnaryName | BinaryName | 'where';

/** One compiled chunk: `steps` are the innermost strides of the inputs, 0 or 1. */
function chunkKernel(cache: KernelCache, name: Name, length: number, steps: readonly number[]): KernelFunction {
  const { relaxed } = features();
  const key = `chunk ${name} ${length} ${steps.join()} ${relaxed ? 'f' : ''}`;
  return cache.plan(key, () => {
    const kernel: LoopKernel = {
      shape: [length],
      reads: steps.map((step) => [step]),
      values: [...steps.map((_, read) => ({ name: 'read' as const, read })), { name, args: steps.map((_, i) => i) }],
      stores: [{ value: steps.length, strides: [1] }],
      sums: [],
      fma: relaxed,
      exact: false,
    };
    return cache.get(loopKey(kernel), () => loopFunctions(kernel)).run as KernelFunction;
  });
}

/** y = f(inputs), all of y's shape; false if the layout does not suit. */
function apply(cache: KernelCache, name: Name, inputs: readonly Strided[], y: FloatArray): boolean {
  const { memory } = cache;
  const shape = inputs[0]?.shape ?? [];
  const dense: Operand = { offset: 0, strides: shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1)) };
  memory.begin(CHUNK * (inputs.length + 1), inputs.length + 1);
  const addresses = [...inputs.map(() => memory.allocate(CHUNK)), memory.allocate(CHUNK)];
  const out = addresses[inputs.length] as number;
  let suits: boolean | undefined;
  walk(shape, [dense, ...inputs], (n, at, step) => {
    const steps = step.slice(1);
    suits ??= n >= LEAST_ROW && steps.every((s) => s === 0 || s === 1);
    if (!suits) return;
    for (let from = 0; from < n; from += CHUNK) {
      const count = Math.min(CHUNK, n - from);
      const length = CHUNKS.find((c) => c >= count) as number;
      inputs.forEach(({ data }, i) => {
        const stride = steps[i] as number;
        memory.write(
          addresses[i] as number,
          data as Float32Array,
          (at[i + 1] as number) + from * stride,
          stride === 0 ? 1 : count,
        );
      });
      chunkKernel(cache, name, length, steps)(...addresses);
      memory.read(out, y as Float32Array, (at[0] as number) + from, count);
    }
  });
  return suits === true;
}

export function unary(cache: KernelCache, name: UnaryName, x: Strided, y: FloatArray): boolean {
  return hasVectorForm(name) && apply(cache, name, [x], y);
}

export function binary(cache: KernelCache, name: BinaryName, a: Strided, b: Strided, y: FloatArray): boolean {
  return hasVectorForm(name) && apply(cache, name, [a, b], y);
}

export function where(cache: KernelCache, condition: Strided, a: Strided, b: Strided, y: FloatArray): boolean {
  return apply(cache, 'where', [condition, a, b], y);
}
