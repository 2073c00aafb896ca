/** Functions made of functions: gradients, and operations of a user's own. */

import { GradError, OptionError } from '../errors.ts';
import { fullLike } from '../ops/elementwise.ts';
import { alias, clone } from '../ops/views.ts';
import { checkInteger, checkKeys, show } from '../tensor/options.ts';
import { showShape } from '../tensor/shape.ts';
import { Tensor } from '../tensor/tensor.ts';
import { gradients } from './backward.ts';
import { differentiating, isDifferentiating, withGrad } from './mode.ts';

/** Options of `grad` and `valueAndGrad`. */
export interface GradOptions<N extends number | readonly number[] = number | readonly number[]> {
  /** Which argument to differentiate by; a list gives a list of gradients. Default 0. */
  argnums?: N;
  /** Whether the gradient can be differentiated itself. Default: within another `grad`, or if an argument requires a gradient. */
  createGraph?: boolean;
}

/** One gradient, or a list of them when `argnums` is a list. */
export type Gradients<N> = N extends readonly number[] ? Tensor[] : Tensor;

/**
 * The function that gives the gradient of `fn`, whose result is one number, by its first argument (or `argnums`).
 *
 * @example
 * ```ts
 * import { grad, tensor, type Tensor } from 'typedgrad';
 * const cube = (x: Tensor) => x.mul(x).mul(x);
 * grad(cube)(tensor(2)).item(); // → 12
 * grad(grad(cube))(tensor(2)).item(); // → 12
 * ```
 */
export function grad<A extends unknown[], N extends number | readonly number[] = 0>(
  fn: (...args: A) => Tensor,
  options: GradOptions<N> = {},
): (...args: A) => Gradients<N> {
  const both = valueAndGrad(fn, options);
  return (...args) => both(...args)[1];
}

/** As `grad`, but gives the value of `fn` too: `[value, gradient]`. */
export function valueAndGrad<A extends unknown[], N extends number | readonly number[] = 0>(
  fn: (...args: A) => Tensor,
  options: GradOptions<N> = {},
): (...args: A) => [value: Tensor, gradient: Gradients<N>] {
  checkKeys('grad', options, ['argnums', 'createGraph']);
  const argnums: number | readonly number[] = options.argnums ?? 0;
  const list: readonly number[] = typeof argnums === 'number' ? [argnums] : argnums;
  for (const index of list) checkInteger('grad', 'argnums', index);
  return (...args) => {
    const variables = list.map((index) => args[index]);
    const createGraph =
      options.createGraph ?? (isDifferentiating() || args.some((arg) => arg instanceof Tensor && arg.requiresGrad));
    const run = (): [Tensor, Tensor | Tensor[]] => {
      const inputs = variables.map((variable, i) => freshVariable(variable, list[i]!));
      const output = fn(...(args.map((arg, i) => inputs[list.indexOf(i)] ?? arg) as A));
      checkScalar(output);
      if (!output.requiresGrad) return [output, pack(inputs.map((x) => clone(fullLike(x, 0))))];
      const found = gradients(output, inputs, undefined, { createGraph });
      return [createGraph ? output : output.detach(), pack(found)];
    };
    return differentiating(() => withGrad(true, run)) as [Tensor, Gradients<N>];
  };

  function pack(found: Tensor[]): Tensor | Tensor[] {
    return typeof argnums === 'number' ? found[0]! : found;
  }
}

/** A tensor of its own in the graph with the values of `x`, so that its gradient can be told from others of `x`. */
function freshVariable(x: unknown, index: number): Tensor {
  if (!(x instanceof Tensor))
    throw new OptionError(`grad: argument ${index} must be a tensor to differentiate by, but is ${show(x)}`);
  const variable = alias(x);
  variable.requiresGrad = true;
  return variable;
}

function checkScalar(output: unknown): asserts output is Tensor {
  if (!(output instanceof Tensor))
    throw new GradError(`grad: the function must return a tensor of one number, but returned ${show(output)}`);
  if (output.size !== 1) {
    throw new GradError(
      `grad: the function must return one number, but returned shape ${showShape(output.shape)}; reduce with sum() or mean()`,
    );
  }
}
