/** Training gives the same bits whatever the number of threads. */
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { setThreads, type Tensor } from '../../src/index.ts';
import { sharedHeap } from '../../src/kernels/wasm/memory/heap.ts';
import { type Setting, setting, train } from '../compile/random-training.ts';

/** Networks large enough that several threads have work, of odd sizes. */
const networks: fc.Arbitrary<Setting> = fc
  .record({ usual: setting, batch: fc.constantFrom(1, 7, 12), more: fc.integer({ min: 0, max: 9 }) })
  .map(({ usual, batch, more }) => ({ ...usual, batch, size: usual.size + (usual.rank === 3 ? 0 : more) }));

const bits = ({ data }: Tensor): Uint8Array => new Uint8Array(Float32Array.from(data).buffer);

afterEach(async () => {
  await setThreads(1);
});

describe.skipIf(!sharedHeap().import.shared)('training a random network', { timeout: 120_000 }, () => {
  it('leaves the same bits in every weight with 1, 2, 3 and 8 threads, compiled or not', async () => {
    const samples = fc.sample(networks, 8);
    const wanted: Record<string, Tensor>[] = [];
    for (const threads of [1, 2, 3, 8]) {
      expect(await setThreads(threads)).toBe(threads);
      for (const [i, network] of samples.entries()) {
        const state = train(network, 'float32', 3, i % 4 !== 3);
        if (threads === 1) wanted.push(state);
        for (const [name, x] of Object.entries(state)) {
          const at = `${name} with ${threads} threads, ${JSON.stringify(network)}`;
          expect(bits(x), at).toEqual(bits(wanted[i]![name]!));
        }
      }
    }
  });
});
