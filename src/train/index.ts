/** The public names of training. */

export { type Batches, type EvaluateOptions, type Evaluation, evaluate, type LossFunction } from './evaluate.ts';
export * from './fit.ts';
export * from './metrics.ts';
