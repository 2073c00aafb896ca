/** Random masks. */

import { OptionError } from '../errors.ts';
import { generatorOf } from '../tensor/creation.ts';
import { checkKeys, checkNumber, show } from '../tensor/options.ts';
import { type Drawing, drawObserverOf, fillDrawn, type Generator } from '../tensor/random.ts';
import type { DropoutOptions, Tensor } from '../tensor/tensor.ts';
import { apply, eager, withInterpreter } from './apply.ts';
import { mul } from './elementwise.ts';
import type { ComputeOp } from './op.ts';
import { detach } from './views.ts';

/**
 * 0 with probability p, else 1 / (1 - p), of x's shape; x's values do not matter. It draws from the generator when it is
 * computed, so a graph that is run again draws anew, and no two of these are the same.
 */
const dropoutMaskOp: ComputeOp<Drawing> = {
  kind: 'compute',
  name: 'dropoutMask',
  impure: true,
  infer: ([x]) => x!,
  compute: (_, drawing, __, y) => fillDrawn(drawing, y),
  vjp: null,
};

/**
 * With `training`, each element set to 0 with probability `p`, and the others divided by 1 - p, so that the expectation
 * stays; without, x itself. Srivastava et al. 2014.
 *
 * @throws OptionError for p outside of [0, 1].
 * @example
 * ```ts
 * import { dropout, Generator, ones } from 'typedgrad';
 * const y = dropout(ones(1000), { p: 0.2, generator: new Generator(1) });
 * y.max().item(); // → 1.25
 * y.mean().sub(1).abs().item() < 0.05; // → true
 * ```
 */
export function dropout(x: Tensor, options: DropoutOptions = {}): Tensor {
  checkKeys('dropout', options, ['p', 'training', 'generator']);
  const { training = true, generator } = options;
  const p = checkNumber('dropout', 'p', options.p ?? 0.5, 0, 1);
  if (typeof training !== 'boolean')
    throw new OptionError(`dropout: training must be true or false, but is ${show(training)}`);
  const source = (): Generator => generatorOf('dropout', { generator });
  source();
  const kept = p === 1 ? 0 : 1 / (1 - p);
  return training && p > 0 ? mul(x, maskLike(x, { draw: { name: 'mask', p, kept }, source })) : x;
}

/** While tracing, a mask from a stream that begins within the traced function is the same at each call: a constant. */
function maskLike(x: Tensor, drawing: Drawing): Tensor {
  const draw = (): Tensor => apply(dropoutMaskOp, [detach(x)], drawing);
  return drawObserverOf(drawing.source()) === null ? withInterpreter(eager, draw) : draw();
}
