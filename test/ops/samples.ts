/** Sample calls of every differentiable function, by its exported name, with inputs away from kinks, ties and poles. */

import * as library from '../../src/index.ts';
import { Generator, type Tensor, tensor } from '../../src/index.ts';

/** The library as a record, so that functions can be looked up by name. */
const tg = { ...library };

/** One call: `fn` of tensors of these shapes, filled with distinct values in `range`. */
export interface Sample {
  readonly fn: (...inputs: Tensor[]) => Tensor | readonly Tensor[];
  readonly shapes: readonly (readonly number[])[];
  /** Default [-2, 2]. */
  readonly range?: readonly [low: number, high: number];
  readonly eps?: number;
  readonly tolerance?: number;
}

type Fn = Sample['fn'];
type Shapes = Sample['shapes'];

const at = (fn: Fn, ...shapes: Shapes): Sample => ({ fn, shapes });
const within = (low: number, high: number, fn: Fn, ...shapes: Shapes): Sample => ({ fn, shapes, range: [low, high] });

/** The values of a sample's inputs: evenly spaced, none a whole number or a half, in random order. */
export function inputsOf({ shapes, range: [low, high] = [-2, 2] }: Sample): Tensor[] {
  const generator = new Generator(7);
  return shapes.map((shape, i) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const order = generator.permutation(size);
    const values = Float64Array.from(order, (k) => low + ((k + 0.371 + 0.137 * i) * (high - low)) / size);
    return tensor(values, [...shape]);
  });
}

/** A constant of float64 that does not depend on the inputs. */
const constant = (...shape: number[]): Tensor => inputsOf({ fn: () => [], shapes: [shape], range: [0.2, 0.9] })[0]!;

const elementwise: Record<string, Sample[]> = Object.fromEntries(
  (
    [
      'abs',
      'ceil',
      'cos',
      'erf',
      'exp',
      'expm1',
      'floor',
      'neg',
      'relu',
      'round',
      'sigmoid',
      'sign',
      'sin',
      'square',
      'tanh',
    ] as const
  ).map((name) => [name, [at(tg[name], [2, 3]), at(tg[name], [])]]),
);
const positive: Record<string, Sample[]> = Object.fromEntries(
  (['log', 'log1p', 'reciprocal', 'rsqrt', 'sqrt'] as const).map((name) => [name, [within(0.3, 2, tg[name], [2, 3])]]),
);
const pairs: Record<string, Sample[]> = Object.fromEntries(
  (['add', 'sub', 'mul', 'maximum', 'minimum'] as const).map((name) => [
    name,
    [
      at(tg[name] as Fn, [2, 3], [2, 3]),
      at(tg[name] as Fn, [2, 1, 3], [4, 1]),
      at((x) => tg[name](x!, 0.4), [3]),
      at((x) => tg[name](0.4, x!), [3]),
    ],
  ]),
);
const reductions: Record<string, Sample[]> = Object.fromEntries(
  (['sum', 'mean', 'prod', 'max', 'min', 'variance', 'std', 'logSumExp', 'norm'] as const).map((name) => [
    name,
    [
      at((x) => tg[name](x!), [2, 3]),
      at((x) => tg[name](x!, 1), [2, 3, 2]),
      at((x) => tg[name](x!, [0, -1], true), [2, 3, 2]),
    ],
  ]),
);

const arithmetic: Record<string, Sample[]> = {
  ...elementwise,
  ...positive,
  ...pairs,
  ...reductions,
  div: [within(0.4, 2, tg.div as Fn, [2, 3], [2, 3]), within(0.4, 2, tg.div as Fn, [2, 1], [3])],
  pow: [
    within(0.4, 2, tg.pow as Fn, [2, 3], [2, 3]),
    at((x) => x!.pow(3), [4]),
    at((x) => x!.pow(0), [4]),
    at((x) => tg.pow(2, x!), [4]),
  ],
  clamp: [at((x) => x!.clamp(-0.7, 1.1), [7]), at((x, low, high) => x!.clamp(low, high), [6], [1], [6])],
  where: [at((a, b) => tg.where(tensor([1, 0, 1], { dtype: 'float64' }), a!, b!), [2, 3], [1, 3])],
  to: [{ fn: (x) => x!.to('float32').to('float64'), shapes: [[2, 3]], eps: 0.5, tolerance: 1e-5 }],
  norm: [
    ...reductions.norm!,
    ...[1, 3, 0.5, Infinity, -Infinity].map((p) => at((x) => x!.norm(1, false, { p }), [2, 3])),
  ],
  variance: [...reductions.variance!, at((x) => x!.variance(0, true, { correction: 0 }), [3, 2])],
  prod: [
    ...reductions.prod!,
    at((x) => tg.cat([x!, tensor([0], { dtype: 'float64' })]).prod(), [4]),
    at((x) => x!.prod(0), [7, 2]),
  ],
};

const activations: Record<string, Sample[]> = {
  elu: [at((x) => tg.elu(x!), [6]), at((x) => tg.elu(x!, { alpha: 1.5 }), [6])],
  gelu: [at((x) => tg.gelu(x!), [6]), at((x) => tg.gelu(x!, { approximate: 'tanh' }), [6])],
  hardswish: [within(-5, 5, (x) => tg.hardswish(x!), [9])],
  leakyRelu: [at((x) => tg.leakyRelu(x!, { negativeSlope: 0.3 }), [6])],
  silu: [at(tg.silu as Fn, [6])],
  softplus: [at((x) => tg.softplus(x!), [6]), at((x) => tg.softplus(x!, { beta: 2, threshold: 1 }), [6])],
  softmax: [at((x) => tg.softmax(x!, 1), [2, 3]), at((x) => tg.softmax(x!, 0), [2, 3])],
  logSoftmax: [at((x) => tg.logSoftmax(x!, -1), [2, 3]), at((x) => tg.logSoftmax(x!, 1), [2, 3, 2])],
  dropout: [at((x) => tg.dropout(x!, { p: 0.4, generator: new Generator(3) }), [10])],
};

const views: Record<string, Sample[]> = {
  clone: [at(tg.clone as Fn, [2, 3])],
  contiguous: [at(tg.contiguous as Fn, [2, 3])],
  expand: [at((x) => x!.expand([4, 2, 3]), [2, 1])],
  flatten: [at((x) => x!.flatten(1), [2, 3, 2])],
  flip: [at((x) => x!.flip([0, 2]), [2, 3, 2])],
  narrow: [at((x) => x!.narrow(1, 1, 2), [2, 4])],
  permute: [at((x) => x!.permute([2, 0, 1]), [2, 3, 4])],
  reshape: [at((x) => x!.reshape([3, -1]), [2, 3])],
  select: [at((x) => x!.select(1, -2), [2, 3])],
  slice: [at((x) => x!.slice([null, null, -2], 1, [1, 3]), [4, 2, 3]), at((x) => x!.slice([2, 0]), [3])],
  squeeze: [at((x) => x!.squeeze(1), [2, 1, 3])],
  transpose: [at((x) => x!.transpose(0, 2), [2, 3, 2])],
  unsqueeze: [at((x) => x!.unsqueeze(1), [2, 3])],
  view: [at((x) => x!.contiguous().view([6]), [2, 3])],
  unfold: [at((x) => x!.unfold(1, 3, 2), [2, 7]), at((x) => x!.unfold(0, 2, 1), [4])],
  cat: [at((a, b) => tg.cat([a!, b!, a!], 1), [2, 1], [2, 2])],
  stack: [at((a, b) => tg.stack([a!, b!], 1), [2, 3], [2, 3])],
  split: [at((x) => x!.split([1, 2, 1], 1), [2, 4]), at((x) => x!.split(2).slice(1), [5])],
  roll: [at((x) => x!.roll([1, -2], [0, 1]), [2, 3]), at((x) => x!.roll(2), [2, 3])],
  pad: [
    at(
      (x) =>
        x!.pad(
          [
            [1, 2],
            [0, -1],
          ],
          { value: 3 },
        ),
      [2, 3],
    ),
    ...(['reflect', 'replicate', 'circular'] as const).map((mode) => at((x) => x!.pad([[2, 1]], { mode }), [2, 3])),
  ],
  tril: [at((x) => x!.tril(1), [2, 3, 3])],
  triu: [at((x) => x!.triu(), [3, 3])],
  gather: [
    at(
      (x) =>
        x!.gather(
          1,
          tensor([
            [0, 0],
            [2, 1],
          ]),
        ),
      [2, 3],
    ),
  ],
  scatterAdd: [
    at(
      (x, src) =>
        x!.scatterAdd(
          1,
          tensor([
            [0, 0],
            [2, 1],
          ]),
          src!,
        ),
      [2, 3],
      [2, 2],
    ),
  ],
  indexSelect: [at((x) => x!.indexSelect(1, [2, 0, 2]), [2, 3])],
  cumsum: [at((x) => x!.cumsum(1), [2, 4])],
};

const spatialAxes = [[7], [5, 4], [3, 4, 3]] as const;
const ofRank = <T>(make: (rank: 1 | 2 | 3, size: readonly number[]) => T): T[] =>
  ([1, 2, 3] as const).map((rank) => make(rank, spatialAxes[rank - 1]!));

const convolutions: Record<string, Sample[]> = {
  linear: [
    at((x, w, bias) => tg.linear(x!, w!, { bias: bias! }), [2, 2, 3], [4, 3], [4]),
    at((x, w) => tg.linear(x!, w!), [3], [2, 3]),
  ],
  matmul: [
    at(tg.matmul as Fn, [2, 3], [3, 2]),
    at(tg.matmul as Fn, [3], [3]),
    at(tg.matmul as Fn, [2, 1, 2, 3], [3, 3, 2]),
    at(tg.matmul as Fn, [2, 2, 3], [3, 2]),
    at(tg.matmul as Fn, [3], [2, 3, 2]),
  ],
  ...Object.fromEntries(
    ofRank((rank, size) => {
      const conv = [tg.conv1d, tg.conv2d, tg.conv3d][rank - 1]!;
      const kernel = [3, 2, 2].slice(0, rank);
      return [
        `conv${rank}d`,
        [
          at(
            (x, w, bias) => conv(x!, w!, { bias: bias!, stride: 2, padding: 1 }),
            [2, 2, ...size],
            [2, 2, ...kernel],
            [2],
          ),
          at((x, w) => conv(x!, w!, { dilation: 2, groups: 2, padding: 'same' }), [1, 2, ...size], [4, 1, ...kernel]),
          at((x, w) => conv(x!, w!, { padding: 1, paddingMode: 'reflect' }), [1, 1, ...size], [2, 1, ...kernel]),
        ],
      ];
    }),
  ),
  ...Object.fromEntries(
    ofRank((rank, size) => {
      const conv = [tg.convTranspose1d, tg.convTranspose2d, tg.convTranspose3d][rank - 1]!;
      const small = size.map((n) => n - 2);
      const kernel = [3, 2, 2].slice(0, rank);
      return [
        `convTranspose${rank}d`,
        [
          at(
            (x, w, bias) => conv(x!, w!, { bias: bias!, stride: 2, outputPadding: 1 }),
            [1, 2, ...small],
            [2, 2, ...kernel],
            [2],
          ),
          at(
            (x, w) => conv(x!, w!, { dilation: 2, groups: 2, padding: rank === 1 ? 1 : 0 }),
            [1, 2, ...small],
            [2, 2, ...kernel],
          ),
        ],
      ];
    }),
  ),
};

const pooling: Record<string, Sample[]> = {
  ...Object.fromEntries(
    ofRank((rank, size) => {
      const pool = [tg.maxPool1d, tg.maxPool2d, tg.maxPool3d][rank - 1]!;
      return [
        `maxPool${rank}d`,
        [
          at((x) => pool(x!, 2), [2, 1, ...size]),
          at((x) => pool(x!, 2, { stride: 1, padding: 1, ceilMode: true }), [1, 2, ...size]),
        ],
      ];
    }),
  ),
  ...Object.fromEntries(
    ofRank((rank, size) => {
      const pool = [tg.maxPool1dWithIndices, tg.maxPool2dWithIndices, tg.maxPool3dWithIndices][rank - 1]!;
      return [`maxPool${rank}dWithIndices`, [at((x) => pool(x!, 2)[0], [2, 1, ...size])]];
    }),
  ),
  ...Object.fromEntries(
    ofRank((rank, size) => {
      const pool = [tg.avgPool1d, tg.avgPool2d, tg.avgPool3d][rank - 1]!;
      return [
        `avgPool${rank}d`,
        [
          at((x) => pool(x!, 2, { stride: 1 }), [2, 1, ...size]),
          at((x) => pool(x!, 2, { padding: 1, countIncludePad: false, ceilMode: true }), [1, 2, ...size]),
        ],
      ];
    }),
  ),
  ...Object.fromEntries(
    ofRank((rank, size) => {
      const pool = [tg.adaptiveAvgPool1d, tg.adaptiveAvgPool2d, tg.adaptiveAvgPool3d][rank - 1]!;
      return [
        `adaptiveAvgPool${rank}d`,
        [at((x) => pool(x!, 1), [2, 1, ...size]), at((x) => pool(x!, 2), [1, 2, ...size])],
      ];
    }),
  ),
  ...Object.fromEntries(
    ofRank((rank, size) => {
      const pool = [tg.adaptiveMaxPool1d, tg.adaptiveMaxPool2d, tg.adaptiveMaxPool3d][rank - 1]!;
      return [
        `adaptiveMaxPool${rank}d`,
        [at((x) => pool(x!, 1), [2, 1, ...size]), at((x) => pool(x!, 2), [1, 2, ...size])],
      ];
    }),
  ),
};

const norms: Record<string, Sample[]> = {
  batchNorm: [
    at((x, weight, bias) => tg.batchNorm(x!, { weight: weight!, bias: bias!, training: true }), [3, 2, 3], [2], [2]),
    at(
      (x, weight) => tg.batchNorm(x!, { weight: weight!, runningMean: constant(2), runningVar: constant(2) }),
      [3, 2],
      [2],
    ),
  ],
  layerNorm: [
    at((x, weight, bias) => tg.layerNorm(x!, [3, 2], { weight: weight!, bias: bias! }), [2, 3, 2], [3, 2], [3, 2]),
  ],
  groupNorm: [at((x, weight, bias) => tg.groupNorm(x!, 2, { weight: weight!, bias: bias! }), [2, 4, 3], [4], [4])],
  instanceNorm: [
    at((x, weight, bias) => tg.instanceNorm(x!, { weight: weight!, bias: bias! }), [2, 2, 2, 2], [2], [2]),
  ],
};

const signs = (): Tensor =>
  tensor(
    [
      [1, -1, 1],
      [-1, 1, -1],
    ],
    { dtype: 'float64' },
  );
const reductionNames = ['mean', 'sum', 'none'] as const;

const losses: Record<string, Sample[]> = {
  crossEntropy: [
    ...reductionNames.map((reduction) =>
      at((x) => tg.crossEntropy(x!, [2, 0, 1], { reduction, labelSmoothing: 0.1, ignoreIndex: 1 }), [3, 4]),
    ),
    at(
      (x) =>
        tg.crossEntropy(
          x!,
          [
            [0, 2],
            [1, 1],
          ],
          { weight: constant(3) },
        ),
      [2, 3, 2],
    ),
    at((x) => tg.crossEntropy(x!, 1), [4]),
    at((x, target) => tg.crossEntropy(x!, target!, { weight: constant(3), labelSmoothing: 0.2 }), [2, 3], [2, 3]),
  ],
  nllLoss: [at((x) => tg.nllLoss(x!, [2, 0], { weight: constant(3) }), [2, 3])],
  mseLoss: reductionNames.map((reduction) => at((x, t) => tg.mseLoss(x!, t!, { reduction }), [2, 3], [2, 3])),
  l1Loss: [at((x, t) => tg.l1Loss(x!, t!), [2, 3], [2, 3])],
  smoothL1Loss: [at((x, t) => tg.smoothL1Loss(x!, t!, { beta: 0.7 }), [9], [9])],
  huberLoss: [at((x, t) => tg.huberLoss(x!, t!, { delta: 0.7 }), [9], [9])],
  bceLoss: [within(0.1, 0.9, (x, t) => tg.bceLoss(x!, t!, { weight: constant(3) }), [2, 3], [2, 3])],
  bceWithLogitsLoss: [
    at((x, t) => tg.bceWithLogitsLoss(x!, t!, { weight: constant(3), posWeight: constant(3) }), [2, 3], [2, 3]),
  ],
  klDivLoss: [
    within(0.1, 0.9, (x, t) => tg.klDivLoss(x!, t!, { reduction: 'batchmean' }), [2, 3], [2, 3]),
    at((x, t) => tg.klDivLoss(x!, t!, { logTarget: true }), [2, 3], [2, 3]),
  ],
  hingeLoss: [at((x) => tg.hingeLoss(x!, signs()), [2, 3])],
  hingeEmbeddingLoss: [at((x) => tg.hingeEmbeddingLoss(x!, signs(), { margin: 0.77 }), [2, 3])],
  multiMarginLoss: [
    at((x) => tg.multiMarginLoss(x!, [2, 0], { weight: constant(3) }), [2, 3]),
    at((x) => tg.multiMarginLoss(x!, [2, 0], { p: 2, margin: 0.5 }), [2, 3]),
  ],
  gaussianNllLoss: [
    within(0.3, 2, (x, t, v) => tg.gaussianNllLoss(x!, t!, v!, { full: true }), [2, 3], [2, 3], [2, 1]),
  ],
};

/** Every differentiable function by name. */
export const samples: Readonly<Record<string, readonly Sample[]>> = {
  ...arithmetic,
  ...activations,
  ...views,
  ...convolutions,
  ...pooling,
  ...norms,
  ...losses,
};

/** Functions of operations that have no gradient, and why. */
export const without: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'isNaN', 'all', 'any'].map((name) => [name, 'gives 0 or 1']),
  ),
  argMax: 'gives positions',
  argMin: 'gives positions',
  oneHot: 'of labels',
  assign: 'in place',
  detach: 'cuts the graph',
};
