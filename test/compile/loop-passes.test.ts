/** Which loops become one, what they compute again, and in which order groups run. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fuse } from '../../src/compile/fuse.ts';
import { type Graph, nameOf, type Value } from '../../src/compile/graph.ts';
import type { Group } from '../../src/compile/group.ts';
import { Patterns } from '../../src/compile/patterns.ts';
import { passes } from '../../src/compile/program.ts';
import { Reach } from '../../src/compile/reach.ts';
import { tensorsIn } from '../../src/compile/structure.ts';
import { trace } from '../../src/compile/trace.ts';
import {
  Adam,
  AdamW,
  batchNorm,
  type Compiled,
  compile,
  GradError,
  grad,
  noGrad,
  Parameter,
  SGD,
  type Tensor,
  tensor,
  where,
  zeros,
} from '../../src/index.ts';
import { expectClose, expectSame, normals } from './helpers.ts';
import { interpret, material, programs } from './random-programs.ts';

function groupsOf(graph: Graph): Group[] {
  const simple = passes.reduce((before, pass) => pass(before), graph);
  return fuse(simple, new Patterns(simple), true);
}

function graphOf(fn: (...xs: Tensor[]) => unknown, ...shapes: number[][]): Graph {
  const specs = shapes.map((shape) => ({ shape, dtype: 'float32' as const, requiresGrad: false }));
  return trace(specs, (xs) => fn(...xs), tensorsIn).graph;
}

const namesOf = (fn: (...xs: Tensor[]) => unknown, ...shapes: number[][]): string[] =>
  groupsOf(graphOf(fn, ...shapes)).map(({ nodes }) => nodes.map(nameOf).join(' '));

/** The names of a compiled function's steps. */
const stepsOf = <A extends unknown[], R>(run: Compiled<A, R>): string[] =>
  run.report()[0]!.steps.map((step) => step.operations.join(' '));

describe('loops are merged', () => {
  test('that read the same array', () => {
    expect(namesOf((x, y) => [x.mul(y).sum(0), x.exp().sum(0), y.neg()], [8, 6], [8, 6])).toEqual([
      'exp sum mul sum neg',
    ]);
  });

  test('of which one reads what another stores, on several ways', () => {
    const fn = (x: Tensor): Tensor[] => {
      const [a, b] = [x.exp(), x.neg()];
      return [a.sqrt(), b.abs(), a.add(b)];
    };
    expect(namesOf(fn, [8])).toHaveLength(1);
  });

  test('of which one reads what another has overwritten', () => {
    const [m, v] = [zeros([6]), zeros([6])];
    const update = (g: Tensor): Tensor => {
      m.assign(m.mul(0.5).add(g));
      v.assign(v.mul(0.25).add(g.square()));
      return m.div(v.sqrt().add(1));
    };
    expect(namesOf((g) => noGrad(() => update(g)), [6])).toHaveLength(1);
    const run = compile((g: Tensor) => noGrad(() => update(g)));
    const g = normals(1, 6);
    const results = [run(g), run(g)];
    const states = [m.clone(), v.clone()];
    noGrad(() => [m, v].map((state) => state.assign(zeros([6]))));
    for (const result of results) expectSame(result, update(g));
    for (const [i, state] of [m, v].entries()) expectSame(states[i]!, state);
  });

  test('but not around a group that waits for one and is waited for by the other', () => {
    const fn = (x: Tensor): Tensor => {
      const y = x.exp();
      return y.matmul(y).mul(x);
    };
    expect(namesOf(fn, [4, 4])).toEqual(['exp', 'matmul', 'mul']);
    const total = (x: Tensor): Tensor => x.div(x.square().sum().sqrt());
    expect(namesOf(total, [9])).toEqual(['square sum', 'sqrt', 'div']);
  });

  test('nor if they sum over other axes, or share nothing but single numbers', () => {
    expect(namesOf((x, y) => [x.exp().sum(0), y.exp().sum(1), x.mul(y)], [6, 6], [6, 6]).length).toBeGreaterThan(1);
    expect(namesOf((x, y, z) => [x.mul(z), y.mul(z)], [6], [6], [])).toHaveLength(2);
  });

  test("so that Adam's update of a parameter is one", () => {
    const [p, q] = [new Parameter(normals(1, 30)), new Parameter(normals(2, 5))];
    const optimizer = new Adam([p, q], { lr: 0.1, weightDecay: 0.1 });
    const step = compile((x: Tensor) => {
      p.mul(x).sum().add(q.square().sum()).backward();
      optimizer.step();
      optimizer.zeroGrad();
    });
    step(normals(3, 30));
    const updates = stepsOf(step).filter(
      (name) => name.includes('assign assign') || /assign .*assign .*assign/.test(name),
    );
    expect(updates).toHaveLength(2);
    expect(stepsOf(step).filter((name) => name.includes('assign'))).toHaveLength(3);
  });
});

describe('values that are cheap to compute', () => {
  test('are computed by each loop that reads them, and stored by none', () => {
    const fn = (x: Tensor, m: Tensor): Tensor => {
      const centred = x.matmul(x).sub(m);
      return centred.div(centred.square().mean().sqrt());
    };
    const names = namesOf(fn, [40, 40], [40]);
    expect(names.filter((name) => name.startsWith('sub'))).toHaveLength(2);
    const run = compile(fn);
    const [x, m] = [normals(1, 40, 40), normals(2, 40)];
    expectClose(run(x, m), fn(x, m), 1e-5);
    // The product, the result, which takes its place, and the argument.
    expect(run.report()[0]!.arena).toBeLessThan(2.3 * 4 * 1600);
  });

  test('are stored if something else than a loop reads them', () => {
    const fn = (x: Tensor, m: Tensor): Tensor => {
      const centred = x.matmul(x).sub(m);
      return centred.matmul(centred).add(centred.square().sum());
    };
    expect(namesOf(fn, [40, 40], [40]).filter((name) => name.includes('sub'))).toHaveLength(1);
  });

  test('are stored if what they are made of changes before the last that reads them', () => {
    const m = normals(2, 40);
    const start = m.clone();
    const fn = (x: Tensor): Tensor => {
      const centred = x.matmul(x).sub(m);
      const sum = centred.square().sum();
      m.assign(m.add(sum));
      return centred.mul(m.mean());
    };
    const run = compile((x: Tensor) => noGrad(() => fn(x)));
    const x = normals(1, 40, 40);
    const actual = run(x);
    const state = m.clone();
    m.assign(start);
    expectClose(
      actual,
      noGrad(() => fn(x)),
      1e-5,
    );
    expectClose(state, m, 1e-5);
  });

  test('spare batch norm the centred and the normalised values', () => {
    const x = normals(1, 8, 6, 50);
    const weight = normals(2, 6);
    const value = (y: Tensor): Tensor =>
      batchNorm(y.matmul(normals(3, 50, 50)), { weight, training: true })
        .exp()
        .sum();
    const run = compile((y: Tensor) => grad(value)(y));
    expectClose(run(x), grad(value)(x), 1e-4);
    const array = 4 * 8 * 6 * 50;
    // In the two steps that gather the sums of the way back nothing but numbers for each channel is written.
    const gathering = run
      .report()[0]!
      .steps.filter((step) => step.operations.filter((name) => name === 'sum').length > 1);
    expect(gathering).toHaveLength(1);
    expect(gathering[0]!.bytes).toBeLessThan(2.5 * array);
  });
});

describe('updates of several parameters', () => {
  const parameters = (): Parameter[] =>
    [[3, 4], [40000], [5], [2, 2, 2]].map((shape, i) => new Parameter(normals(i, ...shape)));
  const stepOf = (list: readonly Parameter[], optimizer: Pick<Adam, 'step' | 'zeroGrad'>, x: Tensor): Tensor => {
    const products = list.map((p, i) => p.reshape([-1, 1]).matmul(normals(i, 1, 3)));
    const losses = products.map((y) => y.square().mean());
    const loss = losses.reduce((a, b) => a.add(b)).mul(x);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  };

  test.each([
    ['SGD', (list: Parameter[]) => new SGD(list, { lr: 0.1 })],
    ['Nesterov', (list: Parameter[]) => new SGD(list, { lr: 0.1, momentum: 0.9, nesterov: true, weightDecay: 0.01 })],
    ['AdamW', (list: Parameter[]) => new AdamW(list, { lr: 0.01 })],
  ])('%s: one step, and no operation is left to eager execution', (_, optimizerOf) => {
    const [eager, compiled] = [parameters(), parameters()];
    const [a, b] = [optimizerOf(eager), optimizerOf(compiled)];
    const step = compile((x: Tensor) => stepOf(compiled, b, x));
    for (let i = 0; i < 3; i++) expectClose(step(tensor(1 + i)), stepOf(eager, a, tensor(1 + i)), 1e-6);
    // Three updates of some five roundings each, of weights that begin at size 1, however small they become.
    for (const [i, p] of eager.entries()) expectClose(compiled[i]!, p, 3 * 5 * 2 ** -23, '', 1);
    const { steps } = step.report()[0]!;
    expect(steps.filter((each) => each.eager !== null)).toEqual([]);
    const updates = steps.filter(({ name }) => name.startsWith('4 loops of'));
    expect(updates).toHaveLength(1);
  });

  test('are no sweep if one waits for what follows from another', () => {
    const [p, q] = [zeros([2, 2]), zeros([2, 2])];
    const update = (x: Tensor): void => {
      p.assign(p.mul(0.5).add(x));
      q.assign(q.mul(0.5).add(p.matmul(x)));
    };
    const run = compile((x: Tensor) => noGrad(() => update(x)));
    const x = normals(1, 2, 2);
    run(x);
    run(x);
    expect(stepsOf(run)).toEqual(['mul add assign', 'matmul', 'mul add assign']);
    const after = [p.clone(), q.clone()];
    for (const state of [p, q]) state.assign(zeros([2, 2]));
    for (let i = 0; i < 2; i++) noGrad(() => update(x));
    for (const [i, state] of [p, q].entries()) expectClose(after[i]!, state, 1e-6);
  });
});

describe('arithmetic of single numbers in double precision', () => {
  test('is one step, bit for bit what eager execution gives', () => {
    const count = tensor(3, { dtype: 'float64' });
    const fn = (x: Tensor): Tensor[] => {
      count.assign(count.add(1));
      const power = tensor(0.999, { dtype: 'float64' }).pow(count);
      const rest = count.neg().exp().sub(power).abs().sqrt();
      const chosen = where(rest.gt(0.5), rest.reciprocal(), rest.square().maximum(power));
      return [chosen.to('float32').mul(x), power.add(count.log()), rest.rsqrt().div(3).to('float32').to('float64')];
    };
    const x = normals(1, 4);
    const run = compile((y: Tensor) => noGrad(() => fn(y)));
    const actual = [run(x), run(x)];
    count.assign(tensor(3, { dtype: 'float64' }));
    const expected = noGrad(() => [fn(x), fn(x)]);
    for (const [i, results] of expected.entries()) results.forEach((y, j) => expectSame(actual[i]![j]!, y));
    const names = run.report()[0]!.steps.map(({ name }) => name);
    expect(names).toHaveLength(2);
    expect(names[0]).toMatch(/^numbers: add, assign, pow/);
  });
});

/** Whether groups, one after the other, read every value after it is made and as it is at that time. */
function checkOrder(groups: readonly Group[]): void {
  const made = new Set<Value>();
  const updates = new Map<Value, number>();
  for (const { nodes } of groups) {
    const own = new Set<Value>();
    for (const node of nodes) {
      const views = [...node.reads, ...(node.op === null ? [node.target] : [])];
      for (const { value, version } of views) {
        if (value.source.kind === 'temporary' && !own.has(value) && !made.has(value))
          expect.fail(`${nameOf(node)} reads v${value.id} before it is made`);
        if (version !== (updates.get(value) ?? 0)) expect.fail(`${nameOf(node)} reads v${value.id} at a wrong time`);
      }
      if (node.op !== null) own.add(node.target.value);
      else updates.set(node.target.value, (updates.get(node.target.value) ?? 0) + 1);
    }
    for (const value of own) made.add(value);
  }
}

describe('groups of any graph', () => {
  test('run in an order in which each reads what it should, and no operation is lost', () => {
    fc.assert(
      fc.property(programs(24), (program) => {
        const { inputs, states } = material('float32', 1);
        const specs = inputs.map(({ shape, dtype }) => ({ shape, dtype, requiresGrad: true }));
        const record = (): Graph =>
          trace(
            specs,
            (xs) => {
              const results = interpret('all', program, xs, states);
              const loss = results.map((y) => y.sum()).reduce((a, b) => a.add(b));
              if (loss.requiresGrad) loss.backward();
              return results;
            },
            tensorsIn,
          ).graph;
        let graph: Graph;
        try {
          graph = passes.reduce((before, pass) => pass(before), record());
        } catch (error) {
          fc.pre(!(error instanceof GradError));
          throw error;
        }
        const patterns = new Patterns(graph);
        const groups = fuse(graph, patterns, true);
        checkOrder(groups);
        const reach = new Reach(groups);
        for (const [i, group] of groups.entries()) {
          for (const other of group.after) expect(groups.indexOf(other)).toBeLessThan(i);
          expect(reach.waits(group, group)).toBe(false);
        }
        const there = new Set(groups.flatMap(({ nodes }) => nodes));
        for (const node of graph.nodes) expect(there.has(node) || patterns.isAbsorbed(node)).toBe(true);
        for (const node of graph.nodes.filter(({ op }) => op === null || op.impure))
          expect(groups.filter(({ nodes }) => nodes.includes(node))).toHaveLength(1);
      }),
      { numRuns: process.env.TYPEDGRAD_DEEP === undefined ? 100 : 1500 },
    );
  });
});

describe('Reach', () => {
  test('knows who waits for whom, after merging and ordering as well', () => {
    const groups = Array.from({ length: 40 }, (): Group => ({ kind: 'loop', nodes: [], after: new Set() }));
    const [a, b, c, d, e] = [groups[0]!, groups[5]!, groups[33]!, groups[36]!, groups[39]!];
    b.after.add(a);
    c.after.add(b);
    e.after.add(d);
    const reach = new Reach(groups);
    expect([reach.waits(c, a), reach.waits(a, c), reach.waits(e, c)]).toEqual([true, false, false]);
    expect([reach.isBetween(a, c), reach.isBetween(a, b)]).toEqual([true, false]);
    reach.order(c, d);
    expect([reach.waits(e, a), reach.waits(d, b), reach.isBetween(c, e)]).toEqual([true, true, true]);
    reach.merge(a, b);
    expect([reach.waits(b, b), reach.waits(c, b), reach.isBetween(b, c)]).toEqual([false, true, false]);
  });
});
