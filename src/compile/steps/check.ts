/** What must hold of values that a step reads: labels that are classes, positions within an axis. */

import type { Strided } from '../../kernels/types.ts';
import type { View } from '../graph.ts';
import type { Step, StepContext } from './step.ts';

/**
 * A step's part that looks at a view and throws: before anything runs where the program does not write what the view
 * shows, else behind the step's tasks.
 */
export function checking(
  view: View,
  context: StepContext,
  check: (x: Strided) => void,
): Pick<Step, 'prepare'> | Pick<Step, 'finish'> {
  const operand = context.operand(view);
  const look = (): void => check(operand);
  return context.isFixed(view.value) ? { prepare: look } : { finish: look };
}
