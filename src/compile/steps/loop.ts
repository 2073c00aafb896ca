/** Elementwise operations, updates in place and sums as one loop. */

import { type Expr, op, select } from '../../kernels/wasm/assembler/assembler.ts';
import { placeAt, type Task } from '../../kernels/wasm/conductor.ts';
import { loopKey } from '../../kernels/wasm/elementwise/loop.ts';
import { loopFunctions } from '../../kernels/wasm/elementwise/loops.ts';
import { nameOf, type View } from '../graph.ts';
import type { Group } from '../group.ts';
import type { LoopPlan } from './loop-plan.ts';
import type { Step, StepContext } from './step.ts';

/** The task of a loop: its outermost axis in chunks. `address` tells where arrays lie, if not where the program has them. */
export function loopTask(
  plan: LoopPlan,
  context: StepContext,
  address: (view: View) => number = (view) => context.address(view),
): Task {
  const { kernel, count, chunk, steps } = plan;
  const addresses = [
    ...[...plan.reads, ...plan.stores, ...plan.sums].map(address),
    ...plan.scratch.map((floats) => context.scratch(floats).address),
  ];
  const run = context.imported(loopKey(kernel), () => loopFunctions(kernel));
  const units = Math.ceil(count / chunk);
  const rest = count - (units - 1) * chunk;
  const countOf = (unit: Expr<'i32'>): Expr<'i32'> =>
    rest === chunk ? placeAt(chunk) : select(placeAt(rest), placeAt(chunk), op('i32.eq', unit, placeAt(units - 1)));
  return {
    units,
    emit(f, unit) {
      const args = addresses.map((at, i) => (units === 1 ? placeAt(at) : placeAt(at, [unit, 4 * chunk * steps[i]!])));
      f.call(run, ...args, ...(kernel.counted ? [countOf(unit)] : []));
    },
  };
}

/** Tasks that do not depend on each other, as one. */
export function together(tasks: readonly Task[]): Task {
  const starts = [0];
  for (const { units } of tasks) starts.push(starts.at(-1)! + units);
  const emit: Task['emit'] = (f, unit, thread) => {
    const among = (from: number, to: number): void => {
      if (to - from === 1) {
        tasks[from]!.emit(f, op('i32.sub', unit, placeAt(starts[from]!)), thread);
        return;
      }
      const middle = (from + to) >> 1;
      f.if(
        op('i32.lt_u', unit, placeAt(starts[middle]!)),
        () => among(from, middle),
        () => among(middle, to),
      );
    };
    among(0, tasks.length);
  };
  return { units: starts.at(-1)!, emit };
}

/** The step of several loops that do not depend on each other. */
export function sweepStep(plans: readonly LoopPlan[], parts: readonly Group[], context: StepContext): Step {
  const names = parts[0]!.nodes.map(nameOf).join(', ');
  const tasks = [together(plans.map((plan) => loopTask(plan, context)))];
  return { name: `${parts.length} loops of ${names}`, tasks };
}

/** The step of a loop. */
export function loopStep(plan: LoopPlan, group: Group, context: StepContext): Step {
  return { name: `loop of ${group.nodes.map(nameOf).join(', ')}`, tasks: [loopTask(plan, context)] };
}
