/**
 * The threads that run programs together: the caller's, which is thread 0, and workers. They share one memory, speak
 * through a control block in it (see layout.ts), and are of one life: when one of them fails, all are given up.
 */
import { ThreadError } from '../errors.ts';
import { BARRIER } from '../kernels/wasm/barrier.ts';
import type { Block, Heap } from '../kernels/wasm/memory/heap.ts';
import type { Hand, Host } from './host.ts';
import { abandoned, CONTROL, CONTROL_BYTES } from './layout.ts';
import { libraryOf, type ProgramCode } from './library.ts';

/** The functions of a conductor on this thread. */
export type Conductor = Readonly<Record<string, (...args: number[]) => number>>;

/** How long others are waited for, in milliseconds. */
export const patience = {
  /** Until a worker that was started answers. */
  begin: 10_000,
  /** Until all threads have begun with a program. */
  join: 10_000,
  /** While no thread arrives at a barrier; ten times the time that this thread has worked comes on top. */
  progress: 60_000,
};

/** How often a barrier is looked at before a thread sleeps: for about half a millisecond, and hardly where threads outnumber cores. */
const looks = { usual: 50_000, crowded: 50 };
/** How long a worker looks for the next command, in microseconds. */
const alert = { usual: 500, crowded: 0 };
/** How often a page's thread, which must not sleep, looks between two looks at the clock. */
const LOOKS = 1000;
/** How long it sleeps before it looks whether another has failed, in milliseconds. */
const LOOK_EVERY = 100;

const silent = 'a worker that was started does not answer';

let mayWait: boolean | undefined;

/** Whether this thread may sleep; that of a page may not. */
function canWait(): boolean {
  if (mayWait === undefined) {
    try {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0);
      mayWait = true;
    } catch {
      mayWait = false;
    }
  }
  return mayWait;
}

export class Team {
  readonly heap: Heap;
  /** How many threads there are, this one included. */
  readonly threads: number;
  readonly #host: Host;
  readonly #control: Block;
  readonly #words: Int32Array;
  readonly #hands: Hand[] = [];
  readonly #onLost: (why: string) => void;
  #lost: string | null = null;
  #command = 0;
  /** When the present run began, and how long a barrier may take in it without a sign of the others. */
  #began = 0;
  #isJoined = false;

  /** Starts the workers. `onLost` is told why the team is of no use any more, should that happen. */
  constructor(heap: Heap, host: Host, threads: number, onLost: (why: string) => void) {
    this.heap = heap;
    this.threads = threads;
    this.#host = host;
    this.#onLost = onLost;
    this.#control = heap.allocate(CONTROL_BYTES);
    this.#words = new Int32Array(heap.memory.buffer, this.#control.address, CONTROL_BYTES / 4).fill(0);
    const room = threads > host.cores ? 'crowded' : 'usual';
    this.#write(CONTROL.alert, alert[room]);
    this.#write(CONTROL.sync + BARRIER.spins, looks[room]);
    for (let thread = 1; thread < threads && this.#lost === null; thread++) this.#start(thread);
  }

  #start(thread: number): void {
    const start = { memory: this.heap.memory, control: this.#control.address, thread, threads: this.threads };
    try {
      this.#hands.push(this.#host.start(start, (why) => this.#fail(`thread ${thread} is lost: ${why}`)));
    } catch (error) {
      this.#fail(`a worker cannot be started: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #read(at: number): number {
    return Atomics.load(this.#words, at / 4);
  }

  #write(at: number, value: number): void {
    Atomics.store(this.#words, at / 4, value);
  }

  /** Waits until every worker is ready. Gives why one is not, or null. */
  answer(): string | null {
    const deadline = performance.now() + patience.begin;
    while (this.#lost === null && this.#read(CONTROL.ready) < this.threads - 1) {
      if (performance.now() > deadline) this.#fail(silent);
      else Atomics.wait(this.#words, CONTROL.ready / 4, this.#read(CONTROL.ready), 20);
    }
    return this.#lost;
  }

  /** The same where this thread must not sleep, or workers begin only while it is idle. */
  async answerLater(): Promise<string | null> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patience.begin);
    });
    await Promise.race([Promise.all(this.#hands.map(({ answered }) => answered)), late]);
    clearTimeout(timer);
    if (this.#lost === null && this.#read(CONTROL.ready) < this.threads - 1) this.#fail(silent);
    return this.#lost;
  }

  /** Ends the workers, and gives the control block back when nobody reads it any more. */
  stop(): void {
    this.#lost ??= 'it was stopped';
    if (this.#read(CONTROL.ended) !== 0) return;
    Atomics.compareExchange(this.#words, CONTROL.failed / 4, 0, abandoned);
    this.#write(CONTROL.ended, 1);
    this.#write(CONTROL.command, this.#command + 1);
    Atomics.notify(this.#words, CONTROL.command / 4);
    const ended = this.#hands.map((hand) => hand.stop());
    Promise.all(ended).then(() => this.heap.free(this.#control));
  }

  #fail(why: string): void {
    if (this.#lost !== null) return;
    this.stop();
    this.#lost = why;
    this.#onLost(why);
  }

  /** Why a barrier gave up. */
  #reason(): string {
    const thread = this.#read(CONTROL.failed);
    if (thread <= 0) return 'a thread gives no sign of life';
    const length = this.#read(CONTROL.message);
    const text = new Uint8Array(this.heap.memory.buffer, this.#control.address + CONTROL.message + 4, length).slice();
    return `thread ${thread} failed: ${new TextDecoder().decode(text)}`;
  }

  /**
   * Runs a program, with all threads in each segment and this one alone in `between`, which is called after each. Gives
   * false, and has done nothing, if the other threads cannot be had any more.
   *
   * @throws ThreadError if one of them fails on the way.
   */
  run(code: ProgramCode, conductor: Conductor, between: (segment: number) => void): boolean {
    if (!this.#begin(code, conductor)) return false;
    const { threads } = this;
    const sync = this.#control.address + CONTROL.sync;
    const barrier = conductor.barrier!;
    for (let i = 0; i < code.segments; i++) {
      try {
        if (conductor[`segment_${i}`]!(0, threads, sync) !== 0 || barrier(threads, sync) !== 0) throw this.#spoilt();
      } catch (error) {
        this.#fail(error instanceof Error ? error.message : String(error));
        throw error;
      }
      this.#alone(i, i === code.segments - 1, conductor, between);
    }
    return true;
  }

  /** Calls the workers to a program; true once all are there. */
  #begin(code: ProgramCode, { barrier }: Conductor): boolean {
    const { id, address, bytes } = libraryOf(this.heap).program(code);
    this.#write(CONTROL.program, id);
    this.#write(CONTROL.description, address);
    this.#write(CONTROL.descriptionBytes, bytes);
    this.#began = performance.now();
    this.#isJoined = false;
    this.#command = (this.#command + 1) | 0;
    this.#write(CONTROL.command, this.#command);
    if (this.#read(CONTROL.sleeping) > 0) Atomics.notify(this.#words, CONTROL.command / 4);
    if (barrier!(this.threads, this.#control.address + CONTROL.sync) === 0) {
      this.#isJoined = true;
      return true;
    }
    this.#fail(this.#reason());
    return false;
  }

  /** What this thread does between two segments. Its errors end the run for all threads, which stay a team. */
  #alone(segment: number, isLast: boolean, { barrier }: Conductor, between: (segment: number) => void): void {
    const sync = this.#control.address + CONTROL.sync;
    let isDone = false;
    try {
      between(segment);
      isDone = true;
    } finally {
      if (!isDone) this.#write(CONTROL.aborted, this.#command);
      if (!isLast) barrier!(this.threads, sync);
    }
  }

  #spoilt(): ThreadError {
    return new ThreadError(
      `compile: ${this.#reason()}; this run is incomplete, so what the program changes (parameters, optimizer states, ` +
        'statistics) is of no use: load it anew from a state dict. From now on one thread runs everything',
    );
  }

  /** The slow path of this thread's barriers: 0 when the word at `address` is no longer `value`, 1 to give up. */
  wait(address: number, value: number): number {
    const words = this.#words;
    const at = (address - this.#control.address) / 4;
    let last = performance.now();
    const allowed = this.#isJoined ? patience.progress + 10 * (last - this.#began) : patience.join;
    let waited = 0;
    let arrived = -1;
    while (Atomics.load(words, at) === value) {
      if (this.#read(CONTROL.failed) !== 0) return 1;
      const now = performance.now();
      const present = this.#read(CONTROL.sync + BARRIER.arrived);
      // A machine that was asleep has not been waiting.
      waited = present === arrived ? waited + Math.min(now - last, 10 * LOOK_EVERY) : 0;
      if (waited > allowed) return 1;
      [arrived, last] = [present, now];
      if (canWait()) Atomics.wait(words, at, value, LOOK_EVERY);
      else for (let look = 0; look < LOOKS && Atomics.load(words, at) === value; look++);
    }
    return 0;
  }
}
