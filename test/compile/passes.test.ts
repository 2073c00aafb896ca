/** The passes, one by one, on graphs of small functions. */

import { describe, expect, test } from 'vitest';
import { fuse } from '../../src/compile/fuse.ts';
import { checkGraph, FreshValues, type Graph, nameOf, type Value, type View } from '../../src/compile/graph.ts';
import { separateBiases } from '../../src/compile/passes/bias.ts';
import { mergeCommonSubexpressions } from '../../src/compile/passes/common.ts';
import { foldConstants } from '../../src/compile/passes/constant-folding.ts';
import { removeDeadCode } from '../../src/compile/passes/dead-code.ts';
import { makeDense } from '../../src/compile/passes/dense.ts';
import { moveReluBehindPooling } from '../../src/compile/passes/pooling.ts';
import { simplify } from '../../src/compile/passes/simplify.ts';
import { findPoolTaps } from '../../src/compile/passes/taps.ts';
import { Patterns } from '../../src/compile/patterns.ts';
import { tensorsIn } from '../../src/compile/structure.ts';
import { trace } from '../../src/compile/trace.ts';
import {
  compile,
  conv2d,
  crossEntropy,
  cumsum,
  grad,
  matmul,
  maxPool1d,
  maxPool2d,
  maxPool2dWithIndices,
  rand,
  scatterAdd,
  softmax,
  type Tensor,
  tensor,
  zeros,
} from '../../src/index.ts';
import { expectClose, expectSame, normals } from './helpers.ts';

/** The graph of a function of tensors of these shapes. */
function graphOf(fn: (...xs: Tensor[]) => unknown, ...shapes: number[][]): Graph {
  const specs = shapes.map((shape) => ({ shape, dtype: 'float32' as const, requiresGrad: false }));
  return trace(specs, (xs) => fn(...xs), tensorsIn).graph;
}

/** The names of operations after a pass, which must leave a correct graph. */
function namesAfter(pass: (graph: Graph) => Graph, graph: Graph): string[] {
  checkGraph(graph);
  const after = pass(graph);
  checkGraph(after);
  return after.nodes.map(nameOf);
}

describe('removeDeadCode', () => {
  test('leaves out what nobody reads', () => {
    const graph = graphOf(
      (x) => {
        x.exp().log();
        return x.add(1);
      },
      [2],
    );
    expect(namesAfter(removeDeadCode, graph)).toEqual(['add']);
  });

  test('keeps changes of state, and random draws', () => {
    const state = zeros([2]);
    const graph = graphOf(
      (x) => {
        state.assign(x.exp());
        rand([3]);
        return x;
      },
      [2],
    );
    expect(namesAfter(removeDeadCode, graph)).toEqual(['exp', 'assign', 'rand']);
  });
});

describe('mergeCommonSubexpressions', () => {
  test('computes once what is computed twice', () => {
    const graph = graphOf((x) => x.exp().add(x.exp().mul(2)).sub(x.exp().mul(2)), [2]);
    expect(namesAfter(mergeCommonSubexpressions, graph)).toEqual(['exp', 'mul', 'add', 'sub']);
  });

  test('tells attributes, views, constants and the sign of zero apart', () => {
    const graph = graphOf(
      (x) => [x.sum(0), x.sum(1), x.transpose().exp(), x.exp(), x.mul(0), x.mul(-0), x.mul(tensor([0, 0])), x.mul(0)],
      [2, 2],
    );
    expect(namesAfter(mergeCommonSubexpressions, graph)).toHaveLength(7);
  });

  test('does not merge random draws, nor what was read before and after a change', () => {
    const state = zeros([2]);
    const graph = graphOf(
      (x) => {
        const before = state.exp();
        state.assign(x);
        return [before, state.exp(), rand([2]), rand([2])];
      },
      [2],
    );
    expect(namesAfter(mergeCommonSubexpressions, graph)).toEqual(['exp', 'assign', 'exp', 'rand', 'rand']);
  });
});

describe('foldConstants', () => {
  /** A graph in which its first input has become a constant. */
  const withConstant = (graph: Graph, data: Float32Array): Graph => {
    const [input, ...inputs] = graph.inputs;
    const value: Value = { ...input!, source: { kind: 'constant', data } };
    const read = (view: View): View => (view.value === input ? { ...view, value } : view);
    const nodes = graph.nodes.map((node) => ({ ...node, reads: node.reads.map(read) }));
    return { ...graph, inputs, nodes, outputs: graph.outputs.map(read) };
  };
  const numbers = Float32Array.of(1, 2, 3, 4, 5, 6);
  const constantsIn = ({ outputs }: Graph): (readonly number[] | null)[] =>
    outputs.map(({ value: { source } }) => (source.kind === 'constant' ? [...source.data] : null));

  test('computes what follows from constants alone, through views', () => {
    const graph = withConstant(
      graphOf((c, x) => [c.transpose().square().sum(1), c.add(1).mul(x)], [2, 3], [2, 3]),
      numbers,
    );
    expect(namesAfter(foldConstants, graph)).toEqual(['mul']);
    expect(constantsIn(foldConstants(graph))).toEqual([[17, 29, 45], null]);
  });

  test('leaves random draws, what is overwritten later, and what is large', () => {
    const draws = withConstant(
      graphOf((c) => c.add(rand([6])), [6]),
      numbers,
    );
    expect(namesAfter(foldConstants, draws)).toEqual(['rand', 'add']);
    const changing = withConstant(
      graphOf(
        (c, x) => {
          const y = c.neg();
          y.assign(x);
          return y.add(c);
        },
        [6],
        [6],
      ),
      numbers,
    );
    expect(namesAfter(foldConstants, changing)).toEqual(['neg', 'assign', 'add']);
    const large = graphOf((c) => c.exp().sum(), [300, 300]);
    expect(namesAfter(foldConstants, withConstant(large, new Float32Array(90000)))).toEqual(['exp', 'sum']);
  });
});

describe('simplify', () => {
  const special = tensor([NaN, 0, -0, Infinity, -Infinity, 1.5, -2]);
  const neutral: Record<string, (x: Tensor) => Tensor> = {
    'x · 1': (x) => x.mul(1),
    '1 · x': (x) => tensor([1]).mul(x),
    'x / 1': (x) => x.div(1),
    'x - 0': (x) => x.sub(0),
    'x + (-0)': (x) => x.add(-0),
    'a copy': (x) => x.clone(),
  };
  test.each(Object.entries(neutral))('%s is x, whatever x is', (_, fn) => {
    expect(
      namesAfter(
        simplify,
        graphOf((x) => fn(x.neg()).exp(), [7]),
      ),
    ).toEqual(['neg', 'exp']);
    expectSame(compile((x: Tensor) => fn(x.neg()).neg())(special), special);
  });

  const others: Record<string, (x: Tensor) => Tensor> = {
    'x + 0, which turns -0 into 0': (x) => x.add(0),
    'x - (-0)': (x) => x.sub(-0),
    'x · 0, which keeps NaN': (x) => x.mul(0),
    '0 - x, which is no -x at 0': (x) => tensor([0]).sub(x),
    'x · 1 in a larger shape': (x) => x.mul(tensor([[1], [1]])),
  };
  test.each(Object.entries(others))('%s stays', (_, fn) => {
    expect(
      namesAfter(
        simplify,
        graphOf((x) => fn(x.neg()).exp(), [7]),
      ),
    ).toHaveLength(3);
    expectSame(compile((x: Tensor) => fn(x.neg()).neg())(special), fn(special.neg()).neg());
  });

  test('a copy of what changes later stays a copy', () => {
    const state = tensor([1, 2]);
    const run = compile((x: Tensor) => {
      const before = state.clone();
      state.assign(x);
      return before;
    });
    expect(run(tensor([5, 6])).toArray()).toEqual([1, 2]);
    expect(run(tensor([7, 8])).toArray()).toEqual([5, 6]);
  });
});

describe('FreshValues', () => {
  test('counts on from the values of a graph, however many there are', () => {
    const source = { kind: 'temporary' } as const;
    const inputs = Array.from({ length: 200_000 }, (_, id): Value => ({ id, source, size: 1, dtype: 'float32' }));
    const fresh = new FreshValues({ inputs, nodes: [], outputs: [], grads: [] });
    expect([fresh.make(source, 1, 'float32').id, fresh.temporary([2], 'uint8').value.id]).toEqual([200_000, 200_001]);
  });
});

describe('makeDense', () => {
  test('copies what kernels cannot read as it lies, each view once', () => {
    const graph = graphOf(
      (x, w) => [conv2d(x.narrow(1, 1, 2), w), conv2d(x.narrow(1, 1, 2), w.neg()), maxPool2d(x.narrow(1, 1, 2), 2)],
      [2, 4, 6, 6],
      [3, 2, 3, 3],
    );
    expect(namesAfter(makeDense, graph)).toEqual(['clone', 'conv', 'neg', 'conv', 'maxPool']);
  });

  test('leaves alone what lies densely, and operations that read anything', () => {
    const graph = graphOf(
      (x, w) => [conv2d(x.narrow(0, 1, 1), w), x.transpose(2, 3).exp(), matmul(x.transpose(2, 3), x), x.sum(2)],
      [2, 2, 6, 6],
      [3, 2, 3, 3],
    );
    expect(namesAfter(makeDense, graph)).not.toContain('clone');
  });

  test('copies again what was changed between two readers', () => {
    const state = zeros([2, 4, 6, 6]);
    const graph = graphOf(
      (w) => {
        const before = conv2d(state.narrow(1, 1, 2), w);
        state.assign(state.add(1));
        return [before, conv2d(state.narrow(1, 1, 2), w)];
      },
      [3, 2, 3, 3],
    );
    expect(namesAfter(makeDense, graph)).toEqual(['clone', 'conv', 'add', 'assign', 'clone', 'conv']);
  });

  const kernel = normals(2, 3, 2, 3, 3);
  test.each<[string, (x: Tensor) => Tensor]>([
    ['convolutions', (x) => conv2d(x, kernel.transpose(2, 3))],
    ['poolings', (x) => maxPool2d(x, 2)],
    ['poolings with padding', (x) => maxPool2d(x, 3, { stride: 2, padding: 1 })],
    ['softmax', (x) => softmax(x, 1)],
    ['cross entropy', (x) => crossEntropy(x, x.argMax(1), { reduction: 'none' })],
    ['running sums', (x) => cumsum(x, 2)],
    ['additions at places', (x) => scatterAdd(x, 1, x.argMax(1, true), x.narrow(1, 0, 1))],
    ['products', (x) => matmul(x.flip([3]), x)],
  ])('lets %s of parts, turned and repeated arrays be compiled, with their gradients', (_, fn) => {
    const views: ((x: Tensor) => Tensor)[] = [
      (x) => x.narrow(1, 1, 2),
      (x) => x.permute([0, 1, 3, 2]).narrow(1, 0, 2),
      (x) => x.select(0, 1).narrow(0, 2, 2).unsqueeze(0).expand([3, 2, 6, 6]),
      (x) => x.flip([2]).narrow(1, 2, 2),
    ];
    for (const [i, view] of views.entries()) {
      const all = (x: Tensor): Tensor[] => [fn(view(x)), grad((x: Tensor) => fn(view(x)).square().sum())(x)];
      const program = compile(all);
      const x = normals(i, 4, 4, 6, 6);
      const actual = program(x);
      for (const [n, expected] of all(x).entries()) expectClose(actual[n]!, expected, 1e-5, `view ${i}, result ${n}`);
      const left = program.report()[0]!.steps.filter((step) => step.eager !== null);
      expect(left.map((step) => step.name)).toEqual([]);
    }
  });
});

describe('separateBiases', () => {
  const model = (x: Tensor, w: Tensor, b: Tensor): Tensor => maxPool2d(conv2d(x, w, { bias: b, padding: 1 }).relu(), 2);
  const byHand = (x: Tensor, w: Tensor, b: Tensor): Tensor =>
    maxPool2d(
      conv2d(x, w, { padding: 1 })
        .add(b.reshape([-1, 1, 1]))
        .relu(),
      2,
    );
  const shapes = [[2, 3, 6, 6], [4, 3, 3, 3], [4]];

  test('makes an addition of a bias, as users would write it', () => {
    const names = namesAfter(separateBiases, graphOf(model, ...shapes));
    expect(names).toEqual(graphOf(byHand, ...shapes).nodes.map(nameOf));
  });

  test('so that both ways are one step with the pooling behind', () => {
    for (const fn of [model, byHand]) {
      const run = compile(fn);
      const xs = shapes.map((shape, i) => normals(i, ...shape)) as [Tensor, Tensor, Tensor];
      expectClose(run(...xs), fn(...xs), 1e-5);
      expect(run.report()[0]!.steps.map(({ operations }) => operations[0])).toEqual(['conv']);
    }
  });

  test('reads a bias that does not lie densely', () => {
    const b = normals(3, 4, 2).select(1, 1);
    const [x, w] = [normals(1, ...shapes[0]!), normals(2, ...shapes[1]!)];
    expectClose(compile((y: Tensor) => model(y, w, b))(x), model(x, w, b), 1e-5);
  });

  test('leaves it where it is in float64, whose sums begin with it', () => {
    const [x, w, b] = shapes.map((shape, i) => normals(i, ...shape).to('float64')) as [Tensor, Tensor, Tensor];
    expectSame(compile(model)(x, w, b), model(x, w, b));
  });
});

describe('ReLU behind a pooling', () => {
  const cases: [string, (x: Tensor, w: Tensor) => Tensor][] = [
    ['of its own', (x: Tensor) => maxPool2d(x.relu(), 2)],
    ['of a convolution', (x: Tensor, w: Tensor) => maxPool2d(conv2d(x, w, { stride: 2 }).relu(), 2)],
    ['of a convolution by tiles', (x: Tensor, w: Tensor) => maxPool2d(conv2d(x, w, { padding: 1 }).relu(), 2)],
    ['of rows', (x: Tensor) => maxPool1d(x.reshape([3, 16, 144]).relu(), 3)],
  ];
  test.each(cases)('%s is done with it', (_, fn) => {
    const [x, w] = [normals(1, 3, 16, 12, 12), normals(2, 8, 16, 3, 3)];
    const run = compile(fn);
    expectClose(run(x, w), fn(x, w), 1e-5);
    expect(
      run(x, w)
        .toTypedArray()
        .filter((value) => value < 0),
    ).toHaveLength(0);
    const { steps } = run.report()[0]!;
    expect(steps).toHaveLength(1);
    expect(steps[0]!.name).toContain('max pool + ReLU');
    const slope = (y: Tensor): Tensor => grad((z: Tensor) => fn(z, w).square().sum())(y);
    expectClose(compile(slope)(x), slope(x), 1e-4);
  });

  test('is a step of its own if the maxima themselves are read, too', () => {
    const fn = (x: Tensor): Tensor[] => {
      const y = maxPool2d(x, 2);
      return [y, y.relu()];
    };
    const x = normals(1, 2, 3, 8, 8);
    const run = compile(fn);
    for (const [i, y] of run(x).entries()) expectSame(y, fn(x)[i]!);
    expect(run.report()[0]!.steps).toHaveLength(2);
  });
});

describe('findPoolTaps', () => {
  const backward = (options: object) => (x: Tensor) => {
    const value = (y: Tensor): Tensor => maxPool2d(y.mul(2), 2, options).square().sum();
    return [value(x), grad(value)(x), grad((y: Tensor) => grad(value)(y).square().sum())(x)];
  };

  test('finds them once for values, gradients and gradients of gradients', () => {
    const names = namesAfter(findPoolTaps, mergeCommonSubexpressions(graphOf(backward({}), [1, 2, 6, 6])));
    expect(names.filter((name) => name.startsWith('maxPool'))).toEqual(['maxPoolTaps']);
    expect(names).toContain('pickTaps');
    expect(names).toContain('spreadTaps');
  });

  test('not where windows may hold padding alone', () => {
    const graph = graphOf(backward({ padding: 1 }), [1, 2, 6, 6]);
    expect(namesAfter(findPoolTaps, graph)).toEqual(graph.nodes.map(nameOf));
  });

  test('again where the input has changed in between', () => {
    const state = tensor([[[1, 2, 3, 4]]]);
    const run = compile((x: Tensor) => {
      const before = maxPool1d(state, 2);
      state.assign(x);
      return [before, maxPool1d(state, 2)];
    });
    const [before, after] = run(tensor([[[8, 7, 6, 5]]])) as [Tensor, Tensor];
    expect(before.toArray()).toEqual([[[2, 4]]]);
    expect(after.toArray()).toEqual([[[8, 6]]]);
  });

  test.each([{}, { stride: 1 }, { stride: 3 }, { padding: 1 }])(
    'agrees with eager code to second order, %o',
    (options) => {
      const x = normals(1, 2, 2, 7, 7);
      for (const [i, y] of compile(backward(options))(x).entries()) expectClose(y, backward(options)(x)[i]!, 1e-5);
    },
  );
});

describe('moveReluBehindPooling', () => {
  test('lets ReLU work on what is left', () => {
    const after = moveReluBehindPooling(findPoolTaps(graphOf((x) => maxPool2d(x.relu(), 2), [1, 1, 4, 4])));
    const relus = after.nodes.filter((node) => nameOf(node) === 'relu' && node.target.value.size === 4);
    expect(relus).toHaveLength(1);
    checkGraph(after);
  });

  test('not if what it reads, or makes, is overwritten before the pooling', () => {
    const x = normals(1, 1, 1, 4, 4);
    const state = x.clone();
    const fn = (y: Tensor): Tensor[] => {
      const [early, late] = [state.relu(), y.relu()];
      for (const z of [state, late]) z.assign(z.neg());
      return [maxPool2d(early, 2), maxPool2d(late, 2)];
    };
    const compiled = compile(fn)(x);
    state.assign(x);
    for (const [i, y] of fn(x).entries()) expectSame(compiled[i]!, y);
  });

  test('not if somebody sees which of the elements without a positive part was chosen', () => {
    const x = normals(1, 1, 2, 6, 6).sub(1);
    const positions = (y: Tensor): Tensor[] => maxPool2dWithIndices(y.relu(), 2);
    const slope = (y: Tensor): Tensor =>
      grad((z: Tensor) => maxPool2d(z, 2).square().add(maxPool2d(z, 2)).sum())(y.relu());
    expect(positions(x)[0]!.eq(0).any().item()).toBe(1);
    for (const [i, y] of positions(x).entries()) expectSame(compile(positions)(x)[i]!, y);
    expectSame(compile(slope)(x), slope(x));
  });

  test('not if somebody else reads the ReLU', () => {
    const graph = graphOf(
      (x) => {
        const y = x.relu();
        return [y.sum(), maxPool2d(y, 2)];
      },
      [1, 1, 4, 4],
    );
    const found = findPoolTaps(graph);
    expect(namesAfter(moveReluBehindPooling, found)).toEqual(found.nodes.map(nameOf));
  });

  test('also where it reads what another pooling has spread', () => {
    const slope = grad((x: Tensor) => maxPool2d(x.relu(), 2).square().sum());
    const twice = (x: Tensor): Tensor => slope(slope(x));
    checkGraph(moveReluBehindPooling(findPoolTaps(graphOf(twice, [1, 2, 6, 6]))));
    const x = normals(1, 1, 2, 6, 6);
    expectSame(compile(twice)(x), twice(x));
  });

  test.each(['replicate', 'reflect', 'circular'] as const)(
    'lets alone what else spreads a gradient: %s padding',
    (mode) => {
      const [x, b] = [normals(1, 2, 3, 4, 5), normals(2, 3)];
      const slope = grad((bias: Tensor) => {
        const y = x.add(bias.reshape([3, 1, 1])).pad(
          [
            [1, 2],
            [2, 1],
          ],
          { mode },
        );
        return y
          .square()
          .mul(normals(3, ...y.shape))
          .sum();
      });
      expectClose(compile(slope)(b), slope(b), 1e-5);
    },
  );

  test.each([
    ['plain', {}],
    ['overlapping', { stride: 1 }],
    ['padded', { stride: 2, padding: 1 }],
    ['with windows of padding alone', { stride: 3, dilation: 4, padding: 1, ceilMode: true }],
    ['with gaps', { stride: 3 }],
  ] as const)('comes to the same values and gradients, NaN and infinities included, %s', (_, options) => {
    const x = normals(1, 2, 3, 9);
    const special = [NaN, Infinity, -Infinity, 0, -0];
    for (const [i, value] of special.entries()) x.data[5 * i] = value;
    for (const data of [x, normals(2, 2, 3, 9), normals(3, 2, 3, 9).abs().neg()]) {
      const value = (y: Tensor): Tensor => maxPool1d(y.relu(), 2, options);
      const weight = normals(4, ...value(data).shape);
      const gradient = (y: Tensor): Tensor => grad((z: Tensor) => value(z).mul(weight).sum())(y);
      expectSame(compile(value)(data), value(data));
      expectClose(compile(gradient)(data), gradient(data), 1e-6);
    }
  });
});

describe('fusion', () => {
  const groupsOf = (fn: (...xs: Tensor[]) => unknown, ...shapes: number[][]): string[][] => {
    const graph = simplify(mergeCommonSubexpressions(removeDeadCode(graphOf(fn, ...shapes))));
    return fuse(graph, new Patterns(graph), true).map((group) => group.nodes.map(nameOf));
  };

  test('makes one loop of a chain of any length, with broadcasting and a sum at its end', () => {
    expect(groupsOf((x, y) => x.mul(y).exp().add(1).sqrt().sum(), [8, 6], [6])).toEqual([
      ['mul', 'exp', 'add', 'sqrt', 'sum'],
    ]);
  });

  test('makes one loop of an update and what it is computed from', () => {
    const state = zeros([6]);
    expect(groupsOf((x) => state.assign(state.mul(0.9).add(x)), [6])).toEqual([['mul', 'add', 'assign']]);
  });

  test('does not read within a loop, at other elements, what the loop makes', () => {
    const groups = groupsOf(
      (x) => {
        const y = x.exp();
        return y.add(y.flip(0));
      },
      [6],
    );
    expect(groups).toEqual([['exp'], ['add']]);
    expect(groupsOf((x) => x.exp().transpose().add(1), [4, 4])).toEqual([['exp'], ['add']]);
  });

  test('does not read the sum of a loop within it', () => {
    expect(groupsOf((x) => x.sub(x.exp().sum()), [6])).toEqual([['exp', 'sum'], ['sub']]);
  });

  test('keeps the order of an update and those who read before and after it', () => {
    const state = zeros([6]);
    const groups = groupsOf(
      (x) => {
        const before = state.flip(0).add(x);
        state.assign(x);
        return [before, state.add(1)];
      },
      [6],
    );
    expect(groups.flat()).toEqual(['add', 'assign', 'add']);
    expect(groups.length).toBeGreaterThan(1);
  });

  test('lets an update that reads what it overwrites at other elements run alone', () => {
    const state = tensor([1, 2, 3, 4]);
    const rotate = (): void => void state.assign(state.roll(1, 0).add(state.flip(0)));
    const run = compile(rotate);
    run();
    const after = state.clone();
    state.assign(tensor([1, 2, 3, 4]));
    rotate();
    expectSame(after, state);
    const graph = graphOf(() => state.assign(state.flip(0)));
    expect(fuse(graph, new Patterns(graph), true).map(({ kind }) => kind)).toEqual(['single']);
  });

  test('without kernels leaves every operation alone', () => {
    const graph = graphOf((x) => x.mul(2).exp(), [6]);
    expect(fuse(graph, new Patterns(graph, false), false).map(({ kind }) => kind)).toEqual(['single', 'single']);
  });
});

describe('checkGraph', () => {
  const graph = graphOf((x) => x.exp().add(x), [4]);

  test('finds a value that is read before it is computed', () => {
    expect(() => checkGraph({ ...graph, nodes: graph.nodes.toReversed() })).toThrow(/read before it is computed/);
  });
  test('finds a view that leaves its value', () => {
    const [exp, add] = graph.nodes;
    const reads = add!.reads.map((view) => ({ ...view, offset: 1 }));
    expect(() => checkGraph({ ...graph, nodes: [exp!, { ...add!, reads }] })).toThrow(/outside of its 4 elements/);
  });
  test('finds a value that is computed twice', () => {
    const [exp, add] = graph.nodes;
    expect(() => checkGraph({ ...graph, nodes: [exp!, exp!, add!] })).toThrow(/not computed here alone/);
  });
  test('finds an input that is overwritten', () => {
    const [exp] = graph.nodes;
    const write = { op: null, attrs: undefined, reads: [exp!.reads[0]!], target: exp!.reads[0]! };
    expect(() => checkGraph({ ...graph, nodes: [...graph.nodes, write] })).toThrow(/input is overwritten/);
  });
});

describe('ReLU behind a convolution', () => {
  const cases: [string, number[], number[], object][] = [
    ['by tiles', [2, 8, 14, 14], [16, 8, 3, 3], { padding: 1 }],
    ['by tiles of odd size', [3, 8, 13, 11], [16, 8, 3, 3], { padding: 1 }],
    ['directly', [2, 3, 9, 10], [5, 3, 5, 5], { stride: 2, padding: 2 }],
    ['whose rows are its result', [1, 4, 6, 8], [7, 4, 1, 1], {}],
    ['in groups', [2, 6, 9, 9], [6, 1, 3, 3], { padding: 1, groups: 6 }],
  ];
  test.each(cases)('%s is done with it', (_, input, filters, options) => {
    const [x, w, b] = [input, filters, [filters[0]!]].map((shape, i) => normals(i + 1, ...shape)) as Tensor[];
    for (const bias of [null, b!]) {
      const fn = (y: Tensor, v: Tensor): Tensor => conv2d(y, v, { ...options, bias }).relu();
      const run = compile(fn);
      const y = run(x!, w!);
      expectClose(y, fn(x!, w!), 1e-5);
      expect([...y.toTypedArray()].some((value) => Object.is(value, -0))).toBe(false);
      expect(run.report()[0]!.steps.map(({ operations }) => operations.at(-1))).toEqual(['relu']);
    }
  });

  test.each(cases)('%s keeps NaN and infinities', (_, input, filters, options) => {
    const [x, w] = [input, filters].map((shape, i) => normals(i + 1, ...shape)) as [Tensor, Tensor];
    const spoilt = x.clone();
    for (const [i, value] of [Number.NaN, Infinity, -Infinity].entries()) spoilt.data[17 + 20 * i] = value;
    const fn = (y: Tensor, v: Tensor): Tensor => conv2d(y, v, options).relu();
    expectClose(compile(fn)(spoilt, w), fn(spoilt, w), 1e-5);
  });

  test('is a step of its own if the sums are read, too', () => {
    const [x, w] = [normals(1, 2, 8, 14, 14), normals(2, 16, 8, 3, 3)];
    const fn = (y: Tensor, v: Tensor): Tensor[] => {
      const sums = conv2d(y, v, { padding: 1 });
      return [sums, sums.relu()];
    };
    const [sums, positive] = compile(fn)(x, w);
    expectClose(sums!, fn(x, w)[0]!, 1e-5);
    expectClose(positive!, fn(x, w)[1]!, 1e-5);
  });
});
