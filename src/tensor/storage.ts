/** The memory behind a tensor and its views. */

import type { FloatArray } from '../kernels/types.ts';

let made = 0;

/** How many storages were made so far. */
export function storagesMade(): number {
  return made;
}

let readObserver: ((storage: Storage) => void) | null = null;

/** Sets who hears when the values of a storage are looked at; for tracing, to which they may differ at the next call. @internal */
export function observeReads(observer: ((storage: Storage) => void) | null): void {
  readObserver = observer;
}

/**
 * A typed array and a version. Views share one storage; the version counts in-place updates, so that a gradient rule
 * can tell whether a value it saved has changed since.
 */
export class Storage {
  /** Counts up with every storage made, so that it can be told which came first. */
  readonly serial: number = made++;
  #data: FloatArray;
  #renew: (() => FloatArray) | null = null;
  version = 0;
  /** Whether the array was made by a user, who may hold it and write to it. */
  isExternal = false;

  constructor(data: FloatArray) {
    this.#data = data;
  }

  get data(): FloatArray {
    readObserver?.(this);
    return this.#current();
  }

  #current(): FloatArray {
    // Memory that grew has detached its views, which shows as a length of 0.
    if (this.#data.length === 0 && this.#renew !== null) this.#data = this.#renew();
    return this.#data;
  }

  /** The number of elements. */
  get length(): number {
    return this.#current().length;
  }

  /** Moves the values to the array that `home` gives, of the same length and kind; every view sees them there. */
  moveTo(home: () => FloatArray): void {
    const values = this.#current();
    this.#data = home();
    this.#data.set(values);
    this.#renew = this.#data.length > 0 ? home : null;
    this.isExternal = false;
  }
}
