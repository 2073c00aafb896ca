/** Where the values of a program lie: in its arena, in memory of its own, or with the tensors that they are of. */

import type { FloatArray, Strided } from '../kernels/types.ts';
import type { Storage } from '../tensor/storage.ts';
import type { Arrangement } from './arrange.ts';
import { elementBytes, type Graph, type Value, type View, valuesOf } from './graph.ts';
import { placeOf } from './in-place.ts';
import type { ProgramMemory, Region } from './memory.ts';

/** The places of one program. */
export class Places {
  readonly #arrangement: Arrangement;
  readonly #memory: ProgramMemory;
  readonly #arena: Region;
  /** Regions of constants and captured arrays. */
  readonly #own: Region[] = [];
  readonly #constants = new Map<Value, Region>();
  readonly #externals = new Map<Value, { readonly region: Region; readonly storage: Storage }>();
  readonly #buffers = new Map<Value, FloatArray>();

  constructor(arrangement: Arrangement, memory: ProgramMemory) {
    this.#arrangement = arrangement;
    this.#memory = memory;
    this.#arena = memory.region(arrangement.plan.bytes, this);
    if (memory.hasKernels) this.#placeConstants(arrangement.graph);
  }

  #placeConstants(graph: Graph): void {
    for (const value of valuesOf(graph)) {
      if (value.source.kind !== 'constant') continue;
      const region = this.#region(value);
      region.view(value.dtype, 0, value.size).set(value.source.data);
      this.#constants.set(value, region);
    }
  }

  #region({ size, dtype }: Value): Region {
    const region = this.#memory.region(size * elementBytes(dtype), this);
    this.#own.push(region);
    return region;
  }

  /** The place of captured arrays that belong to users, who may write to them: filled anew by each run. */
  #externalRegion(value: Value, storage: Storage): Region {
    const known = this.#externals.get(value);
    if (known !== undefined) return known.region;
    const region = this.#region(value);
    this.#externals.set(value, { region, storage });
    return region;
  }

  /** Brings what users hold to its place. */
  loadExternals(): void {
    for (const [{ dtype, size }, { region, storage }] of this.#externals) region.view(dtype, 0, size).set(storage.data);
  }

  /** The heap address of a view's first element, which stays. */
  address(view: View): number {
    const { value, offset } = view;
    const { source } = value;
    const { plan, donors, updated } = this.#arrangement;
    const bytes = elementBytes(value.dtype) * offset;
    switch (source.kind) {
      case 'state': {
        const { storage } = source;
        const isExternal = storage.isExternal && !updated.has(value);
        return bytes + (isExternal ? this.#externalRegion(value, storage).address : this.#memory.home(storage));
      }
      case 'constant':
        return this.#constants.get(value)!.address + bytes;
      default:
        return this.#arena.address + plan.offsets.get(placeOf(value, donors))! + bytes;
    }
  }

  /** What a kernel in TypeScript sees of a view; its data is looked up when it is read. */
  operand({ value, shape, strides, offset }: View): Strided {
    const { source } = value;
    const data = (): FloatArray => {
      switch (source.kind) {
        case 'state':
          return source.storage.data;
        case 'constant':
          return source.data;
        default:
          return this.buffer(value);
      }
    };
    return {
      get data() {
        return data();
      },
      shape,
      strides,
      offset,
    };
  }

  /** The place of an input or temporary. */
  buffer(value: Value): FloatArray {
    const known = this.#buffers.get(value);
    if (known !== undefined && (known.length > 0 || value.size === 0)) return known;
    const { plan, donors } = this.#arrangement;
    const at = plan.offsets.get(placeOf(value, donors));
    const buffer = this.#arena.view(value.dtype, at ?? 0, at === undefined ? 0 : value.size);
    this.#buffers.set(value, buffer);
    return buffer;
  }

  /** Gives the memory back. */
  free(): void {
    this.#arena.free();
    for (const region of this.#own) region.free();
  }
}
