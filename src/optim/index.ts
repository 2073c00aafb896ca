/** The public names of optimizers and schedules. */

export * from './adagrad.ts';
export * from './adam.ts';
export * from './clip.ts';
export type { ParameterGroup, Parameters } from './group.ts';
export * from './one-cycle.ts';
export { type AnyOptimizer, Optimizer, type OptimizerState } from './optimizer.ts';
export * from './plateau.ts';
export * from './rmsprop.ts';
export { Schedule, type Scheduled } from './schedule.ts';
export {
  ConstantLR,
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  MultiStepLR,
  SequentialLR,
  StepLR,
} from './schedules.ts';
export * from './sgd.ts';
