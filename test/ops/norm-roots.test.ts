import { expect, it } from 'vitest';
import { norm, tensor } from '../../src/index.ts';

it('a norm of order below 1 has gradient 0 at elements that are 0, as in PyTorch', () => {
  const x = tensor([0, 4, 9], { dtype: 'float64', requiresGrad: true });
  const y = norm(x, null, false, { p: 0.5 });
  y.backward();
  expect(y.item()).toBeCloseTo(25, 12);
  // d/dx (Σ √x)² = (Σ √x) / √x
  expect(x.grad?.toArray()).toEqual([0, 2.5, expect.closeTo(5 / 3, 12)]);
});
