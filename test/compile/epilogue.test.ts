/** What a convolution does with its results before they are stored: normalisation, residual, activation, pooling. */

import { afterEach, describe, expect, test } from 'vitest';
import { resetProgramMemory } from '../../src/compile/memory.ts';
import {
  BatchNorm2d,
  batchNorm,
  Conv2d,
  compile,
  conv1d,
  conv2d,
  conv3d,
  grad,
  maxPool1d,
  maxPool2d,
  maxPool3d,
  noGrad,
  relu,
  Sequential,
  setThreads,
  sigmoid,
  type Tensor,
} from '../../src/index.ts';
import { resetBackend } from '../../src/kernels/index.ts';
import { forceFeatures } from '../../src/kernels/wasm/features.ts';
import { expectClose, expectSame, normals } from './helpers.ts';

interface Layer {
  readonly name: string;
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly stride?: number;
  readonly padding?: number;
  readonly groups?: number;
  readonly bias?: boolean;
}

const layers: readonly Layer[] = [
  { name: 'pointwise, rows that are no whole vectors', x: [1, 24, 7, 7], w: [130, 24, 1, 1] },
  { name: 'pointwise, outputs in parts', x: [2, 8, 14, 14], w: [192, 8, 1, 1], bias: true },
  { name: 'pointwise, a single place', x: [3, 20, 1, 1], w: [9, 20, 1, 1] },
  { name: 'pointwise, stride', x: [2, 6, 9, 11], w: [7, 6, 1, 1], stride: 2 },
  { name: 'depthwise', x: [2, 40, 13, 15], w: [40, 1, 3, 3], padding: 1, groups: 40 },
  { name: 'depthwise, stride', x: [2, 24, 9, 17], w: [24, 1, 3, 3], padding: 1, stride: 2, groups: 24, bias: true },
  { name: 'depthwise, narrow', x: [1, 10, 12, 3], w: [10, 1, 3, 3], padding: 1, groups: 10 },
  {
    name: 'depthwise, stride, two filters each',
    x: [1, 36, 14, 14],
    w: [72, 1, 3, 3],
    padding: 1,
    stride: 2,
    groups: 36,
  },
  { name: 'groups of few', x: [9, 6, 8, 8], w: [9, 2, 5, 3], padding: 2, groups: 3, bias: true },
  { name: 'few channels, no padding', x: [3, 2, 19, 17], w: [5, 2, 4, 4], bias: true },
  { name: 'series', x: [5, 4, 37], w: [11, 4, 7], padding: 3, bias: true },
  { name: 'volumes', x: [2, 3, 6, 5, 7], w: [4, 3, 2, 2, 2], stride: 2, padding: 1 },
  { name: 'tiles of rows', x: [5, 32, 26], w: [46, 32, 7], padding: 3, bias: true },
  { name: 'tiles', x: [5, 8, 13, 15], w: [12, 8, 3, 3], padding: 1, bias: true },
  { name: 'tiles, large images', x: [1, 12, 38, 42], w: [16, 12, 3, 3], padding: 1 },
  { name: 'tiles, outputs in blocks', x: [1, 64, 7, 7], w: [140, 64, 3, 3], padding: 1 },
  { name: 'tiles two planes deep', x: [1, 32, 7, 11, 15], w: [40, 32, 3, 3, 3], padding: 1 },
  { name: 'tiles, narrow', x: [3, 16, 9, 3], w: [24, 16, 3, 3], padding: 1 },
];

/** A layer's convolution and what may follow it. `p` are numbers per channel, `r` is an array like the results. */
type Ending = (y: Tensor, p: readonly Tensor[], r: Tensor) => Tensor;

const normalised: Ending = (y, [weight, bias, runningMean, variance]) =>
  batchNorm(y, { weight: weight!, bias: bias!, runningMean: runningMean!, runningVar: variance!.square().add(0.1) });
const pools = [maxPool1d, maxPool2d, maxPool3d] as const;

const endings: Readonly<Record<string, Ending>> = {
  'norm and clamp': (y, p, r) => normalised(y, p, r).clamp(0, 1),
  'relu, norm, residual, relu': (y, p, r) => relu(normalised(relu(y), p, r).add(r)),
  'norm, and a product with a part of it': (y, p, r) => {
    const z = normalised(y, p, r);
    return z.mul(z.add(3).clamp(0, 6).div(6));
  },
  'arrays and single numbers on either side': (y, p, r) => r.sub(y).mul(0.5).add(p[0]!.sum()).abs(),
  'norm, relu and max pool': (y, p, r) =>
    pools[y.rank - 3]!(
      relu(normalised(y, p, r)),
      y.shape.slice(2).map((n) => Math.min(n, 3)),
    ),
};

function convolution(layer: Layer): (x: Tensor, w: Tensor, b: Tensor) => Tensor {
  const { stride = 1, padding = 0, groups = 1 } = layer;
  const conv = [conv1d, conv2d, conv3d][layer.x.length - 3]!;
  return (x, w, b) => conv(x, w, { bias: layer.bias ? b : null, stride, padding, groups });
}

type Arguments = [x: Tensor, w: Tensor, b: Tensor, p: Tensor[], r: Tensor];

function argumentsOf(layer: Layer): Arguments {
  const channels = layer.w[0]!;
  const numbers = [3, 4, 5, 6, 7].map((seed) => normals(seed, channels)) as [Tensor, ...Tensor[]];
  const [x, w] = [normals(1, ...layer.x), normals(2, ...layer.w)];
  const { shape } = convolution(layer)(x, w, numbers[0]);
  return [x, w, numbers[0], numbers.slice(1), normals(8, ...shape)];
}

function functionOf(layer: Layer, ending: Ending): (...args: Arguments) => Tensor {
  const conv = convolution(layer);
  return (x, w, b, p, r) => ending(conv(x, w, b), p, r);
}

function switchTo(features: Parameters<typeof forceFeatures>[0]): void {
  forceFeatures(features);
  resetBackend();
  resetProgramMemory();
}

afterEach(async () => {
  await setThreads(1);
  switchTo({});
});

describe.each(layers)('behind a convolution: $name', (layer) => {
  const args = argumentsOf(layer);
  const sums = compile(functionOf(layer, (y) => y))(...args);

  test.each(Object.keys(endings))('%s, bit for bit what it is alone, in one step', (name) => {
    const ending = endings[name]!;
    const fn = functionOf(layer, ending);
    const program = compile(fn);
    const [, , , p, r] = args;
    expectSame(program(...args), compile(ending)(sums, p, r));
    expectClose(program(...args), fn(...args), 1e-4);
    // What is left are numbers for each channel.
    const others = program.report()[0]!.steps.filter(({ operations }) => !operations.includes('conv'));
    for (const { shape } of others) expect(shape.reduce((a, b) => a * b, 1)).toBeLessThanOrEqual(layer.w[0]!);
  });
});

const some = layers.filter(({ name }) =>
  ['pointwise, outputs in parts', 'depthwise', 'tiles', 'tiles, outputs in blocks'].includes(name),
);

describe.each(some)('behind a convolution: $name', (layer) => {
  test('the same bits on several threads', async () => {
    const args = argumentsOf(layer);
    for (const ending of [endings['relu, norm, residual, relu']!, endings['norm, relu and max pool']!]) {
      const program = compile(functionOf(layer, ending));
      const first = program(...args);
      await setThreads(3);
      expectSame(program(...args), first);
      await setThreads(1);
    }
  });

  test('the same without fused multiplication and addition', () => {
    switchTo({ relaxed: false });
    const args = argumentsOf(layer);
    for (const ending of [endings['relu, norm, residual, relu']!, endings['norm, relu and max pool']!]) {
      const fn = functionOf(layer, ending);
      expectClose(compile(fn)(...args), fn(...args), 1e-4);
    }
  });

  test.each([
    ['x', (a: Arguments) => a[0], Infinity],
    ['the filters', (a: Arguments) => a[1], -Infinity],
    ['a scale', (a: Arguments) => a[3][0]!, Infinity],
    ['a mean', (a: Arguments) => a[3][2]!, NaN],
    ['the residual', (a: Arguments) => a[4], -Infinity],
  ])('numbers that are not finite as the definition has them: in %s', (_, pick, value) => {
    const args = argumentsOf(layer);
    const clean = argumentsOf(layer);
    pick(args).data[3] = value;
    for (const ending of [endings['relu, norm, residual, relu']!, endings['norm, relu and max pool']!]) {
      const fn = functionOf(layer, ending);
      const program = compile(fn);
      const [actual, expected] = [program(...args).toTypedArray(), fn(...args).toTypedArray()];
      expect(expected.findIndex((v, i) => Number.isFinite(v) !== Number.isFinite(actual[i]!))).toBe(-1);
      expect(expected.findIndex((v, i) => Number.isNaN(v) !== Number.isNaN(actual[i]!))).toBe(-1);
      expectClose(program(...clean), fn(...clean), 1e-4);
    }
  });
});

describe('a normalisation behind a convolution', () => {
  test('follows its parameters and statistics from call to call', () => {
    const model = new Sequential(new Conv2d(3, 6, 3), new BatchNorm2d(6)).eval();
    const x = normals(1, 2, 3, 9, 9);
    const program = compile((x: Tensor) => relu(model.forward(x)));
    for (let i = 0; i < 3; i++) {
      expectClose(program(x), relu(model.forward(x)), 1e-5);
      model.train();
      model.forward(x.add(i));
      model.eval();
      noGrad(() => {
        for (const parameter of model.parameters()) parameter.assign(parameter.mul(-1.5));
      });
    }
  });

  test('frozen in a training step leaves what the gradients need', () => {
    const conv = (x: Tensor, w: Tensor, s: Tensor, t: Tensor): Tensor => {
      const statistics = { runningMean: normals(5, 8), runningVar: normals(6, 8).abs().add(0.5) };
      const y = batchNorm(conv2d(x, w, { padding: 1 }), { weight: s, bias: t, ...statistics });
      return y.mul(sigmoid(y)).add(x);
    };
    const fn = grad(
      (...args: [Tensor, Tensor, Tensor, Tensor]) =>
        conv(...args)
          .square()
          .sum(),
      {
        argnums: [0, 1, 2, 3],
      },
    );
    const args = [normals(1, 2, 8, 10, 10), normals(2, 8, 8, 3, 3), normals(3, 8), normals(4, 8)] as const;
    const [actual, expected] = [compile(fn)(...args), fn(...args)];
    expected.forEach((g, i) => expectClose(actual[i]!, g, 1e-4, `gradient ${i}`));
  });

  test('with long functions behind it is a loop of its own', () => {
    const [x, w, s] = [normals(1, 2, 8, 10, 10), normals(2, 8, 8, 1, 1), normals(3, 8, 1, 1)];
    const fn = (x: Tensor): Tensor => {
      const y = conv2d(x, w).mul(s);
      return y.mul(sigmoid(y));
    };
    const program = compile(fn);
    expectClose(program(x), fn(x), 1e-5);
    expect(program.report()[0]!.steps.map(({ operations }) => operations)).toEqual([
      ['conv'],
      ['mul', 'sigmoid', 'mul'],
    ]);
  });

  test('is computed apart where sums, or what comes between, are read elsewhere too', () => {
    const args = [normals(1, 2, 8, 10, 10), normals(2, 8, 8, 1, 1), normals(3, 8, 1, 1)] as const;
    const cases: ((x: Tensor, w: Tensor, s: Tensor) => Tensor[])[] = [
      (x, w, s) => {
        const y = conv2d(x, w);
        return [relu(y.mul(s)), y];
      },
      (x, w, s) => {
        const z = conv2d(x, w).mul(s);
        return [relu(z.add(1)), conv2d(z, w)];
      },
      (x, w, s) => {
        const y = conv2d(x, w);
        return [y.mul(y.mean([2, 3], true)).add(s)];
      },
      (x, w, s) => {
        const y = conv2d(x, w).mul(s);
        return [y.add(y.transpose(2, 3)), y.reshape([2, 4, 2, 100]).mul(2)];
      },
      (x, w, s) => {
        const y = relu(conv2d(x, w).mul(s));
        return [conv2d(y, w).add(s).add(y), conv2d(y, w).sub(y)];
      },
    ];
    cases.forEach((fn, i) => {
      const [actual, expected] = [compile(fn)(...args), fn(...args)];
      expected.forEach((y, j) => expectClose(actual[j]!, y, 1e-5, `case ${i}, result ${j}`));
    });
  });
});
