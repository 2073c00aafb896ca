/**
 * `npm run bench`: every kernel on the named shapes, in GFLOP/s and in percent of the inner-loop peak measured in the same
 * rounds. `direct kernel` and `Winograd` are the generated code alone on buffers that are in place, as a compiled program
 * runs it (the second where it is used, beside the first for comparison); `eager` is the whole call with its copies in
 * and out and a fresh result. Prints tables and writes bench/results/kernels.json.
 *
 *   node bench/kernels.ts [filter] [--rounds 11]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { backend, kernels } from '../src/kernels/index.ts';
import type { Strided, UnaryName } from '../src/kernels/types.ts';
import { features } from '../src/kernels/wasm/features.ts';
import { convolutionOf, type Direction, kernelRunner, tileRunner } from './lib/convolution.ts';
import { productRunner } from './lib/matmul.ts';
import { peakCandidate } from './lib/peak.ts';
import { type Candidate, type Measurement, measure, type TimingOptions } from './lib/timing.ts';
import { CONVOLUTIONS, type ConvShape, MATMULS, type MatmulShape, POOLS, type PoolShape, SOFTMAXES } from './shapes.ts';

interface Row extends Measurement {
  readonly shape: string;
  readonly peak: number;
}

const product = (list: readonly number[]): number => list.reduce((a, b) => a * b, 1);
let seed = 1;
/** Seeded numbers in (-0.5, 0.5). */
function random(): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
  return seed / 2 ** 32;
}

function dense(shape: readonly number[], strides?: readonly number[]): Strided {
  const data = Float32Array.from({ length: product(shape) }, random);
  return { data, offset: 0, shape, strides: strides ?? shape.map((_, i) => product(shape.slice(i + 1))) };
}

function convolutions(s: ConvShape): Candidate[] {
  const { sizes, geometry, w: wShape, y: yShape, flops } = convolutionOf(s);
  const [x, w, g] = [dense(s.x), dense(wShape), dense(yShape)];
  const k = kernels();
  const alone = (direction: Direction): Candidate[] => {
    const tiles = tileRunner(direction, sizes);
    const direct = { name: `${direction}, direct kernel`, flops, run: kernelRunner(direction, sizes) };
    // More than 100 % of peak is possible here: operations are those of the definition, not those that are done.
    return tiles === null ? [direct] : [direct, { name: `${direction}, Winograd`, flops, run: tiles }];
  };
  return [
    ...alone('forward'),
    { name: 'forward, eager', flops, run: () => k.conv(x, w, geometry, yShape, new Float32Array(product(yShape))) },
    ...alone('input gradient'),
    {
      name: 'input gradient, eager',
      flops,
      run: () => k.convInputGrad(g, w, geometry, s.x, new Float32Array(product(s.x))),
    },
    ...alone('weight gradient'),
    {
      name: 'weight gradient, eager',
      flops,
      run: () => k.convWeightGrad(x, g, geometry, wShape, new Float32Array(product(wShape))),
    },
  ];
}

function matmuls(shape: MatmulShape): Candidate[] {
  const { m, k, n, transposeA, transposeB } = shape;
  const a = dense([m, k], transposeA ? [1, m] : [k, 1]);
  const b = dense([k, n], transposeB ? [1, k] : [n, 1]);
  const flops = 2 * m * k * n;
  return [
    { name: 'kernel', flops, run: productRunner(shape) },
    { name: 'eager', flops, run: () => kernels().matmul(a, b, new Float32Array(m * n)) },
  ];
}

function pools({ x: shape, kernel, stride }: PoolShape): Candidate[] {
  const x = dense(shape);
  const counts = shape.slice(2).map((size, i) => Math.floor((size - (kernel[i] as number)) / stride) + 1);
  const geometry = {
    kernel,
    stride: kernel.map(() => stride),
    dilation: kernel.map(() => 1),
    before: kernel.map(() => 0),
  };
  const y = [...shape.slice(0, 2), ...counts];
  const out = (): Float32Array => new Float32Array(product(y));
  return [
    { name: 'max positions', flops: 0, run: () => kernels().maxPoolIndices(x, geometry, y, out()) },
    { name: 'window sums', flops: 0, run: () => kernels().windowSum(x, geometry, y, out()) },
  ];
}

const ELEMENTS = 1 << 20;

function elementwise(): Candidate[] {
  const [x, z] = [dense([ELEMENTS]), dense([ELEMENTS])];
  const names: readonly UnaryName[] = ['relu', 'exp', 'log', 'tanh', 'sigmoid', 'erf', 'sin', 'log1p', 'expm1'];
  const out = (): Float32Array => new Float32Array(ELEMENTS);
  return [
    ...names.map((name) => ({ name, flops: 0, run: () => kernels().unary(name, x, out()) })),
    { name: 'pow', flops: 0, run: () => kernels().binary('pow', x, z, out()) },
    { name: 'add', flops: 0, run: () => kernels().binary('add', x, z, out()) },
    { name: 'sum', flops: 0, run: () => kernels().sum(x, [0], new Float32Array(1)) },
  ];
}

/** Softmax and its relatives along an axis, whole calls with their copies. */
function softmaxes(shape: readonly number[], axis: number): Candidate[] {
  const x = dense(shape);
  const rest = shape.filter((_, a) => a !== axis);
  const [labels, g] = [dense(rest), dense(rest)];
  for (let i = 0; i < labels.data.length; i++) labels.data[i] = i % (shape[axis] as number);
  const all = (): Float32Array => new Float32Array(product(shape));
  return [
    { name: 'softmax', flops: 0, run: () => kernels().softmax(x, axis, all()) },
    { name: 'logSoftmax', flops: 0, run: () => kernels().logSoftmax(x, axis, all()) },
    {
      name: 'cross entropy',
      flops: 0,
      run: () => kernels().crossEntropy(x, labels, axis, -100, new Float32Array(product(rest))),
    },
    {
      name: 'gradient of cross entropy',
      flops: 0,
      run: () => kernels().crossEntropyGrad(x, labels, g, axis, -100, all()),
    },
    {
      name: 'argMax',
      flops: 0,
      run: () => kernels().argExtreme('argMax', x, axis, new Float32Array(product(rest))),
    },
  ];
}

function print(rows: readonly Row[]): void {
  let shape = '';
  for (const r of rows) {
    if (r.shape !== shape) console.log(`\n${r.shape}  (peak ${r.peak.toFixed(1)} GFLOP/s)`);
    shape = r.shape;
    const spread = `${r.median.toFixed(3)} ms (${r.low.toFixed(3)} – ${r.high.toFixed(3)})`;
    const speed =
      r.gflops > 0
        ? `${r.gflops.toFixed(1).padStart(6)} GFLOP/s  ${(100 * r.ratio).toFixed(0).padStart(3)} % of peak`
        : '';
    console.log(`  ${r.name.padEnd(36)} ${spread.padEnd(30)} ${speed}`);
  }
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const at = args.indexOf('--rounds');
  const options: TimingOptions = at < 0 ? {} : { rounds: Number(args[at + 1]) };
  const filter = new RegExp(args.find((a, i) => !a.startsWith('--') && i !== at + 1) ?? '.');
  console.log(`Node ${process.versions.node}, ${os.cpus()[0]?.model}, backend ${JSON.stringify(backend())}`);
  const groups: readonly { readonly shape: string; readonly make: () => Candidate[] }[] = [
    ...CONVOLUTIONS.map((s) => ({
      shape: `conv ${s.name}: ${s.x.join('×')} → ${s.outputs}, ${s.kernel.join('×')}`,
      make: () => convolutions(s),
    })),
    ...MATMULS.map((s) => ({ shape: s.name, make: () => matmuls(s) })),
    ...POOLS.map((s) => ({ shape: `pool ${s.name}`, make: () => pools(s) })),
    ...SOFTMAXES.map((s) => ({ shape: `softmax ${s.join('×')} along axis 1`, make: () => softmaxes(s, 1) })),
    { shape: `elementwise, ${ELEMENTS} elements`, make: elementwise },
  ];
  const rows: Row[] = [];
  for (const { shape, make } of groups.filter((g) => filter.test(g.shape))) {
    const [peak, ...results] = await measure([peakCandidate(), ...make()], options);
    const found = results.map((r) => ({ shape, peak: (peak as Measurement).gflops, ...r }));
    print(found);
    rows.push(...found);
  }
  const folder = fileURLToPath(new URL('results/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  const about = {
    node: process.versions.node,
    processor: os.cpus()[0]?.model,
    features: features(),
    seed: 1,
    date: new Date().toISOString(),
  };
  writeFileSync(`${folder}kernels.json`, `${JSON.stringify({ about, rows }, null, 1)}\n`);
  console.log('\nwritten to bench/results/kernels.json');
}

await main();
