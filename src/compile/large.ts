/**
 * Large operations of eager code on several threads: each is a program of a single operation, kept for the next call with
 * the same shapes. Its values are those that one thread computes, to the last bit.
 */

import { withGrad } from '../autograd/mode.ts';
import { apply, setLargeOperations } from '../ops/apply.ts';
import type { AnyComputeOp } from '../ops/op.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { threadCount } from '../threads/index.ts';
import { Program } from './program.ts';
import { trace } from './trace.ts';
import { multiplications } from './work.ts';

/** Multiplications from which on several threads are worth the copies: some 0.3 ms of one thread. */
const least = 8e6;
/** Memory that programs kept for later may hold, in bytes. */
const mostBytes = 2 ** 28;

/** Programs by operation and shapes, the least recently used first. */
const programs = new Map<string, Program>();

/** Runs the large operations of eager code on the threads that there are. */
export function spreadLargeOperations(): void {
  setLargeOperations(runLarge);
}

/** The result of a large operation, or null if this one is not worth it. */
function runLarge(op: AnyComputeOp, inputs: readonly Tensor[], attrs: unknown): Tensor | null {
  if (threadCount() === 1 || inputs.some(({ dtype }) => dtype !== 'float32')) return null;
  const { shape } = op.infer(inputs, attrs);
  const shapes = inputs.map((x) => x.shape);
  if (multiplications(op.name, shapes, shape) < least) return null;
  const key = `${op.name} ${shapes.map((s) => s.join()).join(' ')} ${JSON.stringify(attrs)}`;
  const program = programs.get(key) ?? programOf(op, inputs, attrs);
  programs.delete(key);
  programs.set(key, program);
  const [result] = program.run(inputs) as [Tensor];
  program.forgetInputs();
  return result;
}

function programOf(op: AnyComputeOp, inputs: readonly Tensor[], attrs: unknown): Program {
  const specs = inputs.map(({ shape, dtype }) => ({ shape, dtype, requiresGrad: false }));
  const { graph } = withGrad(false, () =>
    trace(
      specs,
      (xs) => apply(op, xs, attrs),
      (y) => [y],
    ),
  );
  const program = new Program(graph);
  let bytes = program.plan.bytes;
  for (const old of programs.values()) bytes += old.plan.bytes;
  for (const [key, old] of programs) {
    if (bytes <= mostBytes) break;
    bytes -= old.plan.bytes;
    programs.delete(key);
    old.dispose();
  }
  return program;
}
