/** A traced function made ready to run: its graph optimised, its memory planned, its operations one after the other. */

import { kernels } from '../kernels/index.ts';
import type { FloatArray, Strided } from '../kernels/types.ts';
import { fromStorage } from '../tensor/creation.ts';
import { allocate } from '../tensor/dtype.ts';
import { sizeOf } from '../tensor/shape.ts';
import type { NumberArray, Tensor } from '../tensor/tensor.ts';
import { fuse } from './fuse.ts';
import type { Group } from './group.ts';
import { type Graph, printGraph, resultsOf, slotsOf, type Source, updatedSlots, type Value, valuesOf, type View } from './graph.ts';
import { type ProgramMemory, programMemory, type Region } from './memory.ts';
import { mergeCommonSubexpressions } from './passes/common.ts';
import { removeDeadCode } from './passes/dead-code.ts';
import { moveReluBehindPooling } from './passes/pooling.ts';
import { simplify } from './passes/simplify.ts';
import { Patterns } from './patterns.ts';
import { elementBytes, type Lifetime, lifetimesOf, type MemoryPlan, planMemory } from './plan.ts';
import { convStep } from './steps/conv.ts';
import { loopStep } from './steps/loop.ts';
import { type LoopPlan, planLoop } from './steps/loop-plan.ts';
import { poolStep, unpoolStep } from './steps/pool.ts';
import { singleStep } from './steps/single.ts';
import type { Step, StepContext } from './steps/step.ts';

/** The passes in order; each gives an equivalent graph. */
export const passes: readonly ((graph: Graph) => Graph)[] = [
  removeDeadCode,
  mergeCommonSubexpressions,
  simplify,
  mergeCommonSubexpressions,
  moveReluBehindPooling,
  removeDeadCode,
];

/** A graph that can be run. */
export class Program implements StepContext {
  readonly graph: Graph;
  readonly lifetimes: readonly Lifetime[];
  readonly plan: MemoryPlan;
  readonly memory: ProgramMemory = programMemory();
  readonly #arena: Region;
  readonly #own: Region[] = [];
  readonly #constants = new Map<Value, Region>();
  readonly #needed: ReadonlySet<Value>;
  readonly steps: readonly Step[];
  readonly #ownGrads = new Map<Tensor, Tensor>();
  readonly #buffers = new Map<Value, FloatArray>();
  readonly #slots: readonly Value[];
  readonly #updatedSlots: readonly Value[];

  constructor(traced: Graph) {
    this.graph = passes.reduce((graph, pass) => pass(graph), traced);
    const canFuse = this.memory.hasKernels;
    const patterns = new Patterns(this.graph, canFuse);
    const groups = fuse(this.graph, patterns, canFuse);
    this.#needed = neededValues(this.graph, groups, patterns);
    const loops = new Map(groups.flatMap((group) => (group.kind === 'loop' ? [[group, planLoop(group, (value) => this.isNeeded(value))]] : [])));
    const accesses = groups.map((group) => {
      const loop = loops.get(group);
      const views = loop ? [...loop.reads, ...loop.stores, ...loop.sums] : group.nodes.flatMap((node) => [...patterns.readsOf(node), node.target]);
      return { values: views.map((view) => view.value).filter((value) => !isInner(value, group, this.#needed)) };
    });
    this.#slots = slotsOf(this.graph);
    this.#updatedSlots = updatedSlots(this.graph);
    this.lifetimes = lifetimesOf(this.graph, accesses);
    this.plan = planMemory(this.lifetimes);
    this.#arena = this.memory.region(this.plan.bytes, this);
    if (canFuse) this.#placeConstants();
    this.steps = groups.map((group) => this.#step(group, loops.get(group), patterns));
  }

  #step(group: Group, loop: LoopPlan | undefined, patterns: Patterns): Step {
    const node = group.nodes[0]!;
    if (loop !== undefined) return loopStep(loop, group, this);
    if (group.kind === 'pool') return poolStep(group, this);
    if (group.kind === 'conv') {
      const spread = patterns.spreadBehind(node);
      const pool = spread && patterns.isAbsorbed(spread) ? patterns.poolingOf(spread) : null;
      return convStep(group, spread && pool ? { node: spread, pool } : null, this);
    }
    const pool = this.memory.hasKernels ? patterns.poolingOf(node) : null;
    return pool ? unpoolStep(node, pool, this) : singleStep(node, this);
  }

  /** Runs on `inputs` (tensors, or plain numbers for one axis) and gives the outputs as tensors of their own. */
  run(inputs: readonly (Tensor | NumberArray)[]): Tensor[] {
    for (const [i, input] of inputs.entries()) {
      const target = this.buffer(this.graph.inputs[i]!);
      if (ArrayBuffer.isView(input)) target.set(input);
      else kernels().copy(input, target);
    }
    for (const value of this.#slots) this.buffer(value).set(gradOf(value).data);
    for (const step of this.steps) step.run();
    for (const value of this.#updatedSlots) {
      const grad = gradOf(value);
      grad.data.set(this.buffer(value));
      grad.storage.version++;
    }
    const outputs = this.graph.outputs.map((view) => this.#copyOut(view));
    this.#leaveGradients();
    return outputs;
  }

  /** Gives the memory back. The program must not be run again. */
  dispose(): void {
    this.#arena.free();
    for (const region of this.#own) region.free();
  }

  /** The program's steps and its memory, as text. */
  explain(): string {
    const { bytes, floor } = this.plan;
    const steps = this.steps.map((step, i) => `  ${String(i).padStart(3)}  ${step.name}`);
    return `${printGraph(this.graph)}\nsteps\n${steps.join('\n')}\narena: ${bytes} bytes, of which ${floor} live at one time`;
  }

  #placeConstants(): void {
    for (const value of valuesOf(this.graph)) {
      if (value.source.kind !== 'constant') continue;
      const region = this.#region(value.size * elementBytes(value.dtype));
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
        kernels().copy(this.operand(view), own.data);
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
    kernels().copy(this.operand(view), data);
    return fromStorage(data, view.shape);
  }

  isNeeded(value: Value): boolean {
    return this.#needed.has(value);
  }

  scratch(floats: number): Region {
    const region = this.#region(4 * floats);
    region.view('float32', 0, floats).fill(0);
    return region;
  }

  #region(bytes: number): Region {
    const region = this.memory.region(bytes, this);
    this.#own.push(region);
    return region;
  }

  address(view: View): number {
    const { value, offset } = view;
    const bytes = elementBytes(value.dtype);
    switch (value.source.kind) {
      case 'state':
        return this.memory.home(value.source.storage, value.dtype) + bytes * offset;
      case 'constant':
        return this.#constants.get(value)!.address + bytes * offset;
      default:
        return this.#arena.address + this.plan.offsets.get(value)! + bytes * offset;
    }
  }

  operand(view: View): Strided {
    const { source } = view.value;
    const { shape, strides, offset } = view;
    const data = (): FloatArray => {
      switch (source.kind) {
        case 'state':
          return source.storage.data;
        case 'constant':
          return source.data;
        default:
          return this.buffer(view.value);
      }
    };
    return { get data() { return data(); }, shape, strides, offset };
  }

  buffer(value: Value): FloatArray {
    const known = this.#buffers.get(value);
    if (known !== undefined && (known.length > 0 || value.size === 0)) return known;
    const at = this.plan.offsets.get(value);
    const buffer = this.#arena.view(value.dtype, at ?? 0, at === undefined ? 0 : value.size);
    this.#buffers.set(value, buffer);
    return buffer;
  }
}

/** What `grad` of a slot's tensor holds now. */
function gradOf({ source }: Value): Tensor {
  return (source as Extract<Source, { kind: 'slot' }>).tensor.grad!;
}

/** The values that are read by another group than the one that makes them, or after the call. */
function neededValues(graph: Graph, groups: readonly Group[], patterns: Patterns): Set<Value> {
  const needed = new Set<Value>(resultsOf(graph).map((view) => view.value));
  const maker = new Map<Value, Group>();
  for (const group of groups) for (const node of group.nodes) if (node.op !== null) maker.set(node.target.value, group);
  for (const group of groups) {
    for (const node of group.nodes) {
      for (const { value } of patterns.readsOf(node)) if (maker.get(value) !== group) needed.add(value);
    }
  }
  return needed;
}

/** Whether a value comes and goes within a group, so that it needs no place. */
function isInner(value: Value, group: Group, needed: ReadonlySet<Value>): boolean {
  return !needed.has(value) && group.nodes.length > 1 && group.nodes.some((node) => node.op !== null && node.target.value === value);
}
