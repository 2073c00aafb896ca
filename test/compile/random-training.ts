/** Small random networks with a loss and an optimizer, and their training. */

import fc from 'fast-check';
import * as tg from '../../src/index.ts';
import { compile, type DType, Generator, type Layer, Sequential, type Tensor } from '../../src/index.ts';
import { normals } from './helpers.ts';

/** A convolutional block. */
interface Block {
  readonly channels: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly isGrouped: boolean;
  readonly norm: 'none' | 'batch' | 'group';
  readonly activation: 'ReLU' | 'Tanh' | 'GELU' | 'none';
  readonly pool: 'none' | 'max' | 'average';
  readonly hasBias: boolean;
}

/** A network, and how it is trained. */
export interface Setting {
  readonly rank: 1 | 2 | 3;
  readonly size: number;
  readonly blocks: readonly Block[];
  readonly loss: 'crossEntropy' | 'mse' | 'smoothL1' | 'bce';
  readonly optimizer: 'SGD' | 'momentum' | 'Adam' | 'RMSprop';
  readonly seed: number;
  readonly batch: number;
}

const block: fc.Arbitrary<Block> = fc.record({
  channels: fc.constantFrom(2, 3, 4, 9),
  kernel: fc.constantFrom(1, 2, 3, 5),
  stride: fc.constantFrom(1, 1, 2),
  padding: fc.constantFrom(0, 1, 2),
  dilation: fc.constantFrom(1, 1, 2),
  isGrouped: fc.boolean(),
  norm: fc.constantFrom('none', 'batch', 'group'),
  activation: fc.constantFrom('ReLU', 'Tanh', 'GELU', 'none'),
  pool: fc.constantFrom('none', 'max', 'average'),
  hasBias: fc.boolean(),
});

export const setting: fc.Arbitrary<Setting> = fc.record({
  rank: fc.constantFrom(1, 2, 2, 3),
  size: fc.integer({ min: 5, max: 11 }),
  blocks: fc.array(block, { minLength: 1, maxLength: 3 }),
  loss: fc.constantFrom('crossEntropy', 'mse', 'smoothL1', 'bce'),
  optimizer: fc.constantFrom('SGD', 'momentum', 'Adam', 'RMSprop'),
  seed: fc.nat(1000),
  batch: fc.constant(5),
});

const classes = 3;

/** With a bias: else padding behind another norm comes to 0 but for rounding, and rounding decides what ReLU lets through. */
function shifted<T extends { readonly bias: Tensor | null }>(layer: T): T {
  const { bias } = layer;
  if (bias !== null) tg.noGrad(() => bias.assign(tg.randn(bias.shape).mul(0.3)));
  return layer;
}

/** The layers of a setting; a block whose windows do not fit is left out. */
function modelOf({ rank, size, blocks, seed }: Setting, dtype: DType): Sequential {
  const Conv = [tg.Conv1d, tg.Conv2d, tg.Conv3d][rank - 1]!;
  const BatchNorm = [tg.BatchNorm1d, tg.BatchNorm2d, tg.BatchNorm3d][rank - 1]!;
  const MaxPool = [tg.MaxPool1d, tg.MaxPool2d, tg.MaxPool3d][rank - 1]!;
  const AvgPool = [tg.AvgPool1d, tg.AvgPool2d, tg.AvgPool3d][rank - 1]!;
  tg.manualSeed(seed);
  let [channels, length] = [2, size];
  const layers: Layer[] = [];
  for (const { norm, activation, pool, hasBias: bias, ...b } of blocks) {
    const { kernel, stride, padding, dilation } = b;
    const out = Math.floor((length + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
    if (out < 2) continue;
    const groups = b.isGrouped ? channels : 1;
    const outputs = groups > 1 ? channels : b.channels;
    layers.push(new Conv(channels, outputs, kernel, { stride, padding, dilation, groups, bias }));
    [channels, length] = [outputs, out];
    if (norm === 'batch') layers.push(shifted(new BatchNorm(channels)));
    if (norm === 'group') layers.push(new tg.GroupNorm(1, channels));
    if (activation !== 'none') layers.push(new { ReLU: tg.ReLU, Tanh: tg.Tanh, GELU: tg.GELU }[activation]());
    if (pool === 'none') continue;
    layers.push(new (pool === 'max' ? MaxPool : AvgPool)(2));
    length = Math.floor(length / 2);
  }
  layers.push(new tg.Dropout(0), new tg.Flatten(), new tg.Dense(channels * length ** rank, classes));
  return new Sequential(...layers).to(dtype);
}

function optimizerOf({ optimizer }: Setting, parameters: Tensor[]): Pick<tg.Adam, 'step' | 'zeroGrad'> {
  // A large eps: where a gradient is nothing but rounding, Adam and RMSprop would blow it up.
  if (optimizer === 'Adam') return new tg.Adam(parameters, { lr: 0.01, eps: 0.1 });
  if (optimizer === 'RMSprop') return new tg.RMSprop(parameters, { lr: 0.01, eps: 0.1 });
  return new tg.SGD(parameters, { lr: 0.02, momentum: optimizer === 'momentum' ? 0.9 : 0 });
}

function lossOf({ loss, seed, batch }: Setting, prediction: Tensor, labels: Tensor | Uint8Array): Tensor {
  if (loss === 'crossEntropy') return tg.crossEntropy(prediction, labels);
  const target = normals(seed, batch, classes).to(prediction.dtype);
  if (loss === 'mse') return tg.mseLoss(prediction, target);
  if (loss === 'smoothL1') return tg.smoothL1Loss(prediction, target, { beta: 0.5 });
  return tg.bceWithLogitsLoss(prediction, target.sigmoid());
}

/** The state and the losses after some steps. */
export function train(setting: Setting, dtype: DType, steps: number, isCompiled: boolean): Record<string, Tensor> {
  const model = modelOf(setting, dtype);
  const optimizer = optimizerOf(setting, model.parameters());
  const eager = (x: Tensor, labels: Uint8Array): Tensor => {
    const loss = lossOf(setting, model.forward(x), labels);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  };
  const step = isCompiled ? compile(eager) : eager;
  const generator = new Generator(setting.seed);
  const losses: [string, Tensor][] = [];
  for (let i = 0; i < steps; i++) {
    const x = tg
      .randn([setting.batch, 2, ...new Array<number>(setting.rank).fill(setting.size)], { generator })
      .to(dtype);
    const labels = Uint8Array.from({ length: setting.batch }, () => generator.integer(0, classes));
    losses.push([`loss ${i}`, step(x, labels).detach()]);
  }
  if (isCompiled) (step as tg.Compiled<[Tensor, Uint8Array], Tensor>).dispose();
  return { ...Object.fromEntries(losses), ...model.stateDict() };
}
