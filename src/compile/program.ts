/** A traced function made ready to run: its graph optimised, its memory planned, its operations one after the other. */

import { kernels } from '../kernels/index.ts';
import type { FloatArray, Strided } from '../kernels/types.ts';
import { loopFunctions, loopKey } from '../kernels/wasm/loops.ts';
import { fromStorage } from '../tensor/creation.ts';
import { allocate } from '../tensor/dtype.ts';
import { sizeOf } from '../tensor/shape.ts';
import type { NumberArray, Tensor } from '../tensor/tensor.ts';
import { fuse, type Group } from './fuse.ts';
import { type Graph, type GraphNode, nameOf, printGraph, resultsOf, type Value, valuesOf, type View } from './graph.ts';
import { planLoop } from './loop.ts';
import { type ProgramMemory, programMemory, type Region } from './memory.ts';
import { mergeCommonSubexpressions } from './passes/common.ts';
import { removeDeadCode } from './passes/dead-code.ts';
import { simplify } from './passes/simplify.ts';
import { elementBytes, lifetimesOf, type MemoryPlan, planMemory } from './plan.ts';

/** The passes in order; each gives an equivalent graph. */
export const passes: readonly ((graph: Graph) => Graph)[] = [
  removeDeadCode,
  mergeCommonSubexpressions,
  simplify,
  mergeCommonSubexpressions,
  removeDeadCode,
];

/** One thing to do in each run. */
interface Step {
  readonly name: string;
  run(): void;
}

/** A graph that can be run. */
export class Program {
  readonly graph: Graph;
  readonly plan: MemoryPlan;
  readonly #memory: ProgramMemory = programMemory();
  readonly #arena: Region;
  readonly #constants = new Map<Value, Region>();
  readonly #groups: readonly Group[];
  readonly #steps: readonly Step[];
  readonly #ownGrads = new Map<Tensor, Tensor>();

  constructor(traced: Graph) {
    this.graph = passes.reduce((graph, pass) => pass(graph), traced);
    const isFused = this.#memory.hasKernels;
    this.#groups = fuse(this.graph, isFused);
    const needed = this.#neededValues();
    const plans = this.#groups.map((group) => (group.isLoop ? planLoop(group, (value) => needed.has(value)) : null));
    const accesses = this.#groups.map((group, i) => {
      const plan = plans[i];
      const views = plan ? [...plan.reads, ...plan.stores, ...plan.sums] : group.nodes.flatMap((node) => [...node.reads, node.target]);
      return { values: views.map((view) => view.value) };
    });
    this.plan = planMemory(lifetimesOf(this.graph, accesses));
    this.#arena = this.#memory.region(this.plan.bytes, this);
    if (isFused) this.#placeConstants();
    this.#steps = this.#groups.map((group, i) => {
      const plan = plans[i];
      return plan ? this.#loopStep(plan, group) : this.#nodeStep(group.nodes[0]!);
    });
  }

  /** Runs on `inputs` (tensors, or plain numbers for one axis) and gives the outputs as tensors of their own. */
  run(inputs: readonly (Tensor | NumberArray)[]): Tensor[] {
    for (const [i, input] of inputs.entries()) {
      const target = this.#buffer(this.graph.inputs[i]!);
      if (ArrayBuffer.isView(input)) target.set(input);
      else kernels().copy(input, target);
    }
    for (const step of this.#steps) step.run();
    const outputs = this.graph.outputs.map((view) => this.#copyOut(view));
    this.#leaveGradients();
    return outputs;
  }

  /** Gives the memory back. The program must not be run again. */
  dispose(): void {
    this.#arena.free();
    for (const region of this.#constants.values()) region.free();
  }

  /** The program's steps and its memory, as text. */
  explain(): string {
    const { bytes, floor } = this.plan;
    const steps = this.#steps.map((step, i) => `  ${String(i).padStart(3)}  ${step.name}`);
    return `${printGraph(this.graph)}\nsteps\n${steps.join('\n')}\narena: ${bytes} bytes, of which ${floor} live at one time`;
  }

  /** The values that are read by another group than the one that makes them. */
  #neededValues(): Set<Value> {
    const needed = new Set<Value>(resultsOf(this.graph).map((view) => view.value));
    const maker = new Map<Value, Group>();
    for (const group of this.#groups) for (const node of group.nodes) maker.set(node.target.value, group);
    for (const group of this.#groups) {
      for (const node of group.nodes) {
        for (const { value } of node.reads) if (maker.get(value) !== group) needed.add(value);
      }
    }
    return needed;
  }

  #placeConstants(): void {
    for (const value of valuesOf(this.graph)) {
      if (value.source.kind !== 'constant') continue;
      const region = this.#memory.region(value.size * elementBytes(value.dtype), this);
      region.view(value.dtype, 0, value.size).set(value.source.data);
      this.#constants.set(value, region);
    }
  }

  /** What `grad` of parameters holds after the call. A gradient that the last call left is overwritten, not made anew. */
  #leaveGradients(): void {
    for (const { tensor, view } of this.graph.grads) {
      const own = this.#ownGrads.get(tensor);
      if (view === null) tensor.grad = null;
      else if (own !== undefined && (tensor.grad === own || tensor.grad === null)) {
        kernels().copy(this.#operand(view), own.data);
        own.storage.version++;
        tensor.grad = own;
      } else {
        const fresh = this.#copyOut(view);
        this.#ownGrads.set(tensor, fresh);
        tensor.grad = fresh;
      }
    }
  }

  #copyOut(view: View): Tensor {
    const data = allocate(view.value.dtype, sizeOf(view.shape));
    kernels().copy(this.#operand(view), data);
    return fromStorage(data, view.shape);
  }

  #loopStep(plan: NonNullable<ReturnType<typeof planLoop>>, group: Group): Step {
    const kernel = this.#memory.kernel(loopKey(plan.kernel), () => loopFunctions(plan.kernel));
    const views = [...plan.reads, ...plan.stores, ...plan.sums];
    const run = kernel.run!;
    const slots = views.flatMap((view, i) => (view.value.source.kind === 'slot' ? [{ view, i }] : []));
    const args = views.map((view) => (view.value.source.kind === 'slot' ? 0 : this.#address(view)));
    const sums = plan.sumsInMemory ? plan.sums.map((view) => view.value) : [];
    const written = plan.stores.flatMap(({ value }) => (value.source.kind === 'state' ? [value.source.storage] : []));
    return {
      name: `loop of ${group.nodes.map(nameOf).join(', ')}`,
      run: () => {
        for (const { view, i } of slots) args[i] = this.#address(view);
        for (const value of sums) this.#buffer(value).fill(0);
        run(...args);
        for (const storage of written) storage.version++;
      },
    };
  }

  #nodeStep(node: GraphNode): Step {
    const reads = node.reads.map((view) => this.#operand(view));
    const { op, attrs } = node;
    if (op === null) {
      const target = this.#operand(node.target);
      const { source: home } = node.target.value;
      return {
        name: nameOf(node),
        run() {
          const [source] = reads as [Strided];
          const isShared = source.data.buffer === target.data.buffer;
          const value = isShared ? { ...source, data: source.data.slice() } : source;
          kernels().assign(target, value);
          if (home.kind === 'state') home.storage.version++;
        },
      };
    }
    const { value } = node.target;
    const out = { shape: node.target.shape, dtype: value.dtype };
    return {
      name: nameOf(node),
      run: () => {
        const y = this.#buffer(value);
        y.fill(0);
        op.compute(reads, attrs, out, y);
      },
    };
  }

  /** The heap address of a view's first element. */
  #address(view: View): number {
    const { value, offset } = view;
    const bytes = elementBytes(value.dtype);
    switch (value.source.kind) {
      case 'state':
        return this.#memory.home(value.source.storage, value.dtype) + bytes * offset;
      case 'slot':
        return this.#memory.home(value.source.tensor.grad!.storage, value.dtype) + bytes * offset;
      case 'constant':
        return this.#constants.get(value)!.address + bytes * offset;
      default:
        return this.#arena.address + this.plan.offsets.get(value)! + bytes * offset;
    }
  }

  /** What a kernel in TypeScript sees of a view. Arrays may move, so their data is looked up at each call. */
  #operand(view: View): Strided {
    const { source } = view.value;
    const { shape, strides, offset } = view;
    const data = (): FloatArray => {
      switch (source.kind) {
        case 'state':
          return source.storage.data;
        case 'slot':
          return source.tensor.grad!.data;
        case 'constant':
          return source.data;
        default:
          return this.#buffer(view.value);
      }
    };
    return { get data() { return data(); }, shape, strides, offset };
  }

  /** The place of an input or a temporary in the arena. */
  readonly #buffers = new Map<Value, FloatArray>();
  #buffer(value: Value): FloatArray {
    const known = this.#buffers.get(value);
    if (known !== undefined && (known.length > 0 || value.size === 0)) return known;
    const at = this.plan.offsets.get(value);
    const buffer = this.#arena.view(value.dtype, at ?? 0, at === undefined ? 0 : value.size);
    this.#buffers.set(value, buffer);
    return buffer;
  }
}
