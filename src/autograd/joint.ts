/** One vjp for all inputs of an operation at once, where the gradients share most of their work. */

import { fullLike } from '../ops/elementwise.ts';
import type { Call, Vjp } from '../ops/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { isGradEnabled } from './mode.ts';

/** The vjps that were made here; functions of users are among them. */
const made = new WeakSet<object>();

/** Whether a vjp comes from `jointVjp`. */
export function isJoint(vjp: unknown): boolean {
  return typeof vjp === 'function' && made.has(vjp);
}

interface Memo {
  readonly call: unknown;
  readonly recorded: boolean;
  readonly parts: readonly (Tensor | null)[];
}

/**
 * The vjp of each input from one function that gives all of them, null meaning zero. The function runs once for each
 * gradient that arrives: what it gave for the first input is kept, no longer than that gradient lives, for the others.
 */
export function jointVjp<A>(all: (g: Tensor, call: Call<A>) => readonly (Tensor | null)[]): Vjp<A> {
  const memos = new WeakMap<Tensor, Memo>();
  const partsFor = (g: Tensor, call: Call<A>): readonly (Tensor | null)[] => {
    const recorded = isGradEnabled();
    const memo = memos.get(g);
    if (memo?.call === call && memo.recorded === recorded) return memo.parts;
    const parts = all(g, call);
    memos.set(g, { call, recorded, parts });
    return parts;
  };
  const vjp: Vjp<A> = (g, call, i) => {
    const parts = partsFor(g, call);
    if (i === parts.length - 1) memos.delete(g);
    return parts[i] ?? fullLike(call.specs[i]!, 0);
  };
  made.add(vjp);
  return vjp;
}
