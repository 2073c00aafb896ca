/** From a group of elementwise operations to the kernel of one loop. */

import { features } from '../../kernels/wasm/features.ts';
import type { LoopKernel, LoopTarget, LoopValue } from '../../kernels/wasm/loops.ts';
import { sizeOf } from '../../tensor/shape.ts';
import { commonShape } from '../fuse.ts';
import { type GraphNode, isWhole, nameOf, type Value, type View } from '../graph.ts';
import type { Group } from '../group.ts';
import { uniformValue } from '../passes/simplify.ts';

/** A loop's kernel, and the views whose addresses it is called with: what it reads, stores and sums. */
export interface LoopPlan {
  readonly kernel: LoopKernel;
  readonly reads: readonly View[];
  readonly stores: readonly View[];
  readonly sums: readonly View[];
  /** Whether the sums are added up in memory, which must hold zeros first. */
  readonly sumsInMemory: boolean;
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
        this.sums.push({
          value: this.#read(node.reads[0]!),
          view: node.target,
          strides: refine(sumView(node), this.#shape),
        });
        continue;
      }
      const value = this.#compute(node);
      if (node.op !== null) this.#numbers.set(node.target.value, value);
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

  #compute(node: GraphNode): number {
    const name = nameOf(node);
    const first = this.#read(node.reads[0]!);
    if (name === 'assign' || name === 'clone') return first;
    if (name === 'pow') return this.#power(first, uniformValue(node.reads[1]!)!);
    const args = [first, ...node.reads.slice(1).map((view) => this.#read(view))];
    return this.#push({ name: name as 'add', args });
  }

  /** Powers as multiplications (see `simplePowers`). */
  #power(x: number, exponent: number): number {
    if (exponent === 2) return this.#push({ name: 'square', args: [x] });
    if (exponent === 3) return this.#push({ name: 'mul', args: [this.#push({ name: 'square', args: [x] }), x] });
    return this.#push({ name: 'reciprocal', args: [x] });
  }
}

/** Axes in an order that suits the sums, and neighbours that all arrays run through as one merged. */
function arrangeAxes(
  shape: readonly number[],
  arrays: readonly (readonly number[])[],
  sums: readonly (readonly number[])[],
): number[][] {
  let axes = shape.map((_, axis) => axis).filter((axis) => shape[axis] !== 1);
  const isSummed = (axis: number): boolean => sums[0]![axis] === 0;
  const last = axes.at(-1);
  if (sums.length > 0 && last !== undefined && isSummed(last)) {
    axes = [...axes.filter((axis) => !isSummed(axis)), ...axes.filter(isSummed)];
  }
  const runs: number[][] = [];
  for (const axis of axes) {
    const before = runs.at(-1)?.at(-1);
    const merges = before !== undefined && arrays.every((strides) => strides[before] === strides[axis]! * shape[axis]!);
    if (merges) runs.at(-1)!.push(axis);
    else runs.push([axis]);
  }
  return runs.length > 0 ? runs : [[]];
}

/** The kernel of a group; `isNeeded` tells which of its values others read. */
export function planLoop(group: Group, isNeeded: (value: Value) => boolean): LoopPlan {
  const loop = new LoopBuilder(group, isNeeded);
  const sumStrides = loop.sums.map((sum) => sum.strides);
  const arrays = [...loop.readStrides, ...loop.stores.map((store) => store.strides), ...sumStrides];
  const runs = arrangeAxes(loop.shape, arrays, sumStrides);
  const shape = runs.map((run) => sizeOf(run.map((axis) => loop.shape[axis]!)));
  const arrange = (strides: readonly number[]): number[] =>
    runs.map((run) => (run.length > 0 ? strides[run.at(-1)!]! : 0));
  // A single element: every stride is that of a whole row of one.
  const whole = (strides: number[]): number[] => (shape.length === 1 && shape[0] === 1 ? [1] : strides);
  const target = ({ value, strides }: { value: number; strides: number[] }): LoopTarget => ({
    value,
    strides: arrange(strides),
  });
  const stores = loop.stores.map((store) => ({ ...target(store), strides: whole(arrange(store.strides)) }));
  const sums = loop.sums.map(target);
  const exact = loop.stores.some((store) => !isWhole(store.view));
  return {
    kernel: {
      shape,
      reads: loop.readStrides.map(arrange),
      values: loop.values,
      stores,
      sums,
      fma: features().relaxed,
      exact,
    },
    reads: loop.reads,
    stores: loop.stores.map((store) => store.view),
    sums: loop.sums.map((sum) => sum.view),
    sumsInMemory: sums.length > 0 && sums[0]!.strides.at(-1) !== 0,
  };
}
