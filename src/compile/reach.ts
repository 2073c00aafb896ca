/** Which groups must wait for which, directly or through others. */

import type { Group } from './group.ts';

/** The relation as one row of bits for each group: all that must run before it. */
export class Reach {
  readonly #numbers = new Map<Group, number>();
  readonly #rows: Uint32Array[] = [];

  constructor(groups: readonly Group[]) {
    const words = Math.ceil(groups.length / 32);
    for (const group of groups) {
      this.#numbers.set(group, this.#rows.length);
      this.#rows.push(new Uint32Array(words));
    }
    const done = new Set<Group>();
    const stack = [...groups];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const missing = done.has(top) ? [] : [...top.after].filter((other) => !done.has(other));
      if (missing.length > 0) {
        stack.push(...missing);
        continue;
      }
      stack.pop();
      if (done.has(top)) continue;
      done.add(top);
      for (const other of top.after) this.#add(this.#rowOf(top), other);
    }
  }

  #rowOf(group: Group): Uint32Array {
    return this.#rows[this.#numbers.get(group)!]!;
  }

  /** Enters a group, and all that it waits for, into a row. */
  #add(row: Uint32Array, group: Group): void {
    const number = this.#numbers.get(group)!;
    row[number >> 5]! |= 1 << (number & 31);
    const theirs = this.#rows[number]!;
    for (let word = 0; word < row.length; word++) row[word]! |= theirs[word]!;
  }

  #has(row: Uint32Array, group: Group): boolean {
    const number = this.#numbers.get(group)!;
    return ((row[number >> 5]! >>> (number & 31)) & 1) === 1;
  }

  /** Whether `group` must wait for `other`. */
  waits(group: Group, other: Group): boolean {
    return this.#has(this.#rowOf(group), other);
  }

  /** Whether some third group must wait for `first` and run before `second`. */
  isBetween(first: Group, second: Group): boolean {
    const row = this.#rowOf(second);
    for (const group of this.#numbers.keys()) {
      if (group !== first && group !== second && this.#has(row, group) && this.waits(group, first)) return true;
    }
    return false;
  }

  /** Lets `group`, and all that wait for it, wait for `other` too. */
  order(other: Group, group: Group): void {
    this.#add(this.#rowOf(group), other);
    for (const row of this.#rows) if (this.#has(row, group)) this.#add(row, group);
  }

  /** Makes one group of two between which there is no other: `gone` becomes a part of `kept`. */
  merge(gone: Group, kept: Group): void {
    const row = this.#rowOf(kept);
    const theirs = this.#rowOf(gone);
    for (let word = 0; word < row.length; word++) row[word]! |= theirs[word]!;
    for (const group of [gone, kept]) {
      const number = this.#numbers.get(group)!;
      row[number >> 5]! &= ~(1 << (number & 31));
    }
    for (const other of this.#rows)
      if (other !== row && (this.#has(other, gone) || this.#has(other, kept))) this.#add(other, kept);
    this.#numbers.delete(gone);
  }
}
