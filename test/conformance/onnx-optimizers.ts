/** ONNX's optimizer operators, whose state is an input, as one step of the library's optimizers. */

import { Adagrad, Parameter, SGD, type Tensor, tensor } from '../../src/index.ts';
import { type Mapping, NotApplicable, type OnnxNode } from './onnx-node.ts';

interface Stepper {
  loadStateDict(state: { state: Record<string, Tensor>; groups: ReturnType<SGD['stateDict']>['groups'] }): void;
  stateDict(): ReturnType<SGD['stateDict']>;
  step(): void;
}

/** Inputs are the rate, the count of updates so far, and then parameters, gradients and states, equally many of each. */
function stepOnce(node: OnnxNode, slot: string, make: (parameters: Parameter[], lr: number) => Stepper): Tensor[] {
  const [rate, count] = [node.input(0).item(), node.input(1).item()];
  const many = (node.count - 2) / 3;
  const part = (i: number): Tensor[] => Array.from({ length: many }, (_, j) => node.input(2 + i * many + j));
  const parameters = part(0).map((x) => new Parameter(x));
  part(1).forEach((gradient, i) => {
    parameters[i]!.grad = gradient;
  });
  const optimizer = make(parameters, rate);
  const { groups } = optimizer.stateDict();
  const state: Record<string, Tensor> = {};
  part(2).forEach((values, i) => {
    state[`${i}.step`] = tensor(count, { dtype: 'float64' });
    state[`${i}.${slot}`] = values;
  });
  optimizer.loadStateDict({ state, groups });
  optimizer.step();
  const after = optimizer.stateDict().state;
  return [...parameters, ...parameters.map((_, i) => after[`${i}.${slot}`]!)];
}

const momentum: Mapping = (node) =>
  stepOnce(node, 'momentum_buffer', (parameters, lr) => {
    const nesterov = node.text('mode', 'standard') === 'nesterov';
    const dampening = 1 - node.number('beta', 1);
    const weightDecay = node.number('norm_coefficient', 0);
    return new SGD(parameters, { lr, momentum: node.number('alpha', 0), dampening, weightDecay, nesterov });
  });

const adagrad: Mapping = (node) =>
  stepOnce(node, 'sum', (parameters, lr) => {
    const weightDecay = node.number('norm_coefficient', 0);
    return new Adagrad(parameters, {
      lr,
      lrDecay: node.number('decay_factor', 0),
      weightDecay,
      eps: node.number('epsilon', 0),
    });
  });

export const OPTIMIZERS: Readonly<Record<string, Mapping>> = {
  Momentum: momentum,
  Adagrad: adagrad,
  Adam: () => {
    throw new NotApplicable('another Adam: no bias correction at the first update');
  },
};
