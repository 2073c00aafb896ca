import { afterEach, describe, expect, it } from 'vitest';
import {
  compile,
  conv1d,
  conv2d,
  conv3d,
  manualSeed,
  matmul,
  randn,
  setThreads,
  type Tensor,
} from '../../src/index.ts';

afterEach(async () => {
  await setThreads(1);
});

const bits = (x: Tensor): string => Buffer.from(x.toTypedArray().buffer).toString('base64');

/** The result and the gradients of all inputs. */
function evaluate(f: (...xs: Tensor[]) => Tensor, inputs: readonly Tensor[]): string[] {
  const xs = inputs.map((x) => x.detach());
  for (const x of xs) x.requiresGrad = true;
  const y = f(...xs);
  y.square().sum().backward();
  return [y, ...xs.map((x) => x.grad!)].map(bits);
}

const cases: readonly [name: string, f: (...xs: Tensor[]) => Tensor, shapes: readonly (readonly number[])[]][] = [
  [
    'conv1d',
    (x, w) => conv1d(x, w, { padding: 3 }),
    [
      [16, 32, 96],
      [64, 32, 7],
    ],
  ],
  [
    'a small first layer',
    (x, w) => conv2d(x, w, { padding: 1 }),
    [
      [64, 1, 40, 40],
      [32, 1, 3, 3],
    ],
  ],
  [
    'conv2d with 3×3 filters',
    (x, w) => conv2d(x, w, { padding: 1 }),
    [
      [9, 32, 14, 14],
      [64, 32, 3, 3],
    ],
  ],
  [
    'a strided conv2d',
    (x, w) => conv2d(x, w, { stride: 2, padding: 2 }),
    [
      [5, 16, 33, 31],
      [32, 16, 5, 5],
    ],
  ],
  [
    'a grouped conv2d',
    (x, w) => conv2d(x, w, { groups: 4 }),
    [
      [8, 64, 20, 20],
      [64, 16, 3, 3],
    ],
  ],
  [
    'conv3d',
    (x, w) => conv3d(x, w, { padding: 1 }),
    [
      [2, 8, 14, 14, 14],
      [16, 8, 3, 3, 3],
    ],
  ],
  [
    'matmul',
    (a, b) => matmul(a, b),
    [
      [250, 300],
      [300, 130],
    ],
  ],
  [
    'matmul of a transposed operand',
    (a, b) => matmul(a.transpose(0, 1), b),
    [
      [300, 250],
      [300, 130],
    ],
  ],
];

describe('large operations of eager code', () => {
  it.each(cases)('%s has the same bits on one thread and on several', async (_, f, shapes) => {
    manualSeed(3);
    const inputs = shapes.map((shape) => randn([...shape]));
    const one = evaluate(f, inputs);
    for (const threads of [2, 3]) {
      await setThreads(threads);
      expect(evaluate(f, inputs)).toEqual(one);
    }
  });

  it('leaves traced code alone', async () => {
    manualSeed(3);
    const [x, w] = [randn([16, 32, 96]), randn([64, 32, 7])];
    const f = (x: Tensor, w: Tensor): Tensor => conv1d(x, w);
    const eager = f(x, w);
    await setThreads(2);
    expect(bits(compile(f)(x, w))).toEqual(bits(eager));
  });
});
