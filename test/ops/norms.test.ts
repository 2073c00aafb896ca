/** What normalisation promises beyond agreeing with PyTorch's numbers. */

import { describe, expect, it } from 'vitest';
import {
  batchNorm,
  DTypeError,
  groupNorm,
  instanceNorm,
  layerNorm,
  noGrad,
  OptionError,
  ones,
  randn,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from '../../src/index.ts';

const momentsOf = (x: Tensor, axes: number[]): number[] => [
  x.mean(axes).abs().max().item(),
  x.variance(axes, false, { correction: 0 }).sub(1).abs().max().item(),
];

describe('normalised values', () => {
  const x = randn([4, 6, 5, 3], { dtype: 'float64' }).mul(3).add(7);
  it.each<[string, Tensor, number[]]>([
    ['batchNorm over the samples of a channel', batchNorm(x, { training: true, eps: 0 }), [0, 2, 3]],
    ['instanceNorm over one sample of a channel', instanceNorm(x, { eps: 0 }), [2, 3]],
    ['layerNorm over the last axes', layerNorm(x, [5, 3], { eps: 0 }), [2, 3]],
    ['groupNorm over the channels of a group', groupNorm(x, 2, { eps: 0 }).reshape([4, 2, 3, 5, 3]), [2, 3, 4]],
  ])('have mean 0 and variance 1: %s', (_, y, axes) => {
    for (const error of momentsOf(y, axes)) expect(error).toBeLessThan(1e-12);
  });

  it('stay accurate where the mean is far from 0', () => {
    const spread = randn([1000, 1]);
    const far = spread.add(4096);
    const expected = far.to('float64').sub(far.to('float64').mean());
    const y = batchNorm(far, { training: true, eps: 0 }).to('float64');
    expect(y.mul(expected.std().item()).sub(expected).abs().max().item()).toBeLessThan(5e-3);
  });

  it('of a constant are 0, with finite gradients', () => {
    const x = ones([4, 2], { requiresGrad: true });
    const y = batchNorm(x, { training: true });
    y.square().sum().backward();
    expect([y.abs().max().item(), x.grad!.abs().max().item()]).toEqual([0, 0]);
  });
});

describe('batchNorm', () => {
  const statistics = (): { runningMean: Tensor; runningVar: Tensor } => ({
    runningMean: zeros(1),
    runningVar: ones(1),
  });

  it('moves running statistics in place, towards the unbiased variance', () => {
    const running = statistics();
    batchNorm(tensor([[1], [3], [5]]), { ...running, training: true, momentum: 0.25 });
    expect([running.runningMean.item(), running.runningVar.item()]).toEqual([0.75, 0.75 + 0.25 * 4]);
    batchNorm(tensor([[1], [3], [5]]), { ...running });
    expect(running.runningMean.item()).toBe(0.75);
  });

  it('takes a momentum that is a tensor', () => {
    const running = statistics();
    batchNorm(tensor([[1], [3]]), { ...running, training: true, momentum: tensor(0.5) });
    expect(running.runningMean.item()).toBe(1);
  });

  it('does not record the running statistics, within recording and without', () => {
    const running = statistics();
    const weight = ones(1, { requiresGrad: true });
    const y = batchNorm(randn([3, 1]), { ...running, weight, training: true });
    expect([y.requiresGrad, running.runningMean.requiresGrad]).toEqual([true, false]);
    y.sum().backward();
    noGrad(() => batchNorm(randn([3, 1]), { ...running, training: true }));
  });

  it('uses the running statistics without training, and has gradients through them alone', () => {
    const x = tensor([[1], [3]], { requiresGrad: true });
    const y = batchNorm(x, { runningMean: tensor([1]), runningVar: tensor([4]), eps: 0 });
    y.sum().backward();
    expect([y.toArray(), x.grad!.toArray()]).toEqual([
      [[0], [1]],
      [[0.5], [0.5]],
    ]);
  });

  it('says what is missing or does not fit', () => {
    const x = randn([2, 3, 4]);
    expect(() => batchNorm(x)).toThrow('batchNorm: without training, runningMean and runningVar are needed');
    expect(() => batchNorm(x, { runningMean: zeros(3), training: true })).toThrow(
      'batchNorm: give both runningMean and runningVar, or neither',
    );
    expect(() => batchNorm(x, { weight: ones(4), training: true })).toThrow(
      'batchNorm: weight must be a tensor of shape [3], but is [4]',
    );
    expect(() => batchNorm(randn([1, 3]), { training: true })).toThrow(
      'batchNorm: training needs more than one value per channel, but x [1, 3] has 1',
    );
    expect(() => batchNorm(randn([3]), { training: true })).toThrow(ShapeError);
    expect(() => batchNorm(x, { training: 1 as never })).toThrow(OptionError);
    expect(() => batchNorm(x, { training: true, momentum: 2 })).toThrow(
      'batchNorm: momentum must be a number in [0, 1], but is 2',
    );
    expect(() => batchNorm(x, { training: true, eps: -1 })).toThrow(OptionError);
    expect(() => batchNorm(x, { training: true, affine: true } as never)).toThrow(/unknown option 'affine'/);
    expect(() => batchNorm(x, { training: true, weight: ones(3, { dtype: 'float64' }) })).toThrow(DTypeError);
  });
});

describe('the others', () => {
  it('say what does not fit', () => {
    const x = randn([2, 3, 4]);
    expect(() => layerNorm(x, [3])).toThrow('layerNorm: x [2, 3, 4] must end in normalizedShape [3]');
    expect(() => layerNorm(x, [])).toThrow(ShapeError);
    expect(() => layerNorm(x, 4, { bias: zeros([1, 4]) })).toThrow(
      'layerNorm: bias must be a tensor of shape [4], but is [1, 4]',
    );
    expect(layerNorm(x, 4).shape).toEqual([2, 3, 4]);
    expect(() => groupNorm(x, 2)).toThrow('groupNorm: 3 channels cannot be split into 2 groups; x is [2, 3, 4]');
    expect(() => groupNorm(x, 0)).toThrow(OptionError);
    expect(() => groupNorm(randn([3]), 1)).toThrow(ShapeError);
    expect(() => instanceNorm(randn([2, 3]))).toThrow(ShapeError);
    expect(() => instanceNorm(randn([2, 3, 1]))).toThrow(
      'instanceNorm: x must be [N, C, ...] with more than one value per channel, but is [2, 3, 1]',
    );
  });
});
