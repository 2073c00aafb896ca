/** The public names of layers and models. */

export * from './activations.ts';
export * from './adaptive.ts';
export * from './containers.ts';
export * from './conv.ts';
export { Dense, type WeightOptions } from './dense.ts';
export * from './dropout.ts';
export * from './flatten.ts';
export * as init from './init.ts';
export * from './module.ts';
export * from './norms.ts';
export * from './parameter.ts';
export * from './pool.ts';
export * from './summary.ts';
