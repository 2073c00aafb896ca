/** Wrong arguments one at a time, where all others are right: each one is looked at, every element of a list included. */

import { describe, expect, it } from 'vitest';
import * as exported from '../../src/index.ts';
import {
  adaptiveAvgPool2d,
  add,
  assign,
  avgPool1d,
  batchNorm,
  bceLoss,
  bceWithLogitsLoss,
  conv1d,
  conv2d,
  convTranspose1d,
  crossEntropy,
  DTypeError,
  dropout,
  expand,
  gather,
  gaussianNllLoss,
  groupNorm,
  IndexError,
  indexSelect,
  instanceNorm,
  klDivLoss,
  layerNorm,
  linear,
  matmul,
  maxPool1d,
  maxPool2d,
  mseLoss,
  multiMarginLoss,
  narrow,
  nllLoss,
  norm,
  OptionError,
  oneHot,
  pad,
  roll,
  ShapeError,
  scatterAdd,
  select,
  slice,
  split,
  stack,
  type Tensor,
  type TypedgradError,
  tensor,
  tril,
  triu,
  unfold,
  variance,
  zeros,
} from '../../src/index.ts';
import { assign as assignTo } from '../../src/ops/apply.ts';

const library = exported as unknown as Record<string, (...args: unknown[]) => unknown>;
const of = (...shape: number[]): Tensor => zeros(shape);
const of64 = (...shape: number[]): Tensor => zeros(shape, { dtype: 'float64' });
const any = (value: unknown): never => value as never;

const functionsOfX = (
  'sum mean prod max min argMax argMin variance logSumExp softmax logSoftmax contiguous expand flatten flip narrow ' +
  'permute reshape select slice squeeze transpose unsqueeze view unfold split roll pad tril triu gather scatterAdd ' +
  'indexSelect cumsum linear adaptiveAvgPool1d adaptiveAvgPool2d adaptiveAvgPool3d adaptiveMaxPool1d ' +
  'adaptiveMaxPool2d adaptiveMaxPool3d batchNorm layerNorm groupNorm instanceNorm assign'
).split(' ');

describe('something else than a tensor', () => {
  it.each(functionsOfX)('as x is answered by %s in its own name', (name) => {
    const message = `${name}: x must be a tensor, but is 'no'; make one with tensor(…)`;
    const options = name.endsWith('Norm') || name === 'linear' ? undefined : 'no';
    const second = name === 'batchNorm' || name === 'instanceNorm' ? undefined : 'no';
    expect(() => library[name]!('no', second, options)).toThrow(message);
  });

  const windows = [1, 2, 3].flatMap((rank) =>
    ['maxPool', 'avgPool'].map((name): [string, unknown[]] => [`${name}${rank}d`, ['no', 2]]),
  );
  const convolutions = [1, 2, 3].flatMap((rank) =>
    ['conv', 'convTranspose'].map((name): [string, unknown[]] => [`${name}${rank}d`, ['no', of(1)]]),
  );
  it.each([...windows, ...convolutions])('as x is answered by %s in its own name', (name, args) => {
    expect(() => library[name]!(...args)).toThrow(`${name}: x must be a tensor, but is 'no'; make one with tensor(…)`);
  });

  const named: [message: string, call: () => unknown][] = [
    ['matmul: b must be a tensor', () => matmul(of(2, 2), any('no'))],
    ['linear: weight must be a tensor', () => linear(of(2, 2), any('no'))],
    ['linear: bias must be a tensor', () => linear(of(2, 2), of(2, 2), { bias: any('no') })],
    ['conv1d: weight must be a tensor', () => conv1d(of(1, 1, 4), any('no'))],
    ['conv1d: bias must be a tensor', () => conv1d(of(1, 1, 4), of(1, 1, 2), { bias: any('no') })],
    ['mseLoss: prediction must be a tensor', () => mseLoss(any('no'), of(2))],
    ['mseLoss: target must be a tensor', () => mseLoss(of(2), any('no'))],
    ['crossEntropy: prediction must be a tensor', () => crossEntropy(any('no'), [0])],
    ['crossEntropy: weight must be a tensor', () => crossEntropy(of(1, 2), [0], { weight: any('no') })],
    ['nllLoss: weight must be a tensor', () => nllLoss(of(1, 2), [0], { weight: any('no') })],
    ['bceLoss: weight must be a tensor', () => bceLoss(of(2), of(2), { weight: any('no') })],
    ['bceWithLogitsLoss: posWeight must be a tensor', () => bceWithLogitsLoss(of(2), of(2), { posWeight: any('no') })],
    ['gaussianNllLoss: variance must be a tensor', () => gaussianNllLoss(of(2), of(2), any('no'))],
  ];
  it.each(named)('%s', (message, call) => {
    expect(call).toThrow(DTypeError);
    expect(call).toThrow(`${message}, but is 'no'; make one with tensor(…)`);
  });
});

type Case = [message: string, kind: typeof TypedgradError, call: () => unknown];

const cases: Case[] = [
  ['narrow: 1 elements from 0.5 do not lie within axis 0', IndexError, () => narrow(of(3), 0, 0.5, 1)],
  ['narrow: 1.5 elements from 0 do not lie within axis 0', IndexError, () => narrow(of(3), 0, 0, 1.5)],
  ['narrow: 1 elements from -4 do not lie within axis 0', IndexError, () => narrow(of(3), 0, -4, 1)],
  ['narrow: -1 elements from 1 do not lie within axis 0', IndexError, () => narrow(of(3), 0, 1, -1)],
  ['narrow: 2 elements from 2 do not lie within axis 0', IndexError, () => narrow(of(3), 0, 2, 2)],
  [
    'crossEntropy: label 1 at [0] is not a class; the classes are 0 to 0',
    IndexError,
    () => crossEntropy(of(1, 1), [1]),
  ],
  [
    'crossEntropy: label 7 at [1, 0] is not a class',
    IndexError,
    () =>
      crossEntropy(
        of(2, 3, 2),
        tensor([
          [0, 1],
          [7, 2],
        ]),
      ),
  ],
  [
    'crossEntropy: label 7 at [0, 1] is not a class',
    IndexError,
    () =>
      crossEntropy(
        of(2, 3, 2),
        tensor([
          [0, 7],
          [7, 2],
        ]),
      ),
  ],
  ['crossEntropy: label 7 at the only position is not a class', IndexError, () => crossEntropy(of(3), 7)],
  [
    "pad: mode 'replicate' can add at most 0 elements to axis 0 of shape [0]",
    ShapeError,
    () => pad(of(0), [[1, 0]], { mode: 'replicate' }),
  ],
  ['assign: target is [2] but value is [3]', ShapeError, () => assignTo(of(2), of(3))],
  ["assign: value [2, 2] does not broadcast to the tensor's shape [2]", ShapeError, () => assign(of(2), of(2, 2))],
  [
    "assign: inputs are float32 and float64; convert one with to('float32')",
    DTypeError,
    () => assignTo(of(2), of64(2)),
  ],
  ["add: inputs are float32 and float64; convert one with to('float32')", DTypeError, () => add(of(2), of64(2))],
  [
    'convTranspose1d: groups must be a whole number of at least 1, but is 0',
    OptionError,
    () => convTranspose1d(of(1, 0, 4), of(0, 1, 2), { groups: 0 }),
  ],
  [
    'convTranspose1d: stride must be a whole number of at least 1',
    OptionError,
    () => convTranspose1d(of(1, 1, 4), of(1, 1, 2), { stride: 0 }),
  ],
  [
    'convTranspose1d: dilation must be a whole number of at least 1',
    OptionError,
    () => convTranspose1d(of(1, 1, 4), of(1, 1, 2), { dilation: 0 }),
  ],
  [
    'convTranspose1d: padding must be a whole number of at least 0',
    OptionError,
    () => convTranspose1d(of(1, 1, 4), of(1, 1, 2), { padding: -1 }),
  ],
  [
    'convTranspose1d: outputPadding must be a whole number of at least 0',
    OptionError,
    () => convTranspose1d(of(1, 1, 4), of(1, 1, 2), { outputPadding: -1 }),
  ],
  [
    'convTranspose1d: outputPadding 2 must be smaller than the stride 2 or the dilation 1',
    OptionError,
    () => convTranspose1d(of(1, 1, 4), of(1, 1, 2), { stride: 2, outputPadding: 2 }),
  ],
  [
    'crossEntropy: weight is float64 but prediction is float32',
    DTypeError,
    () => crossEntropy(of(1, 2), [0], { weight: of64(2) }),
  ],
  ['crossEntropy: target is float64 but prediction is float32', DTypeError, () => crossEntropy(of(1, 2), of64(1, 2))],
  [
    'bceLoss: weight is float64 but prediction is float32',
    DTypeError,
    () => bceLoss(of(2), of(2), { weight: of64(2) }),
  ],
  ['mseLoss: target is float64 but prediction is float32', DTypeError, () => mseLoss(of(2), of64(2))],
  [
    'gaussianNllLoss: target is float64 but prediction is float32',
    DTypeError,
    () => gaussianNllLoss(of(2), of64(2), of(2)),
  ],
  [
    'gaussianNllLoss: variance is float64 but prediction is float32',
    DTypeError,
    () => gaussianNllLoss(of(2), of(2), of64(2)),
  ],
  [
    "gaussianNllLoss: variance [3] must have the prediction's shape [2, 4], or its last axis be 1 or missing",
    ShapeError,
    () => gaussianNllLoss(of(2, 4), of(2, 4), of(3)),
  ],
  [
    'klDivLoss: logTarget must be true or false, but is 1',
    OptionError,
    () => klDivLoss(of(2), of(2), { logTarget: any(1) }),
  ],
  [
    'multiMarginLoss: prediction must be [C] or [N, C], but is [1, 2, 3]',
    ShapeError,
    () => multiMarginLoss(of(1, 2, 3), tensor([[0, 0, 0]])),
  ],
  ['crossEntropy: label 0 at [0] is not a class; there are no classes', IndexError, () => crossEntropy(of(1, 0), [0])],
  ['crossEntropy: label 0.5 at [1] is not a class', IndexError, () => crossEntropy(of(2, 2), tensor([1, 0.5]))],
  [
    'crossEntropy: labels [4] must have shape [2, 2], one for each prediction',
    ShapeError,
    () => crossEntropy(of(2, 3, 2), tensor([0, 0, 0, 0])),
  ],
  [
    'crossEntropy: labels [1, 4] must have shape [2, 2], one for each prediction',
    ShapeError,
    () => crossEntropy(of(2, 3, 2), [[0, 0, 0, 0]]),
  ],
  [
    'crossEntropy: ignoreIndex must be a whole number',
    OptionError,
    () => crossEntropy(of(1, 2), [0], { ignoreIndex: 0.5 }),
  ],
  ['oneHot: classes must be a whole number of at least 1, but is 0', OptionError, () => oneHot([0], 0)],
  [
    'convTranspose1d: groups must be a whole number',
    OptionError,
    () => convTranspose1d(of(1, 2, 4), of(2, 1, 2), { groups: 0.5 }),
  ],
  [
    'conv1d: groups must be a whole number of at least 1',
    OptionError,
    () => conv1d(of(1, 0, 4), of(1, 0, 2), { groups: 0 }),
  ],
  [
    'convTranspose1d: axis 0 of the result would have 0 elements',
    ShapeError,
    () => convTranspose1d(of(1, 1, 1), of(1, 1, 2), { padding: 1 }),
  ],
  [
    'conv2d: stride must be a whole number of at least 1, or a list of 2',
    OptionError,
    () => conv2d(of(1, 1, 4, 4), of(1, 1, 2, 2), { stride: [1, 0.5] }),
  ],
  [
    "conv2d: padding 'same' needs stride 1",
    OptionError,
    () => conv2d(of(1, 1, 4, 4), of(1, 1, 2, 2), { stride: [1, 2], padding: 'same' }),
  ],
  [
    'conv2d: padding must list [before, after] for 2 axes',
    OptionError,
    () =>
      conv2d(of(1, 1, 4, 4), of(1, 1, 2, 2), {
        padding: any([
          [1, 1],
          [1, -1],
        ]),
      }),
  ],
  [
    'conv2d: padding must list [before, after] for 2 axes',
    OptionError,
    () => conv2d(of(1, 1, 4, 4), of(1, 1, 2, 2), { padding: any([[1, 1], [1]]) }),
  ],
  ['maxPool1d: kernelSize must be a whole number of at least 1', OptionError, () => maxPool1d(of(1, 1, 4), 0)],
  [
    'maxPool1d: stride must be a whole number of at least 1',
    OptionError,
    () => maxPool1d(of(1, 1, 4), 2, { stride: 0 }),
  ],
  [
    'maxPool1d: dilation must be a whole number of at least 1',
    OptionError,
    () => maxPool1d(of(1, 1, 4), 2, { dilation: 0 }),
  ],
  [
    'maxPool1d: padding must be a whole number of at least 0',
    OptionError,
    () => maxPool1d(of(1, 1, 4), 2, { padding: -1 }),
  ],
  ['maxPool2d: padding 2 must be at most half', OptionError, () => maxPool2d(of(1, 1, 4, 4), 3, { padding: [1, 2] })],
  [
    'maxPool1d: a window of 2 elements does not fit axis 2',
    ShapeError,
    () => maxPool1d(of(1, 1, 0), 2, { padding: 1 }),
  ],
  ['maxPool1d: ceilMode must be true or false', OptionError, () => maxPool1d(of(1, 1, 4), 2, { ceilMode: any(1) })],
  [
    'avgPool1d: divisorOverride must be a whole number of at least 1',
    OptionError,
    () => avgPool1d(of(1, 1, 4), 2, { divisorOverride: 0 }),
  ],
  ['adaptiveAvgPool2d: outputSize must be', OptionError, () => adaptiveAvgPool2d(of(1, 1, 4, 4), [1, 0])],
  ['adaptiveAvgPool2d: outputSize must be', OptionError, () => adaptiveAvgPool2d(of(1, 1, 4, 4), [1, 1, 1])],
  ['dropout: training must be true or false', OptionError, () => dropout(of(2), { training: any(1) })],
  ['expand: [1] does not expand to [2, 1.5]', ShapeError, () => expand(of(1), [2, 1.5])],
  ['expand: [1] does not expand to [2, -1.5]', ShapeError, () => expand(of(1), [2, -1.5])],
  ['gather: index 3 is not a whole number from 0 to 2', IndexError, () => gather(of(3), 0, [0, 3])],
  [
    'gather: index -1 is not a whole number',
    IndexError,
    () =>
      gather(
        of(2, 3),
        1,
        tensor([
          [0, 1],
          [1, -1],
        ]),
      ),
  ],
  ['gather: index 0.5 is not a whole number', IndexError, () => gather(of(2, 2, 2), 0, tensor([[[0, 0]], [[0, 0.5]]]))],
  ['gather: index 7 is not a whole number', IndexError, () => gather(of(2, 2, 2), 0, tensor([[[0, 0]], [[7, 0]]]))],
  ['gather: nested index lists need tensor(…) around them', IndexError, () => gather(of(1, 3), 1, any([[0]]))],
  ['gather: index [3, 2] must have the rank of x [2, 3]', ShapeError, () => gather(of(2, 3), 1, of(3, 2))],
  ['gather: index [2] must have the rank of x [2, 3]', ShapeError, () => gather(of(2, 3), 1, of(2))],
  [
    'scatterAdd: index [2] must have the rank of x [2, 2] and src [2, 2]',
    ShapeError,
    () => scatterAdd(of(2, 2), 0, of(2), of(2, 2)),
  ],
  [
    'scatterAdd: index [2, 2] must have the rank of x [2, 2] and src [2]',
    ShapeError,
    () => scatterAdd(of(2, 2), 0, of(2, 2), of(2)),
  ],
  ['scatterAdd: index [2, 3] must have', ShapeError, () => scatterAdd(of(2, 2), 0, of(2, 3), of(2, 3))],
  [
    'scatterAdd: index 2 is not a whole number from 0 to 1',
    IndexError,
    () =>
      scatterAdd(
        of(2, 2),
        0,
        tensor([
          [0, 0],
          [0, 2],
        ]),
        of(2, 2),
      ),
  ],
  ['indexSelect: index must be a list, but has shape [1, 1]', ShapeError, () => indexSelect(of(2, 2), 0, of(1, 1))],
  ['unfold: windows of 1.5, 1 apart, do not fit', ShapeError, () => unfold(of(4), 0, 1.5, 1)],
  ['unfold: windows of 2, 1.5 apart, do not fit', ShapeError, () => unfold(of(4), 0, 2, 1.5)],
  ['unfold: windows of -1, 1 apart, do not fit', ShapeError, () => unfold(of(4), 0, -1, 1)],
  ['unfold: windows of 5, 1 apart, do not fit', ShapeError, () => unfold(of(4), 0, 5, 1)],
  ['unfold: windows of 2, 0 apart, do not fit', ShapeError, () => unfold(of(4), 0, 2, 0)],
  ['linear: x [2] must end in', ShapeError, () => linear(of(2), of(3, 3, 2))],
  ['linear: x [2, 3] must end in the 2 inputs', ShapeError, () => linear(of(2, 3), of(3, 2))],
  ['linear: bias [1] must have the 3 outputs', ShapeError, () => linear(of(2, 2), of(3, 2), { bias: of(1) })],
  ['linear: bias [1, 3] must have the 3 outputs', ShapeError, () => linear(of(2, 2), of(3, 2), { bias: of(1, 3) })],
  ['conv1d: bias [1, 2] must have one number', ShapeError, () => conv1d(of(1, 1, 4), of(2, 1, 2), { bias: of(1, 2) })],
  ['layerNorm: x [2, 3] must end in normalizedShape', ShapeError, () => layerNorm(of(2, 3), [])],
  ['groupNorm: x must be [N, C] or [N, C, ...], but is [2]', ShapeError, () => groupNorm(of(2), 1)],
  ['batchNorm: x must be [N, C] or [N, C, ...], but is [2]', ShapeError, () => batchNorm(of(2), { training: true })],
  ['batchNorm: training must be true or false', OptionError, () => batchNorm(of(2, 2), { training: any(1) })],
  [
    'batchNorm: give both runningMean and runningVar',
    OptionError,
    () => batchNorm(of(2, 2), { training: true, runningVar: of(2) }),
  ],
  ['instanceNorm: x must be [N, C, ...]', ShapeError, () => instanceNorm(of(2, 2, 1))],
  ['pad: pads must list [before, after]', ShapeError, () => pad(of(2), [[1, 0.5]])],
  ['pad: pads must list [before, after]', ShapeError, () => pad(of(2, 2), any([[1, 1], [1]]))],
  ['pad: pads must list [before, after]', ShapeError, () => pad(of(2), any([[1, 1, 1]]))],
  ["pad: mode 'reflect' can add at most 1 elements", ShapeError, () => pad(of(2), [[0, 2]], { mode: 'reflect' })],
  ["pad: mode 'circular' can add at most 2 elements", ShapeError, () => pad(of(2), [[0, 3]], { mode: 'circular' })],
  ['pad: cannot crop 1 + 2 elements', ShapeError, () => pad(of(2), [[-1, -2]])],
  [
    "variance: correction must be a number, but is '1'",
    OptionError,
    () => variance(of(2), 0, false, { correction: any('1') }),
  ],
  ["norm: p must be a number, but is '1'", OptionError, () => norm(of(2), 0, false, { p: any('1') })],
  ['norm: p must be a number, but is NaN', OptionError, () => norm(of(2), 0, false, { p: Number.NaN })],
  ['tril: diagonal must be a whole number, but is 0.5', OptionError, () => tril(of(2, 2), 0.5)],
  ['triu: x must be a matrix or a batch of them, but is [2]', ShapeError, () => triu(of(2))],
  ['slice: index -4 is outside of axis 0 of shape [3]', IndexError, () => slice(of(3), -4)],
  ['slice: index 3 is outside of axis 0 of shape [3]', IndexError, () => slice(of(3), 3)],
  ['slice: axis 0 needs an index, null or [start, stop, step]', IndexError, () => slice(of(3), any([0, 1, 1, 1]))],
  ['slice: axis 0 needs an index, null or [start, stop, step]', IndexError, () => slice(of(3), [0, 0.5])],
  ['slice: axis 0 needs an index, null or [start, stop, step]', IndexError, () => slice(of(3), [0, 1, 0])],
  ['slice: 2 specifications for the 1 axes', IndexError, () => slice(of(3), 0, 0)],
  ['select: index -4 is outside of axis 0', IndexError, () => select(of(3), 0, -4)],
  ['select: index 0.5 is outside of axis 0', IndexError, () => select(of(3), 0, 0.5)],
  ['roll: shifts [1] must be one whole number for each of axes [0, 1]', IndexError, () => roll(of(2, 2), [1], [0, 1])],
  ['roll: shifts [1, 0.5] must be one whole number', IndexError, () => roll(of(2, 2), [1, 0.5], [0, 1])],
  ['split: sizes [1, 1] do not fill axis 0', ShapeError, () => split(of(3), [1, 1])],
  ['split: sizes [-1, 4] do not fill axis 0', ShapeError, () => split(of(3), [-1, 4])],
  ['split: sizes [1.5, 1.5] do not fill axis 0', ShapeError, () => split(of(3), [1.5, 1.5])],
];

describe('an index outside of the axis', () => {
  const right = new Array<number>(12).fill(0);
  const layouts: [string, (index: Tensor) => Tensor][] = [
    ['dense', (index) => index.reshape([2, 3, 2])],
    ['permuted', (index) => index.reshape([2, 3, 2]).permute([2, 1, 0])],
    ['reversed', (index) => index.reshape([2, 3, 2]).flip()],
    ['transposed', (index) => index.reshape([4, 3]).transpose().unsqueeze(1)],
    ['every other', (index) => stack([index, index], 1).select(1, 1).reshape([12, 1, 1])],
  ];
  it.each(layouts)('is noticed wherever it stands, in memory that is %s', (_, view) => {
    for (let place = 0; place < 12; place++) {
      const index = view(tensor(right.with(place, 5)));
      const x = of(5, ...index.shape.slice(1));
      expect(() => gather(x, 0, index)).toThrow('gather: index 5 is not a whole number from 0 to 4');
      expect(gather(of(6, ...index.shape.slice(1)), 0, index).shape).toEqual(index.shape);
    }
  });
});

describe('one wrong argument among right ones', () => {
  it.each(cases)('%s', (message, kind, call) => {
    expect(call).toThrow(kind);
    try {
      call();
    } catch (error) {
      expect((error as Error).message.slice(0, message.length)).toBe(message);
    }
  });
});
