/** From a group of elementwise operations to the kernel of one loop. */

import { type LoopKernel, type LoopTarget, type LoopValue, sumFormOf } from '../../kernels/wasm/elementwise/loop.ts';
import { features } from '../../kernels/wasm/features.ts';
import { sizeOf } from '../../tensor/shape.ts';
import { type GraphNode, isWhole, nameOf, type Value, type View } from '../graph.ts';
import type { Group } from '../group.ts';
import { commonShape } from '../loop-rules.ts';
import { uniformValue } from '../passes/simplify.ts';

/** A loop's kernel, and the views whose addresses it is called with: what it reads, stores and sums. */
export interface LoopPlan {
  readonly kernel: LoopKernel;
  readonly reads: readonly View[];
  readonly stores: readonly View[];
  readonly sums: readonly View[];
  /** Floats of scratch for each sum in the kernel's form 'totals', whose addresses follow. */
  readonly scratch: readonly number[];
  /** For each address, the floats from one of the outermost axis to the next. */
  readonly steps: readonly number[];
  /** The size of the outermost axis: the kernel's last argument, if it is counted. */
  readonly count: number;
  /** So many of it are one unit of work; units are independent of each other. */
  readonly chunk: number;
}

/** The strides of a view over the axes of `shape`, into which the view's own axes are split. */
function refine(view: { shape: readonly number[]; strides: readonly number[] }, shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(0);
  let axis = shape.length - 1;
  for (let own = view.shape.length - 1; own >= 0; own--) {
    let [left, stride] = [view.shape[own]!, view.strides[own]!];
    while (left > 1) {
      strides[axis] = stride;
      stride *= shape[axis]!;
      left /= shape[axis]!;
      axis--;
    }
  }
  return strides;
}

/** The strides of a sum's result over the axes of what is summed: 0 along the summed ones. */
function sumView(node: GraphNode): { shape: readonly number[]; strides: number[] } {
  const axes = node.attrs as readonly number[];
  const { shape } = node.reads[0]!;
  const strides = shape.map(() => 0);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (axes.includes(axis)) continue;
    strides[axis] = step;
    step *= shape[axis]!;
  }
  return { shape, strides };
}

class LoopBuilder {
  readonly reads: View[] = [];
  readonly values: LoopValue[] = [];
  readonly stores: { value: number; view: View; strides: number[] }[] = [];
  readonly sums: { value: number; view: View; strides: number[] }[] = [];
  readonly readStrides: number[][] = [];
  readonly #shape: readonly number[];
  readonly #numbers = new Map<Value, number>();
  readonly #known = new Map<string, number>();

  constructor(group: Group, isNeeded: (value: Value) => boolean) {
    this.#shape = commonShape(
      group.nodes.flatMap((node) => [
        (nameOf(node) === 'sum' ? node.reads[0]! : node.target).shape,
        ...node.reads.map((v) => v.shape),
      ]),
    )!;
    for (const node of group.nodes) {
      if (nameOf(node) === 'sum') {
        this.#sum(node);
        continue;
      }
      const value = this.#compute(node);
      // What is overwritten as a whole reads as its new value from there on.
      if (node.op !== null || isWhole(node.target)) this.#numbers.set(node.target.value, value);
      if (node.op === null || isNeeded(node.target.value)) {
        this.stores.push({ value, view: node.target, strides: refine(node.target, this.#shape) });
      }
    }
  }

  get shape(): readonly number[] {
    return this.#shape;
  }

  #push(value: LoopValue): number {
    const key = JSON.stringify(
      'value' in value && Object.is(value.value, -0) ? 'minus zero' : 'value' in value ? String(value.value) : value,
    );
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    this.#known.set(key, this.values.length);
    return this.values.push(value) - 1;
  }

  #read(view: View): number {
    const made = this.#numbers.get(view.value);
    if (made !== undefined) return made;
    const constant = uniformValue(view);
    if (constant !== null) return this.#push({ name: 'constant', value: constant });
    const strides = refine(view, this.#shape);
    const same = this.reads.findIndex(
      (other, i) =>
        other.value === view.value && other.offset === view.offset && this.readStrides[i]!.join() === strides.join(),
    );
    if (same >= 0) return this.#push({ name: 'read', read: same });
    this.readStrides.push(strides);
    return this.#push({ name: 'read', read: this.reads.push(view) - 1 });
  }

  #sum(node: GraphNode): void {
    const value = this.#read(node.reads[0]!);
    const [view, strides] = [node.target, refine(sumView(node), this.#shape)];
    const isSum = view.value.size === 1 || strides.some((stride, axis) => stride === 0 && this.#shape[axis] !== 1);
    if (isSum) this.sums.push({ value, view, strides });
    else {
      // The sum of one element each, which is 0 for -0.
      const zero = this.#push({ name: 'constant', value: 0 });
      this.stores.push({ value: this.#push({ name: 'add', args: [value, zero] }), view, strides });
    }
  }

  #compute(node: GraphNode): number {
    const name = nameOf(node);
    const first = this.#read(node.reads[0]!);
    if (name === 'assign' || name === 'clone') return first;
    if (name === 'pow') return this.#power(first, node.reads[1]!);
    const args = [first, ...node.reads.slice(1).map((view) => this.#read(view))];
    return this.#push({ name: name as 'add', args });
  }

  /** Some powers as multiplications; roots would differ at -∞ and -0. */
  #power(x: number, by: View): number {
    const exponent = uniformValue(by);
    if (exponent === 2) return this.#push({ name: 'square', args: [x] });
    if (exponent === 3) return this.#push({ name: 'mul', args: [this.#push({ name: 'square', args: [x] }), x] });
    if (exponent === -1) return this.#push({ name: 'reciprocal', args: [x] });
    return this.#push({ name: 'pow', args: [x, this.#read(by)] });
  }
}

type Strides = readonly (readonly number[])[];

/** So many sums at most are kept in scratch at a time: 32 KB. */
const mostTotals = 1024;

/** A sum over rows that are as long as a page is better done one sum at a time. */
const longRow = 1024;

/** So many neighbours are read one after the other before the next image is turned to: a page. */
const leastRun = 1024;

/** So many elements are one thread's work at a time. */
const unitElements = 32768;

/** Axes of sums in an order that suits them: that of memory, unless sums would take too much scratch. */
function orderAxes(shape: readonly number[], sums: Strides): number[] {
  const axes = shape.map((_, axis) => axis).filter((axis) => shape[axis] !== 1);
  const isSummed = (axis: number): boolean => sums[0]![axis] === 0;
  const last = axes.at(-1);
  if (sums.length === 0 || last === undefined || !isSummed(last)) return axes;
  const between = axes.slice(axes.findIndex(isSummed)).filter((axis) => !isSummed(axis));
  const row = axes.slice(axes.findLastIndex((axis) => !isSummed(axis)) + 1);
  const size = (list: readonly number[]): number => sizeOf(list.map((axis) => shape[axis]!));
  if (size(between) <= mostTotals && size(row) < longRow) return axes;
  return [...axes.filter((axis) => !isSummed(axis)), ...axes.filter(isSummed)];
}

/** Axes of a loop: sizes, outermost first, and the strides of all arrays. */
interface Space {
  readonly shape: number[];
  readonly strides: (readonly number[])[];
}

/** Neighbouring axes that all arrays run through as one merged. */
function arrangeAxes(shape: readonly number[], arrays: Strides, sums: Strides): Space {
  const runs: number[][] = [];
  for (const axis of orderAxes(shape, sums)) {
    const before = runs.at(-1)?.at(-1);
    const merges = before !== undefined && arrays.every((strides) => strides[before] === strides[axis]! * shape[axis]!);
    if (merges) runs.at(-1)!.push(axis);
    else runs.push([axis]);
  }
  // A single element: every stride is that of a whole row of one, but for those that are added up.
  if (runs.length === 0)
    return { shape: [1], strides: arrays.map((_, i) => [i < arrays.length - sums.length ? 1 : 0]) };
  return {
    shape: runs.map((run) => sizeOf(run.map((axis) => shape[axis]!))),
    strides: arrays.map((strides) => runs.map((run) => strides[run.at(-1)!]!)),
  };
}

/**
 * Where the outermost axis is summed, the first kept one in blocks around it: blocks can be done apart, and each
 * reads runs of neighbours.
 */
function splitKept({ shape, strides }: Space, sums: number): Space {
  const sum = strides.at(-1)!;
  const kept = sum.findIndex((stride) => stride !== 0);
  if (sums === 0 || sum[0] !== 0 || kept < 0) return { shape, strides };
  const length = shape[kept]!;
  const inner = sizeOf(shape.slice(kept + 1));
  const isGood = (block: number): boolean =>
    length % block === 0 && block * inner >= leastRun && (kept < shape.length - 1 || block % 4 === 0);
  let block = 1;
  while (block < length && !isGood(block)) block++;
  if (block >= length) return { shape, strides };
  const split = (list: readonly number[], outer: number, own: number): number[] => [
    outer,
    ...list.map((x, axis) => (axis === kept ? own : x)),
  ];
  return {
    shape: split(shape, length / block, block),
    strides: strides.map((list) => split(list, list[kept]! * block, list[kept]!)),
  };
}

/** The strides of scratch with 8 floats for each sum, by those of the sum, which is dense. */
function totalStrides(sum: readonly number[]): number[] {
  return sum.map((stride) => 8 * stride);
}

/** How many of the outermost axis are one thread's work at a time. */
function chunkOf({ shape, strides }: Space, sums: number): number {
  const count = shape[0]!;
  if (sums > 0 && strides.at(-1)![0] === 0) return count;
  const chunk = Math.max(1, Math.floor(unitElements / sizeOf(shape.slice(1))));
  return shape.length === 1 ? Math.ceil(chunk / 4) * 4 : chunk;
}

/** The kernel of a group; `isNeeded` tells which of its values others read. */
export function planLoop(group: Group, isNeeded: (value: Value) => boolean): LoopPlan {
  const loop = new LoopBuilder(group, isNeeded);
  const sumStrides = loop.sums.map((sum) => sum.strides);
  const arrays = [...loop.readStrides, ...loop.stores.map((store) => store.strides), ...sumStrides];
  const space = splitKept(arrangeAxes(loop.shape, arrays, sumStrides), sumStrides.length);
  const { shape, strides } = space;
  const target = ({ value }: { value: number }, i: number): LoopTarget => ({ value, strides: strides[i]! });
  const firstSum = strides.length - sumStrides.length;
  const stores = loop.stores.map((store, i) => target(store, loop.reads.length + i));
  const sums = loop.sums.map((sum, i) => target(sum, firstSum + i));
  const totals = sumFormOf({ shape, sums }) === 'totals' ? sums.map((sum) => totalStrides(sum.strides)) : [];
  const chunk = chunkOf(space, sums.length);
  return {
    kernel: {
      shape,
      reads: strides.slice(0, loop.reads.length),
      values: loop.values,
      stores,
      sums,
      totals,
      fma: features().relaxed,
      exact: loop.stores.some((store) => !isWhole(store.view)),
      counted: sums.length === 0 || sums[0]!.strides[0] !== 0,
    },
    reads: loop.reads,
    stores: loop.stores.map((store) => store.view),
    sums: loop.sums.map((sum) => sum.view),
    scratch: totals.map((_, i) => 8 * loop.sums[i]!.view.value.size),
    steps: [...strides, ...totals].map((list) => list[0]!),
    count: shape[0]!,
    chunk,
  };
}
