/** Programs as workers find them: their code in shared memory, so that no message has to be sent. */
import type { Block, Heap } from '../kernels/wasm/memory/heap.ts';
import type { Description, Place } from './layout.ts';

/** All that a thread needs to run a program. */
export interface ProgramCode {
  /** The heap that its modules import. */
  readonly heap: Heap;
  /** The modules of its kernels. Those that programs share are the same arrays. */
  readonly modules: readonly Uint8Array[];
  /** What the conductor imports from `env`: by which name, and the function of which module. */
  readonly imports: readonly { readonly as: string; readonly module: number; readonly name: string }[];
  /**
   * The module that exports `segment_0` … `segment_{segments - 1}` (thread, threads, sync) and `barrier` (threads, sync),
   * and imports `env.wait` (address, value).
   */
  readonly conductor: Uint8Array;
  readonly segments: number;
}

/** Where a program's description lies. */
export interface Entry {
  readonly id: number;
  readonly address: number;
  readonly bytes: number;
}

/** The programs and modules that lie in one heap. What is garbage on this side is given back. */
export class Library {
  readonly #heap: Heap;
  readonly #entries = new WeakMap<object, Entry>();
  readonly #garbage: FinalizationRegistry<Block>;
  #lastId = 0;

  constructor(heap: Heap) {
    this.#heap = heap;
    this.#garbage = new FinalizationRegistry((block) => heap.free(block));
  }

  /** The description of a program, written at its first use. */
  program(code: ProgramCode): Entry {
    const known = this.#entries.get(code);
    if (known !== undefined) return known;
    const description: Description = {
      modules: code.modules.map((bytes) => [this.#module(bytes).id, ...this.#place(bytes)]),
      imports: code.imports.map(({ as, module, name }) => [as, module, name]),
      conductor: this.#place(code.conductor),
      segments: code.segments,
    };
    return this.#add(code, new TextEncoder().encode(JSON.stringify(description)));
  }

  #module(bytes: Uint8Array): Entry {
    return this.#entries.get(bytes) ?? this.#add(bytes, bytes);
  }

  #place(bytes: Uint8Array): Place {
    const { address } = this.#module(bytes);
    return [address, bytes.length];
  }

  #add(owner: object, bytes: Uint8Array): Entry {
    const block = this.#heap.allocate(bytes.length);
    new Uint8Array(this.#heap.memory.buffer, block.address, bytes.length).set(bytes);
    this.#garbage.register(owner, block, owner);
    const entry = { id: ++this.#lastId, address: block.address, bytes: bytes.length };
    this.#entries.set(owner, entry);
    return entry;
  }
}

const libraries = new WeakMap<Heap, Library>();

/** The library of a heap. */
export function libraryOf(heap: Heap): Library {
  const known = libraries.get(heap) ?? new Library(heap);
  libraries.set(heap, known);
  return known;
}
