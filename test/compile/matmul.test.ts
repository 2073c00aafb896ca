/** Matrix products of compiled programs: alone, and with a bias and ReLU behind them. */

import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { checkGraph, type Graph, nameOf } from '../../src/compile/graph.ts';
import { resetProgramMemory } from '../../src/compile/memory.ts';
import { turnProducts } from '../../src/compile/passes/products.ts';
import { tensorsIn } from '../../src/compile/structure.ts';
import { trace } from '../../src/compile/trace.ts';
import {
  compile,
  Dense,
  full,
  Generator,
  grad,
  linear,
  matmul,
  relu,
  setThreads,
  type Tensor,
  tensor,
  transpose,
  zeros,
} from '../../src/index.ts';
import { resetBackend } from '../../src/kernels/index.ts';
import { forceFeatures } from '../../src/kernels/wasm/features.ts';
import { expectClose, expectSame, normals } from './helpers.ts';

/** How an operand lies in memory: views of a dense tensor [...batch, rows, columns]. */
const VIEWS = ['dense', 'transposed', 'sliced', 'stepped', 'flipped'] as const;

interface Product {
  readonly batch: readonly number[];
  readonly sizes: readonly [m: number, k: number, n: number];
  readonly views: readonly [(typeof VIEWS)[number], (typeof VIEWS)[number]];
  /** Which operands have the batch's axes; the others are broadcast. */
  readonly batched: readonly [boolean, boolean];
  readonly bias: boolean;
  readonly relu: boolean;
  readonly awkward: boolean;
  readonly seed: number;
}

const size = fc.oneof(fc.constantFrom(0, 1, 2), fc.integer({ min: 3, max: 40 }), fc.integer({ min: 3, max: 140 }));
const product: fc.Arbitrary<Product> = fc.record({
  batch: fc.constantFrom([], [], [3], [2, 2]),
  sizes: fc.tuple(size, size, size),
  views: fc.tuple(fc.constantFrom(...VIEWS), fc.constantFrom(...VIEWS)),
  batched: fc.tuple(fc.boolean(), fc.boolean()),
  bias: fc.boolean(),
  relu: fc.boolean(),
  awkward: fc.boolean(),
  seed: fc.integer({ min: 0, max: 1e6 }),
});

/** A dense tensor that `viewOf` turns into one of this shape. */
function baseOf(kind: (typeof VIEWS)[number], batch: readonly number[], rows: number, columns: number): number[] {
  if (kind === 'transposed') return [...batch, columns, rows];
  if (kind === 'sliced') return [...batch, rows + 2, columns + 3];
  if (kind === 'stepped') return [...batch, rows, 2 * columns];
  return [...batch, rows, columns];
}

function viewOf(kind: (typeof VIEWS)[number], x: Tensor): Tensor {
  const rest = x.shape.slice(2).map(() => null);
  if (kind === 'transposed') return transpose(x);
  if (kind === 'sliced') return x.slice(...rest, [1, -1], [1, -2]);
  if (kind === 'stepped') return x.slice(...rest, null, [null, null, 2]);
  return kind === 'flipped' ? x.flip(-1) : x;
}

function argumentsOf({ batch, sizes: [m, k, n], views, batched, seed, awkward }: Product): [Tensor, Tensor, Tensor] {
  const shapes = [
    baseOf(views[0], batched[0] ? batch : [], m, k),
    baseOf(views[1], batched[1] ? batch : [], k, n),
    [n],
  ];
  const [a, b, bias] = shapes.map((shape, i) => normals(3 * seed + i, ...shape)) as [Tensor, Tensor, Tensor];
  if (awkward) {
    for (const [i, x] of [a, b, bias].entries()) {
      const data = x.data;
      if (data.length > 0) data[(seed + i) % data.length] = [Number.NaN, Infinity, -Infinity, 0][(seed + i) % 4]!;
    }
  }
  return [a, b, bias];
}

function functionOf({ views, ...p }: Product): (a: Tensor, b: Tensor, bias: Tensor) => Tensor {
  return (a, b, bias) => {
    const y = matmul(viewOf(views[0], a), viewOf(views[1], b));
    const shifted = p.bias ? y.add(bias) : y;
    return p.relu ? relu(shifted) : shifted;
  };
}

function switchTo(features: Parameters<typeof forceFeatures>[0]): void {
  forceFeatures(features);
  resetBackend();
  resetProgramMemory();
}

afterEach(() => switchTo({}));

describe.each([{}, { relaxed: false }])('products with features %o', (features) => {
  test('of any sizes, batches and strides, with what is fused behind them, are those of eager execution', () => {
    switchTo(features);
    fc.assert(
      fc.property(product, (p) => {
        const args = argumentsOf(p);
        const fn = functionOf(p);
        expectClose(compile(fn)(...args), fn(...args), 1e-5);
      }),
      { numRuns: 40 },
    );
  });

  test('meet infinities as the definition does: no zero of a padding is multiplied with one', () => {
    switchTo(features);
    for (const [m, k, n] of [
      [7, 5, 3],
      [64, 67, 10],
      [9, 130, 2],
      [50, 50, 50],
    ] as const) {
      for (const views of [
        ['dense', 'dense'],
        ['dense', 'transposed'],
        ['transposed', 'dense'],
      ] as const) {
        const p: Product = {
          batch: [],
          sizes: [m, k, n],
          views,
          batched: [false, false],
          bias: true,
          relu: false,
          awkward: false,
          seed: m,
        };
        const [a, b, bias] = argumentsOf(p);
        for (const x of [a, b]) x.data.forEach((value, i) => (x.data[i] = value > 0 ? Infinity : -1));
        const fn = functionOf(p);
        expectSame(compile(fn)(a, b, bias), fn(a, b, bias), `${m} ${k} ${n} ${views}`);
      }
    }
  });
});

describe('explain', () => {
  const names = (fn: (...xs: Tensor[]) => unknown, ...xs: Tensor[]): string[] => {
    const run = compile(fn);
    run(...xs);
    return run.report()[0]!.steps.map(({ name }) => name);
  };
  const [x, w, bias] = [normals(1, 6, 20), normals(2, 4, 20), normals(3, 4)];

  test('names what is fused', () => {
    expect(names((a, b) => matmul(a, transpose(b)), x, w)).toEqual(['matmul']);
    expect(names((a, b, c) => linear(a, b, { bias: c }), x, w, bias)).toEqual(['matmul + bias']);
    expect(names((a, b, c) => relu(linear(a, b, { bias: c })), x, w, bias)).toEqual(['matmul + bias + relu']);
    expect(names((a, b) => relu(matmul(a, transpose(b))), x, w)).toEqual(['matmul + relu']);
    expect(names((a, b, c) => linear(a.reshape([2, 3, 20]), b, { bias: c }), x, w, bias)).toEqual(['matmul + bias']);
  });

  test('adds a whole matrix in a step of its own', () => {
    const fn = (a: Tensor, b: Tensor, c: Tensor): Tensor => matmul(a, transpose(b)).add(c);
    const matrix = normals(4, 6, 4);
    expect(names(fn as (...xs: Tensor[]) => unknown, x, w, matrix)).toEqual(['matmul', 'loop of add']);
    expectClose(compile(fn)(x, w, matrix), fn(x, w, matrix), 1e-6);
  });

  test('keeps apart what something else reads as well, and what is no bias of columns', () => {
    const both = (a: Tensor, b: Tensor, c: Tensor): Tensor[] => {
      const y = matmul(a, transpose(b));
      return [y, relu(y.add(c))];
    };
    expect(names((a, b, c) => both(a!, b!, c!), x, w, bias)[0]).toBe('matmul');
    expect(names((a, b) => matmul(a, transpose(b)).add(tensor([[1], [2], [3], [4], [5], [6]])), x, w)[0]).toBe(
      'matmul',
    );
    expect(
      names(
        (a, b) => {
          const y = matmul(a, transpose(b));
          return y.add(y);
        },
        x,
        w,
      )[0],
    ).toBe('matmul');
  });
});

describe('turnProducts', () => {
  const graphOf = (fn: (...xs: Tensor[]) => unknown, ...shapes: number[][]): Graph => {
    const specs = shapes.map((shape) => ({ shape, dtype: 'float32' as const, requiresGrad: false }));
    return trace(specs, (xs) => fn(...xs), tensorsIn).graph;
  };
  const shapesAfter = (graph: Graph): (readonly number[])[] => {
    const after = turnProducts(graph);
    checkGraph(after);
    return after.nodes.filter((node) => nameOf(node) === 'matmul').map(({ target }) => target.shape);
  };

  test('computes a product as it is read, if it is read in no other way', () => {
    expect(shapesAfter(graphOf((a, b) => transpose(matmul(a!, b!)).exp(), [3, 4], [4, 5]))).toEqual([[5, 3]]);
    expect(shapesAfter(graphOf((a, b) => transpose(matmul(a!, b!)), [3, 4], [4, 5]))).toEqual([[5, 3]]);
    const twice = graphOf((a, b) => [matmul(a!, b!), transpose(matmul(a!, b!))], [3, 4], [4, 5]);
    expect(shapesAfter(twice)).toEqual([
      [3, 5],
      [5, 3],
    ]);
    const ways = (a: Tensor, b: Tensor): Tensor[] => {
      const y = matmul(a, b);
      return [y.exp(), transpose(y)];
    };
    expect(shapesAfter(graphOf((a, b) => ways(a!, b!), [3, 4], [4, 5]))).toEqual([[3, 5]]);
    expect(shapesAfter(graphOf((a, b) => transpose(matmul(a!, b!)).slice([1]), [3, 4], [4, 5]))).toEqual([[3, 5]]);
  });

  test('changes no value', () => {
    const fn = (a: Tensor, b: Tensor): Tensor[] => {
      const y = transpose(matmul(a, b));
      return [y.mul(2), transpose(matmul(y, transpose(y)))];
    };
    const args = [normals(1, 30, 40), normals(2, 40, 50)] as const;
    const expected = fn(...args);
    compile(fn)(...args).forEach((y, i) => expectClose(y, expected[i]!, 1e-5));
  });
});

test('all three products of a dense layer are those of eager execution', () => {
  for (const [batch, inputs, outputs] of [
    [64, 300, 10],
    [8, 4100, 10],
    [5, 33, 1],
    [1, 70, 70],
  ] as const) {
    const layer = new Dense(inputs, outputs, { generator: new Generator(inputs) });
    const loss = (x: Tensor, weight: Tensor, bias: Tensor): Tensor =>
      relu(linear(x, weight, { bias }))
        .square()
        .sum();
    const fn = (x: Tensor): Tensor[] => [
      layer.forward(x),
      ...grad(loss, { argnums: [0, 1, 2] })(x, layer.weight, layer.bias!),
    ];
    const x = normals(batch, batch, inputs);
    const expected = fn(x);
    compile(fn)(x).forEach((y, i) => expectClose(y, expected[i]!, 1e-5, `${batch} ${inputs} ${outputs}, result ${i}`));
  }
});

test('the bits are the same for any number of threads', async () => {
  const shapes = [
    [64, 500, 10],
    [8, 5000, 10],
    [200, 300, 100],
    [10, 64, 700],
  ] as const;
  const bits: string[][] = [];
  try {
    for (const threads of [1, 2, 3]) {
      await setThreads(threads);
      const results = shapes.map(([m, k, n]) => {
        const run = compile((a: Tensor, b: Tensor) => {
          const y = matmul(a, transpose(b));
          return [y, matmul(y, b), matmul(transpose(y), a)];
        });
        return run(normals(1, m, k), normals(2, n, k)).map((y) => new Uint32Array(y.toTypedArray().buffer).join());
      });
      bits.push(results.flat());
    }
  } finally {
    await setThreads(1);
  }
  expect(bits[1]!.map((list, i) => list === bits[0]![i])).toEqual(bits[0]!.map(() => true));
  expect(bits[2]!.map((list, i) => list === bits[0]![i])).toEqual(bits[0]!.map(() => true));
});

test('ReLU behind a product turns -0 into 0, as it does alone', () => {
  for (const [m, n] of [
    [4, 8],
    [3, 5],
    [40, 48],
  ] as const) {
    const [a, b, bias] = [zeros([m, 2]), full([2, n], -1), full([n], -0)];
    const fn = (x: Tensor): Tensor => x.matmul(b).add(bias).relu();
    const y = compile(fn)(a);
    expect([...y.toTypedArray()].every((value) => Object.is(value, 0))).toBe(true);
  }
});
