import { describe, expect, it } from 'vitest';
import { compile, softmax, type Tensor } from '../../src/index.ts';
import { expectClose, normals } from './helpers.ts';

describe('loops that write where they read', () => {
  const attend = (x: Tensor): Tensor => softmax(x.matmul(x), 1).matmul(x);

  it('give the place of a value that is read for the last time to one that they make', () => {
    const program = compile(attend);
    const x = normals(1, 64, 64);
    expectClose(program(x), attend(x), 1e-5);
    // x, one square for all that comes of it on the way, and the result; rows are small.
    const square = 64 * 64 * 4;
    expect(program.report()[0]?.arena).toBeLessThan(3.5 * square);
  });

  it('leave alone what a later step reads', () => {
    const program = compile((x: Tensor) => {
      const y = x.matmul(x);
      const z = y.exp();
      return z.matmul(y).add(z.sum());
    });
    const x = normals(2, 32, 32).mul(0.1);
    const y = x.matmul(x);
    expectClose(program(x), y.exp().matmul(y).add(y.exp().sum()), 1e-5);
  });

  it('leave alone what they read in another order', () => {
    const program = compile((x: Tensor) => {
      const y = x.matmul(x);
      return y.add(y.transpose(0, 1)).relu();
    });
    const x = normals(3, 32, 32);
    const y = x.matmul(x);
    expectClose(program(x), y.add(y.transpose(0, 1)).relu(), 1e-5);
  });
});
