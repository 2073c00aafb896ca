/**
 * The WebAssembly memory of eager kernels: one bounded scratch, reused by every call. Only this file makes views on
 * it, and it makes them anew after growth, so that no view can be stale. Addresses and sizes are in bytes unless a
 * name says floats.
 *
 * A kernel call is synchronous and uses the scratch alone: `begin` frees all of it, `allocate` hands out the next
 * part. Nothing in it lives from one call to the next.
 */
import type { MemoryImport } from '../assembler/encode.ts';

const PAGE = 65536;
/** 512 MiB: an operation that needs more runs on the reference kernels. */
export const MAXIMUM_PAGES = 8192;
/** Below this address lies nothing, so that an address computed wrong does not hit data that matters. */
const FIRST = 1024;
/** Reads and writes of a last, partly used tile may run over the end of a buffer by this many bytes. */
export const SLACK = 512;

export const SCRATCH_IMPORT: MemoryImport = { shared: false, maximum: MAXIMUM_PAGES };

export class KernelMemory {
  readonly memory: WebAssembly.Memory;
  #floats: Float32Array<ArrayBuffer>;
  #integers: Int32Array<ArrayBuffer>;
  #doubles: Float64Array<ArrayBuffer>;
  #next: number = FIRST;

  constructor(memory: WebAssembly.Memory = new WebAssembly.Memory({ initial: 16, maximum: MAXIMUM_PAGES })) {
    this.memory = memory;
    this.#floats = new Float32Array(memory.buffer as ArrayBuffer);
    this.#integers = new Int32Array(memory.buffer as ArrayBuffer);
    this.#doubles = new Float64Array(memory.buffer as ArrayBuffer);
  }

  /** Frees the whole scratch and grows it to hold `floats` in `parts` allocations; false if that is more than the bound. */
  begin(floats: number, parts: number): boolean {
    this.#next = FIRST;
    const pages = Math.ceil((FIRST + 4 * floats + parts * (SLACK + 64)) / PAGE);
    const present = this.memory.buffer.byteLength / PAGE;
    if (pages <= present) return true;
    if (pages > MAXIMUM_PAGES) return false;
    try {
      // In steps of a half, so that a series of growing shapes does not grow (and renew the views) each time.
      this.memory.grow(Math.min(MAXIMUM_PAGES, Math.max(pages, Math.ceil(present * 1.5))) - present);
    } catch {
      return false;
    }
    this.#floats = new Float32Array(this.memory.buffer as ArrayBuffer);
    this.#integers = new Int32Array(this.memory.buffer as ArrayBuffer);
    this.#doubles = new Float64Array(this.memory.buffer as ArrayBuffer);
    return true;
  }

  /** Frees the whole scratch and hands out parts of so many floats each, by name; null if that is more than the bound. */
  place<K extends string>(floats: Readonly<Record<K, number>>): Record<K, number> | null {
    const parts = Object.entries<number>(floats);
    const total = parts.reduce((sum, [, count]) => sum + count, 0);
    if (!this.begin(total, parts.length)) return null;
    return Object.fromEntries(parts.map(([name, count]) => [name, this.allocate(count)])) as Record<K, number>;
  }

  /** The address of the next `floats` floats, on a cache line, with slack behind. */
  allocate(floats: number): number {
    const at = this.#next;
    this.#next = (at + 4 * floats + SLACK + 63) & ~63;
    return at;
  }

  /** Bytes that the scratch holds now. */
  get bytes(): number {
    return this.#floats.byteLength;
  }

  /** A view on `count` floats at an address; not to be kept over a call of `begin`. */
  view(address: number, count: number): Float32Array<ArrayBuffer> {
    return this.#floats.subarray(address >> 2, (address >> 2) + count);
  }

  zero(address: number, count: number): void {
    this.#floats.fill(0, address >> 2, (address >> 2) + count);
  }

  /** Copies source[from … from + count) to an address. */
  write(address: number, source: Float32Array, from: number, count: number): void {
    this.#floats.set(
      from === 0 && count === source.length ? source : source.subarray(from, from + count),
      address >> 2,
    );
  }

  /** Copies `count` floats at an address to target[at …). */
  read(address: number, target: Float32Array, at: number, count: number): void {
    const from = address >> 2;
    if (count < 24) for (let i = 0; i < count; i++) target[at + i] = this.#floats[from + i] as number;
    else target.set(this.#floats.subarray(from, from + count), at);
  }

  /** The double at an address. */
  double(address: number): number {
    return this.#doubles[address >> 3] as number;
  }

  /** Writes whole numbers, as tables that a kernel reads. */
  writeIntegers(address: number, values: readonly number[]): void {
    this.#integers.set(values, address >> 2);
  }
}
