/** How much there is to do. */

import { sizeOf } from '../tensor/shape.ts';

/** The multiplications of a convolution, one of its gradients or a matrix product; 0 for other operations. */
export function multiplications(
  name: string,
  inputs: readonly (readonly number[])[],
  output: readonly number[],
): number {
  const [a, b] = inputs as [readonly number[], readonly number[]];
  const products = (y: readonly number[], w: readonly number[]): number => (sizeOf(y) * sizeOf(w)) / Math.max(1, w[0]!);
  if (name === 'conv') return products(output, b);
  if (name === 'convInputGrad') return products(a, b);
  if (name === 'convWeightGrad') return products(b, output);
  if (name === 'matmul') return sizeOf(output) * a.at(-1)!;
  return 0;
}
