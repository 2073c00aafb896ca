import { describe, expect, it } from 'vitest';
import { jsKernels } from '../../../../src/kernels/js/index.ts';
import { normalOf } from '../../../../src/kernels/js/normal.ts';
import { philox } from '../../../../src/kernels/js/philox.ts';
import type { Draw } from '../../../../src/kernels/types.ts';
import { FunctionBuilder, i64, load } from '../../../../src/kernels/wasm/assembler/assembler.ts';
import { drawFunctions } from '../../../../src/kernels/wasm/draws/kernel.ts';
import { normals } from '../../../../src/kernels/wasm/draws/normal.ts';
import { emitCipher, emitPhilox } from '../../../../src/kernels/wasm/draws/philox.ts';
import { createWasmKernels } from '../../../../src/kernels/wasm/index.ts';
import { KernelCache } from '../../../../src/kernels/wasm/memory/cache.ts';
import { KernelMemory } from '../../../../src/kernels/wasm/memory/memory.ts';

const kernels = createWasmKernels({
  threshold: 0,
  onFallback: (name) => {
    throw new Error(`${name} was left to TypeScript`);
  },
});

const seeds = [0, 77, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER];
/** Even and odd, by the end of a group, and where the block's lower half runs over between the lanes of a group. */
const positions = [0, 1, 7, 2 ** 33 - 8, 2 ** 33 - 3, 2 ** 40 + 1, 2 ** 53 - 40_000];
/** Parts of a group, whole groups, and more than a chunk. */
const sizes = [1, 2, 7, 8, 9, 31, 8193];

const draws: readonly Draw[] = [
  { name: 'uniform' },
  { name: 'range', low: -0.1, high: 0.3 },
  { name: 'normal', mean: 0, std: 1 },
  { name: 'normal', mean: 3, std: 0.02 },
  { name: 'mask', p: 0.3, kept: 1 / 0.7 },
  { name: 'mask', p: 1, kept: 0 },
  { name: 'mask', p: 2 ** -60, kept: 1 },
  { name: 'integer', low: -5, high: 1000 },
  { name: 'integer', low: 3, high: 3 + 2 ** 32 },
];

/** The bits of y, with what lies before and behind it. */
function drawn(run: (y: Float32Array) => void, size: number): Uint32Array {
  const all = new Float32Array(size + 2).fill(-7);
  run(all.subarray(1, 1 + size));
  return new Uint32Array(all.buffer);
}

describe('random numbers on WebAssembly', () => {
  it.each(draws)('have the bits of the reference wherever they begin and end: %o', (what) => {
    for (const seed of seeds) {
      for (const position of positions) {
        for (const size of sizes) {
          const [ours, reference] = [kernels, jsKernels].map((k) =>
            drawn((y) => k.draw(what, seed, position, y), size),
          );
          const differs = ours!.findIndex((bits, i) => bits !== reference![i]);
          expect(differs, `element ${differs - 1} of ${size} from position ${position} of seed ${seed}`).toBe(-1);
        }
      }
    }
  });

  it('meet ties of a mask in whole numbers, to the last of 53 bits', () => {
    const u = new Float64Array(1);
    jsKernels.draw({ name: 'uniform' }, 9, 12, u);
    for (const [p, isKept] of [
      [u[0]! - 2 ** -53, true],
      [u[0]!, true],
      [u[0]! + 2 ** -53, false],
    ] as const) {
      const y = new Float32Array(1);
      kernels.draw({ name: 'mask', p, kept: 1 }, 9, 12, y);
      expect(y[0]).toBe(isKept ? 1 : 0);
    }
  });

  it('are written where they are asked for and nowhere else, in the middle of an array', () => {
    const memory = new KernelMemory();
    const { run } = new KernelCache(memory).get('uniform', () => drawFunctions({ name: 'uniform' }));
    memory.begin(40, 1);
    const at = memory.allocate(40);
    for (const position of [0, 1]) {
      for (const size of [0, 1, 7, 8, 9, 16]) {
        memory.view(at, 40).fill(-7);
        run!(at + 4 * 10, size, 5, position, 0, 0);
        const written = [...memory.view(at, 40)].flatMap((value, i) => (value === -7 ? [] : [i - 10]));
        expect(written).toEqual([...new Array(size).keys()]);
      }
    }
  });

  it('leave float64 to TypeScript', () => {
    const [ours, reference] = [new Float64Array(50), new Float64Array(50)];
    kernels.draw({ name: 'uniform' }, 1, 3, ours);
    jsKernels.draw({ name: 'uniform' }, 1, 3, reference);
    expect(ours).toEqual(reference);
  });
});

describe('two normal numbers', () => {
  it('are those of the reference to the last bit, in the middle, far from it and at the ends', () => {
    const memory = new KernelMemory();
    const f = new FunctionBuilder('run');
    const at = f.param('i32');
    const two = normals(f);
    f.store('v128.store', at, two(f.let(load('v128.load', at))));
    const { run } = new KernelCache(memory).get('normals', () => [f]);
    memory.begin(4, 1);
    const place = memory.allocate(4);
    const last = 1 - 2 ** -53;
    const near = [
      0.075,
      0.925,
      0.5,
      1e-11,
      Math.exp(-25),
      1 - Math.exp(-25),
      0.5 - 2 ** -53,
      2 ** -40,
      2 ** -41 * Math.SQRT1_2,
    ];
    const around = near.flatMap((u) => [-2, -1, 0, 1, 2].map((k) => Math.floor(u * 2 ** 53 + k) * 2 ** -53));
    const all = [0, 2 ** -53, 3e-16, 1e-13, 1e-5, 0.01, 0.3, 0.7, 0.99, 1 - 1e-9, last - 2 ** -53, last, ...around];
    for (const a of all) {
      for (const b of [0, 0.4, 0.03, 1e-12, last]) {
        memory.view(place, 4).set(new Float32Array(Float64Array.of(a, b).buffer));
        run!(place);
        const found = new Float64Array(memory.view(place, 4).slice().buffer);
        expect([...found], `${a} and ${b}`).toEqual([normalOf(a), normalOf(b)]);
      }
    }
  });
});

describe('four blocks of Philox', () => {
  it('are those of the reference, over the end of 32 bits', () => {
    const memory = new KernelMemory();
    for (const [seed, block] of [
      [2 ** 40 + 9, 2 ** 32 - 2],
      [Number.MAX_SAFE_INTEGER, 5],
    ] as const) {
      const f = new FunctionBuilder('run');
      const y = f.param('i32');
      const words = emitPhilox(f, emitCipher(f, f.let(i64(seed))), f.let(i64(block)));
      words.forEach((four, word) => f.store('v128.store', y, four, 16 * word));
      memory.begin(16, 1);
      const at = memory.allocate(16);
      new KernelCache(memory).get('philox', () => [f]).run!(at);
      const found = new Int32Array(memory.view(at, 16).slice().buffer);
      for (let lane = 0; lane < 4; lane++) {
        const expected = new Int32Array(4);
        philox(seed, block + lane, expected);
        expect([0, 1, 2, 3].map((word) => found[4 * word + lane])).toEqual([...expected]);
      }
    }
  });
});
