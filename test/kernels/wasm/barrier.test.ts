/** The barrier, with one thread playing several; test/threads has real ones. */
import { describe, expect, it } from 'vitest';
import { importedFunction } from '../../../src/kernels/wasm/assembler/assembler.ts';
import { encodeModule } from '../../../src/kernels/wasm/assembler/encode.ts';
import { BARRIER, BARRIER_BYTES, barrierFunction } from '../../../src/kernels/wasm/barrier.ts';

const sync = 1024;

interface Barrier {
  readonly barrier: (threads: number, sync: number) => number;
  /** What lies at one of the barrier's words. */
  readonly word: (name: keyof typeof BARRIER) => number;
}

/** A barrier whose early threads do `wait`. */
function make(wait: (b: Barrier, address: number, value: number) => number): Barrier {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const slow = importedFunction('wait', ['i32', 'i32'], 'i32');
  const module = new WebAssembly.Module(
    encodeModule([slow, barrierFunction(slow)], { shared: false, maximum: 1 }) as Uint8Array<ArrayBuffer>,
  );
  const env = { memory, wait: (address: number, value: number): number => wait(made, address, value) };
  const { barrier } = new WebAssembly.Instance(module, { env }).exports;
  const words = new Int32Array(memory.buffer, sync, BARRIER_BYTES / 4);
  words[BARRIER.spins / 4] = 3;
  const made: Barrier = { barrier: barrier as Barrier['barrier'], word: (name) => words[BARRIER[name] / 4]! };
  return made;
}

describe('the barrier', () => {
  it('lets one thread through at once', () => {
    const b = make(() => 7);
    expect([b.barrier(1, sync), b.barrier(0, sync), b.word('generation')]).toEqual([0, 0, 0]);
  });

  it('lets the early wait, counted as sleepers, until the last one arrives, again and again', () => {
    const seen: number[][] = [];
    const b = make((own, address, value) => {
      seen.push([address, value, own.word('arrived'), own.word('sleepers')]);
      return own.barrier(3, sync);
    });
    for (let generation = 0; generation < 3; generation++) {
      expect(b.barrier(3, sync)).toBe(0);
      const address = sync + BARRIER.generation;
      expect(seen.splice(0)).toEqual([
        [address, generation, 1, 1],
        [address, generation, 2, 2],
      ]);
      expect([b.word('arrived'), b.word('generation'), b.word('sleepers')]).toEqual([0, generation + 1, 0]);
    }
  });

  it('gives what its wait gives, when it gives up', () => {
    const b = make(() => 5);
    expect(b.barrier(2, sync)).toBe(5);
    expect([b.word('arrived'), b.word('sleepers')]).toEqual([1, 0]);
  });

  it('keeps its words on cache lines of their own', () => {
    const lines = Object.values(BARRIER).map((at) => Math.floor(at / 64));
    expect(new Set(lines).size).toBe(lines.length);
    expect(Math.max(...lines) * 64).toBeLessThan(BARRIER_BYTES);
  });
});
