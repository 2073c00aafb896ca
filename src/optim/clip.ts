/** Limits on gradients, between `backward` and `step`. */

import { noGrad } from '../autograd/mode.ts';
import { OptionError } from '../errors.ts';
import { assign } from '../ops/apply.ts';
import { add, clamp, div, minimum, mul, to } from '../ops/elementwise.ts';
import { stack } from '../ops/join.ts';
import { norm } from '../ops/reduce.ts';
import { zeros } from '../tensor/creation.ts';
import { checkKeys, checkNumber, show } from '../tensor/options.ts';
import { Tensor } from '../tensor/tensor.ts';

/** The gradients there are. */
function gradientsOf(operation: string, parameters: Tensor | Iterable<Tensor>): Tensor[] {
  const list = parameters instanceof Tensor ? [parameters] : [...parameters];
  const other = list.find((x) => !(x instanceof Tensor));
  if (other !== undefined) throw new OptionError(`${operation}: expected parameters, but got ${show(other)}`);
  return list.flatMap((x) => (x.grad === null ? [] : [x.grad]));
}

/**
 * Scales all gradients in place by one factor, so that their norm, as if they were one vector, is at most `max`.
 * Pascanu, Mikolov & Bengio 2013.
 *
 * @param options `normType`: the p of the p-norm (default 2; Infinity takes the largest magnitude).
 * @returns the norm before, as a scalar tensor.
 * @throws OptionError if `max` is negative.
 * @example
 * ```ts
 * import { clipGradNorm, Parameter, tensor } from 'typedgrad';
 * const x = new Parameter(tensor([3, 4]));
 * x.square().sum().mul(0.5).backward();
 * clipGradNorm([x], 1).item(); // → 5
 * x.grad?.mul(10).round().toArray(); // → [6, 8]
 * ```
 */
export function clipGradNorm(
  parameters: Tensor | Iterable<Tensor>,
  max: number,
  options: { normType?: number } = {},
): Tensor {
  checkKeys('clipGradNorm', options, ['normType']);
  checkNumber('clipGradNorm', 'max', max, 0);
  const p = checkNumber('clipGradNorm', 'normType', options.normType ?? 2, Number.MIN_VALUE);
  const gradients = gradientsOf('clipGradNorm', parameters);
  if (gradients.length === 0) return zeros([]);
  return noGrad(() => {
    const { dtype } = gradients[0]!;
    const norms = gradients.map((g) => to(norm(g, null, false, { p }), dtype));
    const total = norm(stack(norms, 0), null, false, { p });
    // The summand is PyTorch's: it keeps the quotient finite.
    const factor = minimum(div(max, add(total, 1e-6)), 1);
    for (const g of gradients) assign(g, mul(g, to(factor, g.dtype)));
    return total;
  });
}

/**
 * Limits every element of every gradient, in place, to [-limit, limit].
 *
 * @throws OptionError if `limit` is negative.
 */
export function clipGradValue(parameters: Tensor | Iterable<Tensor>, limit: number): void {
  checkNumber('clipGradValue', 'limit', limit, 0);
  noGrad(() => {
    for (const g of gradientsOf('clipGradValue', parameters)) assign(g, clamp(g, -limit, limit));
  });
}
