/** The steps of a program: each group of operations by the lowering that knows it, with the memory that it works in. */

import type { FloatArray, Strided } from '../kernels/types.ts';
import type { FunctionBuilder } from '../kernels/wasm/assembler/assembler.ts';
import { placeAt } from '../kernels/wasm/conductor.ts';
import { HEAP_SLACK } from '../kernels/wasm/memory/heap.ts';
import type { Arrangement } from './arrange.ts';
import type { Value, View } from './graph.ts';
import type { Group } from './group.ts';
import type { Kernel, ProgramMemory, Region } from './memory.ts';
import type { Places } from './places.ts';
import { compose, Imports, type Score } from './score.ts';
import { convStep } from './steps/conv.ts';
import { drawStep } from './steps/draw.ts';
import { lookupStep } from './steps/lookup.ts';
import { loopStep, sweepStep } from './steps/loop.ts';
import { matmulStep } from './steps/matmul.ts';
import { movesStep } from './steps/moves.ts';
import { poolStep, tapStep } from './steps/pool.ts';
import { scalarStep } from './steps/scalar.ts';
import { singleStep } from './steps/single.ts';
import { softmaxStep } from './steps/softmax.ts';
import type { Step, StepContext, ThreadRegion } from './steps/step.ts';
import { windowSumStep } from './steps/window-sums.ts';
import { windowStep } from './steps/windows.ts';

/** The steps for so many threads. */
export class Lowering implements StepContext {
  readonly #arrangement: Arrangement;
  readonly #places: Places;
  readonly #memory: ProgramMemory;
  readonly #imports = new Imports();
  /** Regions that the steps asked for. */
  readonly #scratch: Region[] = [];
  /** How many threads have scratch memory. */
  readonly threads: number;
  readonly steps: readonly Step[];
  /** The steps as WebAssembly, where there is any. */
  readonly score: Score | null;

  constructor(arrangement: Arrangement, places: Places, memory: ProgramMemory, threads: number) {
    this.#arrangement = arrangement;
    this.#places = places;
    this.#memory = memory;
    this.threads = threads;
    this.steps = arrangement.groups.map((group) => this.#step(group));
    this.score = memory.hasKernels ? compose(this.steps, this.#imports, memory) : null;
  }

  #step(group: Group): Step {
    const { patterns } = this.#arrangement;
    const loops = this.#arrangement.loops.get(group)!;
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
    const draw = drawStep(node, this.#memory.hasKernels, this);
    if (draw !== null) return draw;
    const compiled = this.#memory.hasKernels
      ? (lookupStep(node, patterns, this) ??
        tapStep(node, this) ??
        windowStep(node, this) ??
        windowSumStep(node, this) ??
        movesStep(node, this))
      : null;
    return compiled ?? singleStep(node, this);
  }

  address(view: View): number {
    return this.#places.address(view);
  }

  operand(view: View): Strided {
    return this.#places.operand(view);
  }

  buffer(value: Value): FloatArray {
    return this.#places.buffer(value);
  }

  isNeeded(value: Value): boolean {
    return this.#arrangement.needed.has(value);
  }

  isFixed(value: Value): boolean {
    return value.source.kind !== 'temporary' && !this.#arrangement.updated.has(value);
  }

  kernel(key: string, build: () => readonly FunctionBuilder[]): Kernel {
    return this.#memory.module(key, build).exports;
  }

  imported(key: string, build: () => readonly FunctionBuilder[], name = 'run'): FunctionBuilder {
    return this.#imports.get(this.#memory.module(key, build), name);
  }

  perThread(floats: number): ThreadRegion {
    // Whole cache lines, and what may be written over the end.
    const each = 16 * Math.ceil(floats / 16) + HEAP_SLACK / 4;
    const { address } = this.scratch(this.threads * each);
    return { at: (thread) => placeAt(address, [thread, 4 * each]) };
  }

  scratch(floats: number): Region {
    const region = this.#memory.region(4 * floats, this);
    this.#scratch.push(region);
    region.view('float32', 0, floats).fill(0);
    return region;
  }

  /** Gives the scratch memory back. */
  free(): void {
    for (const region of this.#scratch) region.free();
  }
}
