import { expect, it } from 'vitest';
import {
  BatchNorm2d,
  Conv1d,
  Conv2d,
  Dense,
  Dropout,
  Flatten,
  MaxPool2d,
  Module,
  ReLU,
  Sequential,
  ShapeError,
  summary,
  type Tensor,
} from '../../src/index.ts';

it('counts 4 weights for a filter of 3 with its bias, and 110 for a fully connected layer from 10 to 10', () => {
  const model = new Sequential(new Conv1d(1, 1, 3, { padding: 1 }), new Flatten(), new Dense(10, 10));
  expect(summary(model, [1, 1, 10]).rows).toEqual([
    { name: '0', layer: 'Conv1d', outputShape: [1, 1, 10], parameters: 4 },
    { name: '1', layer: 'Flatten', outputShape: [1, 10], parameters: 0 },
    { name: '2', layer: 'Dense', outputShape: [1, 10], parameters: 110 },
  ]);
});

it('prints a table', () => {
  const model = new Sequential(
    new Conv2d(1, 8, 3),
    new BatchNorm2d(8),
    new ReLU(),
    new MaxPool2d(2),
    new Flatten(),
    new Dense(1352, 10),
  );
  model.parameters()[0]!.requiresGrad = false;
  const table = summary(model, [2, 1, 28, 28]);
  expect(String(table)).toBe(
    [
      'layer          output shape    parameters',
      '─────────────────────────────────────────',
      'input          [2, 1, 28, 28]',
      '0 Conv2d       [2, 8, 26, 26]          80',
      '1 BatchNorm2d  [2, 8, 26, 26]          16',
      '2 ReLU         [2, 8, 26, 26]           0',
      '3 MaxPool2d    [2, 8, 13, 13]           0',
      '4 Flatten      [2, 1352]                0',
      '5 Dense        [2, 10]             13,530',
      '─────────────────────────────────────────',
      '13,626 parameters, 13,554 of them trained; 17 numbers in buffers',
    ].join('\n'),
  );
  expect([table.parameters, table.trainable, table.buffers]).toEqual([13626, 13554, 17]);
});

it('follows nested modules in the order of calls, counts shared weights once, and leaves the model as it was', () => {
  class Twice extends Module {
    b = new Dense(3, 3);
    a = new Sequential(new Dense(3, 3), new Dropout(0.5));
    override forward(x: Tensor): Tensor {
      return this.b.forward(this.a.forward(this.b.forward(x)));
    }
  }
  const model = new Twice().to('float64');
  model.a.eval();
  const { rows, parameters } = summary(model, [1, 3]);
  expect(rows.map(({ name, parameters }) => [name, parameters])).toEqual([
    ['b', 12],
    ['a.0', 12],
    ['a.1', 0],
    ['b', 0],
  ]);
  expect(parameters).toBe(24);
  expect([model.training, model.a.training, model.b.training]).toEqual([true, false, true]);
  expect(Object.hasOwn(model.b, 'forward')).toBe(false);
});

it('leaves the model as it was when the shape does not fit', () => {
  const model = new Sequential(new Dense(3, 3));
  expect(() => summary(model, [1, 4])).toThrow(ShapeError);
  expect([model.training, Object.hasOwn(model.layers[0]!, 'forward')]).toEqual([true, false]);
});
