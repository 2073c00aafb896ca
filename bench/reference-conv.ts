/**
 * Speed of the reference convolution kernels and matmul: `node bench/reference-conv.ts` (Node ≥ 22.18, which reads TypeScript).
 *
 * Inputs are seeded; every kernel is warmed up, then timed run by run; the table shows medians with the least and the greatest.
 * A multiply-add counts as two operations, padding included.
 */
import { jsKernels } from '../src/kernels/js/index.ts';
import type { Strided } from '../src/kernels/types.ts';

function filled(shape: readonly number[], seed: number): Strided {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  let state = seed;
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state / 2 ** 31 - 1;
  }
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  return { data, offset: 0, shape, strides };
}

/** Seconds per run: median, least and greatest over at least 9 runs and one second. */
function time(run: () => void): { median: number; least: number; greatest: number } {
  const seconds: number[] = [];
  const until = (duration: number, runs: number, note: (s: number) => void): void => {
    const start = performance.now();
    for (let i = 0; i < runs || performance.now() - start < duration; i++) {
      const before = performance.now();
      run();
      note((performance.now() - before) / 1000);
    }
  };
  until(500, 3, () => {});
  until(1000, 9, (s) => seconds.push(s));
  seconds.sort((a, b) => a - b);
  return { median: seconds[seconds.length >> 1]!, least: seconds[0]!, greatest: seconds[seconds.length - 1]! };
}

let consumed = 0;

function report(name: string, flop: number, y: Float32Array, run: () => void): void {
  const { median, least, greatest } = time(run);
  consumed += y[y.length >> 1]!;
  const ms = (s: number): string => (s * 1000).toPrecision(3);
  const speed = (flop / median / 1e9).toFixed(2);
  console.log(`${name.padEnd(44)} ${ms(median)} ms (${ms(least)}–${ms(greatest)})   ${speed} GFLOP/s`);
}

function convolutions(n: number, c: number, size: number, o: number): void {
  const geometry = { groups: 1, stride: [1, 1], dilation: [1, 1], before: [1, 1] };
  const [x, w, g] = [filled([n, c, size, size], 1), filled([o, c, 3, 3], 2), filled([n, o, size, size], 3)];
  const flop = 2 * n * o * c * 9 * size * size;
  const name = `${n}×${c}×${size}×${size} → ${o}, 3×3 pad 1`;
  const [y, dx, dw] = [g, x, w].map((t) => new Float32Array(t.data.length)) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  report(`conv            ${name}`, flop, y, () => jsKernels.conv(x, w, geometry, g.shape, y));
  report(`convInputGrad   ${name}`, flop, dx, () => jsKernels.convInputGrad(g, w, geometry, x.shape, dx));
  report(`convWeightGrad  ${name}`, flop, dw, () => jsKernels.convWeightGrad(x, g, geometry, w.shape, dw));
}

function products(size: number): void {
  const [a, b] = [filled([size, size], 1), filled([size, size], 2)];
  const y = new Float32Array(size * size);
  report(`matmul          ${size}×${size}×${size}`, 2 * size ** 3, y, () => jsKernels.matmul(a, b, y));
  const across = { ...b, strides: [1, size] };
  report(`matmul          ${size}×${size}×${size} transposed`, 2 * size ** 3, y, () => jsKernels.matmul(a, across, y));
}

convolutions(8, 64, 56, 64);
convolutions(64, 1, 28, 8);
convolutions(64, 8, 14, 16);
products(256);
if (!Number.isFinite(consumed)) throw new Error('a kernel gave a value that is not finite');
