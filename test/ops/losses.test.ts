/** What losses promise beyond agreeing with PyTorch's numbers. */

import { describe, expect, it } from 'vitest';
import {
  bceLoss,
  bceWithLogitsLoss,
  compile,
  crossEntropy,
  DTypeError,
  gaussianNllLoss,
  hingeLoss,
  huberLoss,
  IndexError,
  klDivLoss,
  l1Loss,
  logSoftmax,
  mseLoss,
  multiMarginLoss,
  nllLoss,
  OptionError,
  oneHot,
  ShapeError,
  smoothL1Loss,
  type Tensor,
  tensor,
} from '../../src/index.ts';

const logits = (): Tensor =>
  tensor(
    [
      [1, 2, 3],
      [3, 1, 2],
    ],
    { requiresGrad: true, dtype: 'float64' },
  );

describe('class labels', () => {
  it('may be lists, nested lists, integer arrays or tensors, of either dtype', () => {
    const expected = crossEntropy(logits(), tensor([2, 0], { dtype: 'float64' })).item();
    for (const labels of [[2, 0], Int32Array.of(2, 0), Uint8Array.of(2, 0), tensor([2, 0])]) {
      expect(crossEntropy(logits(), labels).item()).toBe(expected);
      expect(nllLoss(logSoftmax(logits(), 1), labels).item()).toBe(expected);
    }
    const picture = tensor(Float64Array.from({ length: 12 }, Math.sin), [1, 3, 2, 2]);
    const nested = crossEntropy(picture, [
      [
        [0, 1],
        [2, 0],
      ],
    ]).item();
    expect(crossEntropy(picture, Int32Array.of(0, 1, 2, 0)).item()).toBe(nested);
    expect(crossEntropy(tensor([1, 2, 3]), 1).item()).toBeCloseTo(Math.log(1 + Math.exp(-1) + Math.E), 6);
  });

  it('that are no class are named with their position', () => {
    expect(() => crossEntropy(logits(), [0, 3])).toThrow(
      new IndexError('crossEntropy: label 3 at [1] is not a class; the classes are 0 to 2, and -100 is ignored'),
    );
    expect(() => nllLoss(logits(), [-1, 0])).toThrow(/nllLoss: label -1 at \[0\]/);
    expect(() => crossEntropy(logits(), tensor([0.5, 0]))).toThrow(/label 0.5 at \[0\]/);
    expect(() => crossEntropy(logits(), tensor([Number.NaN, 0]))).toThrow(IndexError);
    expect(() => multiMarginLoss(logits(), [0, 7])).toThrow(
      /multiMarginLoss: label 7 at \[1\] is not a class; the classes are 0 to 2$/,
    );
    expect(() =>
      crossEntropy(tensor(new Float32Array(12), [1, 3, 2, 2]), [
        [
          [0, 1],
          [5, 0],
        ],
      ]),
    ).toThrow(/label 5 at \[0, 1, 0\]/);
    expect(() => crossEntropy(tensor([1, 2]), 2)).toThrow(/label 2 at the only position/);
  });

  it('that are no class are an error of a compiled function too', () => {
    const loss = compile((x: Tensor, labels: Tensor) => crossEntropy(x, labels));
    expect(loss(logits().detach(), tensor([0, 1], { dtype: 'float64' })).item()).toBeCloseTo(
      crossEntropy(logits(), [0, 1]).item(),
      12,
    );
    expect(() => loss(logits().detach(), tensor([0, 3], { dtype: 'float64' }))).toThrow(
      /crossEntropy: label 3 at \[1\]/,
    );
  });

  it('must be as many as the predictions', () => {
    expect(() => crossEntropy(logits(), [0])).toThrow(
      'crossEntropy: labels [1] must have shape [2], one for each prediction',
    );
    expect(() => crossEntropy(logits(), tensor([[0, 1]]))).toThrow(ShapeError);
    expect(() => crossEntropy(logits(), null as never)).toThrow(IndexError);
    expect(() => crossEntropy(tensor(1), 0)).toThrow(
      'crossEntropy: prediction must be [C], [N, C] or [N, C, ...], but is a scalar',
    );
    expect(() => multiMarginLoss(tensor([[[1]]]), [[0]])).toThrow(ShapeError);
  });
});

describe('crossEntropy', () => {
  it.each(['float32', 'float64'] as const)('is exact for extreme logits (%s)', (dtype) => {
    const x = tensor(
      [
        [1e4, -1e4, 0],
        [-1e4, 1e4, 0],
        [1e4, 1e4, 1e4],
      ],
      { dtype, requiresGrad: true },
    );
    const losses = crossEntropy(x, [0, 0, 1], { reduction: 'none' });
    expect(losses.slice([0, 2]).toArray()).toEqual([0, 2e4]);
    expect(losses.at(2)).toBeCloseTo(Math.log(3), 6);
    losses.sum().backward();
    expect(x.grad!.slice([0, 2]).toArray()).toEqual([
      [0, 0, 0],
      [-1, 1, 0],
    ]);
  });

  it('gives, in the mean, the gradient (softmax - target) / N', () => {
    const x = logits();
    crossEntropy(x, [2, 0]).backward();
    const expected = x
      .detach()
      .softmax(1)
      .sub(oneHot(tensor([2, 0], { dtype: 'float64' }), 3))
      .div(2);
    expect(x.grad!.sub(expected).abs().max().item()).toBeLessThan(1e-15);
  });

  it('takes one-hot probabilities for labels', () => {
    const target = oneHot(tensor([2, 0], { dtype: 'float64' }), 3);
    expect(crossEntropy(logits(), target).item()).toBeCloseTo(crossEntropy(logits(), [2, 0]).item(), 14);
    const smooth = { labelSmoothing: 0.3 };
    expect(crossEntropy(logits(), target, smooth).item()).toBeCloseTo(
      crossEntropy(logits(), [2, 0], smooth).item(),
      14,
    );
  });

  it('leaves ignored samples out of value, mean and gradient, even where they are NaN', () => {
    const x = tensor(
      [
        [1, 2, 3],
        [Number.NaN, 1, 2],
      ],
      { requiresGrad: true, dtype: 'float64' },
    );
    const loss = crossEntropy(x, [2, -100], { labelSmoothing: 0.1 });
    expect(loss.item()).toBe(crossEntropy(logits().slice([0, 1]), [2], { labelSmoothing: 0.1 }).item());
    const clean = logits();
    crossEntropy(clean, [2, 5], { ignoreIndex: 5 }).backward();
    expect(clean.grad!.select(0, 1).abs().toArray()).toEqual([0, 0, 0]);
    expect(crossEntropy(clean, [-100, -100]).item()).toBeNaN();
    expect(crossEntropy(clean, [-100, -100], { reduction: 'sum' }).item()).toBe(0);
  });

  it('rejects what makes no sense', () => {
    const loss =
      (options: object, target: never = [2, 0] as never) =>
      () =>
        crossEntropy(logits(), target, options);
    expect(loss({ labelSmoothing: 1.5 })).toThrow(
      'crossEntropy: labelSmoothing must be a number in [0, 1], but is 1.5',
    );
    expect(loss({ reduction: 'batchmean' })).toThrow(OptionError);
    expect(loss({ ignoreIndex: 0.5 })).toThrow(OptionError);
    expect(loss({ weight: tensor([1, 2], { dtype: 'float64' }) })).toThrow(
      'crossEntropy: weight [2] must have one number for each of the 3 classes of prediction [2, 3]',
    );
    expect(loss({ weight: tensor([1, 2, 3]) })).toThrow(DTypeError);
    expect(loss({ ignoreIndex: 1 }, logits() as never)).toThrow(/ignoreIndex is for class labels/);
    expect(
      loss(
        {},
        tensor([
          [1, 0, 0],
          [0, 1, 0],
        ]) as never,
      ),
    ).toThrow(DTypeError);
  });
});

describe('losses of single elements', () => {
  const pair = [mseLoss, l1Loss, smoothL1Loss, huberLoss, bceWithLogitsLoss, klDivLoss, hingeLoss] as const;
  it.each(pair.map((loss) => [loss.name, loss] as const))('%s wants one shape and one dtype', (name, loss) => {
    const [x, t] = [tensor([[1], [2]]), tensor([1, 2])];
    expect(() => loss(x, t)).toThrow(`${name}: prediction [2, 1] and target [2] must have one shape`);
    expect(() => loss(x, x.to('float64'))).toThrow(
      `${name}: target is float64 but prediction is float32; convert one with to('float32')`,
    );
    expect(() => loss(x, 1 as never)).toThrow(`${name}: target must be a tensor, but is 1`);
    expect(() => loss(x, x, { size: 1 } as never)).toThrow(`${name}: unknown option 'size'; it knows 'reduction'`);
    expect(() => loss(x, x, { reduction: 'average' } as never)).toThrow(
      `${name}: reduction must be one of 'mean', 'sum', 'none'`,
    );
  });

  it('are finite, with finite gradients, for differences whose square overflows', () => {
    for (const loss of [smoothL1Loss, huberLoss]) {
      const x = tensor([1e30, Infinity], { requiresGrad: true });
      loss(x, tensor([0, 0]), { reduction: 'none' }).backward(tensor([1, 1]));
      expect(x.grad!.toArray()).toEqual([1, 1]);
    }
  });

  it('of logits and of probabilities agree, and the former stays exact where the latter saturates', () => {
    const x = tensor([-3, 0.5, 2], { dtype: 'float64' });
    const t = tensor([0, 0.3, 1], { dtype: 'float64' });
    expect(bceWithLogitsLoss(x, t).item()).toBeCloseTo(bceLoss(x.sigmoid(), t).item(), 14);
    const far = tensor([1e4, -1e4, -40], { requiresGrad: true });
    const losses = bceWithLogitsLoss(far, tensor([0, 1, 0]), { reduction: 'none' });
    expect(losses.slice([0, 2]).toArray()).toEqual([1e4, 1e4]);
    expect(losses.at(2) / Math.exp(-40)).toBeCloseTo(1, 6);
    losses.sum().backward();
    expect(far.grad!.slice([0, 2]).toArray()).toEqual([1, -1]);
  });

  it('bceLoss limits logarithms to -100, with gradient 0 there, and rejects what is no probability', () => {
    const x = tensor([0, 1, 0, 1], { requiresGrad: true });
    const losses = bceLoss(x, tensor([1, 0, 0, 1]), { reduction: 'none' });
    expect(losses.toArray()).toEqual([100, 100, 0, 0]);
    losses.sum().backward();
    expect(x.grad!.toArray().toString()).not.toContain('NaN');
    expect(() => bceLoss(tensor([1.5]), tensor([1]))).toThrow(
      /bceLoss: predictions must be probabilities in \[0, 1\] .*, but one is 1.5/,
    );
    expect(bceLoss(tensor([Number.NaN]), tensor([1])).item()).toBeNaN();
  });

  it('klDivLoss is 0 between equals, and counts a target of 0 as 0', () => {
    const p = tensor([[0.25, 0.75, 0]], { dtype: 'float64' });
    expect(klDivLoss(p.maximum(1e-300).log(), p, { reduction: 'sum' }).item()).toBeCloseTo(0, 14);
    const x = tensor(
      [
        [1, 2],
        [3, 4],
      ],
      { dtype: 'float64' },
    );
    expect(klDivLoss(x, x, { reduction: 'batchmean', logTarget: true }).item()).toBe(0);
    expect(() => klDivLoss(x, x, { logTarget: 1 as never })).toThrow(
      'klDivLoss: logTarget must be true or false, but is 1',
    );
  });

  it('gaussianNllLoss lets a variance below eps grow again, and rejects a negative one', () => {
    const variance = tensor([1e-9], { requiresGrad: true, dtype: 'float64' });
    const [x, t] = [tensor([1], { dtype: 'float64' }), tensor([0], { dtype: 'float64' })];
    const loss = gaussianNllLoss(x, t, variance);
    loss.backward();
    expect(loss.item()).toBeCloseTo((Math.log(1e-6) + 1e6) / 2, 4);
    expect(variance.grad!.item()).toBeLessThan(-1e11);
    expect(() => gaussianNllLoss(x, t, tensor([-1], { dtype: 'float64' }))).toThrow(
      'gaussianNllLoss: variances must not be negative, but one is -1',
    );
    expect(() => gaussianNllLoss(x, t, tensor([1, 1], { dtype: 'float64' }))).toThrow(ShapeError);
  });

  it('reject options outside of their range', () => {
    const [x, t] = [tensor([1]), tensor([0])];
    expect(() => huberLoss(x, t, { delta: 0 })).toThrow(OptionError);
    expect(() => smoothL1Loss(x, t, { beta: -1 })).toThrow(OptionError);
    expect(smoothL1Loss(x, t, { beta: 0 }).item()).toBe(1);
    expect(() => multiMarginLoss(tensor([[1, 2]]), [0], { p: 3 as never })).toThrow(
      "multiMarginLoss: p must be one of '1', '2', but is '3'",
    );
    expect(() => bceWithLogitsLoss(x, t, { posWeight: tensor([1, 2]) })).toThrow(
      "bceWithLogitsLoss: posWeight [2] must broadcast to the prediction's shape [1]",
    );
  });
});
