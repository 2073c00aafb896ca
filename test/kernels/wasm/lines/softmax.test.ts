import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { jsKernels } from '../../../../src/kernels/js/index.ts';
import type { Strided } from '../../../../src/kernels/types.ts';
import { differential } from '../../../../src/kernels/wasm/differential/index.ts';
import { forceFeatures } from '../../../../src/kernels/wasm/features.ts';
import { createWasmKernels } from '../../../../src/kernels/wasm/index.ts';
import { expanded, operand, Random, zeros } from '../random.ts';

const fallbacks: string[] = [];
const wasm = createWasmKernels({ threshold: 0, onFallback: (name) => fallbacks.push(name) });
const tested = differential(wasm, jsKernels);

interface Case {
  readonly x: Strided;
  readonly axis: number;
  /** x's shape without the axis. */
  readonly rest: readonly number[];
  readonly labels: Strided;
  readonly g: Strided;
}

const IGNORED = -100;

/** Lines of every kind: few classes and many, side by side or rows, with tails of every residue. */
function caseOf(random: Random): Case {
  const classes = random.pick([() => random.integer(1, 16), () => random.integer(17, 70)])();
  const others = Array.from({ length: random.integer(0, 2) }, () => random.integer(1, 9));
  const axis = random.integer(0, others.length);
  const shape = others.toSpliced(axis, 0, classes);
  const x = operand(random, shape, random.pick([0, 0, 0.02]));
  const scale = random.pick([1, 30, 300]);
  for (let i = 0; i < x.data.length; i++) x.data[i]! *= scale;
  const labels = operand(random, others);
  for (let i = 0; i < labels.data.length; i++)
    labels.data[i] = random.chance(0.1) ? IGNORED : random.integer(0, classes - 1);
  return { x, axis, rest: others, labels, g: expanded(random, others) };
}

describe.each([true, false])('softmax and its relatives on WebAssembly, relaxed SIMD %s', (relaxed) => {
  afterEach(() => forceFeatures({}));

  it('agree with the reference', () => {
    forceFeatures(relaxed ? {} : { relaxed: false });
    fallbacks.length = 0;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { x, axis, rest, labels, g } = caseOf(new Random(seed));
        tested.softmax(x, axis, zeros(x.shape));
        tested.logSoftmax(x, axis, zeros(x.shape));
        tested.crossEntropy(x, labels, axis, IGNORED, zeros(rest));
        tested.crossEntropyGrad(x, labels, g, axis, IGNORED, zeros(x.shape));
      }),
      { numRuns: 150 },
    );
    expect(fallbacks).toEqual([]);
  });

  it.each([
    [[3, 5000], 1],
    [[5000, 3], 1],
    [[40, 1700], 0],
    [[2, 40, 900], 1],
    [[3, 5, 2000], 1],
    [[2, 1100, 2], 1],
  ])('agree with the reference over several blocks: %j along axis %i', (shape, axis) => {
    forceFeatures(relaxed ? {} : { relaxed: false });
    const random = new Random(3);
    const x = operand(random, shape);
    const rest = shape.toSpliced(axis, 1);
    const labels = operand(random, rest);
    for (let i = 0; i < labels.data.length; i++) labels.data[i] = random.integer(0, shape[axis]! - 1);
    tested.softmax(x, axis, zeros(shape));
    tested.logSoftmax(x, axis, zeros(shape));
    tested.crossEntropy(x, labels, axis, IGNORED, zeros(rest));
    tested.crossEntropyGrad(x, labels, operand(random, rest), axis, IGNORED, zeros(shape));
    expect(fallbacks).toEqual([]);
  });
});

describe('softmax and its relatives on WebAssembly', () => {
  const dense = (data: number[], shape: number[]): Strided => ({
    data: Float32Array.from(data),
    offset: 0,
    shape,
    strides: shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1)),
  });

  it.each([4, 20])(
    'give NaN for a line with NaN, with ∞, or of -∞ alone, and nothing of it to its neighbours: %i classes',
    (n) => {
      const line = Array.from({ length: n }, (_, i) => i / n);
      const lines = [
        line,
        line.with(n - 1, Number.NaN),
        line.with(2, Number.POSITIVE_INFINITY),
        line.map(() => Number.NEGATIVE_INFINITY),
        line.with(1, Number.NEGATIVE_INFINITY),
      ];
      const x = dense(lines.flat(), [5, n]);
      for (const name of ['softmax', 'logSoftmax'] as const) {
        const [y, expected] = [zeros([5 * n]), zeros([5 * n])];
        wasm[name](x, 1, y);
        jsKernels[name](x, 1, expected);
        expect([...y].map(Number.isNaN)).toEqual([...expected].map(Number.isNaN));
      }
      const y = zeros([5 * n]);
      wasm.softmax(x, 1, y);
      expect([...y.subarray(n, 2 * n), ...y.subarray(3 * n, 4 * n)].every(Number.isNaN)).toBe(true);
      expect(y[4 * n + 1]).toBe(0);
    },
  );

  it('leave lines out whose label is ignored, whatever they hold', () => {
    const x = dense([1, Number.NaN, 2, 3, 4, 5], [2, 3]);
    const labels = dense([-1, 2], [2]);
    const y = zeros([2]);
    wasm.crossEntropy(x, labels, 1, -1, y);
    expect(y[0]).toBe(0);
    const gradient = zeros([6]);
    wasm.crossEntropyGrad(x, labels, dense([1, 1], [2]), 1, -1, gradient);
    expect([...gradient.subarray(0, 3)]).toEqual([0, 0, 0]);
    expect(gradient[5]).toBeLessThan(0);
  });

  it('are exact where one class is all, or the only one', () => {
    const y = zeros([3]);
    wasm.softmax(dense([7, -3, 1e30], [3, 1]), 1, y);
    expect([...y]).toEqual([1, 1, 1]);
    wasm.logSoftmax(dense([7, -3, 1e30], [3, 1]), 1, y);
    expect([...y]).toEqual([0, 0, 0]);
    wasm.crossEntropy(dense([10000, 0, 0, 0, 10000, 0], [2, 3]), dense([0, 0], [2]), 1, -100, y.subarray(0, 2));
    expect([...y.subarray(0, 2)]).toEqual([0, 10000]);
  });
});
