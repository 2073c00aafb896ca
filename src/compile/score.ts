/**
 * A program's steps as WebAssembly: stretches of tasks that the conductor runs in one call each, and what is left to
 * TypeScript between them.
 */

import { type FunctionBuilder, importedFunction } from '../kernels/wasm/assembler/assembler.ts';
import { conductorFunctions, type Task } from '../kernels/wasm/conductor.ts';
import { type ProgramCode, runProgram, waitForThreads } from '../threads/index.ts';
import type { Kernel, KernelModule, ProgramMemory } from './memory.ts';
import type { Step } from './steps/step.ts';

/** The functions of kernels that a program's tasks call, each imported once. */
export class Imports {
  readonly #known = new Map<string, FunctionBuilder>();
  readonly #list: ProgramCode['imports'][number][] = [];
  readonly #numbers = new Map<KernelModule, number>();
  readonly kernels: Record<string, (...args: number[]) => number> = {};

  get(module: KernelModule, name: string): FunctionBuilder {
    const number = this.#numbers.get(module) ?? this.#numbers.size;
    this.#numbers.set(module, number);
    const key = `${number} ${name}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const { params, result } = module.functions.find((f) => f.name === name)!;
    const types = params.map(({ type }) => type);
    const made = importedFunction(`f${this.#known.size}`, types, result);
    this.#known.set(key, made);
    this.kernels[made.name] = module.exports[name]!;
    this.#list.push({ as: made.name, module: number, name });
    return made;
  }

  get functions(): FunctionBuilder[] {
    return [...this.#known.values()];
  }

  /** What other threads need of the kernels. */
  get code(): Pick<ProgramCode, 'modules' | 'imports'> {
    return { modules: [...this.#numbers.keys()].map(({ bytes }) => bytes), imports: this.#list };
  }
}

/** A stretch of a program: its tasks, then what TypeScript does before the next stretch. */
interface Stretch {
  readonly tasks: Task[];
  readonly finish: (() => void)[];
}

/** A program ready to be performed. */
export interface Score {
  readonly stretches: readonly Stretch[];
  readonly code: ProgramCode;
  readonly exports: Kernel;
  /** The numbers of each step's tasks. */
  readonly tasks: readonly (readonly { readonly number: number; readonly units: number }[])[];
}

/** Gathers the steps into stretches and compiles their conductor. */
export function compose(steps: readonly Step[], imports: Imports, memory: ProgramMemory): Score {
  const stretches: Stretch[] = [];
  for (const { tasks, finish } of steps) {
    let last = stretches.at(-1);
    if (last === undefined || (last.finish.length > 0 && tasks.length > 0)) {
      last = { tasks: [], finish: [] };
      stretches.push(last);
    }
    last.tasks.push(...tasks);
    if (finish !== undefined) last.finish.push(finish);
  }
  let count = 0;
  const numbers = steps.map(({ tasks }) => tasks.map(({ units }) => ({ number: count++, units })));
  const segments = stretches.map(({ tasks }) => tasks);
  // Emitting the tasks may import further kernels.
  const functions = conductorFunctions(segments, memory.isShared);
  const used = { ...imports.kernels, wait: waitForThreads };
  const { bytes, exports } = memory.compile([...functions, ...imports.functions], used);
  const code = { ...imports.code, heap: memory.heap, conductor: bytes, segments: segments.length };
  return { stretches, code, exports, tasks: numbers };
}

/** Runs a program on all threads that there are. */
export function perform({ stretches, code, exports }: Score): void {
  runProgram(code, exports, (segment) => {
    for (const step of stretches[segment]!.finish) step();
  });
}

/** Runs the tasks of one step. */
export function performStep({ tasks, exports }: Score, step: number): void {
  for (const { number, units } of tasks[step]!) exports[`task_${number}`]!(0, units, 0);
}
