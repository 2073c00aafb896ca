/** A checkpoint changes what is kept, and nothing else. */

import { describe, expect, it } from 'vitest';
import {
  checkGrads,
  checkpoint,
  compile,
  dropout,
  GradError,
  manualSeed,
  noGrad,
  type Tensor,
  tensor,
} from '../../src/index.ts';

const w = tensor([0.4, -0.7], { requiresGrad: true, dtype: 'float64' });
const block = (x: Tensor): Tensor => x.mul(w).sin().exp();
const point = (): Tensor => tensor([0.3, 1.1], { requiresGrad: true, dtype: 'float64' });

/** The gradients of Σ fn(x) in x and in w. */
function gradientsOf(fn: (x: Tensor) => Tensor): unknown[] {
  const x = point();
  w.grad = null;
  fn(x).sum().backward();
  return [x.grad?.toArray(), w.grad === null ? null : (w.grad as Tensor).toArray()];
}

describe('checkpoint', () => {
  it('gives the value and the gradients, also in what the function closes over', () => {
    expect(checkpoint(block, point()).toArray()).toEqual(block(point()).toArray());
    expect(gradientsOf((x) => checkpoint(block, x))).toEqual(gradientsOf(block));
  });

  it('computes again in backward, and only then', () => {
    let runs = 0;
    const y = checkpoint((x: Tensor) => {
      runs++;
      return x.exp();
    }, point());
    expect(runs).toBe(1);
    y.sum().backward();
    expect(runs).toBe(2);
  });

  it('goes through one whose inputs depend on each other', () => {
    const plain = (x: Tensor): Tensor => {
      const y = x.exp();
      return x.mul(y).mul(w).sin();
    };
    const checked = (x: Tensor): Tensor => {
      const y = x.exp();
      return checkpoint((a: Tensor, b: Tensor) => a.mul(b).mul(w).sin(), x, y);
    };
    expect(gradientsOf(checked)).toEqual(gradientsOf(plain));
  });

  it('leaves the graph in front of it to backward, which can pass through it again', () => {
    const x = point();
    const before = x.exp();
    const y = checkpoint(block, before).sum();
    y.backward(undefined, { retainGraph: true });
    const once = x.grad!.toArray() as number[];
    y.backward();
    expect(x.grad!.toArray()).toEqual(once.map((value) => 2 * value));
    expect(() => before.sum().backward()).toThrow(/already used and released/);
  });

  it('nests, and has gradients of second order', () => {
    const nested = (x: Tensor): Tensor =>
      checkpoint((y: Tensor) => checkpoint(block, y.square()).mul(checkpoint(block, y)), x);
    expect(gradientsOf(nested)).toEqual(gradientsOf((x) => block(x.square()).mul(block(x))));
    checkGrads(nested, [point()], { order: 2 });
  });

  it('draws the same random numbers the second time, and disturbs no later ones', () => {
    const x = tensor(new Float64Array(50).fill(1), { requiresGrad: true });
    manualSeed(5);
    const y = checkpoint((x: Tensor) => dropout(x), x);
    const next = dropout(x).toArray();
    y.sum().backward();
    expect(x.grad!.toArray()).toEqual(y.toArray());
    manualSeed(5);
    dropout(x);
    expect(dropout(x).toArray()).toEqual(next);
  });

  it('is a plain call where nothing is recorded, and for a function that gives an input back', () => {
    const x = point();
    expect(noGrad(() => checkpoint(block, x)).requiresGrad).toBe(false);
    expect(checkpoint((x: Tensor) => x.sin(), tensor([1])).requiresGrad).toBe(false);
    expect(checkpoint((x: Tensor) => x, x)).toBe(x);
  });

  it('notices that a tensor it needs was changed in place', () => {
    const x = point();
    const y = checkpoint((x: Tensor) => x.exp(), x);
    noGrad(() => x.assign(0));
    expect(() => y.sum().backward()).toThrow(/input 1 of checkpoint, shape \[2\], was changed in place/);
  });

  it('compiles', () => {
    const x = point();
    const step = (x: Tensor): Tensor => checkpoint(block, x).sum();
    expect(compile(step)(x).item()).toBeCloseTo(step(x).item(), 12);
  });

  it('needs a function that returns a tensor', () => {
    expect(() => checkpoint((() => 1) as never)).toThrow(GradError);
    expect(() => checkpoint((() => 1) as never)).toThrow(
      'checkpoint: the function must return a tensor, but returned 1',
    );
  });
});
