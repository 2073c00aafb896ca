import { describe, expect, it } from 'vitest';
import { jsKernels } from '../../../../src/kernels/js/index.ts';
import type { BinaryName, Strided, UnaryName } from '../../../../src/kernels/types.ts';
import { createWasmKernels } from '../../../../src/kernels/wasm/index.ts';
import { Random } from '../random.ts';

const fallbacks: string[] = [];
const wasm = createWasmKernels({ threshold: 0, onFallback: (name) => fallbacks.push(name) });

const row = (data: Float32Array): Strided => ({ data, offset: 0, shape: [data.length], strides: [1] });

/** Floats in their order, so that differences count units in the last place. */
function place(value: number): number {
  const bits = new Int32Array(Float32Array.of(value).buffer)[0]!;
  return bits < 0 ? -(bits & 0x7fffffff) : bits;
}

/** At most one unit in the last place apart; zeros and NaN the same. */
function expectClose(actual: Float32Array, expected: Float32Array, show: (i: number) => string): void {
  for (let i = 0; i < actual.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    if (Object.is(a, e) || (Math.abs(place(a) - place(e)) <= 1 && a !== 0 && e !== 0)) continue;
    expect.fail(`${show(i)} is ${a}, not ${e}`);
  }
}

function checkUnary(name: UnaryName, x: Float32Array): void {
  const [y, expected] = [new Float32Array(x.length), new Float32Array(x.length)];
  wasm.unary(name, row(x), y);
  jsKernels.unary(name, row(x), expected);
  expectClose(y, expected, (i) => `${name}(${x[i]})`);
}

function checkBinary(name: BinaryName, a: Float32Array, b: Float32Array): void {
  const [y, expected] = [new Float32Array(a.length), new Float32Array(a.length)];
  wasm.binary(name, row(a), row(b), y);
  jsKernels.binary(name, row(a), row(b), expected);
  expectClose(y, expected, (i) => `${name}(${a[i]}, ${b[i]})`);
}

const COUNT = 20_000;
const random = new Random(11);
const within = (low: number, high: number): Float32Array =>
  Float32Array.from({ length: COUNT }, () => low + (high - low) * random.next());
/** Any bits: all exponents, denormals, NaN. */
function anything(): Float32Array {
  return new Float32Array(Uint32Array.from({ length: COUNT }, () => Math.floor(random.next() * 2 ** 32)).buffer);
}
const SPECIAL = [
  0,
  -0,
  1,
  -1,
  Infinity,
  -Infinity,
  Number.NaN,
  1e-45,
  -1e-45,
  3.4e38,
  -3.4e38,
  0.5,
  -0.5,
  2,
  -3,
  2 ** 24,
];
const specials = (nth: (i: number) => number): Float32Array =>
  Float32Array.from({ length: SPECIAL.length ** 2 }, (_, i) => SPECIAL[nth(i) % SPECIAL.length]!);

describe('functions in double precision on WebAssembly, within 1 ulp', () => {
  it.each(['sin', 'cos', 'log1p', 'expm1'] as const)('%s', (name) => {
    checkUnary(name, anything());
    checkUnary(name, within(-10, 10));
    checkUnary(name, within(-1e-6, 1e-6));
    checkUnary(
      name,
      specials((i) => i),
    );
  });

  it.each(['sin', 'cos'] as const)('%s of large arguments, and next to multiples of π/2', (name) => {
    checkUnary(name, within(-5e8, 5e8));
    checkUnary(
      name,
      Float32Array.from({ length: COUNT }, (_, i) => (i * i * Math.PI) / 2),
    );
    // The float whose distance to a multiple of π/2 is the smallest of all: 1.6e-9.
    const hardest = 16367173 * 2 ** 72;
    checkUnary(name, new Float32Array(300).fill(hardest).fill(-hardest, 100));
    checkUnary(
      name,
      Float32Array.from({ length: 404 }, (_, i) => 2 ** (27 + i / 4)),
    );
  });

  it('pow, as in C', () => {
    checkBinary('pow', anything(), anything());
    checkBinary('pow', within(0, 10), within(-10, 10));
    checkBinary('pow', within(0.9, 1.1), within(-900, 900));
    checkBinary(
      'pow',
      anything(),
      within(-10, 10).map((y) => Math.floor(y)),
    );
    checkBinary(
      'pow',
      specials((i) => i),
      specials((i) => Math.floor(i / SPECIAL.length)),
    );
  });

  it.each([2, -1, 3, 0.5])('pow with one exponent for all: %d', (exponent) => {
    const x = within(-5, 5);
    const [y, expected] = [new Float32Array(COUNT), new Float32Array(COUNT)];
    const all: Strided = { data: Float32Array.of(exponent), offset: 0, shape: [COUNT], strides: [0] };
    wasm.binary('pow', row(x), all, y);
    jsKernels.binary('pow', row(x), all, expected);
    if (exponent === 2 || exponent === -1) expect(y).toEqual(expected);
    else expectClose(y, expected, (i) => `${x[i]} to the power ${exponent}`);
  });

  it('runs on WebAssembly throughout, and keeps the sign of zero in tanh', () => {
    expect(fallbacks).toEqual([]);
    checkUnary('tanh', new Float32Array(300).fill(-0));
  });
});
