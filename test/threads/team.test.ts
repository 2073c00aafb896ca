/** Threads that run programs together, in Node and in a page. */
import { afterEach, describe, expect, it } from 'vitest';
import { OptionError, ThreadError } from '../../src/errors.ts';
import { i32, load, op } from '../../src/kernels/wasm/assembler/assembler.ts';
import { sharedHeap } from '../../src/kernels/wasm/memory/heap.ts';
import { backend, runProgram, setThreads, threadCount } from '../../src/threads/index.ts';
import { patience } from '../../src/threads/team.ts';
import { countsOf, type Handmade, handmade, type Options } from './programs.ts';

const isShared = sharedHeap().import.shared;
const usual = { ...patience };
const nothing = (): void => {};
const run = ({ code, conductor }: Handmade, between: (segment: number) => void = nothing): void =>
  runProgram(code, conductor, between);

afterEach(async () => {
  Object.assign(patience, usual);
  await setThreads(1);
});

describe('setThreads', () => {
  it.each([0, -1, 1.5, 65, Number.NaN, 'all'])('refuses %s', (threads) => {
    expect(() => setThreads(threads as number)).toThrow(OptionError);
    expect(() => setThreads(threads as number)).toThrow(
      `setThreads: threads is ${threads}, but must be a whole number`,
    );
  });

  it('leaves everything on one thread when it is not called, or called with 1', async () => {
    expect(backend().threads).toBe(1);
    expect(await setThreads(1)).toBe(1);
    expect(backend()).toMatchObject({ threads: 1 });
    expect(backend().reasons.threads).toBeUndefined();
  });

  it.skipIf(isShared)('says why there is one thread where memory cannot be shared', async () => {
    expect(await setThreads(2)).toBe(1);
    expect(backend().reasons.threads).toMatch(/cross-origin isolated/);
    const program = handmade();
    run(program);
    expect(countsOf(program, 2)).toEqual([1, 0]);
  });
});

describe.skipIf(!isShared)('a team of threads', () => {
  it.each([2, 3, 8])('runs every segment on each of %i threads, and meets at every barrier', async (threads) => {
    expect(await setThreads(threads)).toBe(threads);
    expect([backend().threads, backend().reasons.threads]).toEqual([threads, undefined]);
    const program = handmade({ rounds: 50, segments: 3 });
    for (let i = 1; i <= 3; i++) {
      run(program);
      expect(countsOf(program, 9)).toEqual(Array.from({ length: 9 }, (_, at) => (at < threads ? 150 * i : 0)));
    }
  });

  it('meets ten thousand times with eight threads, however few cores there are', async () => {
    await setThreads(8);
    const program = handmade({ rounds: 5000 });
    run(program);
    expect(countsOf(program, 8)).toEqual(new Array(8).fill(5000));
  });

  it('has as many threads as the machine runs at once, at most 8', async () => {
    const threads = await setThreads('auto');
    expect(threads).toBe(Math.min(8, navigatorCores() ?? threads));
    expect(threadCount()).toBe(threads);
  });

  it('leaves the caller alone between two segments', async () => {
    await setThreads(3);
    const program = handmade({ segments: 4, rounds: 3 });
    const seen: number[][] = [];
    run(program, (segment) => {
      seen.push([segment, ...countsOf(program, 3)]);
      // Long enough for a thread that does not wait to be noticed.
      const until = performance.now() + 5;
      while (performance.now() < until);
      seen.push([segment, ...countsOf(program, 3)]);
    });
    expect(seen).toEqual([0, 0, 1, 1, 2, 2, 3, 3].map((s) => [s, 3 * s + 3, 3 * s + 3, 3 * s + 3]));
  });

  it('stays a team when what runs between two segments fails, and ends the run for all', async () => {
    await setThreads(3);
    const program = handmade({ segments: 3 });
    for (const at of [0, 1, 2]) {
      program.counts.fill(0);
      expect(() =>
        run(program, (segment) => {
          if (segment === at) throw new RangeError('no more');
        }),
      ).toThrow('no more');
      expect(countsOf(program, 3)).toEqual([at + 1, at + 1, at + 1]);
    }
    expect(threadCount()).toBe(3);
    program.counts.fill(0);
    run(program);
    expect(countsOf(program, 3)).toEqual([3, 3, 3]);
  });

  it('runs a program inside of another on one thread', async () => {
    await setThreads(2);
    const [outer, inner] = [handmade({ segments: 2 }), handmade()];
    run(outer, () => run(inner));
    expect([countsOf(outer, 2), countsOf(inner, 2)]).toEqual([
      [2, 2],
      [2, 0],
    ]);
  });

  it('runs more programs than workers keep ready, in memory that has grown', async () => {
    await setThreads(2);
    const programs = Array.from({ length: 70 }, () => handmade());
    sharedHeap().allocate(2 ** 22);
    const late = handmade();
    for (let round = 1; round <= 2; round++) {
      for (const program of [...programs, late]) {
        run(program);
        expect(countsOf(program, 2)).toEqual([round, round]);
      }
    }
  });

  it('changes its size', async () => {
    for (const threads of [2, 4, 4, 1, 3, 1]) expect(await setThreads(threads)).toBe(threads);
  });

  it('is not disturbed by workers of teams before it, which end when they like', async () => {
    // A page's worker that was terminated amid a wait lives on for about two seconds.
    const until = performance.now() + (typeof document === 'object' ? 2500 : 300);
    while (performance.now() < until) {
      await setThreads(3);
      const program = handmade({ rounds: 20 });
      run(program);
      expect(countsOf(program, 4)).toEqual([20, 20, 20, 0]);
      await setThreads(1);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });

  it('follows the last of several calls that were not waited for', async () => {
    const done = [setThreads(3), setThreads(1), setThreads(2)];
    expect(await Promise.all(done)).toEqual([3, 1, 2]);
    expect(threadCount()).toBe(2);
  });
});

describe.skipIf(!isShared)('a team one of whose threads fails', () => {
  /** A program in which thread 1 does what it should not, and one like it that is sound. */
  const faulty = (extra: NonNullable<Options['extra']>): Handmade =>
    handmade({ extra: (f, thread) => f.if(op('i32.eq', thread, i32(1)), () => extra(f, thread)) });

  const expectOneThread = (reason: RegExp): void => {
    expect(backend()).toMatchObject({ threads: 1, reasons: { threads: expect.stringMatching(reason) } });
    const sound = handmade();
    run(sound);
    expect(countsOf(sound, 3)).toEqual([1, 0, 0]);
  };

  it('says what went wrong there, that the run is spoilt, and goes on with one thread', async () => {
    await setThreads(3);
    const program = faulty((f) => f.drop(load('i32.load', i32(-4))));
    expect(() => run(program)).toThrow(ThreadError);
    expectOneThread(/thread 1 failed: RuntimeError: .*(out of bounds|Out of bounds)/);
    await setThreads(3);
    const again = faulty((f) => f.drop(load('i32.load', i32(-4))));
    expect(() => run(again)).toThrow(
      /compile: thread 1 failed.*this run is incomplete.*load it anew from a state dict/,
    );
  });

  it('does not wait for ever for a thread that gives no sign', async () => {
    await setThreads(3);
    patience.progress = 200;
    const program = faulty((f) => f.loop((again) => again()));
    const start = performance.now();
    expect(() => run(program)).toThrow(/a thread gives no sign of life; this run is incomplete/);
    expect(performance.now() - start).toBeLessThan(5000);
    expectOneThread(/no sign of life/);
  });

  it("passes on the caller's own failure", async () => {
    await setThreads(2);
    const program = handmade({
      extra: (f, thread) => f.if(op('i32.eqz', thread), () => f.drop(load('i32.load', i32(-4)))),
    });
    expect(() => run(program)).toThrow(WebAssembly.RuntimeError);
    expectOneThread(/bounds/);
  });

  it('runs everything on one thread, without an error, when the others cannot begin with a program', async () => {
    await setThreads(3);
    const program = handmade({ segments: 2, theirs: Uint8Array.of(0, 1, 2, 3) });
    run(program);
    expect(countsOf(program, 3)).toEqual([2, 0, 0]);
    expectOneThread(/thread \d failed: CompileError/);
  });
});

/** How many threads a page says that the machine runs at once. */
function navigatorCores(): number | undefined {
  return globalThis.navigator?.hardwareConcurrency;
}
