/** Random programs, compiled and not: the same numbers; and what holds for every graph on its way. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkGraph, type Graph } from '../../src/compile/graph.ts';
import { Program, passes } from '../../src/compile/program.ts';
import { tensorsIn } from '../../src/compile/structure.ts';
import { trace } from '../../src/compile/trace.ts';
import { compile, type DType, GradError, noGrad, type Tensor } from '../../src/index.ts';
import { expectClose, expectSame } from './helpers.ts';
import { describeProgram, type Family, type Instruction, interpret, material, programs } from './random-programs.ts';

/** TYPEDGRAD_DEEP=1 takes fifteen times as many. */
const runs = (count: number): { numRuns: number } => ({
  numRuns: process.env.TYPEDGRAD_DEEP === undefined ? count : 15 * count,
});

type Compare = (actual: Tensor, expected: Tensor, what: string) => void;

/** Two calls of a program, with and without compiling: results, and what became of the states. */
function compareCalls(family: Family, dtype: DType, program: readonly Instruction[], compare: Compare): void {
  const [eager, compiled] = [material(dtype, 1).states, material(dtype, 1).states];
  const run = compile((inputs: Tensor[]) => noGrad(() => interpret(family, program, inputs, compiled)));
  for (const seed of [1, 2]) {
    const { inputs } = material(dtype, seed);
    const expected = noGrad(() => interpret(family, program, inputs, eager));
    const actual = run(inputs);
    const what = `call ${seed} of ${describeProgram(family, program)}`;
    expect(actual.length).toBe(expected.length);
    for (const [i, x] of expected.entries()) compare(actual[i]!, x, `result ${i}, ${what}`);
    for (const [i, x] of eager.entries()) compare(compiled[i]!, x, `state ${i}, ${what}`);
  }
  run.dispose();
}

/** Leaves out programs that have no gradient, because they overwrite what it needs. */
function possible<R>(make: () => R): R {
  try {
    return make();
  } catch (error) {
    fc.pre(!(error instanceof GradError));
    throw error;
  }
}

/** Gradients of a weighted sum of a program's results in its inputs and states, with and without compiling. */
function compareGradients(family: Family, dtype: DType, program: readonly Instruction[], compare: Compare): void {
  const gradients = (inputs: readonly Tensor[], states: readonly Tensor[]): Tensor[] => {
    const leaves = inputs.map((x) => x.detach());
    for (const x of leaves) x.requiresGrad = true;
    const results = interpret(family, program, leaves, states);
    const loss = results.map((y, i) => y.mul(0.1 * (i + 1)).sum()).reduce((a, b) => a.add(b));
    if (!loss.requiresGrad) return [loss];
    loss.backward();
    return [loss.detach(), ...leaves.flatMap((x) => (x.grad === null ? [] : [x.grad]))];
  };
  const { inputs } = material(dtype, 3);
  const expected = possible(() => gradients(inputs, material(dtype, 1).states));
  const { states } = material(dtype, 1);
  const run = compile((xs: Tensor[]) => gradients(xs, states));
  const actual = run(inputs);
  const what = `gradient of ${describeProgram(family, program)}`;
  expect(actual.length, what).toBe(expected.length);
  for (const [i, x] of expected.entries()) compare(actual[i]!, x, `${i}, ${what}`);
  run.dispose();
}

/** The graph of a program and its gradients. */
function graphOf(family: Family, program: readonly Instruction[]): Graph {
  const { inputs, states } = material('float32', 1);
  const specs = inputs.map(({ shape, dtype }) => ({ shape, dtype, requiresGrad: true }));
  const fn = (xs: readonly Tensor[]): Tensor[] => {
    const results = interpret(family, program, xs, states);
    const loss = results.map((y) => y.sum()).reduce((a, b) => a.add(b));
    if (loss.requiresGrad) loss.backward();
    return results;
  };
  return possible(() => trace(specs, fn, tensorsIn).graph);
}

/**
 * Sums of up to 600 terms of size 1 in float32 differ by some 600 · 2⁻²⁴ ≈ 4e-5 at worst, by some 2e-6 as a rule, and
 * functions of slope 1 pass that on; gradients go through twice as many operations.
 */
const close: Compare = (actual, expected, what) => expectClose(actual, expected, 1e-4, what, 1);

const closest: Compare = (actual, expected, what) => expectClose(actual, expected, 1e-13, what, 1);

describe('compiled programs come to what eager ones do', () => {
  test('bit for bit where there are only elementwise operations, views, moves and updates in place', () => {
    fc.assert(
      fc.property(programs(14), (program) => compareCalls('exact', 'float32', program, expectSame)),
      runs(250),
    );
  });
  test('bit for bit in float64, whatever the operation', () => {
    fc.assert(
      fc.property(programs(14), (program) => compareCalls('all', 'float64', program, expectSame)),
      runs(150),
    );
  });
  test('within rounding for functions and sums', () => {
    fc.assert(
      fc.property(programs(12), (program) => compareCalls('smooth', 'float32', program, close)),
      runs(200),
    );
  });
  test('gradients within rounding', () => {
    fc.assert(
      fc.property(programs(10), (program) => compareGradients('smooth', 'float32', program, close)),
      runs(150),
    );
  });
  test('gradients in float64 within its rounding: products of other strides are summed in another order', () => {
    fc.assert(
      fc.property(programs(10), (program) => compareGradients('smooth', 'float64', program, closest)),
      runs(75),
    );
  });
});

describe('every graph', () => {
  test('keeps its rules through every pass', () => {
    fc.assert(
      fc.property(programs(14), (program) => {
        let graph = graphOf('all', program);
        checkGraph(graph);
        for (const pass of passes) {
          graph = pass(graph);
          checkGraph(graph);
        }
      }),
      runs(150),
    );
  });

  test('lives in an arena in which no two live buffers overlap, of at most 1.1 times the largest sum of live ones', () => {
    fc.assert(
      fc.property(programs(30), (program) => {
        const made = new Program(graphOf('all', program));
        const { lifetimes, plan } = made;
        const placed = lifetimes.map((lifetime) => ({ ...lifetime, offset: plan.offsets.get(lifetime.value)! }));
        for (const [i, a] of placed.entries()) {
          expect(a.offset + a.bytes).toBeLessThanOrEqual(plan.bytes);
          for (const b of placed.slice(0, i)) {
            const liveTogether = a.first <= b.last && b.first <= a.last;
            const overlap = a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
            if (liveTogether && overlap) expect.fail(`v${a.value.id} and v${b.value.id} overlap`);
          }
        }
        const steps = Math.max(...lifetimes.map(({ last }) => last)) + 1;
        const sums = Array.from({ length: steps }, (_, step) =>
          lifetimes
            .filter(({ first, last }) => first <= step && step <= last)
            .reduce((sum, { bytes }) => sum + bytes, 0),
        );
        expect(plan.floor).toBe(Math.max(...sums));
        expect(plan.bytes).toBeLessThanOrEqual(1.1 * plan.floor);
        made.dispose();
      }),
      runs(150),
    );
  });
});
