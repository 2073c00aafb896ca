/** Random numbers that programs draw: those of eager code, on any number of threads. */

import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { resetProgramMemory } from '../../src/compile/memory.ts';
import {
  compile,
  dropout,
  Generator,
  manualSeed,
  maximum,
  ones,
  rand,
  randint,
  randn,
  setThreads,
  type Tensor,
} from '../../src/index.ts';
import { resetBackend } from '../../src/kernels/index.ts';
import { expectSame, normals } from './helpers.ts';

/** Draws of every kind, some smaller and some larger than a unit, from one stream, in float64 too. */
const all =
  (generator: Generator) =>
  (x: Tensor): Tensor[] => [
    rand(20_000, { generator }),
    randn([3], { generator }),
    randint(-3, 9, [101, 83], { generator }),
    rand(7, { generator, dtype: 'float64' }),
    x.relu().dropout({ p: 0.4, generator }),
    randn([130, 70], { generator }),
    dropout(x, { p: 1, generator }),
    randint(0, 2 ** 32, 5, { generator, dtype: 'float64' }),
    rand([0, 4], { generator }),
    rand(1, { generator }),
  ];

/** What runs from a position give, and where the stream then is. */
function runs(position: number, seed: number, wrap: (fn: (x: Tensor) => Tensor[]) => (x: Tensor) => Tensor[]): unknown {
  const generator = new Generator(seed);
  generator.position = position;
  const run = wrap(all(generator));
  const x = normals(1, 90, 101);
  const results = [...run(x), ...run(x)].map((y) => [...new Uint8Array(y.toTypedArray().buffer)]);
  return { results: results.map((bytes) => Buffer.from(bytes).toString('base64')), position: generator.position };
}

describe('a program', () => {
  const starts = [
    [0, 3],
    [7, 2 ** 32 + 5],
    [2 ** 33 - 20_001, 1],
  ] as const;
  const expected = starts.map(([position, seed]) => runs(position, seed, (fn) => fn));

  describe.each([1, 2, 3])('on %i threads', (threads) => {
    beforeAll(() => setThreads(threads));
    afterAll(() => setThreads(1));
    test('draws what eager code does, from any position, and leaves the stream where that does', () => {
      starts.forEach(([position, seed], i) => expect(runs(position, seed, compile)).toEqual(expected[i]));
    });
  });

  describe('without WebAssembly', () => {
    beforeAll(() => {
      vi.stubEnv('TYPEDGRAD_BACKEND', 'js');
      resetBackend();
      resetProgramMemory();
    });
    afterAll(() => {
      vi.unstubAllEnvs();
      resetBackend();
      resetProgramMemory();
    });
    test('does so too', () => {
      starts.forEach(([position, seed], i) => expect(runs(position, seed, compile)).toEqual(expected[i]));
    });
  });
});

describe('streams', () => {
  afterEach(() => manualSeed(0));

  test('are looked up at each call, wherever they were put', () => {
    const generator = new Generator(6);
    const run = compile(() => [rand(40), rand(30, { generator }), rand(40)]);
    for (const position of [0, 5, 2 ** 40 + 1, 3]) {
      const shared = manualSeed(position + 1);
      generator.position = position;
      const [first, own, second] = run();
      expect([shared.position, generator.position]).toEqual([80, position + 30]);
      manualSeed(position + 1);
      generator.position = position;
      expectSame(first!, rand(40));
      expectSame(own!, rand(30, { generator }));
      expectSame(second!, rand(40));
    }
  });

  test('stay where they are when a call is refused, or its steps are measured', () => {
    const generator = new Generator(6);
    const run = compile((x: Tensor) => rand([2, 3], { generator }).gather(1, x));
    const x = ones([2, 3]);
    run(x);
    expect(generator.position).toBe(6);
    const timed = run.report({ time: true })[0]!;
    expect(timed.steps.every(({ milliseconds }) => milliseconds! >= 0)).toBe(true);
    expect(generator.position).toBe(6);
    const next = run(x);
    generator.position = 6;
    expectSame(next, rand([2, 3], { generator }).gather(1, x));
    expect(() => run(x.mul(9))).toThrow('gather');
    expect(generator.position).toBe(12);
  });

  test('leave what stands before a mask free to join what stands behind it', () => {
    const run = compile((x: Tensor) => maximum(x, 0).dropout({ p: 0.5 }).mul(3));
    run(normals(1, 64));
    expect(run.report()[0]!.steps.map(({ operations }) => operations)).toEqual([
      ['dropoutMask'],
      ['maximum', 'mul', 'mul'],
    ]);
  });
});
