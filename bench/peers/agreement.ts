/** Whether libraries give the same numbers: nothing is timed that does not. */
import { readFileSync } from 'node:fs';

/** Results of one library after its first call and, where that was quick, after its second: a list of arrays each. */
export type Snapshots = readonly (readonly Float32Array[])[];

export function readResults(files: readonly string[]): Float32Array[] {
  return files.map((file) => {
    const bytes = readFileSync(file);
    return new Float32Array(new Uint8Array(bytes).buffer);
  });
}

/**
 * Greatest difference as a share of the greatest number. Sums of float32 in another order differ by about
 * 6e-8 × √terms of the terms' size; 1e-4 leaves room for a million terms, 1e-3 for fifty layers on top of each other.
 * A wrong border, a missing tap or a swapped axis is off by 1e-2 at least.
 */
const TOLERANCE = { operation: 1e-4, network: 1e-3, training: 1e-2 };

export type Kind = keyof typeof TOLERANCE;

function greatest(values: Float32Array): number {
  return values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
}

function difference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs((a[i] as number) - (b[i] as number));
    if (!(d <= most)) most = Number.isNaN(d) ? Number.POSITIVE_INFINITY : d;
  }
  return most;
}

/**
 * What is wrong with `results`, or null. For training, the weights' difference is a share of how far the steps moved
 * the weight that moved most, because the weights themselves hardly change.
 */
export function disagreement(
  kind: Kind,
  reference: Snapshots,
  results: Snapshots,
  start: readonly Float32Array[],
): string | null {
  for (const [call, expected] of reference.entries()) {
    const actual = results[call];
    if (actual === undefined) continue;
    if (actual.length !== expected.length) return `${actual.length} results instead of ${expected.length}`;
    const moved = Math.max(0, ...start.map((w, i) => difference(w, expected[i + 1] as Float32Array)));
    for (const [i, values] of expected.entries()) {
      const scale = kind === 'training' && i > 0 ? moved : greatest(values);
      const share = difference(values, actual[i] as Float32Array) / scale;
      if (!(share <= TOLERANCE[kind])) {
        return `result ${i} of call ${call + 1} differs by ${share.toPrecision(2)} of its size, allowed is ${TOLERANCE[kind]}`;
      }
    }
  }
  return null;
}
