/** Networks as plain data, with seeded weights: what every library of the comparison builds, each in its own way. */

export type Layer =
  | {
      readonly type: 'conv';
      readonly inputs: number;
      readonly outputs: number;
      readonly kernel: readonly number[];
      readonly stride: number;
      readonly padding: number;
      readonly groups: number;
      readonly bias: boolean;
    }
  | { readonly type: 'batchNorm'; readonly channels: number }
  | { readonly type: 'relu' | 'relu6' | 'globalAvgPool' | 'flatten' }
  | {
      readonly type: 'maxPool';
      readonly kernel: readonly number[];
      readonly stride: number;
      readonly padding: number;
    }
  | { readonly type: 'dense'; readonly inputs: number; readonly outputs: number }
  /** body(x) + shortcut(x); an empty shortcut is x itself. */
  | { readonly type: 'residual'; readonly body: readonly Layer[]; readonly shortcut: readonly Layer[] };

export interface Model {
  readonly name: string;
  readonly layers: readonly Layer[];
  /** Shape of one batch, [N, C, ...S]. */
  readonly input: readonly number[];
  readonly classes: number;
  /** Whether the comparison trains it, too. */
  readonly trains: boolean;
}

/** A parameter or running statistic: `kind` says what it is drawn from. */
export interface Weight {
  readonly kind: 'weight' | 'bias' | 'scale' | 'shift' | 'runningMean' | 'runningVar';
  readonly shape: readonly number[];
  readonly fanIn: number;
}

type ConvOptions = { stride?: number; padding?: number; groups?: number; bias?: boolean };

function conv(inputs: number, outputs: number, kernel: readonly number[], options: ConvOptions = {}): Layer {
  return { type: 'conv', inputs, outputs, kernel, stride: 1, padding: 0, groups: 1, bias: true, ...options };
}

const relu: Layer = { type: 'relu' };
const relu6: Layer = { type: 'relu6' };
const flatten: Layer = { type: 'flatten' };
const norm = (channels: number): Layer => ({ type: 'batchNorm', channels });
const dense = (inputs: number, outputs: number): Layer => ({ type: 'dense', inputs, outputs });

function halve(rank: number): Layer {
  return { type: 'maxPool', kernel: new Array<number>(rank).fill(2), stride: 2, padding: 0 };
}

/** 1 → c1 → c2 channels on 28 × 28 pictures: the network of a first lesson. */
function smallCnn(c1: number, c2: number): Model {
  const layers = [
    conv(1, c1, [3, 3], { padding: 1 }),
    relu,
    halve(2),
    conv(c1, c2, [3, 3], { padding: 1 }),
    relu,
    halve(2),
    flatten,
    dense(49 * c2, 10),
  ];
  return { name: `CNN ${c1}/${c2}, 28×28, batch 64`, layers, input: [64, 1, 28, 28], classes: 10, trains: true };
}

/** Five convolutions of 7 samples with batch norm over a heartbeat of 192 samples. */
function ecg(): Model {
  const channels = [1, 32, 64, 64, 128, 128];
  const blocks = channels.slice(1).map((outputs, i) => {
    return [conv(channels[i] as number, outputs, [7], { padding: 3 }), norm(outputs), relu, halve(1)];
  });
  const layers = [...blocks.flat(), flatten, dense(128 * 6, 5)];
  return { name: '1-D ECG network, 192 samples, batch 64', layers, input: [64, 1, 192], classes: 5, trains: true };
}

function volumes(): Model {
  const cube = [3, 3, 3];
  const layers = [
    conv(1, 16, cube, { padding: 1 }),
    relu,
    halve(3),
    conv(16, 32, cube, { padding: 1 }),
    relu,
    halve(3),
    flatten,
    dense(32 * 7 ** 3, 10),
  ];
  return { name: '3-D network, 28³, batch 8', layers, input: [8, 1, 28, 28, 28], classes: 10, trains: true };
}

/** He et al., "Deep Residual Learning for Image Recognition", 2016, table 1, 18 layers. */
function resNet18(): Model {
  const unit = (inputs: number, outputs: number, kernel: number, stride: number): Layer[] => [
    conv(inputs, outputs, [kernel, kernel], { stride, padding: kernel >> 1, bias: false }),
    norm(outputs),
  ];
  const block = (inputs: number, outputs: number, stride: number): Layer[] => [
    {
      type: 'residual',
      body: [...unit(inputs, outputs, 3, stride), relu, ...unit(outputs, outputs, 3, 1)],
      shortcut: stride === 1 ? [] : unit(inputs, outputs, 1, stride),
    },
    relu,
  ];
  const layers: Layer[] = [
    ...unit(3, 64, 7, 2),
    relu,
    { type: 'maxPool', kernel: [3, 3], stride: 2, padding: 1 },
    ...[64, 128, 256, 512].flatMap((outputs, i) => [
      ...block(i === 0 ? 64 : outputs / 2, outputs, i === 0 ? 1 : 2),
      ...block(outputs, outputs, 1),
    ]),
    { type: 'globalAvgPool' },
    dense(512, 1000),
  ];
  return { name: 'ResNet-18-like, 224×224, batch 1', layers, input: [1, 3, 224, 224], classes: 1000, trains: false };
}

/** Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018, table 2: expansion, outputs, repeats, stride. */
const BOTTLENECKS: readonly (readonly [number, number, number, number])[] = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
];

function mobileNetV2(): Model {
  const unit = (inputs: number, outputs: number, kernel: number, stride = 1, groups = 1): Layer[] => [
    conv(inputs, outputs, [kernel, kernel], { stride, padding: kernel >> 1, groups, bias: false }),
    norm(outputs),
  ];
  const bottleneck = (inputs: number, outputs: number, expansion: number, stride: number): Layer[] => {
    const hidden = inputs * expansion;
    const body = [
      ...(expansion === 1 ? [] : [...unit(inputs, hidden, 1), relu6]),
      ...unit(hidden, hidden, 3, stride, hidden),
      relu6,
      ...unit(hidden, outputs, 1),
    ];
    return stride === 1 && inputs === outputs ? [{ type: 'residual', body, shortcut: [] }] : body;
  };
  let channels = 32;
  const layers: Layer[] = [...unit(3, channels, 3, 2), relu6];
  for (const [expansion, outputs, repeats, stride] of BOTTLENECKS) {
    for (let i = 0; i < repeats; i++) {
      layers.push(...bottleneck(channels, outputs, expansion, i === 0 ? stride : 1));
      channels = outputs;
    }
  }
  layers.push(...unit(channels, 1280, 1), relu6, { type: 'globalAvgPool' }, dense(1280, 1000));
  const name = 'MobileNetV2-like, 224×224, batch 1';
  return { name, layers, input: [1, 3, 224, 224], classes: 1000, trains: false };
}

export const MODELS: readonly Model[] = [
  smallCnn(8, 16),
  smallCnn(32, 64),
  ecg(),
  volumes(),
  mobileNetV2(),
  resNet18(),
];

/** The weights in the order in which the layers use them. */
export function weightsOf(layers: readonly Layer[]): Weight[] {
  return layers.flatMap((layer): Weight[] => {
    switch (layer.type) {
      case 'conv': {
        const shape = [layer.outputs, layer.inputs / layer.groups, ...layer.kernel];
        const fanIn = shape.slice(1).reduce((a, b) => a * b, 1);
        const weight: Weight = { kind: 'weight', shape, fanIn };
        return layer.bias ? [weight, { kind: 'bias', shape: [layer.outputs], fanIn }] : [weight];
      }
      case 'batchNorm': {
        const kinds = ['scale', 'shift', 'runningMean', 'runningVar'] as const;
        return kinds.map((kind) => ({ kind, shape: [layer.channels], fanIn: 1 }));
      }
      case 'dense':
        return [
          { kind: 'weight', shape: [layer.outputs, layer.inputs], fanIn: layer.inputs },
          { kind: 'bias', shape: [layer.outputs], fanIn: layer.inputs },
        ];
      case 'residual':
        return [...weightsOf(layer.body), ...weightsOf(layer.shortcut)];
      default:
        return [];
    }
  });
}

/** The range that a weight is drawn from: He's for weights, so that no depth lets the signal vanish. */
export function rangeOf({ kind, fanIn }: Weight): readonly [low: number, high: number] {
  const he = Math.sqrt(6 / fanIn);
  const ranges = {
    weight: [-he, he],
    bias: [-1 / Math.sqrt(fanIn), 1 / Math.sqrt(fanIn)],
    scale: [0.5, 1],
    shift: [-0.1, 0.1],
    runningMean: [-0.1, 0.1],
    runningVar: [0.8, 1.2],
  } as const;
  return ranges[kind];
}
