import { ShapeError } from '../../errors.ts';
import { type ArrayInput, at, build, type NdArray, toNd } from '../nd.ts';
import { checkKeys } from './options.ts';

export interface LinearOptions {
  readonly bias?: ArrayInput;
}

/**
 * A dense (fully connected) layer: `x [..., I]`, `weight [O, I]`, `y [..., O]`, y = x · weightᵀ + bias.
 *
 * @throws ShapeError if the last axis of x is not the weight's second.
 */
export function linear(xInput: ArrayInput, wInput: ArrayInput, options: LinearOptions = {}): NdArray {
  checkKeys('reference.linear', options, ['bias']);
  const x = toNd(xInput);
  const w = toNd(wInput);
  const [outputs = 0, inputs = 0] = w.shape;
  if (w.shape.length !== 2 || x.shape.at(-1) !== inputs) {
    throw new ShapeError(
      `reference.linear: x [${x.shape}] must end with the inputs of weight [O, I], which is [${w.shape}]`,
    );
  }
  const bias = options.bias === undefined ? new Float64Array(outputs) : toNd(options.bias).data;
  if (bias.length !== outputs)
    throw new ShapeError(`reference.linear: bias must be [${outputs}], it has ${bias.length} elements`);
  return build([...x.shape.slice(0, -1), outputs], (index) => {
    const row = index.slice(0, -1);
    const o = index.at(-1) as number;
    let sum = bias[o] as number;
    for (let i = 0; i < inputs; i++) sum += at(x, [...row, i]) * at(w, [o, i]);
    return sum;
  });
}
