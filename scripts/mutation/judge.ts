/** Asks the tests about one bug after the other. */

import { Generator as RandomNumbers } from '../../src/tensor/random.ts';
import type { Unit } from './collect.ts';
import type { Mutant } from './instrument.ts';
import type { Library } from './library.ts';
import { watched, withBug } from './runtime.ts';

/** What a test does without any bug. */
export interface Trace {
  readonly name: string;
  readonly ms: number;
  readonly turns: number;
  /** The switches that it passes. */
  readonly passed: Uint16Array;
}

export interface Verdict {
  readonly id: number;
  readonly verdict: 'killed' | 'survived' | 'not reached';
  /** The test that noticed it. */
  readonly by?: string;
  /** How many tests were asked, of how many that pass the place. */
  readonly asked: number;
  readonly of: number;
}

export interface Limits {
  /** The order in which tests are asked. */
  readonly seed: number;
  /** For how long tests are asked about one bug. */
  readonly seconds: number;
}

/** How many of the tests that noticed the last bugs of a file are asked first about the next one. */
const RECENT = 12;

/** So many tests are asked in any case. */
const LEAST = 25;

export class Judge {
  readonly #library: Library;
  readonly #limits: Limits;
  #units: Unit[];
  #traces: readonly Trace[] = [];
  #passing: readonly number[][] = [];
  readonly #killers = new Map<string, number[]>();
  /** Whether the modules were loaded with a bug switched on, or may hold something that a survivor left. */
  #isTainted = false;

  constructor(library: Library, units: Unit[], limits: Limits) {
    this.#library = library;
    this.#units = units;
    this.#limits = limits;
  }

  /** Runs every test without bugs. Those that fail even so are left out. */
  async trace(): Promise<Trace[]> {
    const traces: Trace[] = [];
    for (const { name, run } of this.#units) {
      const start = performance.now();
      try {
        const { passed, turns } = await watched(this.#library.mutants.length, run);
        const ids = Uint16Array.from([...passed.keys()].filter((id) => passed[id] === 1));
        traces.push({ name, ms: performance.now() - start, turns, passed: ids });
      } catch (error) {
        traces.push({ name, ms: Number.POSITIVE_INFINITY, turns: 0, passed: new Uint16Array() });
        console.error(`left out, since it fails here without any bug: ${name}: ${firstLine(error)}`);
      }
    }
    return traces;
  }

  use(traces: readonly Trace[]): void {
    const passing = this.#library.mutants.map((): number[] => []);
    for (const [i, { passed }] of traces.entries()) for (const id of passed) passing[id]!.push(i);
    this.#traces = traces;
    this.#passing = passing;
  }

  async judge(mutant: Mutant): Promise<Verdict> {
    const passing = this.#passing[mutant.id]!;
    const atLoad = mutant.atLoad || passing.length === 0;
    if (!atLoad) {
      if (this.#isTainted) await this.#reload();
      return this.#ask(mutant, passing, true);
    }
    await withBug(mutant.id, Number.POSITIVE_INFINITY, async () => {
      this.#units = await this.#library.load();
    });
    this.#isTainted = true;
    if (this.#isShifted()) return { id: mutant.id, verdict: 'killed', by: 'loading', asked: 0, of: 0 };
    const related = this.#sameFile(mutant);
    return this.#ask(mutant, related.length > 0 ? related : [...this.#traces.keys()], false);
  }

  /** Tests that pass anything in the file of a bug, which works while the file is loaded. */
  #sameFile({ file }: Mutant): number[] {
    const ids = this.#library.mutants.filter((other) => other.file === file).map(({ id }) => id);
    return [...new Set(ids.flatMap((id) => this.#passing[id]!))];
  }

  async #ask(mutant: Mutant, passing: readonly number[], mayRepeat: boolean): Promise<Verdict> {
    const { id, file } = mutant;
    if (passing.length === 0) return { id, verdict: 'not reached', asked: 0, of: 0 };
    const recent = this.#killers.get(file) ?? [];
    const until = performance.now() + 1000 * this.#limits.seconds;
    let asked = 0;
    for (const i of this.#inOrder(passing, recent, mutant)) {
      if (performance.now() > until && asked >= LEAST) break;
      asked++;
      if (!(await this.#fails(i, id))) continue;
      // A bug may leave the library in a state in which everything fails: such a one is only believed from a fresh start.
      if (mayRepeat && (await this.#fails(i, -1))) {
        await this.#reload();
        if (!(await this.#fails(i, id))) continue;
        await this.#reload();
      }
      this.#killers.set(file, [i, ...recent.filter((other) => other !== i)].slice(0, RECENT));
      return { id, verdict: 'killed', by: this.#traces[i]!.name, asked, of: passing.length };
    }
    // What it has left behind unnoticed must not help the next one.
    this.#isTainted = true;
    return { id, verdict: 'survived', asked, of: passing.length };
  }

  /**
   * Tests that noticed the last bugs of this file, and then, each of the three given a third of the time, golden cases, tests
   * of the room that the file is in, and other tests; the quicker ones sooner, with some chance.
   */
  *#inOrder(passing: readonly number[], recent: readonly number[], { id, file }: Mutant): Generator<number> {
    const first = recent.filter((i) => passing.includes(i));
    yield* first;
    const room = file.slice(0, file.lastIndexOf('/')).replace('src/', 'test/');
    const queues: number[][] = [[], [], []];
    const random = new RandomNumbers(this.#limits.seed * 100_003 + id);
    const late = new Map(passing.map((i) => [i, this.#traces[i]!.ms * random.uniform(0.2, 1)]));
    for (const i of passing.toSorted((a, b) => late.get(b)! - late.get(a)!)) {
      const { name } = this.#traces[i]!;
      if (!first.includes(i)) queues[name.startsWith('golden ') ? 0 : name.startsWith(room) ? 1 : 2]!.push(i);
    }
    const spent = queues.map(() => 0);
    for (;;) {
      const waiting = [...queues.keys()].filter((q) => queues[q]!.length > 0);
      const next = waiting.sort((a, b) => spent[a]! - spent[b]!)[0];
      if (next === undefined) return;
      const i = queues[next]!.pop()!;
      spent[next]! += this.#traces[i]!.ms;
      yield i;
    }
  }

  async #fails(i: number, id: number): Promise<boolean> {
    try {
      await withBug(id, 8 * this.#traces[i]!.turns + 20_000, () => this.#units[i]!.run());
      return false;
    } catch {
      return true;
    }
  }

  /** Whether the tests are not those that were traced, as where a file of them could not be loaded. */
  #isShifted(): boolean {
    const traces = this.#traces;
    return this.#units.length !== traces.length || this.#units.some(({ name }, i) => name !== traces[i]!.name);
  }

  async #reload(): Promise<void> {
    this.#units = await this.#library.load();
    this.#isTainted = false;
    if (this.#isShifted()) throw new Error('mutation: other tests were found when they were loaded anew');
  }
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n')[0]!;
}
