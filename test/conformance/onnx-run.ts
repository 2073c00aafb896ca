/** Judges ONNX's cases one by one: passed, failed, or not applicable with the reason. */

import { type Difference, difference } from '../golden/compare.ts';
import { canRead, type OnnxCase, valuesOf } from './onnx-cases.ts';
import { NotApplicable, OnnxNode } from './onnx-node.ts';
import { OPERATORS } from './onnx-operators.ts';

export interface Verdict {
  readonly name: string;
  readonly operator: string;
  readonly state: 'passed' | 'failed' | 'not applicable';
  /** What differs, or why the case does not apply. */
  readonly reason: string;
  readonly error: number;
}

/** Single precision, relative to each element or a hundredth of the output's largest; ONNX itself asks for 1e-3. */
export const TOLERANCE = 1e-5;
const FLOOR = 0.01;

function inapplicable({ name, ops, dtypes, size, inputs, outputs }: OnnxCase): string | null {
  if (ops.length > 1 || name.includes('_expanded'))
    return 'an operator written out in others, on the same tensors as its own case';
  const [operator] = ops as [string];
  if (!(operator in OPERATORS)) return 'no such operation in the library';
  if (size === 0 && !inputs) return `tensors of ${dtypes.join(', ')}`;
  if (!inputs) return 'left out of the committed file for its size';
  const foreign = [...inputs, ...outputs!].find((t) => t && !canRead(t.t));
  return foreign ? `tensors of ${foreign.t}` : null;
}

function compareOutputs(source: OnnxCase): Difference {
  const result = OPERATORS[source.ops[0]!]!(new OnnxNode(source));
  const tensors = Array.isArray(result) ? result : [result];
  if (tensors.length !== source.outputs!.length) {
    return {
      error: Number.POSITIVE_INFINITY,
      message: `${tensors.length} outputs instead of ${source.outputs!.length}`,
    };
  }
  const all = tensors.map((t, i) => difference(t, source.outputs![i]!.s, valuesOf(source.outputs![i]!), FLOOR));
  return all.reduce((worst, found) => (found.error > worst.error ? found : worst), { error: 0, message: 'equal' });
}

export function judge(source: OnnxCase): Verdict {
  const verdict = { name: source.name, operator: source.ops.join(', '), error: 0 };
  const reason = inapplicable(source);
  if (reason) return { ...verdict, state: 'not applicable', reason };
  try {
    const { error, message } = compareOutputs(source);
    return { ...verdict, state: error <= TOLERANCE ? 'passed' : 'failed', reason: message, error };
  } catch (error) {
    if (error instanceof NotApplicable) return { ...verdict, state: 'not applicable', reason: error.message };
    const reason = error instanceof Error ? error.message : String(error);
    return { ...verdict, state: 'failed', reason, error: Number.POSITIVE_INFINITY };
  }
}
