/** What is made once per shape and kept: plans, and compiled kernels bound to one memory. Least recently used first out. */
import type { FunctionBuilder } from '../assembler/assembler.ts';
import { encodeModule } from '../assembler/encode.ts';
import { KernelMemory, SCRATCH_IMPORT } from './memory.ts';

export type KernelFunction = (...args: number[]) => number;

/** Enough for a large network's shapes in training and evaluation; a compiled kernel is about 2 to 20 KB. */
export const CACHE_LIMIT = 512;

/** A map that forgets the entry unused for longest when it is full. */
export class Lru<T> {
  readonly limit: number;
  readonly #entries = new Map<string, T>();

  constructor(limit: number) {
    this.limit = limit;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string, make: () => T): T {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      // A Map keeps insertion order: the first key is the one unused for longest.
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known;
    }
    const made = make();
    this.#entries.set(key, made);
    if (this.#entries.size > this.limit) this.#entries.delete(this.#entries.keys().next().value as string);
    return made;
  }
}

export class KernelCache {
  readonly memory: KernelMemory;
  readonly kernels: Lru<Readonly<Record<string, KernelFunction>>>;
  readonly plans: Lru<unknown>;

  constructor(memory: KernelMemory, limit: number = CACHE_LIMIT) {
    this.memory = memory;
    this.kernels = new Lru(limit);
    this.plans = new Lru(limit);
  }

  /** The exports of the module with this key, assembled and compiled at first use. */
  get(key: string, build: () => readonly FunctionBuilder[]): Readonly<Record<string, KernelFunction>> {
    return this.kernels.get(key, () => {
      const module = new WebAssembly.Module(encodeModule(build(), SCRATCH_IMPORT));
      const instance = new WebAssembly.Instance(module, { env: { memory: this.memory.memory } });
      return instance.exports as unknown as Readonly<Record<string, KernelFunction>>;
    });
  }

  /** A plan by key, made at first use; the key names the kind, so that T is what it was made as. */
  plan<T>(key: string, make: () => T): T {
    return this.plans.get(key, make) as T;
  }
}

let shared: KernelCache | undefined;

/** The cache and scratch memory that all eager kernels of this realm use, made at first use. */
export function kernelCache(): KernelCache {
  shared ??= new KernelCache(new KernelMemory());
  return shared;
}
