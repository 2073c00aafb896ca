/** Random masks. */

import { OptionError } from '../errors.ts';
import { drawTensor, generatorOf } from '../tensor/creation.ts';
import { checkKeys, checkNumber, show } from '../tensor/options.ts';
import type { Generator } from '../tensor/random.ts';
import type { DropoutOptions, Tensor } from '../tensor/tensor.ts';
import { checkTensor } from './check.ts';
import { mul } from './elementwise.ts';

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
  checkTensor('dropout', 'x', x);
  const { training = true, generator } = options;
  const p = checkNumber('dropout', 'p', options.p ?? 0.5, 0, 1);
  if (typeof training !== 'boolean')
    throw new OptionError(`dropout: training must be true or false, but is ${show(training)}`);
  const source = (): Generator => generatorOf('dropout', { generator });
  source(); // an error even if nothing is drawn
  const kept = p === 1 ? 0 : 1 / (1 - p);
  if (!training || p === 0) return x;
  return mul(x, drawTensor('dropoutMask', x.shape, x.dtype, { draw: { name: 'mask', p, kept }, source }));
}
