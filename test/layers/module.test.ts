import { describe, expect, it } from 'vitest';
import {
  BatchNorm1d,
  Dense,
  Dropout,
  Module,
  ModuleBuffer,
  noGrad,
  OptionError,
  ones,
  Parameter,
  ReLU,
  Residual,
  Sequential,
  StateDictError,
  Tensor,
  tensor,
  zeros,
} from '../../src/index.ts';

class Net extends Module {
  first = new Dense(2, 3);
  blocks: Module[] = [new Dense(3, 3), new ReLU()];
  pairs: Parameter[][] = [[new Parameter(zeros([1]))]];
  scale = new Parameter(ones([]));
  seen = new ModuleBuffer(zeros([2]));
  scratch = ones([5]);
  readonly #hidden = new Dense(9, 9);
  override forward(x: Tensor): Tensor {
    return this.first.forward(x).mul(this.scale).add(this.#hidden.bias!.sum().mul(0));
  }
}

const names = ['first.weight', 'first.bias', 'blocks.0.weight', 'blocks.0.bias', 'pairs.0.0', 'scale', 'seen'];

describe('Module', () => {
  it('finds parameters, buffers and modules in properties and arrays, not in private fields or plain tensors', () => {
    const net = new Net();
    expect(Object.keys(net.stateDict())).toEqual(names);
    expect(net.namedParameters().map(([name]) => name)).toEqual(names.slice(0, 6));
    expect(net.namedBuffers().map(([name]) => name)).toEqual(['seen']);
    expect(net.buffers()).toEqual([net.seen]);
    expect(net.namedModules().map(([name]) => name)).toEqual(['', 'first', 'blocks.0', 'blocks.1']);
    expect(net.modules()).toHaveLength(4);
  });

  it('counts what is shared once as a parameter, and names it everywhere in the state', () => {
    const layer = new Dense(2, 2);
    const model = new Sequential(layer, new ReLU(), layer);
    expect(model.namedParameters().map(([name]) => name)).toEqual(['0.weight', '0.bias']);
    expect(model.modules()).toHaveLength(3);
    expect(Object.keys(model.stateDict())).toEqual(['0.weight', '0.bias', '2.weight', '2.bias']);
  });

  it('rejects a module that contains itself', () => {
    class Child extends Module {
      parent: Module | null = null;
      override forward(): void {}
    }
    class Root extends Module {
      child = new Child();
      override forward(): void {}
    }
    const root = new Root();
    root.child.parent = root;
    expect(() => root.parameters()).toThrow(OptionError);
    expect(() => root.stateDict()).toThrow("Root: the module at 'child.parent' contains itself");
  });

  it('gives a state that shares memory, and copies one in', () => {
    const [a, b] = [new Net(), new Net()];
    const state = a.stateDict();
    noGrad(() => a.scale.assign(7));
    expect(state.scale!.item()).toBe(7);
    expect(state.scale!.requiresGrad).toBe(false);
    const parameter = b.scale;
    expect(b.loadStateDict(state)).toEqual({ missing: [], unexpected: [] });
    expect(b.scale).toBe(parameter);
    noGrad(() => a.scale.assign(8));
    expect(b.scale.item()).toBe(7);
    expect(b.first.weight.toArray()).toEqual(a.first.weight.toArray());
  });

  it('converts the dtype of a state to its own', () => {
    const model = new Dense(1, 1);
    model.loadStateDict({ weight: tensor([[0.1]], { dtype: 'float64' }), bias: tensor([2]) });
    expect([model.weight.dtype, model.weight.item()]).toEqual(['float32', Math.fround(0.1)]);
  });

  it('lists everything that does not fit, and changes nothing then', () => {
    const model = new Dense(2, 1);
    const before = model.weight.toArray();
    const state = { weight: ones([1, 3]), more: ones([1]), other: ones([1]) };
    expect(() => model.loadStateDict(state)).toThrow(StateDictError);
    expect(() => model.loadStateDict(state)).toThrow(
      "loadStateDict: the state does not fit Dense: missing 'bias'; unexpected 'more', 'other'; 'weight' is [1, 3] but must be [1, 2]",
    );
    expect(() => model.loadStateDict({ weight: ones([1, 2]), bias: 1 as never })).toThrow("'bias' is no tensor");
    expect(() => model.loadStateDict({ weight: ones([1, 3]) }, { strict: false })).toThrow("'weight' is [1, 3]");
    expect(model.weight.toArray()).toEqual(before);
    expect(model.loadStateDict({ weight: ones([1, 2]), more: ones([1]) }, { strict: false })).toEqual({
      missing: ['bias'],
      unexpected: ['more'],
    });
    expect(model.weight.toArray()).toEqual([[1, 1]]);
    expect(() => model.loadStateDict({}, { strickt: false } as never)).toThrow(OptionError);
  });

  it('switches all modules between training and evaluation', () => {
    const model = new Sequential(new Dropout(0.5), new Residual(new Dropout(0.5)));
    expect(model.eval()).toBe(model);
    expect(model.modules().map((module) => module.training)).toEqual([false, false, false, false]);
    const x = ones([4]);
    expect(model.forward(x).toArray()).toEqual([2, 2, 2, 2]);
    expect(
      model
        .train()
        .modules()
        .every((module) => module.training),
    ).toBe(true);
  });

  it('converts dtype, keeping shared parameters shared, frozen ones frozen, and gradients', () => {
    const layer = new Dense(1, 1);
    layer.bias!.requiresGrad = false;
    const model = new Sequential(layer, layer, new BatchNorm1d(1)).to('float64');
    layer
      .forward(ones([1, 1], { dtype: 'float64' }))
      .sum()
      .backward();
    expect(model.parameters().map((p) => [p.dtype, p.requiresGrad])).toEqual([
      ['float64', true],
      ['float64', false],
      ['float64', true],
      ['float64', true],
    ]);
    expect(model.buffers().every((b) => b.dtype === 'float64' && b instanceof ModuleBuffer)).toBe(true);
    model.to('float32');
    expect([layer.weight.grad!.dtype, layer.weight.grad!.item()]).toEqual(['float32', 1]);
    model.zeroGrad();
    expect(layer.weight.grad).toBeNull();
  });

  it('makes parameters that are leaves sharing memory, even of results with a gradient', () => {
    const x = tensor([1, 2], { requiresGrad: true }).mul(2);
    const parameter = new Parameter(x);
    expect([parameter.isLeaf, parameter.requiresGrad, parameter.data === x.data]).toEqual([true, true, true]);
    expect(parameter).toBeInstanceOf(Tensor);
  });

  it('prints as code that makes it', () => {
    const model = new Sequential(
      new Dense(2, 3, { bias: false }),
      new Residual(new BatchNorm1d(3, { momentum: null })),
      new Dropout(0.1),
    );
    expect(String(model)).toBe(
      [
        'Sequential(',
        '  (0): Dense(2, 3, { bias: false })',
        '  (1): Residual(',
        '    (0): BatchNorm1d(3, { momentum: null })',
        '  )',
        '  (2): Dropout(0.1)',
        ')',
      ].join('\n'),
    );
  });

  it('rejects in Sequential what is no module', () => {
    expect(() => new Sequential(new ReLU(), ((x: Tensor) => x) as never)).toThrow(
      /layer 1 must be a Module, but is a function/,
    );
  });
});
