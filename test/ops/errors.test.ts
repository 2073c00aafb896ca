/** Wrong arguments are answered by errors that name the operation, the rule and the values. */

import { describe, expect, it } from 'vitest';
import * as exported from '../../src/index.ts';
import {
  adaptiveAvgPool2d,
  add,
  arange,
  avgPool2d,
  cat,
  conv1d,
  conv2d,
  convTranspose2d,
  cumsum,
  DTypeError,
  expand,
  flatten,
  flip,
  full,
  gather,
  IndexError,
  indexSelect,
  linear,
  matmul,
  maxPool2d,
  mean,
  narrow,
  norm,
  OptionError,
  ones,
  pad,
  permute,
  reshape,
  roll,
  ShapeError,
  scatterAdd,
  select,
  slice,
  softmax,
  split,
  stack,
  sum,
  type Tensor,
  TypedgradError,
  tensor,
  tril,
  unfold,
  unsqueeze,
  variance,
  view,
  zeros,
} from '../../src/index.ts';
import { samples, without } from './samples.ts';

const library = { ...exported } as unknown as Record<string, (...args: unknown[]) => unknown>;
const of = (...shape: number[]): Tensor => zeros(shape);
const any = (value: unknown): never => value as never;

type Case = [message: string, kind: typeof TypedgradError, call: () => unknown];

const cases: Case[] = [
  ['add: shapes [2, 3] and [4] do not broadcast; axis -1 has sizes 3 and 4', ShapeError, () => add(of(2, 3), of(4))],
  [
    "add: inputs are float32 and float64; convert one with to('float32')",
    DTypeError,
    () => add(of(2), of(2).to('float64')),
  ],
  [
    "matmul: inputs are float32 and float64; convert one with to('float32')",
    DTypeError,
    () => matmul(of(2, 2), of(2, 2).to('float64')),
  ],
  ["conv1d: unknown option 'strides'", OptionError, () => conv1d(of(1, 1, 4), of(1, 1, 2), any({ strides: 2 }))],
  [
    'conv1d: stride must be a whole number of at least 1, or a list of 1, but is 0',
    OptionError,
    () => conv1d(of(1, 1, 4), of(1, 1, 2), { stride: 0 }),
  ],
  [
    'conv2d: dilation must be a whole number of at least 1, or a list of 2, but is [1]',
    OptionError,
    () => conv2d(of(1, 1, 4, 4), of(1, 1, 2, 2), { dilation: [1] }),
  ],
  [
    "conv1d: padding 'same' needs stride 1, but the stride is [2]",
    OptionError,
    () => conv1d(of(1, 1, 4), of(1, 1, 2), { padding: 'same', stride: 2 }),
  ],
  [
    "conv1d: padding must be whole numbers, 'same' or 'valid', but is 'full'",
    OptionError,
    () => conv1d(of(1, 1, 4), of(1, 1, 2), { padding: any('full') }),
  ],
  [
    "conv1d: paddingMode must be one of 'zeros', 'reflect', 'replicate', 'circular', but is 'edge'",
    OptionError,
    () => conv1d(of(1, 1, 4), of(1, 1, 2), { paddingMode: any('edge') }),
  ],
  [
    'conv2d: x has 3 channels but weight expects 4 (weight [8, 4, 3, 3] with groups 1); x is [2, 3, 32, 32]',
    ShapeError,
    () => conv2d(of(2, 3, 32, 32), of(8, 4, 3, 3)),
  ],
  [
    'conv2d: 3 filters cannot be split into 2 groups; weight is [3, 1, 1, 1]',
    ShapeError,
    () => conv2d(of(1, 2, 3, 3), of(3, 1, 1, 1), { groups: 2 }),
  ],
  [
    'conv2d: x must be [N, C, H, W] and weight [O, C/groups, H, W of the kernel]; x is [3, 4] and weight [1, 1, 2, 2]',
    ShapeError,
    () => conv2d(of(3, 4), of(1, 1, 2, 2)),
  ],
  [
    'conv1d: bias [3] must have one number for each of the 2 output channels',
    ShapeError,
    () => conv1d(of(1, 1, 4), of(2, 1, 2), { bias: of(3) }),
  ],
  [
    'conv1d: bias must be a tensor, but is 1; make one with tensor(…)',
    DTypeError,
    () => conv1d(of(1, 1, 4), of(2, 1, 2), { bias: any(1) }),
  ],
  [
    'conv1d: kernel [5] with dilation [1] reaches over 5 elements of axis 0, but there are 4 (4 and padding 0 + 0)',
    ShapeError,
    () => conv1d(of(1, 1, 4), of(1, 1, 5)),
  ],
  [
    'convTranspose2d: outputPadding 2 must be smaller than the stride 1 or the dilation 1',
    OptionError,
    () => convTranspose2d(of(1, 1, 2, 2), of(1, 1, 2, 2), { outputPadding: 2 }),
  ],
  [
    'convTranspose2d: x has 2 channels, weight [C, O/groups, …] expects 1 in 1 groups',
    ShapeError,
    () => convTranspose2d(of(1, 2, 2, 2), of(1, 1, 2, 2)),
  ],
  [
    "maxPool2d: padding 2 must be at most half the kernel's size 3",
    OptionError,
    () => maxPool2d(of(1, 1, 4, 4), 3, { padding: 2 }),
  ],
  ['maxPool2d: x must be [N, C, H, W], but is [4, 4]', ShapeError, () => maxPool2d(of(4, 4), 2)],
  [
    'maxPool2d: a window of 5 elements does not fit axis 2 of x [1, 1, 4, 4] with padding 0',
    ShapeError,
    () => maxPool2d(of(1, 1, 4, 4), 5),
  ],
  [
    'avgPool2d: divisorOverride must be a whole number of at least 1, but is 0',
    OptionError,
    () => avgPool2d(of(1, 1, 4, 4), 2, { divisorOverride: 0 }),
  ],
  [
    'maxPool2d: ceilMode must be true or false, but is 1',
    OptionError,
    () => maxPool2d(of(1, 1, 4, 4), 2, { ceilMode: any(1) }),
  ],
  [
    'adaptiveAvgPool2d: outputSize must be a whole number of at least 1, or a list of 2',
    OptionError,
    () => adaptiveAvgPool2d(of(1, 1, 4, 4), [2]),
  ],
  [
    'matmul: [2, 3] · [2, 3] needs the last axis of the first (3) to be the second last axis of the second (2)',
    ShapeError,
    () => matmul(of(2, 3), of(2, 3)),
  ],
  ['matmul: shapes [2] and [3] do not broadcast', ShapeError, () => matmul(of(2, 1, 2), of(3, 2, 1))],
  ['matmul: [] · [2] needs the last axis of the first (none)', ShapeError, () => matmul(tensor(1), of(2))],
  [
    'linear: x [2, 3] must end in the 4 inputs of weight [out, in] [5, 4]',
    ShapeError,
    () => linear(of(2, 3), of(5, 4)),
  ],
  [
    'linear: bias [4] must have the 5 outputs of weight [5, 3]',
    ShapeError,
    () => linear(of(2, 3), of(5, 3), { bias: of(4) }),
  ],
  ['reshape: [2, 3] holds 6 elements, which shape [4, -1] cannot hold', ShapeError, () => reshape(of(2, 3), [4, -1])],
  ['reshape: a shape is a list of sizes, but got null', ShapeError, () => reshape(of(2), any(null))],
  [
    'reshape: a shape is a list of whole numbers of at least 0, but got [-1]',
    ShapeError,
    () => reshape(of(4), [-1, -1]),
  ],
  [
    'view: [2, 3] with strides [1, 2] cannot be seen as [6] without a copy; use reshape()',
    ShapeError,
    () => view(of(3, 2).transpose(), [6]),
  ],
  ['permute: axes [0] must list all 2 axes of the tensor once', ShapeError, () => permute(of(2, 3), [0])],
  ['permute: axes [0, 0] name an axis twice (rank 2)', IndexError, () => permute(of(2, 3), [0, 0])],
  ['expand: ', ShapeError, () => expand(of(2, 3), [4, 3])],
  ['expand: a shape is a list of sizes, but got 3', ShapeError, () => expand(of(1), any(3))],
  ['flatten: startAxis 1 lies behind endAxis 0 (rank 2)', IndexError, () => flatten(of(2, 2), 1, 0)],
  ['flip: axis 2 does not exist; the axes are -2 to 1', IndexError, () => flip(of(2, 2), 2)],
  ["flip: axes must be a number or a list of numbers, but are 'x'", IndexError, () => flip(of(2, 2), any('x'))],
  ['narrow: 3 elements from 1 do not lie within axis 0 of shape [3]', IndexError, () => narrow(of(3), 0, 1, 3)],
  ['select: index 3 is outside of axis 0 of shape [3]', IndexError, () => select(of(3), 0, 3)],
  ['slice: 2 specifications for the 1 axes of shape [3]', IndexError, () => slice(of(3), 0, 0)],
  [
    'slice: axis 0 needs an index, null or [start, stop, step] of whole numbers, step not 0; got [0, 1, 0]',
    IndexError,
    () => slice(of(3), [0, 1, 0]),
  ],
  ['unsqueeze: axis 3 does not exist; the axes are -2 to 1', IndexError, () => unsqueeze(of(2), 3)],
  ['unfold: windows of 4, 1 apart, do not fit axis 0 of shape [3]', ShapeError, () => unfold(of(3), 0, 4, 1)],
  ['cumsum: axis 1 does not exist', IndexError, () => cumsum(of(3), 1)],
  ['sum: axes [0, -2] name an axis twice (rank 2)', IndexError, () => sum(of(2, 2), [0, -2])],
  ['mean: axis 0.5 does not exist', IndexError, () => mean(of(2), 0.5)],
  ['max: there is no element to choose among; x is [0]', ShapeError, () => of(0).max()],
  [
    "variance: unknown option 'unbiased'; it knows 'correction'",
    OptionError,
    () => variance(of(2), 0, false, any({ unbiased: true })),
  ],
  ["norm: p must be a number, but is 'fro'", OptionError, () => norm(of(2), 0, false, { p: any('fro') })],
  ['softmax: axis 2 does not exist; the axes are -2 to 1', IndexError, () => softmax(of(2, 2), 2)],
  [
    'gather: index 3 is not a whole number from 0 to 2, the range of axis 0 of shape [3]',
    IndexError,
    () => gather(of(3), 0, [3]),
  ],
  ['gather: index 0.5 is not a whole number', IndexError, () => gather(of(3), 0, tensor([0.5]))],
  ['gather: index [2] must have the rank of x [3, 3]', ShapeError, () => gather(of(3, 3), 0, [0, 1])],
  [
    "gather: indices must be a list, an integer array or a tensor, but are 'a'",
    IndexError,
    () => gather(of(3), 0, any('a')),
  ],
  [
    "scatterAdd: index [2] must have the rank of x [3] and src [1], no axis longer than src's",
    ShapeError,
    () => scatterAdd(of(3), 0, [0, 1], of(1)),
  ],
  ['scatterAdd: index -1 is not a whole number from 0 to 2', IndexError, () => scatterAdd(of(3), 0, [-1], of(1))],
  ['gather: index 5 is not a whole number from 0 to 2', IndexError, () => indexSelect(of(3), 0, [5])],
  ['cat: shapes [2, 3], [2, 4] must agree on all axes but 0', ShapeError, () => cat([of(2, 3), of(2, 4)], 0)],
  ['cat: expected a list of at least one tensor, but got []', DTypeError, () => cat([])],
  ['cat: each entry of the list must be a tensor, but is 1', DTypeError, () => cat(any([1, 2]))],
  ['stack: shapes [2], [3] must be the same', ShapeError, () => stack([of(2), of(3)])],
  ['split: sizes [1, 1] do not fill axis 0 of shape [3]', ShapeError, () => split(of(3), [1, 1])],
  ['split: the size of a part must be a whole number of at least 1, but is 0', ShapeError, () => split(of(3), 0)],
  ['roll: shifts [1, 2] must be one whole number for each of axes 0', IndexError, () => roll(of(3), [1, 2], 0)],
  [
    "pad: mode 'reflect' can add at most 2 elements to axis 0 of shape [3], not 3 and 0",
    ShapeError,
    () => pad(of(3), [[3, 0]], { mode: 'reflect' }),
  ],
  ['pad: cannot crop 2 + 2 elements from axis 0 of shape [3]', ShapeError, () => pad(of(3), [[-2, -2]])],
  [
    'pad: pads must list [before, after] for at most 1 axes of [3], but are [1, 1]',
    ShapeError,
    () => pad(of(3), any([1, 1])),
  ],
  ['tril: x must be a matrix or a batch of them, but is [3]', ShapeError, () => tril(of(3))],
  ['clamp: give at least one of min and max', DTypeError, () => of(3).clamp()],
  ['assign: shapes [2, 2] and [3] do not broadcast', ShapeError, () => of(2, 2).assign(of(3))],
  ["assign: value [4, 2] does not broadcast to the tensor's shape [1, 2]", ShapeError, () => of(1, 2).assign(of(4, 2))],
  [
    'item: only a tensor of one element has one value, but the shape is [2]; use at() or toArray()',
    ShapeError,
    () => of(2).item(),
  ],
  ['at: index 2 is outside of axis 0 of shape [2]', IndexError, () => of(2).at(2)],
  [
    'tensor: nested arrays are ragged; expected 2 elements at depth 1, but found 1 elements',
    ShapeError,
    () => tensor([[1, 2], [3]]),
  ],
  ['tensor: 3 elements do not fill shape [2]', ShapeError, () => tensor(new Float32Array(3), [2])],
  ["tensor: dtype is int8; there are 'float32' and 'float64'", DTypeError, () => tensor([1], { dtype: any('int8') })],
  [
    "zeros: unknown option 'type'; it knows 'dtype', 'requiresGrad'",
    OptionError,
    () => zeros(2, any({ type: 'float32' })),
  ],
  ["full: the value must be a number, but is '1'", OptionError, () => full(2, any('1'))],
  ['ones: a shape is a list of whole numbers of at least 0, but got [1.5]', ShapeError, () => ones([1.5])],
  ['arange: start 0, stop 1 and step 0 must be finite, and the step not 0', OptionError, () => arange(0, 1, 0)],
];

describe('a wrong argument', () => {
  it.each(cases)('is answered by "%s"', (message, kind, call) => {
    let error: unknown;
    try {
      call();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(kind);
    expect((error as Error).message).toContain(message);
  });

  it('never surfaces as an error of the language, whatever the function', () => {
    const x = ones([2, 3]);
    const bad: unknown[][] = [
      [undefined],
      [null],
      ['x'],
      [[1, 2]],
      [x, 'bad'],
      [x, null],
      [x, {}],
      [x, x, 'bad'],
      [x, x, null],
    ];
    const wrong: string[] = [];
    for (const name of [...Object.keys(samples), ...Object.keys(without)]) {
      for (const args of bad) {
        try {
          library[name]!(...args);
        } catch (error) {
          if (!(error instanceof TypedgradError))
            wrong.push(`${name}(${args.map((a) => (a === x ? 'x' : JSON.stringify(a))).join(', ')}): ${error}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe('an unknown option', () => {
  const [signal, image] = [ones([2, 2, 6]), ones([2, 2, 6, 6])];
  const volume = ones([2, 2, 6, 6, 6]);
  const byRank = [signal, image, volume];
  const x = ones([2, 3]);
  const calls: Record<string, unknown[]> = {
    ...Object.fromEntries(
      [1, 2, 3].flatMap((rank) => {
        const input = byRank[rank - 1]!;
        const weight = ones([2, 2, ...new Array<number>(rank).fill(2)]);
        return [
          [`conv${rank}d`, [input, weight]],
          [`convTranspose${rank}d`, [input, weight]],
          [`maxPool${rank}d`, [input, 2]],
          [`maxPool${rank}dWithIndices`, [input, 2]],
          [`avgPool${rank}d`, [input, 2]],
        ];
      }),
    ),
    ...Object.fromEntries(
      [
        'mseLoss',
        'l1Loss',
        'smoothL1Loss',
        'huberLoss',
        'bceLoss',
        'bceWithLogitsLoss',
        'klDivLoss',
        'hingeLoss',
        'hingeEmbeddingLoss',
      ].map((name) => [name, [x, x]]),
    ),
    crossEntropy: [x, [0, 1]],
    nllLoss: [x, [0, 1]],
    multiMarginLoss: [x, [0, 1]],
    gaussianNllLoss: [x, x, x],
    batchNorm: [x],
    layerNorm: [x, 3],
    groupNorm: [x, 1],
    instanceNorm: [signal],
    dropout: [x],
    elu: [x],
    gelu: [x],
    leakyRelu: [x],
    softplus: [x],
    linear: [x, x],
    pad: [x, [[1, 1]]],
    norm: [x, 0, false],
    std: [x, 0, false],
    variance: [x, 0, false],
    zeros: [2],
    ones: [2],
    full: [2, 1],
    arange: [2],
    linspace: [0, 1, 2],
    eye: [2],
    rand: [2],
    randn: [2],
    randint: [0, 2, 2],
    randperm: [2],
    tensor: [[1]],
  };

  it.each(Object.entries(calls))('of %s is named, with those that exist', (name, args) => {
    expect(() => library[name]!(...args, { nonsense: 1 })).toThrow(OptionError);
    expect(() => library[name]!(...args, { nonsense: 1 })).toThrow(/^\w+: unknown option 'nonsense'; it knows '/);
  });
});
