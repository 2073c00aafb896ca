/** Every differentiable function of the library, its value and its gradient in one program. */

import { describe, test } from 'vitest';
import { compile, type DType, grad, type Tensor } from '../../src/index.ts';
import { inputsOf, type Sample, samples } from '../ops/samples.ts';
import { expectClose } from './helpers.ts';

function valueAndGradients({ fn, shapes }: Sample, inputs: readonly Tensor[]): Tensor[] {
  const scalar = (...xs: Tensor[]): Tensor => {
    const outs = [fn(...xs)].flat() as Tensor[];
    return outs.map((y, i) => y.mul(i + 1).sum()).reduce((a, b) => a.add(b));
  };
  const outs = [fn(...inputs)].flat() as Tensor[];
  return [...outs.map((y) => y.detach()), ...grad(scalar, { argnums: shapes.map((_, i) => i) })(...inputs)];
}

// Samples hold float64 constants of their own, so what mixes them with float32 is left to float64.
const mixes = (error: unknown): boolean => error instanceof Error && error.name === 'DTypeError';

describe.each([
  ['float64', 1e-12],
  ['float32', 2e-5],
] as const)('compiled in %s', (dtype: DType, tolerance: number) => {
  test.each(Object.entries(samples))('%s', (_, list) => {
    for (const sample of list) {
      const inputs = inputsOf(sample).map((x) => x.to(dtype));
      let expected: Tensor[];
      try {
        expected = valueAndGradients(sample, inputs);
      } catch (error) {
        if (dtype === 'float32' && mixes(error)) continue;
        throw error;
      }
      const run = compile((...xs: Tensor[]) => valueAndGradients(sample, xs));
      for (const actual of [run(...inputs), run(...inputs)]) {
        for (const [i, x] of expected.entries()) expectClose(actual[i]!, x, tolerance, `result ${i}`, 1);
      }
      run.dispose();
    }
  });
});
