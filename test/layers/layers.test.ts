import { describe, expect, it } from 'vitest';
import * as tg from '../../src/index.ts';
import { allClose } from '../../src/testing/index.ts';

const generator = (): tg.Generator => new tg.Generator(7);
const x1 = tg.randn([2, 4, 6], { generator: generator() });
const x2 = tg.randn([2, 4, 6, 5], { generator: generator() });
const x3 = tg.randn([2, 4, 4, 5, 3], { generator: generator() });

/** Layers without weights, and the function that each computes. */
const plain: [name: string, layer: tg.Layer, x: tg.Tensor, y: tg.Tensor][] = [
  ['ReLU', new tg.ReLU(), x2, x2.relu()],
  ['Sigmoid', new tg.Sigmoid(), x2, x2.sigmoid()],
  ['Tanh', new tg.Tanh(), x2, x2.tanh()],
  ['SiLU', new tg.SiLU(), x2, x2.silu()],
  ['Hardswish', new tg.Hardswish(), x2, x2.hardswish()],
  ['LeakyReLU', new tg.LeakyReLU({ negativeSlope: 0.2 }), x2, x2.leakyRelu({ negativeSlope: 0.2 })],
  ['ELU', new tg.ELU({ alpha: 2 }), x2, x2.elu({ alpha: 2 })],
  ['GELU', new tg.GELU({ approximate: 'tanh' }), x2, x2.gelu({ approximate: 'tanh' })],
  ['Softplus', new tg.Softplus({ beta: 2 }), x2, x2.softplus({ beta: 2 })],
  ['Softmax', new tg.Softmax(1), x2, x2.softmax(1)],
  ['LogSoftmax', new tg.LogSoftmax(), x2, x2.logSoftmax(3)],
  ['Flatten', new tg.Flatten(), x2, x2.reshape([2, 120])],
  ['Flatten of some axes', new tg.Flatten({ startAxis: 0, endAxis: 1 }), x2, x2.reshape([8, 6, 5])],
  ['MaxPool1d', new tg.MaxPool1d(2, { stride: 1 }), x1, tg.maxPool1d(x1, 2, { stride: 1 })],
  ['MaxPool2d', new tg.MaxPool2d([2, 1]), x2, tg.maxPool2d(x2, [2, 1])],
  ['MaxPool3d', new tg.MaxPool3d(2, { ceilMode: true }), x3, tg.maxPool3d(x3, 2, { ceilMode: true })],
  ['AvgPool1d', new tg.AvgPool1d(2), x1, tg.avgPool1d(x1, 2)],
  ['AvgPool2d', new tg.AvgPool2d(2, { padding: 1 }), x2, tg.avgPool2d(x2, 2, { padding: 1 })],
  ['AvgPool3d', new tg.AvgPool3d(2), x3, tg.avgPool3d(x3, 2)],
  ['AdaptiveAvgPool1d', new tg.AdaptiveAvgPool1d(4), x1, tg.adaptiveAvgPool1d(x1, 4)],
  ['AdaptiveAvgPool2d', new tg.AdaptiveAvgPool2d([1, 2]), x2, tg.adaptiveAvgPool2d(x2, [1, 2])],
  ['AdaptiveAvgPool3d', new tg.AdaptiveAvgPool3d(2), x3, tg.adaptiveAvgPool3d(x3, 2)],
  ['AdaptiveMaxPool1d', new tg.AdaptiveMaxPool1d(4), x1, tg.adaptiveMaxPool1d(x1, 4)],
  ['AdaptiveMaxPool2d', new tg.AdaptiveMaxPool2d(2), x2, tg.adaptiveMaxPool2d(x2, 2)],
  ['AdaptiveMaxPool3d', new tg.AdaptiveMaxPool3d(2), x3, tg.adaptiveMaxPool3d(x3, 2)],
];

/** Layers with weights: made alike from a seed, and the function of their weights. */
const weighted: [
  name: string,
  make: (generator: tg.Generator) => tg.Layer,
  x: tg.Tensor,
  f: (w: tg.Tensor, b: tg.Tensor) => tg.Tensor,
][] = [
  ['Dense', (generator) => new tg.Dense(5, 3, { generator }), x2, (w, bias) => tg.linear(x2, w, { bias })],
  [
    'Conv1d',
    (generator) => new tg.Conv1d(4, 2, 3, { groups: 2, generator }),
    x1,
    (w, bias) => tg.conv1d(x1, w, { bias, groups: 2 }),
  ],
  [
    'Conv2d',
    (generator) => new tg.Conv2d(4, 3, [3, 2], { padding: 'same', generator }),
    x2,
    (w, bias) => tg.conv2d(x2, w, { bias, padding: 'same' }),
  ],
  [
    'Conv3d',
    (generator) => new tg.Conv3d(4, 3, 2, { stride: 2, generator }),
    x3,
    (w, bias) => tg.conv3d(x3, w, { bias, stride: 2 }),
  ],
  [
    'ConvTranspose1d',
    (generator) => new tg.ConvTranspose1d(4, 2, 3, { stride: 2, generator }),
    x1,
    (w, bias) => tg.convTranspose1d(x1, w, { bias, stride: 2 }),
  ],
  [
    'ConvTranspose2d',
    (generator) => new tg.ConvTranspose2d(4, 2, 3, { groups: 2, generator }),
    x2,
    (w, bias) => tg.convTranspose2d(x2, w, { bias, groups: 2 }),
  ],
  [
    'ConvTranspose3d',
    (generator) => new tg.ConvTranspose3d(4, 2, 2, { padding: 1, generator }),
    x3,
    (w, bias) => tg.convTranspose3d(x3, w, { bias, padding: 1 }),
  ],
];

describe('layers', () => {
  it.each(plain)('%s computes the function of the same name', (_, layer, x, y) => {
    expect(layer.forward(x).toArray()).toEqual(y.toArray());
    expect(layer.parameters()).toEqual([]);
  });

  it.each(weighted)('%s computes the function of its weights, and is the same for the same seed', (_, make, x, f) => {
    const [a, b] = [make(generator()), make(generator())];
    const { weight, bias } = a.stateDict();
    expect(a.forward(x).toArray()).toEqual(f(weight!, bias!).toArray());
    expect(b.stateDict().weight!.toArray()).toEqual(weight!.toArray());
    expect(b.stateDict().bias!.toArray()).toEqual(bias!.toArray());
  });

  it.each<[string, () => unknown, RegExp]>([
    [
      'unknown options',
      () => new tg.Conv2d(1, 1, 3, { strides: 2 } as never),
      /Conv2d: unknown option 'strides'; it knows 'bias'/,
    ],
    [
      'channels that are none',
      () => new tg.Conv2d(0, 1, 3),
      /inChannels must be a whole number of at least 1, but is 0/,
    ],
    [
      'groups that do not divide',
      () => new tg.Conv1d(4, 3, 3, { groups: 2 }),
      /3 outChannels cannot be split into 2 groups/,
    ],
    ['kernels of another rank', () => new tg.Conv3d(1, 1, [3, 3]), /kernelSize must be .* a list of 3/],
    ['padding that cannot be', () => new tg.Conv2d(1, 1, 3, { padding: 'same', stride: 2 }), /'same' needs stride 1/],
    [
      'a mode that is none',
      () => new tg.Conv2d(1, 1, 3, { paddingMode: 'mirror' as never }),
      /paddingMode must be one of/,
    ],
    [
      'a stride of 0',
      () => new tg.ConvTranspose2d(1, 1, 3, { stride: 0 }),
      /stride must be a whole number of at least 1/,
    ],
    ['a pool without size', () => new tg.MaxPool2d(undefined as never), /MaxPool2d: kernelSize must be/],
    ['a dense layer without inputs', () => new tg.Dense(0, 1), /Dense: in must be/],
    ['p above 1', () => new tg.Dropout(1.5), /Dropout: p must be a number in \[0, 1\]/],
    ['groups of channels', () => new tg.GroupNorm(2, 3), /3 channels cannot be split into 2 groups/],
    ['an axis that is none', () => new tg.Softmax(0.5), /axis must be a whole number/],
    [
      'a batch of another rank',
      () => new tg.BatchNorm2d(4).forward(x1),
      /BatchNorm2d: x must be \[N, 4, …, …\], but is \[2, 4, 6\]/,
    ],
    [
      'a batch of other channels',
      () => new tg.BatchNorm1d(3).forward(x1),
      /x must be \[N, 3\] or \[N, 3, …\], but is \[2, 4, 6\]/,
    ],
    ['an instance of other channels', () => new tg.InstanceNorm(3).forward(x1), /must have 3 channels/],
  ])('reject %s', (_, make, message) => {
    expect(make).toThrow(message);
    expect(make).toThrow(tg.TypedgradError);
  });
});

describe('Dropout', () => {
  it('keeps 1 - p of the elements in training, scaled, and all of them in evaluation', () => {
    const layer = new tg.Dropout(0.25, { generator: generator() });
    const y = layer.forward(tg.ones([4000]));
    expect(new Set(y.toTypedArray())).toEqual(new Set([0, Math.fround(4 / 3)]));
    expect(y.mean().item()).toBeCloseTo(1, 1);
    expect(layer.forward(tg.ones([4000])).toArray()).not.toEqual(y.toArray());
    const x = tg.ones([3]);
    expect(layer.eval().forward(x)).toBe(x);
  });
});

describe('BatchNorm', () => {
  const batches = [0, 1, 2].map((seed) =>
    tg
      .randn([8, 2], { generator: new tg.Generator(seed) })
      .mul(3)
      .add(1),
  );
  const all = tg.cat(batches, 0);

  it('with momentum null has the mean over all batches', () => {
    const layer = new tg.BatchNorm1d(2, { momentum: null });
    for (const x of batches) layer.forward(x);
    expect(layer.numBatchesTracked!.item()).toBe(3);
    allClose(layer.runningMean!, all.mean(0), { rtol: 1e-5, atol: 1e-6 });
    const variances = tg
      .stack(
        batches.map((x) => x.variance(0)),
        0,
      )
      .mean(0);
    allClose(layer.runningVar!, variances, { rtol: 1e-5, atol: 1e-6 });
  });

  it('uses running statistics in evaluation without changing them, and none without any', () => {
    const layer = new tg.BatchNorm1d(2);
    layer.eval();
    allClose(layer.forward(batches[0]!), batches[0]!.div(Math.sqrt(1 + 1e-5)), { rtol: 1e-5, atol: 1e-6 });
    expect(layer.runningMean!.toArray()).toEqual([0, 0]);
    expect(layer.numBatchesTracked!.item()).toBe(0);
    const without = new tg.BatchNorm1d(2, { trackRunningStats: false }).eval();
    expect(without.buffers()).toEqual([]);
    expect(without.forward(batches[0]!).mean().abs().item()).toBeLessThan(1e-6);
  });
});
