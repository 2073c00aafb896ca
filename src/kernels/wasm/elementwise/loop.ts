/** What a fused loop does, as data; `loops.ts` makes code of it. */
import type { BinaryName, UnaryName } from '../../types.ts';

/** One value of the loop's body; arguments are the numbers of earlier ones. */
export type LoopValue =
  | { readonly name: 'read'; readonly read: number }
  | { readonly name: 'constant'; readonly value: number }
  | { readonly name: UnaryName | BinaryName | 'where'; readonly args: readonly number[] };

/** Where a value goes: stored, or added up along the axes of stride 0. */
export interface LoopTarget {
  readonly value: number;
  readonly strides: readonly number[];
}

export interface LoopKernel {
  /** Sizes of the axes, outermost first; at least one. */
  readonly shape: readonly number[];
  /** Strides of each array that is read. */
  readonly reads: readonly (readonly number[])[];
  readonly values: readonly LoopValue[];
  readonly stores: readonly LoopTarget[];
  /** Sums over the same axes, at least one; see `sumFormOf`. */
  readonly sums: readonly LoopTarget[];
  /** For each sum in the form 'totals', the strides of scratch with 8 floats for each of its elements. */
  readonly totals?: readonly (readonly number[])[];
  readonly fma: boolean;
  /** Whether nothing may be written behind the last element, since the targets are parts of larger arrays. */
  readonly exact: boolean;
  /** Whether the size of the first axis is the function's last argument instead of `shape[0]`. */
  readonly counted?: boolean;
}

/**
 * How sums are kept. Rows are added up in float32 lanes, rows to each other in float64:
 *
 *   registers   the summed axes are the innermost ones: one sum at a time
 *   totals      the innermost axis is summed, but others between are not: sums in turn, in scratch
 *   memory      the innermost axis is not summed: added up where the result goes, in float32
 */
export function sumFormOf(k: Pick<LoopKernel, 'shape' | 'sums'>): 'none' | 'registers' | 'totals' | 'memory' {
  const strides = k.sums[0]?.strides;
  if (strides === undefined) return 'none';
  if (strides.at(-1) !== 0) return 'memory';
  return strides.slice(strides.indexOf(0)).every((stride) => stride === 0) ? 'registers' : 'totals';
}

/** The values of a body, as part of a cache's key. */
export function valuesKey(values: readonly LoopValue[]): string {
  const keys = values.map((v) =>
    'args' in v
      ? `${v.name}(${v.args.join()})`
      : v.name === 'read'
        ? `r${v.read}`
        : Object.is(v.value, -0)
          ? '-0'
          : `${v.value}`,
  );
  return keys.join(' ');
}

/** Everything that the code depends on, as the cache's key. */
export function loopKey(k: LoopKernel): string {
  const targets = (list: readonly LoopTarget[]): string => list.map((t) => `${t.value}:${t.strides.join()}`).join('|');
  const reads = k.reads.map((strides) => strides.join()).join('|');
  const totals = (k.totals ?? []).map((strides) => strides.join()).join('|');
  const [, ...rest] = k.shape;
  const shape = k.counted ? ['n', ...rest] : k.shape;
  return `loop ${shape.join()} ${reads} ${valuesKey(k.values)} > ${targets(k.stores)} + ${targets(k.sums)} ${totals}${k.fma ? ' f' : ''}${k.exact ? ' e' : ''}`;
}
