/** The public names of optimizers. */

export * from './adam.ts';
export type { ParameterGroup, Parameters } from './group.ts';
export { Optimizer, type OptimizerState } from './optimizer.ts';
export * from './sgd.ts';
