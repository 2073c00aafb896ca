/** Memory for time: values that backward needs are computed again instead of kept. */

import { GradError } from '../errors.ts';
import { apply, currentInterpreter, eager } from '../ops/apply.ts';
import type { ViewOp } from '../ops/op.ts';
import { detach } from '../ops/views.ts';
import { show } from '../tensor/options.ts';
import { defaultGenerator, Generator, withDefaultGenerator } from '../tensor/random.ts';
import { Tensor } from '../tensor/tensor.ts';
import { gradientsUpTo, inputsSince } from './backward.ts';
import { jointVjp } from './joint.ts';
import { isGradEnabled, withGrad } from './mode.ts';
import { nodesMade } from './node.ts';

interface Replay {
  /** Computes the result once more, recorded. */
  readonly run: () => Tensor;
}

/**
 * The first input, the result, as if it were computed from the others in one step. Its vjp runs the function again and
 * goes back through what that records, up to those others.
 */
const checkpointOp: ViewOp<Replay> = {
  kind: 'view',
  name: 'checkpoint',
  layout: (x) => x,
  vjp: jointVjp((g, call) => {
    // Reading them checks that none was changed since, which would make the second run another one.
    const variables = call.specs.slice(1).map((_, i) => call.input(i + 1));
    const createGraph = isGradEnabled();
    const output = withGrad(true, call.attrs.run);
    return [null, ...gradientsUpTo(output, variables, g, createGraph)];
  }),
};

/**
 * `fn(...inputs)`, keeping none of the values between for the backward pass, which calls `fn` again to have them. Gradients
 * flow to the inputs and to whatever else `fn` uses, to any order, and checkpoints may be nested. Random numbers of the
 * default stream come out the same the second time; other effects of `fn`, as on running statistics, happen twice.
 *
 * Within `compile` it is a plain call, since there the memory is planned.
 *
 * @throws GradError if `fn` does not return a tensor.
 * @example
 * ```ts
 * import { checkpoint, tensor, type Tensor } from 'typedgrad';
 * const x = tensor([1, 2], { requiresGrad: true });
 * const block = (x: Tensor) => x.exp().sin().exp();
 * checkpoint(block, x).sum().backward();
 * const kept = x.grad;
 * x.grad = null;
 * block(x).sum().backward();
 * String(x.grad) === String(kept); // → true
 * ```
 */
export function checkpoint<A extends unknown[]>(fn: (...inputs: A) => Tensor, ...inputs: A): Tensor {
  if (!isGradEnabled() || currentInterpreter() !== eager) return fn(...inputs);
  const stream = defaultGenerator();
  const { position } = stream;
  const before = nodesMade();
  const output = fn(...inputs);
  if (!(output instanceof Tensor))
    throw new GradError(`checkpoint: the function must return a tensor, but returned ${show(output)}`);
  const variables = output.requiresGrad ? inputsSince(before, output) : [];
  if (variables.length === 0 || variables.includes(output)) return output;
  const run = (): Tensor => {
    const again = new Generator(stream.seed);
    again.position = position;
    return withDefaultGenerator(again, () => fn(...inputs));
  };
  return apply(checkpointOp, [detach(output), ...variables], { run });
}
