import { describe, expect, it } from 'vitest';
import { compile, noGrad, Parameter, type Tensor, tensor } from '../../src/index.ts';

describe('a captured tensor on a typed array of the user', () => {
  it('is read anew at each call, so that what the user writes to the array counts', () => {
    const data = new Float32Array([1, 2, 3]);
    const scale = tensor(data);
    const program = compile((x: Tensor) => x.mul(scale).relu());
    expect(program(tensor([1, 1, 1])).toArray()).toEqual([1, 2, 3]);
    data[1] = 5;
    expect(program(tensor([1, 1, 1])).toArray()).toEqual([1, 5, 3]);
    expect(scale.data).toBe(data);
  });

  it('moves into the program once a program updates it, and shows the updates', () => {
    const data = new Float32Array([1, 2]);
    const weight = new Parameter(tensor(data));
    const program = compile((x: Tensor) => noGrad(() => weight.assign(weight.add(x)).sum()));
    expect(program(tensor([10, 10])).item()).toBe(23);
    expect([...weight.data]).toEqual([11, 12]);
    expect(program(tensor([1, 1])).item()).toBe(25);
  });
});
