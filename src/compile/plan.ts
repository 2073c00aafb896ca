/**
 * The memory plan: every temporary gets a place in one arena, so that no two that live at the same time overlap. A value
 * lives from the operation that computes it to the last that reads it.
 */

import { Generator } from '../tensor/random.ts';
import { elementBytes, type Graph, resultsOf, slotsOf, updatedSlots, type Value } from './graph.ts';

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

/** A buffer that has its place. */
interface Placed extends Lifetime {
  readonly offset: number;
}

/** A plan this close to its floor is good enough. */
const goodEnough = 1.02;

/**
 * Places the buffers: first the largest ones, then in other orders, if that leaves gaps. Whatever reaches up to the top
 * of a plan comes earlier in the next one, and now and then an order is shaken: small graphs have the worst gaps, and
 * there are many tries for them.
 */
export function planMemory(lifetimes: readonly Lifetime[]): MemoryPlan {
  const floor = largestLiveSum(lifetimes);
  const random = new Generator(0);
  const orders = startingOrders(lifetimes);
  const tries = Math.max(40, Math.min(2000, Math.floor(2e5 / lifetimes.length ** 2)));
  let best: readonly Placed[] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (let i = 0; i < tries && bytes > goodEnough * floor; i++) {
    const slot = i % orders.length;
    const placed = placeInOrder(orders[slot]!);
    const top = topOf(placed);
    if (top < bytes) [best, bytes] = [placed, top];
    const highest = new Set(placed.filter(({ offset, bytes: own }) => offset + own === top).map(({ value }) => value));
    orders[slot] = [...orders[slot]!].sort((a, b) => Number(highest.has(b.value)) - Number(highest.has(a.value)));
    if (lifetimes.length > 1 && random.uniform() < 0.5) exchange(orders[slot], random);
  }
  return { offsets: new Map(best.map(({ value, offset }) => [value, offset])), bytes: topOf(best), floor };
}

/** By size, by size and time, by time, and in the order of their beginnings. */
function startingOrders(lifetimes: readonly Lifetime[]): Lifetime[][] {
  const size = (a: Lifetime, b: Lifetime): number => b.bytes - a.bytes || a.first - b.first;
  const span = ({ first, last }: Lifetime): number => last - first + 1;
  return [
    [...lifetimes].sort(size),
    [...lifetimes].sort((a, b) => b.bytes * span(b) - a.bytes * span(a) || size(a, b)),
    [...lifetimes].sort((a, b) => span(b) - span(a) || size(a, b)),
    [...lifetimes].sort((a, b) => a.first - b.first || size(a, b)),
  ];
}

/** Two buffers of an order change places. */
function exchange(order: Lifetime[], random: Generator): void {
  const [i, j] = [random.integer(0, order.length), random.integer(0, order.length)];
  [order[i], order[j]] = [order[j]!, order[i]!];
}

function topOf(placed: readonly Placed[]): number {
  return placed.reduce((top, { offset, bytes }) => Math.max(top, offset + bytes), 0);
}

/** Places one buffer after the other, each in the tightest gap that its lifetime leaves free, else at the end. */
function placeInOrder(order: readonly Lifetime[]): Placed[] {
  const placed: Placed[] = [];
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
    placed.push({ ...lifetime, offset: best >= 0 ? best : edge });
  }
  return placed;
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
