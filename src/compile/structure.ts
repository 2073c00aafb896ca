/** Arguments and results of any structure: tensors (and lists of labels) within arrays and records. */

import { TraceError } from '../errors.ts';
import { show } from '../tensor/options.ts';
import { type NumberArray, Tensor } from '../tensor/tensor.ts';

/** Calls `visit` for every tensor and every typed array within `x`, and gives the text of the structure around them. */
export function describe(x: unknown, visit: (leaf: Tensor | NumberArray) => string, identities: Identities): string {
  if (x instanceof Tensor || isNumbers(x)) return visit(x);
  if (Array.isArray(x)) {
    return `[${x.map((entry) => describe(entry, visit, identities)).join()}]`;
  }
  if (isRecord(x)) {
    const entries = Object.entries(x).map(
      ([key, entry]) => `${JSON.stringify(key)}:${describe(entry, visit, identities)}`,
    );
    return `{${entries.join()}}`;
  }
  if ((typeof x === 'object' && x !== null) || typeof x === 'function') return `#${identities.of(x)}`;
  if (typeof x === 'symbol') return `#${identities.ofSymbol(x)}`;
  if (typeof x === 'bigint') return `${x}n`;
  return typeof x === 'string' ? JSON.stringify(x) : Object.is(x, -0) ? '-0' : String(x);
}

/** The same structure with every tensor and typed array replaced. */
export function mapLeaves<T>(x: T, replace: (leaf: Tensor | NumberArray) => unknown): T {
  if (x instanceof Tensor || isNumbers(x)) return replace(x) as T;
  if (Array.isArray(x)) return x.map((entry) => mapLeaves(entry, replace)) as T;
  if (!isRecord(x)) return x;
  return Object.fromEntries(Object.entries(x).map(([key, entry]) => [key, mapLeaves(entry, replace)])) as T;
}

/** All tensors within what a function returned. */
export function tensorsIn(x: unknown): Tensor[] {
  const found: Tensor[] = [];
  mapLeaves(x, (leaf) => {
    if (leaf instanceof Tensor) found.push(leaf);
    return leaf;
  });
  if (x instanceof Promise) {
    // What the rest of the function makes of its traced tensors is of no interest.
    x.catch(() => {});
    throw new TraceError(
      'compile: the function is async, but a traced function must return its results at once; await outside',
    );
  }
  return found;
}

/** Whether `x` is a typed array of numbers: labels, which are traced as a tensor. */
export function isNumbers(x: unknown): x is NumberArray {
  if (!ArrayBuffer.isView(x)) return false;
  if (x instanceof DataView || typeof (x as NumberArray)[0] === 'bigint') {
    throw new TraceError(`compile: an argument is ${show(x)}, which holds no numbers to trace`);
  }
  return true;
}

/** A traced tensor in the place of an array of labels: it knows their number, and says why it cannot tell a single one. */
export function likeNumbers(x: Tensor): Tensor {
  const get = (): never => {
    throw new TraceError(
      'compile: a list of labels was read like an array while the function was traced, when the labels are not known yet; ' +
        'it is a tensor there, for losses, oneHot() and gather() to take',
    );
  };
  const arrayLike = ['0', 'forEach', 'map', 'subarray', 'reduce', 'indexOf', 'includes', 'buffer', Symbol.iterator];
  // tensor() reads the values of a tensor.
  const methods = [...arrayLike, 'toTypedArray'];
  Object.defineProperties(x, Object.fromEntries(methods.map((name) => [name, { get }])));
  return Object.defineProperty(x, 'length', { value: x.size });
}

function isRecord(x: unknown): x is Record<string, unknown> {
  if (typeof x !== 'object' || x === null) return false;
  const prototype: unknown = Object.getPrototypeOf(x);
  return prototype === Object.prototype || prototype === null;
}

/** Numbers for objects and symbols, so that the same one can be told from another. */
export class Identities {
  readonly #numbers = new WeakMap<object, number>();
  readonly #symbols = new Map<symbol, number>();
  #next = 0;

  of(object: object): number {
    return this.#in(this.#numbers, object);
  }

  ofSymbol(symbol: symbol): number {
    return this.#in(this.#symbols, symbol);
  }

  #in<K>(numbers: { get(key: K): number | undefined; set(key: K, value: number): unknown }, key: K): number {
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, this.#next);
    return this.#next++;
  }
}
