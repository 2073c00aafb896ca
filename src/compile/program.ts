/** A traced function made ready to run: its graph optimised, its memory planned, its operations one after the other. */

import { kernels } from '../kernels/index.ts';
import type { FloatArray, Strided } from '../kernels/types.ts';
import type { FunctionBuilder } from '../kernels/wasm/assembler/assembler.ts';
import { placeAt } from '../kernels/wasm/conductor.ts';
import { HEAP_SLACK } from '../kernels/wasm/memory/heap.ts';
import { fromStorage } from '../tensor/creation.ts';
import { sizeOf } from '../tensor/shape.ts';
import type { Storage } from '../tensor/storage.ts';
import type { NumberArray, Tensor } from '../tensor/tensor.ts';
import { threadCount } from '../threads/index.ts';
import { debug } from './debug.ts';
import { fuse } from './fuse.ts';
import {
  allocateValue,
  elementBytes,
  type Graph,
  printGraph,
  resultsOf,
  type Source,
  slotsOf,
  updatedSlots,
  type Value,
  type View,
  valuesOf,
} from './graph.ts';
import type { Group } from './group.ts';
import { inPlaceTargets, mergeLifetimes, placeOf } from './in-place.ts';
import { type Kernel, type ProgramMemory, programMemory, type Region } from './memory.ts';
import { separateBiases } from './passes/bias.ts';
import { mergeCommonSubexpressions } from './passes/common.ts';
import { foldConstants } from './passes/constant-folding.ts';
import { removeDeadCode } from './passes/dead-code.ts';
import { moveReluBehindPooling } from './passes/pooling.ts';
import { turnProducts } from './passes/products.ts';
import { updatedValues } from './passes/rewrite.ts';
import { simplify } from './passes/simplify.ts';
import { findPoolTaps } from './passes/taps.ts';
import { Patterns } from './patterns.ts';
import { type Lifetime, lifetimesOf, type MemoryPlan, planMemory } from './plan.ts';
import { compose, Imports, perform, performStep, type Score } from './score.ts';
import { convStep } from './steps/conv.ts';
import { lookupStep } from './steps/lookup.ts';
import { loopStep, sweepStep } from './steps/loop.ts';
import { type LoopPlan, planLoop } from './steps/loop-plan.ts';
import { matmulStep } from './steps/matmul.ts';
import { poolStep, tapStep } from './steps/pool.ts';
import { scalarStep } from './steps/scalar.ts';
import { singleStep } from './steps/single.ts';
import { softmaxStep } from './steps/softmax.ts';
import type { Step, StepContext, ThreadRegion } from './steps/step.ts';
import { windowStep } from './steps/windows.ts';
import { sweep } from './sweep.ts';

/** The passes in order; each gives an equivalent graph. */
export const passes: readonly ((graph: Graph) => Graph)[] = [
  removeDeadCode,
  mergeCommonSubexpressions,
  simplify,
  foldConstants,
  mergeCommonSubexpressions,
  separateBiases,
  findPoolTaps,
  moveReluBehindPooling,
  turnProducts,
  removeDeadCode,
];

/** A graph that can be run. */
export class Program implements StepContext {
  readonly graph: Graph;
  readonly lifetimes: readonly Lifetime[];
  readonly plan: MemoryPlan;
  readonly memory: ProgramMemory = programMemory();
  readonly #arena: Region;
  /** Regions of constants and captured arrays. */
  readonly #own: Region[] = [];
  /** Regions that the steps asked for. */
  #scratch: Region[] = [];
  #imports = new Imports();
  /** How many threads have scratch memory. */
  #threads = 1;
  readonly #changed: readonly Storage[];
  readonly #constants = new Map<Value, Region>();
  readonly #externals = new Map<Value, { readonly region: Region; readonly storage: Storage }>();
  /** Whose place a value takes that is written where another was read. */
  readonly #donors: ReadonlyMap<Value, Value>;
  readonly #updated: ReadonlySet<Value>;
  readonly #needed: ReadonlySet<Value>;
  /** The operations of each step. */
  readonly groups: readonly Group[];
  #steps: readonly Step[] = [];
  #score: Score | null = null;
  readonly #makeSteps: () => Step[];
  readonly #ownGrads = new Map<Tensor, Tensor>();
  readonly #buffers = new Map<Value, FloatArray>();
  readonly #slots: readonly Value[];
  readonly #updatedSlots: readonly Value[];
  /** Kept for measurements. */
  #lastInputs: readonly (Tensor | NumberArray)[] | null = null;

  constructor(traced: Graph) {
    debug(3, () => printGraph(traced));
    this.graph = passes.reduce((graph, pass) => {
      const after = pass(graph);
      debug(3, () => `after ${pass.name}: ${printGraph(after)}`);
      return after;
    }, traced);
    debug(2, () => printGraph(this.graph));
    this.#updated = updatedValues(this.graph);
    const canFuse = this.memory.hasKernels;
    const patterns = new Patterns(this.graph, canFuse);
    const fused = fuse(this.graph, patterns, canFuse);
    this.#needed = neededValues(this.graph, fused, patterns);
    const plans = new Map(
      fused.flatMap((group) =>
        group.kind === 'loop' ? [[group, planLoop(group, (value) => this.isNeeded(value))]] : [],
      ),
    );
    const groups = sweep(fused, plans);
    this.groups = groups;
    const loops = new Map(
      groups.map((group) => [group, (group.parts ?? [group]).flatMap((part) => plans.get(part) ?? [])]),
    );
    const accesses = groups.map((group) => {
      const own = loops.get(group)!;
      const views =
        own.length > 0
          ? own.flatMap((loop) => [...loop.reads, ...loop.stores, ...loop.sums])
          : group.nodes.flatMap((node) => [...patterns.readsOf(node), node.target]);
      return { values: views.map((view) => view.value).filter((value) => !isInner(value, group, this.#needed)) };
    });
    this.#slots = slotsOf(this.graph);
    this.#updatedSlots = updatedSlots(this.graph);
    const spans = lifetimesOf(this.graph, accesses);
    this.#donors = inPlaceTargets(
      groups.map((group) => (group.kind === 'loop' ? loops.get(group)![0]! : null)),
      spans,
    );
    this.lifetimes = mergeLifetimes(spans, this.#donors);
    this.plan = planMemory(this.lifetimes);
    this.#arena = this.memory.region(this.plan.bytes, this);
    if (canFuse) this.#placeConstants();
    this.#changed = changedStorages(this.graph);
    this.#makeSteps = () => groups.map((group) => this.#step(group, loops.get(group)!, patterns));
    this.#lower(1);
  }

  get steps(): readonly Step[] {
    return this.#steps;
  }

  /** Makes the steps anew, with scratch memory for so many threads. */
  #lower(threads: number): void {
    for (const region of this.#scratch) region.free();
    this.#scratch = [];
    this.#threads = threads;
    this.#imports = new Imports();
    this.#steps = this.#makeSteps();
    this.#score = this.memory.hasKernels ? compose(this.#steps, this.#imports, this.memory) : null;
  }

  #step(group: Group, loops: readonly LoopPlan[], patterns: Patterns): Step {
    const node = group.nodes[0]!;
    if (group.kind === 'sweep') return sweepStep(loops, group.parts!, this);
    if (group.kind === 'loop') return loopStep(loops[0]!, group, this);
    if (group.kind === 'scalar') return scalarStep(group.nodes, this);
    if (group.kind === 'pool') return poolStep(group, this);
    if (group.kind === 'matmul') return matmulStep(group, this);
    if (group.kind === 'softmax') return softmaxStep(group, this);
    if (group.kind === 'conv') {
      const spread = patterns.spreadBehind(node);
      return convStep(group, spread && patterns.isAbsorbed(spread) ? spread : null, this);
    }
    const compiled = this.memory.hasKernels
      ? (lookupStep(node, patterns, this) ?? tapStep(node, this) ?? windowStep(node, this))
      : null;
    return compiled ?? singleStep(node, this);
  }

  /** Runs on `inputs` (tensors, or plain numbers for one axis) and gives the outputs as tensors of their own. */
  run(inputs: readonly (Tensor | NumberArray)[]): Tensor[] {
    if (threadCount() > this.#threads) this.#lower(threadCount());
    this.#load(inputs);
    for (const step of this.#steps) step.prepare?.();
    if (this.#score === null) for (const step of this.#steps) step.finish?.();
    else perform(this.#score);
    for (const storage of this.#changed) storage.version++;
    for (const value of this.#updatedSlots) {
      const grad = gradOf(value);
      grad.data.set(this.buffer(value));
      grad.storage.version++;
    }
    const outputs = this.graph.outputs.map((view) => this.#copyOut(view));
    this.#leaveGradients();
    // Those of a call that failed would fail again.
    this.#lastInputs = inputs;
    return outputs;
  }

  #load(inputs: readonly (Tensor | NumberArray)[]): void {
    for (const [i, input] of inputs.entries()) {
      const target = this.buffer(this.graph.inputs[i]!);
      if (ArrayBuffer.isView(input)) target.set(input);
      else kernels().copy(input, target);
    }
    for (const [{ dtype, size }, { region, storage }] of this.#externals) region.view(dtype, 0, size).set(storage.data);
    for (const value of this.#slots) {
      const { grad } = (value.source as Extract<Source, { kind: 'slot' }>).tensor;
      if (grad !== null) this.buffer(value).set(grad.data);
    }
  }

  /** Drops what was kept of the last call for measurements. */
  forgetInputs(): void {
    this.#lastInputs = null;
  }

  /** Runs one step alone. */
  runStep(index: number): void {
    if (this.#score !== null) performStep(this.#score, index);
    this.#steps[index]!.finish?.();
  }

  /** Gives the memory back. The program must not be run again. */
  dispose(): void {
    this.#arena.free();
    for (const region of [...this.#own, ...this.#scratch]) region.free();
  }

  /**
   * Makes ready for steps to be run for measurement: gives what puts all state back that the program changes, or null
   * if it has not run yet.
   */
  beginRehearsal(): (() => void) | null {
    if (this.#lastInputs === null) return null;
    const saved = this.#changed.map((storage) => ({ storage, data: storage.data.slice(), version: storage.version }));
    return () => {
      for (const { storage, data, version } of saved) {
        storage.data.set(data);
        storage.version = version;
      }
    };
  }

  /** Puts the inputs of the last run in place again. */
  loadAgain(): void {
    this.#load(this.#lastInputs!);
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
    const data = allocateValue({ ...view.value, size: sizeOf(view.shape) });
    kernels().copy(this.operand(view), data);
    return fromStorage(data, view.shape);
  }

  isNeeded(value: Value): boolean {
    return this.#needed.has(value);
  }

  isFixed(value: Value): boolean {
    return value.source.kind !== 'temporary' && !this.#updated.has(value);
  }

  kernel(key: string, build: () => readonly FunctionBuilder[]): Kernel {
    return this.memory.module(key, build).exports;
  }

  imported(key: string, build: () => readonly FunctionBuilder[], name = 'run'): FunctionBuilder {
    return this.#imports.get(this.memory.module(key, build), name);
  }

  perThread(floats: number): ThreadRegion {
    // Whole cache lines, and what may be written over the end.
    const each = 16 * Math.ceil(floats / 16) + HEAP_SLACK / 4;
    const { address } = this.scratch(this.#threads * each);
    return { at: (thread) => placeAt(address, [thread, 4 * each]) };
  }

  scratch(floats: number): Region {
    const region = this.memory.region(4 * floats, this);
    this.#scratch.push(region);
    region.view('float32', 0, floats).fill(0);
    return region;
  }

  #region(bytes: number): Region {
    const region = this.memory.region(bytes, this);
    this.#own.push(region);
    return region;
  }

  /** The place of captured arrays that belong to users, who may write to them: filled anew by each run. */
  #externalRegion(value: Value, storage: Storage): Region {
    const known = this.#externals.get(value);
    if (known !== undefined) return known.region;
    const region = this.#region(value.size * elementBytes(value.dtype));
    this.#externals.set(value, { region, storage });
    return region;
  }

  address(view: View): number {
    const { value, offset } = view;
    const bytes = elementBytes(value.dtype);
    switch (value.source.kind) {
      case 'state':
        if (value.source.storage.isExternal && !this.#updated.has(value)) {
          return this.#externalRegion(value, value.source.storage).address + bytes * offset;
        }
        return this.memory.home(value.source.storage) + bytes * offset;
      case 'constant':
        return this.#constants.get(value)!.address + bytes * offset;
      default:
        return this.#arena.address + this.plan.offsets.get(placeOf(value, this.#donors))! + bytes * offset;
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
    return {
      get data() {
        return data();
      },
      shape,
      strides,
      offset,
    };
  }

  buffer(value: Value): FloatArray {
    const known = this.#buffers.get(value);
    if (known !== undefined && (known.length > 0 || value.size === 0)) return known;
    const at = this.plan.offsets.get(placeOf(value, this.#donors));
    const buffer = this.#arena.view(value.dtype, at ?? 0, at === undefined ? 0 : value.size);
    this.#buffers.set(value, buffer);
    return buffer;
  }
}

/** The arrays that a graph updates in place. */
function changedStorages({ nodes }: Graph): Storage[] {
  const storages = nodes.flatMap(({ op, target }) =>
    op === null && target.value.source.kind === 'state' ? [target.value.source.storage] : [],
  );
  return [...new Set(storages)];
}

/** What `grad` of a slot's tensor holds now. */
function gradOf({ source }: Value): Tensor {
  return (source as Extract<Source, { kind: 'slot' }>).tensor.grad!;
}

/** The values that are read by a group that does not make them, or after the call. */
function neededValues(graph: Graph, groups: readonly Group[], patterns: Patterns): Set<Value> {
  const needed = new Set<Value>(resultsOf(graph).map((view) => view.value));
  for (const { nodes } of groups) {
    const made = new Set(nodes.flatMap((node) => (node.op === null ? [] : [node.target.value])));
    for (const node of nodes) {
      for (const { value } of patterns.readsOf(node)) if (!made.has(value)) needed.add(value);
    }
  }
  return needed;
}

/** Whether a value comes and goes within a group, so that it needs no place. */
function isInner(value: Value, group: Group, needed: ReadonlySet<Value>): boolean {
  return (
    !needed.has(value) &&
    group.nodes.length > 1 &&
    group.nodes.some((node) => node.op !== null && node.target.value === value)
  );
}
