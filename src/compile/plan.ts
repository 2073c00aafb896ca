/**
 * The memory plan: every temporary gets a place in one arena, so that no two that live at the same time overlap. A value
 * lives from the operation that computes it to the last that reads it.
 */

import type { DType } from '../tensor/dtype.ts';
import { type Graph, resultsOf, slotsOf, updatedSlots, type Value } from './graph.ts';

/** From the first to the last step in which a buffer must hold its content, both included. */
export interface Lifetime {
  readonly value: Value;
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** Where each temporary lies. */
export interface MemoryPlan {
  readonly offsets: ReadonlyMap<Value, number>;
  /** The size of the arena. */
  readonly bytes: number;
  /** The largest sum of the buffers that live at one time: no plan can need less. */
  readonly floor: number;
}

const alignment = 64;

/** Bytes of an element. */
export function elementBytes(dtype: DType): number {
  return dtype === 'float32' ? 4 : 8;
}

/** What one step reads and writes. */
export interface Access {
  readonly values: readonly Value[];
}

/**
 * The lifetimes of a graph's inputs, gradients and temporaries over the steps of its program. Inputs and gradients live
 * from the beginning, results and gradients (which are written back) to the end.
 */
export function lifetimesOf(graph: Graph, steps: readonly Access[]): Lifetime[] {
  const spans = new Map<Value, { first: number; last: number }>();
  const end = steps.length;
  const touch = (value: Value, step: number): void => {
    if (value.source.kind === 'state' || value.source.kind === 'constant') return;
    const span = spans.get(value);
    if (span === undefined) spans.set(value, { first: step, last: step });
    else span.last = step;
  };
  for (const input of [...graph.inputs, ...slotsOf(graph)]) touch(input, 0);
  for (const [step, { values }] of steps.entries()) for (const value of values) touch(value, step);
  for (const view of resultsOf(graph)) touch(view.value, end);
  for (const slot of updatedSlots(graph)) touch(slot, end);
  return [...spans].map(([value, span]) => {
    const bytes = Math.ceil(Math.max(1, value.size * elementBytes(value.dtype)) / alignment) * alignment;
    return { value, bytes, ...span };
  });
}

/** Places the buffers, largest first, each at the lowest gap that its lifetime leaves free and that is the tightest fit. */
export function planMemory(lifetimes: readonly Lifetime[]): MemoryPlan {
  const offsets = new Map<Value, number>();
  const placed: (Lifetime & { offset: number })[] = [];
  let total = 0;
  const order = [...lifetimes].sort((a, b) => b.bytes - a.bytes || a.first - b.first);
  for (const lifetime of order) {
    const busy = placed
      .filter((other) => other.first <= lifetime.last && lifetime.first <= other.last)
      .sort((a, b) => a.offset - b.offset);
    let [best, slack, edge] = [-1, Number.POSITIVE_INFINITY, 0];
    for (const other of busy) {
      const gap = other.offset - edge;
      if (gap >= lifetime.bytes && gap - lifetime.bytes < slack) [best, slack] = [edge, gap - lifetime.bytes];
      edge = Math.max(edge, other.offset + other.bytes);
    }
    const offset = best >= 0 ? best : edge;
    placed.push({ ...lifetime, offset });
    offsets.set(lifetime.value, offset);
    total = Math.max(total, offset + lifetime.bytes);
  }
  return { offsets, bytes: total, floor: largestLiveSum(lifetimes) };
}

function largestLiveSum(lifetimes: readonly Lifetime[]): number {
  const changes = new Map<number, number>();
  const change = (step: number, bytes: number): void => {
    changes.set(step, (changes.get(step) ?? 0) + bytes);
  };
  for (const { first, last, bytes } of lifetimes) {
    change(first, bytes);
    change(last + 1, -bytes);
  }
  let [live, most] = [0, 0];
  for (const step of [...changes.keys()].sort((a, b) => a - b)) {
    live += changes.get(step)!;
    most = Math.max(most, live);
  }
  return most;
}
