/**
 * The words through which the threads of a team speak, in bytes behind the address of the team's control block; all are
 * 32-bit integers and zero at first. Those that several threads write or wait on have a cache line of their own.
 */
import { BARRIER_BYTES } from '../kernels/wasm/barrier.ts';

export const CONTROL = {
  /** The number of the command that was given last. */
  command: 0,
  /** How many threads sleep until there is a command. */
  sleeping: 64,
  /** How many workers have begun. */
  ready: 128,
  /** 0, or why the team is of no use any more: the thread that failed, or `abandoned`. */
  failed: 192,
  /** The program to run: its number, and where its description lies. */
  program: 256,
  description: 260,
  descriptionBytes: 264,
  /** The command that shall end at the next barrier but one. */
  aborted: 268,
  /** How long a worker looks for a command before it sleeps, in microseconds. */
  alert: 272,
  /** The thread that writes the message. */
  speaker: 276,
  /** Not 0 when the last command is to leave. */
  ended: 280,
  /** The barrier of the programs. */
  sync: 320,
  /** What the thread that failed says: the length in bytes, then UTF-8. */
  message: 320 + BARRIER_BYTES,
} as const;

export const CONTROL_BYTES: number = CONTROL.message + 1024;
/** The longest message, in bytes. */
export const MESSAGE_BYTES = 1000;
/** The value of `failed` by which the main thread says that it gave up. */
export const abandoned = -1;

/** What a worker is given when it begins. */
export interface Start {
  readonly memory: WebAssembly.Memory;
  /** The address of the control block. */
  readonly control: number;
  /** Its number among the threads; the thread that starts the others is 0. */
  readonly thread: number;
  /** How many threads there are. */
  readonly threads: number;
}

/** A stretch of memory. */
export type Place = readonly [address: number, bytes: number];

/** How a program is described to a worker, as JSON in shared memory. */
export interface Description {
  /** WebAssembly modules, each with a number by which it is known. */
  readonly modules: readonly (readonly [id: number, address: number, bytes: number])[];
  /** What the conductor imports: its name there, the index of a module, the name of its function. */
  readonly imports: readonly (readonly [as: string, module: number, name: string])[];
  readonly conductor: Place;
  readonly segments: number;
}
