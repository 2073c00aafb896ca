import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { product } from '../../../../src/kernels/sizes.ts';
import { features } from '../../../../src/kernels/wasm/features.ts';
import { type Algorithm, chooseAlgorithm, normalized, planMatmul } from '../../../../src/kernels/wasm/matmul/plan.ts';
import type { MatmulSpec } from '../../../../src/kernels/wasm/matmul/spec.ts';
import { KernelCache, type KernelFunction } from '../../../../src/kernels/wasm/memory/cache.ts';
import { KernelMemory } from '../../../../src/kernels/wasm/memory/memory.ts';
import { AWKWARD, Random } from '../random.ts';

const CANARY = 12345.6789;
const cache = new KernelCache(new KernelMemory());

/** Strides of a side [...batch, rows, columns]: `along` says which axis' elements are neighbours. */
function side(
  random: Random,
  batch: readonly number[],
  rows: number,
  columns: number,
  along: 'rows' | 'columns' | 'none',
) {
  const gap = random.chance(0.3) ? random.integer(1, 3) : 0;
  const step = along === 'none' ? 2 : 1;
  const strides =
    along === 'rows' ? { row: step, column: step * rows + gap } : { row: step * columns + gap, column: step };
  const size = (rows - 1) * strides.row + (columns - 1) * strides.column + 1;
  const isShared = random.chance(0.3);
  const steps = batch.map((_, axis) => (isShared ? 0 : product(batch.slice(axis + 1)) * (size + gap)));
  return { ...strides, batch: steps, size: isShared ? size : product(batch) * (size + gap) };
}

interface Case {
  readonly random: Random;
  readonly spec: MatmulSpec;
  readonly algorithm: Algorithm;
  readonly awkward?: number;
}

const fill = (random: Random, length: number, awkward: number): Float32Array =>
  Float32Array.from({ length }, () => (random.chance(awkward) ? random.pick(AWKWARD) : 2 * random.next() - 1));

/** Runs a plan and compares with sums in double precision; what lies around y must stay as it is. */
function check({ random, spec, algorithm, awkward = 0 }: Case, sizes: readonly [number, number]): void {
  const { m, k, n, batch, epilogue } = spec;
  const plan = planMatmul(spec, algorithm);
  const count = product(batch) * m * n;
  const counts = [sizes[0], sizes[1], count + 64, n, plan.shared, plan.own];
  const { memory } = cache;
  memory.begin(
    counts.reduce((p, q) => p + q, 0),
    counts.length,
  );
  const at = counts.map((c) => memory.allocate(c));
  const [a, b, y, bias, shared, own] = at as [number, number, number, number, number, number];
  const data = sizes.map((length) => fill(random, length, awkward)) as [Float32Array, Float32Array];
  const offsets = fill(random, n, awkward);
  memory.write(a, data[0], 0, sizes[0]);
  memory.write(b, data[1], 0, sizes[1]);
  memory.write(bias, offsets, 0, n);
  // Whatever scratch holds must not show.
  memory.view(shared, plan.shared).fill(Number.NaN);
  memory.view(own, plan.own).fill(Number.NaN);
  memory.view(y, count + 64).fill(CANARY);
  const kernels = cache.get(plan.key, plan.build);
  for (const { name, units } of plan.tasks) {
    // In any order: units do not wait for each other.
    const order = Array.from({ length: units }, (_, i) => i).sort(() => random.next() - 0.5);
    for (const unit of order) (kernels[name] as KernelFunction)(a, b, y + 128, bias, shared, own, unit);
  }
  const result = memory.view(y, count + 64);
  for (let i = 0; i < 32; i++) expect([result[i], result[count + 32 + i]]).toEqual([result[0], result[0]]);
  for (let i = 0; i < count; i++) {
    const [row, column] = [Math.floor(i / n) % m, i % n];
    let index = Math.floor(i / (m * n));
    let [pa, pb] = [row * spec.a.row, column * spec.b.column];
    for (let axis = batch.length - 1; axis >= 0; axis--) {
      const digit = index % (batch[axis] as number);
      index = Math.floor(index / (batch[axis] as number));
      pa += digit * (spec.a.batch[axis] as number);
      pb += digit * (spec.b.batch[axis] as number);
    }
    let [sum, bound] = epilogue.bias ? [offsets[column] as number, Math.abs(offsets[column] as number)] : [0, 0];
    for (let j = 0; j < k; j++) {
      const term = (data[0][pa + j * spec.a.column] as number) * (data[1][pb + j * spec.b.row] as number);
      sum += term;
      bound += Math.abs(term);
    }
    if (epilogue.relu && !(sum > 0) && !Number.isNaN(sum)) sum = 0;
    const actual = result[32 + i] as number;
    if (Object.is(actual, sum) || (bound > 1e38 && !Number.isNaN(sum))) continue;
    const allowed = (k + 4) * 2 ** -23 * bound + k * 2 ** -126;
    if (Number.isNaN(sum) ? !Number.isNaN(actual) : !(Math.abs(actual - sum) <= allowed)) {
      expect.fail(`${plan.key}: element ${i} is ${actual}, not ${sum} within ${allowed}`);
    }
  }
}

const ALONG: Readonly<Record<Algorithm, readonly [readonly string[], readonly string[]]>> = {
  direct: [['rows', 'columns', 'none'], ['columns']],
  turned: [['rows'], ['rows', 'columns', 'none']],
  dots: [['columns'], ['rows']],
  panels: [
    ['rows', 'columns', 'none'],
    ['rows', 'columns', 'none'],
  ],
};

type Along = 'rows' | 'columns' | 'none';

function random(seed: number, algorithm: Algorithm, fma: boolean, most: readonly [number, number, number]): void {
  const r = new Random(seed);
  const [m, k, n] = most.map((size) => r.pick([1, 2, r.integer(1, size), r.integer(1, size)])) as [
    number,
    number,
    number,
  ];
  const batch = r.pick([[], [], [r.integer(1, 3)], [2, r.integer(1, 3)]]);
  const [alongA, alongB] = ALONG[algorithm];
  const a = side(r, batch, m, k, r.pick(alongA) as Along);
  const b = side(r, batch, k, n, r.pick(alongB) as Along);
  const epilogue = { bias: r.chance(0.4), relu: r.chance(0.4) };
  const spec = { m, k, n, batch, a, b, epilogue, fma };
  // Rows of a batch that become rows of one matrix may lie apart.
  if (algorithm === 'turned' && normalized(spec).a.row !== 1) return;
  check({ random: r, spec, algorithm, awkward: r.chance(0.3) ? 0.01 : 0 }, [a.size, b.size]);
}

const algorithms = Object.keys(ALONG) as Algorithm[];
const variants = features().relaxed ? [true, false] : [false];

describe.each(variants)('plans of matrix products, fused multiply-add %s', (fma) => {
  it.each(algorithms)(
    '%s: right for random shapes, strides, batches and epilogues, and nothing is written beside y',
    (algorithm) => {
      fc.assert(
        fc.property(fc.integer(), (seed) => random(seed, algorithm, fma, [40, 70, 40])),
        { numRuns: 25 },
      );
    },
  );

  it.each(algorithms)('%s: sums over several blocks, and several units', (algorithm) => {
    const size = { direct: [70, 500, 130], turned: [130, 500, 70], dots: [20, 4500, 40], panels: [230, 900, 150] }[
      algorithm
    ];
    fc.assert(
      fc.property(fc.integer(), (seed) => random(seed, algorithm, fma, size as [number, number, number])),
      { numRuns: 4 },
    );
  });
});

/** A product of dense matrices; `turn` b: its columns are rows in memory. */
function dense(
  m: number,
  k: number,
  n: number,
  turn: { a?: boolean; b?: boolean } = {},
  fma: boolean = true,
): MatmulSpec {
  return {
    m,
    k,
    n,
    batch: [],
    a: turn.a ? { row: 1, column: m, batch: [] } : { row: k, column: 1, batch: [] },
    b: turn.b ? { row: 1, column: k, batch: [] } : { row: n, column: 1, batch: [] },
    epilogue: {},
    fma,
  };
}

describe.each(variants)('edges of plans, fused multiply-add %s', (fma) => {
  it('adds up all chunks of a long sum', () => {
    const spec = dense(8, 10976, 10, { b: true }, fma);
    expect(planMatmul(spec).tasks).toEqual([
      { name: 'multiply', units: 4 },
      { name: 'finish', units: 1 },
    ]);
    check({ random: new Random(5), spec, algorithm: 'dots' }, [8 * 10976, 10976 * 10]);
  });

  it('knows where blocks of rows begin behind tiles that are smaller than the others', () => {
    // 381 tiles in blocks of 20: the last is one of the smaller tiles, and others are in the block before it.
    const m = fma ? 2283 : 1901;
    check({ random: new Random(6), spec: dense(m, 9, 17, {}, fma), algorithm: 'panels' }, [m * 9, 9 * 17]);
  });
});

describe('the choice of an algorithm', () => {
  it('reads the operands of dense layers where they lie', () => {
    for (const [m, k, n] of [
      [64, 3136, 10],
      [8, 10976, 10],
      [64, 768, 5],
    ] as const) {
      const plans = [
        dense(m, k, n, { b: true }),
        dense(m, n, k),
        dense(k, m, n, { a: true }),
        dense(n, m, k, { a: true }),
      ];
      expect(plans.map((spec) => chooseAlgorithm(spec))).toEqual(['dots', 'direct', 'turned', 'direct']);
    }
  });

  it('packs where each value is used often', () => {
    for (const turn of [{}, { a: true }, { b: true }, { a: true, b: true }])
      expect(chooseAlgorithm(dense(512, 512, 512, turn))).toBe('panels');
  });

  it('joins the rows of a batch with one matrix on the right', () => {
    const spec = { ...dense(5, 7, 11), batch: [2, 3], a: { row: 7, column: 1, batch: [105, 35] } };
    const joined = normalized({ ...spec, b: { row: 11, column: 1, batch: [0, 0] } });
    expect([joined.m, joined.batch]).toEqual([30, []]);
    expect(normalized({ ...spec, b: { row: 11, column: 1, batch: [231, 77] } }).batch).toEqual([2, 3]);
  });

  it('does not depend on how many share the units', () => {
    const { tasks } = planMatmul(dense(1024, 1024, 1024));
    expect(tasks.every(({ units }) => units >= 8)).toBe(true);
  });
});
