/** What the results of compiled functions say of gradients. */

import { describe, expect, test } from 'vitest';
import {
  compile,
  Dense,
  GradError,
  grad,
  manualSeed,
  mseLoss,
  noGrad,
  ones,
  SGD,
  type Tensor,
  TraceError,
  tensor,
} from '../../src/index.ts';
import { expectSame } from './helpers.ts';

manualSeed(1);
const model = new Dense(2, 1);
const x = tensor([
  [1, 2],
  [3, 4],
]);
const forward = (x: Tensor): Tensor => model.forward(x);

/** What a function throws, or null. */
function errorOf(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    return error;
  }
  return null;
}

describe('the result of a compiled function', () => {
  test.each<[string, (x: Tensor) => Tensor]>([
    ['that uses parameters', forward],
    ['that uses none', (x) => x.mul(2)],
    ['that does not record', (x) => noGrad(() => forward(x))],
    ['that detaches', (x) => forward(x).detach()],
    ['that gives a view on a parameter', () => model.weight.reshape([2])],
  ])('requires a gradient if that of a function %s does', (_, fn) => {
    const program = compile(fn);
    for (let call = 0; call < 2; call++) {
      expect(program(x).requiresGrad).toBe(fn(x).requiresGrad);
      expect(program(x).isLeaf).toBe(fn(x).isLeaf);
    }
    expect(noGrad(() => program(x)).requiresGrad).toBe(false);
  });

  test('lets no gradient through: an error, instead of a gradient that lacks a part', () => {
    model.weight.grad = null;
    const y = compile(forward)(x);
    const mixed = forward(x).add(y).sum();
    expect(() => mixed.backward()).toThrow(GradError);
    expect(() => y.sum().backward()).toThrow(/no gradient flows into a compiled function.*detach\(\)/);
    expect(model.weight.grad).toBeNull();
  });

  test('is an ordinary number once it is detached, and for gradients that do not go there', () => {
    const y = compile(forward)(x);
    model.weight.grad = null;
    forward(x).mul(y.detach()).sum().backward();
    expectSame(model.weight.grad!, y.detach().transpose(0, 1).matmul(x));
    expectSame(grad((w: Tensor) => w.mul(y).sum())(ones([2, 1])), y.detach());
  });

  test('says that its graph was used where the function has gone backward itself', () => {
    const optimizer = new SGD(model.parameters(), { lr: 0.01 });
    const fn = (x: Tensor): Tensor => {
      const loss = mseLoss(model.forward(x), ones([2, 1]));
      loss.backward();
      optimizer.step();
      optimizer.zeroGrad();
      return loss;
    };
    for (const step of [fn, compile(fn)]) {
      const loss = step(x);
      expect(loss.requiresGrad).toBe(true);
      expect(() => loss.backward()).toThrow('already used and released');
      expect(loss.detach().requiresGrad).toBe(false);
    }
  });

  test('is refused by another compiled function whose gradient would reach it', () => {
    const y = compile(forward)(x);
    const other = compile((y: Tensor) => y.square().sum().backward());
    expect(errorOf(() => other(y))).toBeInstanceOf(TraceError);
    expect(errorOf(() => other(y.detach()))).toBeInstanceOf(GradError);
    expect(compile((y: Tensor) => y.mul(2))(y).toArray()).toEqual(y.mul(2).toArray());
  });
});
