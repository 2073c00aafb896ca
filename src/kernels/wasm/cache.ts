/** Compiled kernels by key, least recently used first out, bound to one memory. */
import type { FunctionBuilder } from './assembler.ts';
import { encodeModule } from './encode.ts';
import { KernelMemory, SCRATCH_IMPORT } from './memory.ts';

export type KernelFunction = (...args: number[]) => number;

/** Enough for a large network's shapes in training and evaluation; a compiled kernel is about 2 to 20 KB. */
export const CACHE_LIMIT = 512;

export class KernelCache {
  readonly memory: KernelMemory;
  readonly limit: number;
  readonly #kernels = new Map<string, Readonly<Record<string, KernelFunction>>>();

  constructor(memory: KernelMemory, limit: number = CACHE_LIMIT) {
    this.memory = memory;
    this.limit = limit;
  }

  get size(): number {
    return this.#kernels.size;
  }

  /** The exports of the module with this key, assembled and compiled at first use. */
  get(key: string, build: () => readonly FunctionBuilder[]): Readonly<Record<string, KernelFunction>> {
    const known = this.#kernels.get(key);
    if (known !== undefined) {
      // A Map keeps insertion order: the first key is the one unused for longest.
      this.#kernels.delete(key);
      this.#kernels.set(key, known);
      return known;
    }
    const module = new WebAssembly.Module(encodeModule(build(), SCRATCH_IMPORT));
    const instance = new WebAssembly.Instance(module, { env: { memory: this.memory.memory } });
    const exports = instance.exports as unknown as Readonly<Record<string, KernelFunction>>;
    this.#kernels.set(key, exports);
    if (this.#kernels.size > this.limit) this.#kernels.delete(this.#kernels.keys().next().value as string);
    return exports;
  }
}

let shared: KernelCache | undefined;

/** The cache and scratch memory that all eager kernels of this realm use, made at first use. */
export function kernelCache(): KernelCache {
  shared ??= new KernelCache(new KernelMemory());
  return shared;
}
