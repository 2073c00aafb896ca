/**
 * Threads: `setThreads` starts a team of workers, and compiled programs ask `runProgram` to be run by it. Without a team
 * everything runs on the caller's thread, which is also what happens when workers cannot be had.
 */
import { OptionError } from '../errors.ts';
import { type Backend as KernelBackend, backend as kernelBackend } from '../kernels/index.ts';
import { sharedHeap } from '../kernels/wasm/memory/heap.ts';
import { findHost, type Host } from './host.ts';
import type { ProgramCode } from './library.ts';
import { type Conductor, Team } from './team.ts';

export type { ProgramCode } from './library.ts';
export type { Conductor } from './team.ts';

/** What runs the operations. */
export interface Backend extends KernelBackend {
  /** Threads that run compiled programs. */
  readonly threads: number;
}

/** The most that `'auto'` asks for, and the most that can be asked for. */
const AUTO_LIMIT = 8;
const LIMIT = 64;

let team: Team | null = null;
/** Why there are fewer threads than were asked for. */
let shortage: string | null = null;
/** The team that runs a program now. */
let busy: Team | null = null;
/** The last call of `setThreads` in a page, where calls take time and come after one another. */
let pending: Promise<unknown> = Promise.resolve();

/** How many threads run compiled programs at present. */
export function threadCount(): number {
  return team?.threads ?? 1;
}

/**
 * What runs the operations here, and why something better does not.
 *
 * @example
 * ```ts
 * import { backend } from 'typedgrad';
 *
 * const { name, threads, reasons } = backend();
 * console.log(name, threads, reasons);
 * ```
 */
export function backend(): Backend {
  const { reasons, ...kernels } = kernelBackend();
  const all = shortage === null ? reasons : { ...reasons, threads: shortage };
  return { ...kernels, threads: threadCount(), reasons: all };
}

/**
 * Makes a team of so many threads, this one included, or of as many as can be had. In Node it is there at once, in a page
 * when the promise is fulfilled.
 *
 * @throws {@link OptionError} if `threads` is neither a whole number from 1 to 64 nor `'auto'`.
 */
export function setThreads(threads: number | 'auto'): Promise<number> {
  if (threads !== 'auto' && !(Number.isInteger(threads) && threads >= 1 && threads <= LIMIT)) {
    throw new OptionError(`setThreads: threads is ${threads}, but must be a whole number from 1 to ${LIMIT} or 'auto'`);
  }
  const host = obstacle() ?? findHost();
  if (typeof host === 'string') {
    replace(null, threads === 1 ? null : host);
    return Promise.resolve(1);
  }
  const count = threads === 'auto' ? Math.min(host.cores, AUTO_LIMIT) : threads;
  if (host.isImmediate) {
    const made = makeTeam(host, count);
    adopt(made, made?.answer());
    return Promise.resolve(threadCount());
  }
  const done = pending.then(async () => {
    const made = makeTeam(host, count);
    adopt(made, await made?.answerLater());
    return threadCount();
  });
  pending = done;
  return done;
}

/** Why there can be no threads, whatever starts them. */
function obstacle(): string | undefined {
  const { name, reasons } = kernelBackend();
  if (name === 'js') return `threads run WebAssembly, which is not in use: ${reasons.wasm ?? reasons.simd}`;
  if (!sharedHeap().import.shared) return reasons.shared ?? 'memory cannot be shared here';
  return undefined;
}

/** A team of `count` threads on the heap, or null if there is nothing to change or one thread is enough. */
function makeTeam(host: Host, count: number): Team | null {
  if (count === 1) return null;
  if (team?.threads === count && team.heap === sharedHeap()) return team;
  let made: Team | null = null;
  const onLost = (why: string): void => {
    if (made !== null && team === made) replace(null, why);
  };
  made = new Team(sharedHeap(), host, count, onLost);
  return made;
}

/** Puts a new team in place, or none and the reason if it failed to begin. */
function adopt(made: Team | null, failure: string | null | undefined): void {
  replace(typeof failure === 'string' ? null : made, failure ?? null);
}

function replace(next: Team | null, why: string | null): void {
  const last = team;
  team = next;
  shortage = why;
  if (last !== next) last?.stop();
}

/**
 * Runs the segments of a program, each on all threads, and calls `between` after each, on this thread alone.
 *
 * @param conductor the exports of the conductor on this thread; its `wait` is {@link waitForThreads}.
 * @throws ThreadError if a thread fails on the way.
 */
export function runProgram(code: ProgramCode, conductor: Conductor, between: (segment: number) => void): void {
  const joint = team;
  if (joint !== null && joint.heap === code.heap && busy === null) {
    busy = joint;
    try {
      if (joint.run(code, conductor, between)) return;
    } finally {
      busy = null;
    }
  }
  for (let i = 0; i < code.segments; i++) {
    conductor[`segment_${i}`]!(0, 1, 0);
    between(i);
  }
}

/** The import `wait` of conductors on this thread. */
export function waitForThreads(address: number, value: number): number {
  return busy?.wait(address, value) ?? 1;
}
