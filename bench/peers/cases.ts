/** What is measured: named shapes and networks, with seeded numbers written to files that every library reads. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MODELS, type Model, rangeOf, weightsOf } from '../models.ts';
import { CONVOLUTIONS, type ConvShape, MATMULS, type MatmulShape, POOLS, type PoolShape } from '../shapes.ts';
import type { Direction, Task, TensorFile } from './protocol.ts';

export const GROUPS = [
  'network, training step',
  'network, forward',
  'convolution, forward',
  'convolution, input gradient',
  'convolution, weight gradient',
  'matmul',
  'max pooling',
] as const;

export type Group = (typeof GROUPS)[number];

/** Shapes that a run leaves out unless it is asked for all: variations on those that stay. */
const VARIATIONS: ReadonlySet<string> = new Set([
  'VGG-16 conv3, batch 1',
  'ResNet-18 layer3 downsample, batch 8',
  'ResNet-18 layer4, batch 8',
  'MobileNetV2 1×1, batch 1',
  'MobileNetV2 depthwise 3×3 stride 2, batch 1',
  'ECG net conv5, batch 64',
  'ECG net conv2, batch 64',
  'LeNet-5 first conv, batch 64',
  'LeNet-5 second conv, batch 64',
  'matmul 512, b transposed',
  'matmul 512, a transposed',
  'dense 784 → 10, batch 64',
]);

export interface Case {
  readonly group: Group;
  readonly name: string;
  /** Floating-point operations of one call, multiply and add counted as two; 0 where only the time is of interest. */
  readonly flops: number;
  /** Writes the numbers into the folder. */
  task(folder: string): Task;
}

const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);

/** Seeded numbers from low to high (mulberry32). */
function uniform(count: number, seed: number, low: number, high: number): Float32Array {
  let state = seed | 0;
  return Float32Array.from({ length: count }, () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return low + (high - low) * (((t ^ (t >>> 14)) >>> 0) / 2 ** 32);
  });
}

class Files {
  private readonly folder: string;
  private count = 0;

  constructor(folder: string) {
    this.folder = folder;
  }

  tensor(shape: readonly number[], low = -1, high = 1): TensorFile {
    return this.write(shape, uniform(product(shape), 1 + this.count, low, high));
  }

  labels(count: number, classes: number): TensorFile {
    return this.write([count], Int32Array.from(uniform(count, 7, 0, classes), Math.floor));
  }

  private write(shape: readonly number[], data: Float32Array | Int32Array): TensorFile {
    const file = join(this.folder, `input-${this.count++}`);
    writeFileSync(file, data);
    return { shape, file };
  }
}

const DIRECTIONS: readonly Direction[] = ['forward', 'input gradient', 'weight gradient'];

function sizes(shape: readonly number[]): string {
  return shape.join('×');
}

function convCases(shape: ConvShape): Case[] {
  const { x, outputs, kernel, stride, padding, groups } = shape;
  const places = kernel.map((k, i) => Math.floor(((x[i + 2] as number) + 2 * padding - k) / stride) + 1);
  const w = [outputs, (x[1] as number) / groups, ...kernel];
  const y = [x[0] as number, outputs, ...places];
  const steps = stride === 1 ? '' : ` stride ${stride}`;
  const depthwise = groups === 1 ? '' : ' depthwise';
  const name = `conv${kernel.length}d ${sizes(x)} → ${outputs}, ${sizes(kernel)}${steps} pad ${padding}${depthwise}`;
  return DIRECTIONS.map((direction) => ({
    group: `convolution, ${direction}` as Group,
    name,
    flops: 2 * product(y) * product(w.slice(1)),
    task: (folder) => {
      const files = new Files(folder);
      const tensors = { x: files.tensor(x), w: files.tensor(w), g: files.tensor(y) };
      return { kind: 'conv', direction, ...tensors, stride, padding, groups };
    },
  }));
}

function matmulCase({ name, m, k, n, transposeA = false, transposeB = false }: MatmulShape): Case {
  return {
    group: 'matmul',
    name,
    flops: 2 * m * k * n,
    task: (folder) => {
      const files = new Files(folder);
      const a = files.tensor(transposeA ? [k, m] : [m, k]);
      const b = files.tensor(transposeB ? [n, k] : [k, n]);
      return { kind: 'matmul', a, b, transposeA, transposeB };
    },
  };
}

function poolCase({ x, kernel, stride }: PoolShape): Case {
  return {
    group: 'max pooling',
    name: `${sizes(x)}, ${sizes(kernel)} stride ${stride}`,
    flops: 0,
    // Below zero alone, so that a pooling that starts from 0 would be seen.
    task: (folder) => ({ kind: 'maxPool', x: new Files(folder).tensor(x, -2, -1), kernel, stride }),
  };
}

function modelCases({ name, layers, input, classes, trains }: Model): Case[] {
  const common = (folder: string) => {
    const files = new Files(folder);
    const weights = weightsOf(layers).map((w) => files.tensor(w.shape, ...rangeOf(w)));
    const x = files.tensor(input);
    return { layers, weights, x, labels: files.labels(input[0] as number, classes) };
  };
  const forward: Case = {
    group: 'network, forward',
    name,
    flops: 0,
    task: (folder) => ({ kind: 'forward', ...common(folder) }),
  };
  const train: Case = {
    group: 'network, training step',
    name,
    flops: 0,
    task: (folder) => ({ kind: 'train', ...common(folder), lr: 0.01, momentum: 0.9 }),
  };
  return trains ? [forward, train] : [forward];
}

/** The cases, group by group; `all` adds variations on the same shapes. */
export function casesOf(all: boolean): Case[] {
  const isIn = ({ name }: { name: string }): boolean => all || !VARIATIONS.has(name);
  const cases = [
    ...CONVOLUTIONS.filter(isIn).flatMap(convCases),
    ...MATMULS.filter(isIn).map(matmulCase),
    ...POOLS.map(poolCase),
    ...MODELS.flatMap(modelCases),
  ];
  return GROUPS.flatMap((group) => cases.filter((c) => c.group === group));
}
