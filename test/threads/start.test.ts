/** How a team begins: with the program that is in the package, and with hosts that misbehave. */

import { readFileSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { workerSourceFile } from '../../scripts/worker-source.ts';
import { sharedHeap } from '../../src/kernels/wasm/memory/heap.ts';
import type { Host } from '../../src/threads/host.ts';
import { backend, runProgram, setThreads } from '../../src/threads/index.ts';
import { patience, Team } from '../../src/threads/team.ts';
import { countsOf, handmade } from './programs.ts';

/** Lets the event loop go round, by which Node tells of workers. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const silentHost: Host = {
  isImmediate: true,
  cores: 4,
  start: () => ({ answered: new Promise(() => {}), stop: () => Promise.resolve() }),
};
const forbidden: Host = {
  ...silentHost,
  start: () => {
    throw new Error('no workers here');
  },
};

describe('the program of a worker', () => {
  it('is what worker.ts says: run `npm run worker-source` after a change', async () => {
    expect(readFileSync('src/threads/source.ts', 'utf8')).toBe(await workerSourceFile());
  });
});

describe('a team that changes its size again and again', () => {
  it('ends every worker that it began, and gives back all memory', async () => {
    const ends: Promise<unknown>[] = [];
    const listen = (worker: Worker): void => void ends.push(new Promise((resolve) => worker.once('exit', resolve)));
    process.on('worker', listen);
    const before = sharedHeap().used;
    for (const threads of [2, 4, 1, 3, 2, 2, 1, 5, 1]) {
      expect(await setThreads(threads)).toBe(threads);
      await turn();
    }
    await Promise.all(ends);
    process.off('worker', listen);
    expect(ends).toHaveLength(11);
    await expect.poll(() => sharedHeap().used).toBe(before);
  });
});

describe('a team that loses a worker between two runs', () => {
  const workers: Worker[] = [];
  const listen = (worker: Worker): void => void workers.push(worker);

  it('goes on with one thread, and says why', async () => {
    const before = sharedHeap().used;
    process.on('worker', listen);
    setThreads(3);
    await turn();
    process.off('worker', listen);
    await workers[1]!.terminate();
    await turn();
    expect(backend()).toMatchObject({ threads: 1, reasons: { threads: 'thread 2 is lost: its thread ended' } });
    await expect.poll(() => sharedHeap().used).toBe(before);
    const program = handmade();
    runProgram(program.code, program.conductor, () => {});
    expect(countsOf(program, 3)).toEqual([1, 0, 0]);
  });

  it('does so without a moment to be told, before anything is changed', async () => {
    process.on('worker', listen);
    setThreads(2);
    await turn();
    process.off('worker', listen);
    const usual = patience.join;
    patience.join = 300;
    workers.at(-1)!.terminate();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    const program = handmade({ segments: 2 });
    runProgram(program.code, program.conductor, () => {});
    patience.join = usual;
    expect(countsOf(program, 2)).toEqual([2, 0]);
    expect(backend().reasons.threads).toMatch(/no sign of life/);
  });
});

describe('a team that cannot begin', () => {
  it('does not wait for ever for a worker that does not answer', async () => {
    const usual = patience.begin;
    patience.begin = 50;
    const lost: string[] = [];
    const make = (): Team => new Team(sharedHeap(), silentHost, 2, (why) => lost.push(why));
    expect(make().answer()).toBe('a worker that was started does not answer');
    expect(await make().answerLater()).toBe('a worker that was started does not answer');
    expect(lost).toHaveLength(2);
    patience.begin = usual;
  });

  it('says why a worker cannot be started', () => {
    const team = new Team(sharedHeap(), forbidden, 3, () => {});
    expect(team.answer()).toBe('a worker cannot be started: no workers here');
  });
});
