/** Named shapes of real networks: what every benchmark of kernels measures. */

/** x [N, C, ...S] ⋆ w [O, C/groups, ...K]. */
export interface ConvShape {
  readonly name: string;
  /** `rich`: channels enough that sums are long. `thin`: few terms per sum, so that memory decides. */
  readonly kind: 'rich' | 'thin' | 'depthwise';
  readonly x: readonly number[];
  readonly outputs: number;
  readonly kernel: readonly number[];
  readonly stride: number;
  readonly padding: number;
  readonly groups: number;
}

type Options = Partial<Pick<ConvShape, 'stride' | 'padding' | 'groups'>>;

function conv(
  name: string,
  kind: ConvShape['kind'],
  x: readonly number[],
  outputs: number,
  kernel: readonly number[],
  options: Options = {},
): ConvShape {
  return { name, kind, x, outputs, kernel, stride: 1, padding: 0, groups: 1, ...options };
}

export const CONVOLUTIONS: readonly ConvShape[] = [
  conv('ResNet-18 layer1, batch 8', 'rich', [8, 64, 56, 56], 64, [3, 3], { padding: 1 }),
  conv('CNN 32/64 second conv, batch 64', 'rich', [64, 32, 14, 14], 64, [3, 3], { padding: 1 }),
  conv('CNN 8/16 second conv, batch 64', 'rich', [64, 8, 14, 14], 16, [3, 3], { padding: 1 }),
  conv('1-D net, batch 32', 'rich', [32, 64, 256], 64, [16]),
  conv('3-D net second conv, batch 4', 'rich', [4, 16, 14, 14, 14], 32, [3, 3, 3], { padding: 1 }),
  conv('3-D net second conv, batch 8', 'rich', [8, 16, 14, 14, 14], 32, [3, 3, 3], { padding: 1 }),
  conv('VGG-16 conv3, batch 1', 'rich', [1, 256, 56, 56], 256, [3, 3], { padding: 1 }),
  conv('ResNet-18 layer3 downsample, batch 8', 'rich', [8, 128, 28, 28], 256, [3, 3], { stride: 2, padding: 1 }),
  conv('ResNet-18 layer4, batch 8', 'rich', [8, 512, 7, 7], 512, [3, 3], { padding: 1 }),
  conv('MobileNetV2 1×1, batch 1', 'rich', [1, 96, 56, 56], 24, [1, 1]),
  conv('ECG net conv5, batch 64', 'rich', [64, 128, 12], 128, [7], { padding: 3 }),
  conv('ECG net conv2, batch 64', 'rich', [64, 32, 96], 64, [7], { padding: 3 }),
  conv('ResNet-18 stem, batch 1', 'thin', [1, 3, 224, 224], 64, [7, 7], { stride: 2, padding: 3 }),
  conv('CNN 8/16 first conv, batch 64', 'thin', [64, 1, 28, 28], 8, [3, 3], { padding: 1 }),
  conv('CNN 32/64 first conv, batch 64', 'thin', [64, 1, 28, 28], 32, [3, 3], { padding: 1 }),
  conv('3-D net first conv, batch 4', 'thin', [4, 1, 28, 28, 28], 16, [3, 3, 3], { padding: 1 }),
  conv('1-D net first conv, batch 32', 'thin', [32, 1, 1024], 32, [16]),
  conv('LeNet-5 first conv, batch 64', 'thin', [64, 1, 32, 32], 6, [5, 5]),
  conv('LeNet-5 second conv, batch 64', 'thin', [64, 6, 14, 14], 16, [5, 5]),
  conv('MobileNetV2 depthwise 3×3, batch 1', 'depthwise', [1, 96, 56, 56], 96, [3, 3], { padding: 1, groups: 96 }),
  conv('MobileNetV2 depthwise 3×3 stride 2, batch 1', 'depthwise', [1, 96, 112, 112], 96, [3, 3], {
    stride: 2,
    padding: 1,
    groups: 96,
  }),
];

/** a [M, K] · b [K, N]. */
export interface MatmulShape {
  readonly name: string;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

export const MATMULS: readonly MatmulShape[] = [
  { name: 'matmul 256', m: 256, k: 256, n: 256 },
  { name: 'matmul 512', m: 512, k: 512, n: 512 },
  { name: 'matmul 1024', m: 1024, k: 1024, n: 1024 },
  { name: 'matmul 512, b transposed', m: 512, k: 512, n: 512, transposeB: true },
  { name: 'matmul 512, a transposed', m: 512, k: 512, n: 512, transposeA: true },
  { name: 'dense 3136 → 128, batch 64', m: 64, k: 3136, n: 128, transposeB: true },
  { name: 'dense 784 → 10, batch 64', m: 64, k: 784, n: 10, transposeB: true },
  { name: 'dense 3136 → 10, batch 64', m: 64, k: 3136, n: 10, transposeB: true },
  { name: 'dense 3136 → 10, input gradient', m: 64, k: 10, n: 3136 },
  { name: 'dense 3136 → 10, weight gradient', m: 10, k: 64, n: 3136, transposeA: true },
  { name: 'dense 10976 → 10, batch 8', m: 8, k: 10976, n: 10, transposeB: true },
  { name: 'dense 768 → 5, batch 64', m: 64, k: 768, n: 5, transposeB: true },
];

/** Window over x [N, C, ...S]. */
export interface PoolShape {
  readonly name: string;
  readonly x: readonly number[];
  readonly kernel: readonly number[];
  readonly stride: number;
}

export const POOLS: readonly PoolShape[] = [
  { name: 'CNN 32/64 first pool, batch 64', x: [64, 32, 28, 28], kernel: [2, 2], stride: 2 },
  { name: 'ResNet stem 3×3 stride 2', x: [1, 64, 112, 112], kernel: [3, 3], stride: 2 },
  { name: 'ECG pool 2, batch 64', x: [64, 32, 192], kernel: [2], stride: 2 },
];

/** Logits, with the classes on axis 1: digits, few classes, ImageNet's, and a class for each pixel. */
export const SOFTMAXES: readonly (readonly number[])[] = [
  [64, 10],
  [4096, 4],
  [256, 1000],
  [8, 21, 64, 64],
];
