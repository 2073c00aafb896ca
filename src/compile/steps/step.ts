/** What a program does one after the other, and what a step may ask of it. */

import type { FloatArray, Strided } from '../../kernels/types.ts';
import type { Expr, FunctionBuilder } from '../../kernels/wasm/assembler/assembler.ts';
import type { Task } from '../../kernels/wasm/conductor.ts';
import type { Value, View } from '../graph.ts';
import type { Kernel, Region } from '../memory.ts';

/** One thing to do in each run: its tasks, in WebAssembly, then what it does in TypeScript. */
export interface Step {
  /** What it does, for people. */
  readonly name: string;
  /** Whether it is one operation by the kernel of eager execution. */
  readonly isEager?: boolean;
  /** Looks at the arguments and at state before anything is run, and throws if they will not do. */
  prepare?(): void;
  /** Moves what is outside of the program, such as random streams, once all steps are prepared and before anything is run. */
  begin?(): void;
  readonly tasks: readonly Task[];
  finish?(): void;
}

/** Memory of which each thread has its own. */
export interface ThreadRegion {
  /** The address of a thread's own. */
  at(thread: Expr<'i32'>): Expr<'i32'>;
}

/** The program that a step belongs to. */
export interface StepContext {
  /** The heap address of a view's first element, which stays. */
  address(view: View): number;
  /** The place of an input or temporary. */
  buffer(value: Value): FloatArray;
  /** What a kernel in TypeScript sees of a view; its data is looked up when it is read. */
  operand(view: View): Strided;
  /** The exports of the kernel of this key, for TypeScript to call. */
  kernel(key: string, build: () => readonly FunctionBuilder[]): Kernel;
  /** One export of a kernel, for tasks to call. */
  imported(key: string, build: () => readonly FunctionBuilder[], name?: string): FunctionBuilder;
  /** Memory of the step's own, zeroed. */
  scratch(floats: number): Region;
  /** Memory of each thread's own, zeroed. */
  perThread(floats: number): ThreadRegion;
  /** Whether a value is read by other steps, or after the call. */
  isNeeded(value: Value): boolean;
  /** Whether a value is the same from the beginning of a call to its end. */
  isFixed(value: Value): boolean;
}
