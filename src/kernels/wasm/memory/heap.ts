/**
 * The WebAssembly memory in which compiled programs live: their arenas, and the parameters and optimizer states that
 * they share. Blocks are handed out and taken back; addresses and sizes are in bytes.
 *
 * Where the engine allows it the memory is shared, because growing a shared memory leaves older views on it alive.
 * Otherwise growth detaches them, which shows as a length of 0: whoever keeps a view asks for a new one then.
 */
import type { FloatArray } from '../../types.ts';
import type { MemoryImport } from '../assembler/encode.ts';
import { features } from '../features.ts';

const PAGE = 65536;
/** 2 GiB: addresses stay positive in 32-bit arithmetic. */
const MAXIMUM_PAGES = 32767;
/** Vectors may be written over the end of a buffer, and tiles read, by up to this many bytes. */
export const HEAP_SLACK = 512;
const ALIGNMENT = 64;

/** A part of the heap. */
export interface Block {
  readonly address: number;
  readonly bytes: number;
}

/** A growing memory with a list of free parts. */
export class Heap {
  readonly memory: WebAssembly.Memory;
  readonly import: MemoryImport;
  /** Free parts by address; no two touch. */
  #free: Block[] = [];
  #end = 1024;

  constructor() {
    const shared = features().shared;
    this.import = { shared, maximum: MAXIMUM_PAGES };
    this.memory = new WebAssembly.Memory({ initial: 16, maximum: MAXIMUM_PAGES, shared });
  }

  /** Bytes handed out at present. */
  get used(): number {
    return this.#end - 1024 - this.#free.reduce((sum, block) => sum + block.bytes, 0);
  }

  /** A block of at least `bytes`, with slack behind. @throws RangeError if the memory cannot grow so far. */
  allocate(bytes: number): Block {
    const size = Math.ceil((bytes + HEAP_SLACK) / ALIGNMENT) * ALIGNMENT;
    const fits = this.#free.filter((block) => block.bytes >= size);
    if (fits.length > 0) {
      const best = fits.reduce((a, b) => (b.bytes < a.bytes ? b : a));
      this.#free = this.#free.filter((block) => block !== best);
      if (best.bytes > size) this.#free.push({ address: best.address + size, bytes: best.bytes - size });
      return { address: best.address, bytes: size };
    }
    const address = this.#end;
    const missing = Math.ceil((address + size) / PAGE) - this.memory.buffer.byteLength / PAGE;
    if (missing > 0) this.memory.grow(missing);
    this.#end += size;
    return { address, bytes: size };
  }

  /** Takes a block back and merges it with its free neighbours. */
  free(block: Block): void {
    const merged: Block[] = [];
    for (const next of [...this.#free, block].sort((a, b) => a.address - b.address)) {
      const last = merged.at(-1);
      if (last !== undefined && last.address + last.bytes === next.address) {
        merged[merged.length - 1] = { address: last.address, bytes: last.bytes + next.bytes };
      } else merged.push(next);
    }
    const last = merged.at(-1);
    if (last !== undefined && last.address + last.bytes === this.#end) {
      this.#end = last.address;
      merged.pop();
    }
    this.#free = merged;
  }

  /** A view on `length` elements. */
  view(type: ElementType, address: number, length: number): FloatArray {
    return elementsOn(this.memory.buffer, type, address, length);
  }
}

/** What can lie in memory: floats, and bytes that only programs see. */
export type ElementType = 'float32' | 'float64' | 'uint8';

const arrays = { float32: Float32Array, float64: Float64Array, uint8: Uint8Array };

/** A view on `length` elements of a buffer; bytes behave as an array of floats does, too, only rounding otherwise. */
export function elementsOn(buffer: ArrayBufferLike, type: ElementType, offset: number, length: number): FloatArray {
  return new arrays[type](buffer as ArrayBuffer, offset, length) as FloatArray;
}

let shared: Heap | null = null;

/** The heap of this realm, made at first use: what threads share. */
export function sharedHeap(): Heap {
  shared ??= new Heap();
  return shared;
}

/** Lets the next use begin with a heap of its own (for tests that change features). */
export function resetHeap(): void {
  shared = null;
}
