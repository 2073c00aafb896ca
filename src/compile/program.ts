/** A traced function made ready to run: its graph optimised, its memory planned, its operations one after the other. */

import { kernels } from '../kernels/index.ts';
import { fromStorage } from '../tensor/creation.ts';
import { sizeOf } from '../tensor/shape.ts';
import type { Storage } from '../tensor/storage.ts';
import type { NumberArray, Tensor } from '../tensor/tensor.ts';
import { threadCount } from '../threads/index.ts';
import { type Arrangement, arrange } from './arrange.ts';
import { debug } from './debug.ts';
import {
  allocateValue,
  type Graph,
  printGraph,
  type Source,
  slotsOf,
  updatedSlots,
  type Value,
  type View,
} from './graph.ts';
import type { Group } from './group.ts';
import { Lowering } from './lowering.ts';
import { type ProgramMemory, programMemory } from './memory.ts';
import { divideWindowSums } from './passes/averages.ts';
import { separateBiases } from './passes/bias.ts';
import { mergeCommonSubexpressions } from './passes/common.ts';
import { foldConstants } from './passes/constant-folding.ts';
import { removeDeadCode } from './passes/dead-code.ts';
import { makeDense } from './passes/dense.ts';
import { moveReluBehindPooling } from './passes/pooling.ts';
import { turnProducts } from './passes/products.ts';
import { simplify } from './passes/simplify.ts';
import { findPoolTaps } from './passes/taps.ts';
import { Places } from './places.ts';
import type { Lifetime, MemoryPlan } from './plan.ts';
import { perform, performStep } from './score.ts';
import type { Step } from './steps/step.ts';

/** The passes in order; each gives an equivalent graph. */
export const passes: readonly ((graph: Graph) => Graph)[] = [
  removeDeadCode,
  mergeCommonSubexpressions,
  simplify,
  makeDense,
  foldConstants,
  mergeCommonSubexpressions,
  separateBiases,
  divideWindowSums,
  findPoolTaps,
  moveReluBehindPooling,
  turnProducts,
  removeDeadCode,
];

/** A traced graph after all passes. */
function optimise(traced: Graph): Graph {
  debug(3, () => printGraph(traced));
  const graph = passes.reduce((before, pass) => {
    const after = pass(before);
    debug(3, () => `after ${pass.name}: ${printGraph(after)}`);
    return after;
  }, traced);
  debug(2, () => printGraph(graph));
  return graph;
}

/** A graph that can be run. */
export class Program {
  readonly memory: ProgramMemory = programMemory();
  readonly #arrangement: Arrangement;
  readonly #places: Places;
  #lowering: Lowering;
  readonly #changed: readonly Storage[];
  readonly #ownGrads = new Map<Tensor, Tensor>();
  readonly #slots: readonly Value[];
  readonly #updatedSlots: readonly Value[];
  /** Kept for measurements. */
  #lastInputs: readonly (Tensor | NumberArray)[] | null = null;

  constructor(traced: Graph) {
    this.#arrangement = arrange(optimise(traced), this.memory.hasKernels);
    this.#slots = slotsOf(this.graph);
    this.#updatedSlots = updatedSlots(this.graph);
    this.#changed = changedStorages(this.graph);
    this.#places = new Places(this.#arrangement, this.memory);
    this.#lowering = this.#lower(1);
  }

  get graph(): Graph {
    return this.#arrangement.graph;
  }

  /** The operations of each step. */
  get groups(): readonly Group[] {
    return this.#arrangement.groups;
  }

  get steps(): readonly Step[] {
    return this.#lowering.steps;
  }

  get lifetimes(): readonly Lifetime[] {
    return this.#arrangement.lifetimes;
  }

  get plan(): MemoryPlan {
    return this.#arrangement.plan;
  }

  /** Whether a value is read by other steps than its own, or after the call. */
  isNeeded(value: Value): boolean {
    return this.#arrangement.needed.has(value);
  }

  /** The steps, with scratch memory for so many threads. */
  #lower(threads: number): Lowering {
    return new Lowering(this.#arrangement, this.#places, this.memory, threads);
  }

  /** Runs on `inputs` (tensors, or plain numbers for one axis) and gives the outputs as tensors of their own. */
  run(inputs: readonly (Tensor | NumberArray)[]): Tensor[] {
    if (threadCount() > this.#lowering.threads) {
      this.#lowering.free();
      this.#lowering = this.#lower(threadCount());
    }
    const { steps, score } = this.#lowering;
    this.#load(inputs);
    for (const step of steps) step.prepare?.();
    for (const step of steps) step.begin?.();
    if (score === null) for (const step of steps) step.finish?.();
    else perform(score);
    for (const storage of this.#changed) storage.version++;
    for (const value of this.#updatedSlots) {
      const grad = gradOf(value);
      grad.data.set(this.#places.buffer(value));
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
      const target = this.#places.buffer(this.graph.inputs[i]!);
      if (ArrayBuffer.isView(input)) target.set(input);
      else kernels().copy(input, target);
    }
    this.#places.loadExternals();
    for (const value of this.#slots) {
      const { grad } = (value.source as Extract<Source, { kind: 'slot' }>).tensor;
      if (grad !== null) this.#places.buffer(value).set(grad.data);
    }
  }

  /** Drops what was kept of the last call for measurements. */
  forgetInputs(): void {
    this.#lastInputs = null;
  }

  /** Runs one step alone. */
  runStep(index: number): void {
    const { steps, score } = this.#lowering;
    if (score !== null) performStep(score, index);
    steps[index]!.finish?.();
  }

  /** Gives the memory back. The program must not be run again. */
  dispose(): void {
    this.#places.free();
    this.#lowering.free();
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

  /** What `grad` of parameters holds after the call. A gradient that the last call left is overwritten, not made anew. */
  #leaveGradients(): void {
    for (const { tensor, view } of this.graph.grads) {
      const own = this.#ownGrads.get(tensor);
      if (view === null) tensor.grad = null;
      else if (own !== undefined && (tensor.grad === own || tensor.grad === null)) {
        kernels().copy(this.#places.operand(view), own.data);
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
    kernels().copy(this.#places.operand(view), data);
    return fromStorage(data, view.shape);
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
