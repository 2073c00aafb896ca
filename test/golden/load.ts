/** Reads the cases that generate.py writes: data/<family>.jsonl.gz, one case a line. */

import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** A tensor as written: values d (divided by q), of shape s; i marks whole numbers (labels, indices). */
export interface Encoded {
  readonly s: readonly number[];
  readonly q?: number;
  readonly i?: 1;
  readonly d: readonly (number | 'NaN' | 'Infinity' | '-Infinity')[];
}

/** One call of the library, what it must return, and its gradients: see cases.py. */
export interface Case {
  readonly fn: string;
  readonly args: readonly unknown[];
  readonly options?: Readonly<Record<string, unknown>>;
  readonly out: readonly Encoded[];
  /** Options' tensors as the call must leave them. */
  readonly after?: Readonly<Record<string, Encoded>>;
  /** Called as a method of the first argument. */
  readonly method?: boolean;
  /** Only of contiguous inputs. */
  readonly dense?: boolean;
  /** Too large or too small for float32. */
  readonly only64?: boolean;
  /** `'element'`: errors relative to each element; otherwise relative to the tensor's largest. */
  readonly scale?: 'element';
  readonly tol32?: number;
  readonly tol32grad?: number;
  readonly tol32second?: number;
  /** Weights of the outputs in ⟨v, y⟩, and of the gradients in ⟨u, grads⟩; gradients by input path. */
  readonly v?: readonly (Encoded | null)[];
  readonly grads?: Readonly<Record<string, Encoded>>;
  readonly u?: Readonly<Record<string, Encoded>>;
  readonly second?: Readonly<Record<string, Encoded>>;
  /** Weights of the second gradients, and the third ones. */
  readonly w?: Readonly<Record<string, Encoded>>;
  readonly third?: Readonly<Record<string, Encoded>>;
}

const SPECIAL = { NaN: Number.NaN, Infinity: Number.POSITIVE_INFINITY, '-Infinity': Number.NEGATIVE_INFINITY };

/** The families of cases, each a file of that name. */
export const FAMILIES = [
  'creation',
  'elementwise',
  'reductions',
  'matmul',
  'indexing',
  'views',
  'conv',
  'conv_transpose',
  'pool',
  'activations',
  'norms',
  'losses',
  'orders',
] as const;

export function isEncoded(value: unknown): value is Encoded {
  return typeof value === 'object' && value !== null && 's' in value && 'd' in value;
}

/** The values of a written tensor, in row-major order. */
export function decode({ d, q = 1 }: Encoded): Float64Array {
  return Float64Array.from(d, (value) => (typeof value === 'string' ? SPECIAL[value] : value / q));
}

/** A number that may be written as a string. */
export function decodeNumber(value: unknown): unknown {
  return typeof value === 'string' && value in SPECIAL ? SPECIAL[value as keyof typeof SPECIAL] : value;
}

/** The lines of a committed file, parsed. */
export function readLines<T>(url: URL): T[] {
  if (!existsSync(url)) throw new Error(`${url.pathname} is missing: run /usr/bin/python3 test/golden/generate.py`);
  const lines = gunzipSync(readFileSync(url)).toString().trim().split('\n');
  return lines.map((line) => JSON.parse(line) as T);
}

export function loadFamily(family: string): Case[] {
  return readLines<Case>(new URL(`./data/${family}.jsonl.gz`, import.meta.url));
}
