/**
 * Where compiled programs keep their buffers: in the heap of WebAssembly where there is one, so that kernels reach them,
 * else in ordinary arrays. What belongs to a storage or a program that is garbage is given back.
 */

import { backend } from '../kernels/backend.ts';
import type { FloatArray } from '../kernels/types.ts';
import { type FunctionBuilder, importedFunction } from '../kernels/wasm/assembler/assembler.ts';
import { encodeModule } from '../kernels/wasm/assembler/encode.ts';
import { Lru } from '../kernels/wasm/memory/cache.ts';
import {
  type Block,
  type ElementType,
  elementsOn,
  type Heap,
  resetHeap,
  sharedHeap,
} from '../kernels/wasm/memory/heap.ts';
import { dtypeOf } from '../tensor/dtype.ts';
import type { Storage } from '../tensor/storage.ts';

/** A kernel that was compiled, by the names of its functions. */
export type Kernel = Readonly<Record<string, (...args: number[]) => number>>;

/** A compiled module: its code, for other threads, and what it exports. */
export interface KernelModule {
  readonly bytes: Uint8Array;
  readonly exports: Kernel;
  /** The types of each export. */
  readonly functions: readonly FunctionBuilder[];
}

/** How many kernels are kept for programs to come; those in use stay with their programs. */
const kernelLimit = 1024;

/** A region that holds buffers at byte offsets. */
export interface Region {
  /** The address of its first byte in the heap; 0 where there is none. */
  readonly address: number;
  /** A view on `length` elements, `offset` bytes from its beginning; current until memory grows. */
  view(type: ElementType, offset: number, length: number): FloatArray;
  free(): void;
}

/** The heap, and the kernels compiled for it. */
export class ProgramMemory {
  readonly #heap: Heap | null;
  readonly #kernels = new Lru<KernelModule>(kernelLimit);
  readonly #homes = new WeakMap<Storage, number>();
  readonly #garbage = new FinalizationRegistry<Block>((block) => this.#heap?.free(block));

  constructor() {
    this.#heap = backend().name === 'js' ? null : sharedHeap();
  }

  /** Whether kernels can be compiled. */
  get hasKernels(): boolean {
    return this.#heap !== null;
  }

  /** Bytes in use. */
  get used(): number {
    return this.#heap?.used ?? 0;
  }

  /** A region of `bytes`, given back when `owner` is garbage unless freed before. */
  region(bytes: number, owner: object): Region {
    const heap = this.#heap;
    if (heap === null) {
      const buffer = new ArrayBuffer(Math.ceil(bytes / 8) * 8);
      return { address: 0, view: (type, offset, length) => elementsOn(buffer, type, offset, length), free: () => {} };
    }
    const block = heap.allocate(bytes);
    const token = {};
    this.#garbage.register(owner, block, token);
    return {
      address: block.address,
      view: (type, offset, length) => heap.view(type, block.address + offset, length),
      free: () => {
        if (this.#garbage.unregister(token)) heap.free(block);
      },
    };
  }

  /** The address of a storage's values, which move into the heap if they are not there yet. */
  home(storage: Storage): number {
    const known = this.#homes.get(storage);
    if (known !== undefined) return known;
    const { length } = storage;
    const dtype = dtypeOf(storage.data);
    const heap = this.#heap!;
    const block = heap.allocate(length * (dtype === 'float32' ? 4 : 8));
    // Whoever still holds the array when the storage is gone shall go on seeing its values: the array is what must be garbage.
    const token = {};
    storage.moveTo(() => {
      const view = heap.view(dtype, block.address, length);
      this.#garbage.unregister(token);
      this.#garbage.register(view, block, token);
      return view;
    });
    this.#homes.set(storage, block.address);
    return block.address;
  }

  /** The kernel of this key, assembled and compiled at first use. */
  module(key: string, build: () => readonly FunctionBuilder[]): KernelModule {
    return this.#kernels.get(key, () => {
      const functions = build();
      return { ...this.compile(functions), functions: functions.map(withoutBody) };
    });
  }

  /** Compiles functions; those that they import are given by name. */
  compile(
    functions: readonly FunctionBuilder[],
    imports: Kernel = {},
  ): { readonly bytes: Uint8Array; readonly exports: Kernel } {
    const { import: form, memory } = this.#heap!;
    const bytes = encodeModule(functions, form);
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory, ...imports } });
    return { bytes, exports: instance.exports as unknown as Kernel };
  }

  /** Whether other threads can be on the memory. */
  get isShared(): boolean {
    return this.#heap?.import.shared ?? false;
  }

  /** The heap. There must be one. */
  get heap(): Heap {
    return this.#heap!;
  }
}

/** A function's name and types alone. */
function withoutBody({ name, params, result }: FunctionBuilder): FunctionBuilder {
  return importedFunction(
    name,
    params.map(({ type }) => type),
    result,
  );
}

let shared: ProgramMemory | null = null;

/** The memory of all programs of this realm, made at first use. */
export function programMemory(): ProgramMemory {
  shared ??= new ProgramMemory();
  return shared;
}

/** Lets the next program begin with a memory of its own (for tests that change features). */
export function resetProgramMemory(): void {
  shared = null;
  resetHeap();
}
