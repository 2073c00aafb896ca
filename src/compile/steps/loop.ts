/** Elementwise operations, updates in place and sums as one loop. */

import { loopFunctions, loopKey } from '../../kernels/wasm/loops.ts';
import { nameOf } from '../graph.ts';
import type { Group } from '../group.ts';
import type { LoopPlan } from './loop-plan.ts';
import type { Step, StepContext } from './step.ts';

/** The step of a loop. */
export function loopStep(plan: LoopPlan, group: Group, context: StepContext): Step {
  const kernel = context.memory.kernel(loopKey(plan.kernel), () => loopFunctions(plan.kernel));
  const run = kernel.run!;
  const views = [...plan.reads, ...plan.stores, ...plan.sums];
  const args = views.map((view) => context.address(view));
  const sums = plan.sumsInMemory ? plan.sums.map((view) => view.value) : [];
  const written = plan.stores.flatMap(({ value }) => (value.source.kind === 'state' ? [value.source.storage] : []));
  return {
    name: `loop of ${group.nodes.map(nameOf).join(', ')}`,
    run() {
      for (const value of sums) context.buffer(value).fill(0);
      run(...args);
      for (const storage of written) storage.version++;
    },
  };
}
