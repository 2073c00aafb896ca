/** What a program does one after the other, and what a step may ask of it. */

import type { FloatArray, Strided } from '../../kernels/types.ts';
import type { Value, View } from '../graph.ts';
import type { ProgramMemory, Region } from '../memory.ts';

/** One thing to do in each run. */
export interface Step {
  /** What it does, for people. */
  readonly name: string;
  /** Whether it is one operation by the kernel of eager execution. */
  readonly isEager?: boolean;
  run(): void;
}

/** The program that a step belongs to. */
export interface StepContext {
  readonly memory: ProgramMemory;
  /** The heap address of a view's first element, which stays. */
  address(view: View): number;
  /** The place of an input or temporary. */
  buffer(value: Value): FloatArray;
  /** What a kernel in TypeScript sees of a view; its data is looked up when it is read. */
  operand(view: View): Strided;
  /** Memory of the step's own, zeroed. */
  scratch(floats: number): Region;
  /** Whether a value is read by other steps, or after the call. */
  isNeeded(value: Value): boolean;
}
