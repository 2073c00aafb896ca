/** Elementwise operations, updates in place and sums as one loop. */

import { op } from '../../kernels/wasm/assembler.ts';
import { emitZeros, placeAt, type Task } from '../../kernels/wasm/conductor.ts';
import { type LoopKernel, loopFunctions, loopKey } from '../../kernels/wasm/loops.ts';
import { sizeOf } from '../../tensor/shape.ts';
import { nameOf } from '../graph.ts';
import type { Group } from '../group.ts';
import type { LoopPlan } from './loop-plan.ts';
import type { Step, StepContext } from './step.ts';

/** Elements that are worth a unit of their own; a multiple of the elements of a cache line. */
const unitElements = 8192;

/** How the outermost axis is divided: `units` parts of `length`, the last perhaps shorter. */
interface Division {
  readonly units: number;
  readonly length: number;
  readonly rest: number;
}

/** Parts of the outermost axis, if what is made of them are different elements. */
function divide({ shape, sums }: LoopKernel, isInMemory: boolean): Division {
  const [outer] = shape as [number];
  const whole = { units: 1, length: outer, rest: 0 };
  if (isInMemory || sums.some(({ strides }) => strides[0] === 0)) return whole;
  const inner = sizeOf(shape.slice(1));
  const least = Math.ceil(unitElements / inner);
  // Parts of a single row are whole vectors and cache lines.
  const length = shape.length === 1 ? 16 * Math.ceil(least / 16) : least;
  if (outer < 2 * length) return whole;
  return { units: Math.ceil(outer / length), length, rest: outer % length };
}

/** The step of a loop. */
export function loopStep(plan: LoopPlan, group: Group, context: StepContext): Step {
  const { kernel } = plan;
  const strides = [...kernel.reads, ...kernel.stores.map((s) => s.strides), ...kernel.sums.map((s) => s.strides)];
  const addresses = [...plan.reads, ...plan.stores, ...plan.sums].map((view) => context.address(view));
  const { units, length, rest } = divide(kernel, plan.sumsInMemory);
  const part = (count: number): ReturnType<StepContext['imported']> => {
    const own = { ...kernel, shape: [count, ...kernel.shape.slice(1)] };
    return context.imported(loopKey(own), () => loopFunctions(own));
  };
  const [run, last] = [part(length), rest > 0 ? part(rest) : null];
  const sums = plan.sumsInMemory ? plan.sums : [];
  const task: Task = {
    units,
    emit(f, unit) {
      for (const view of sums) emitZeros(f, placeAt(context.address(view)), 4 * view.value.size);
      const args = addresses.map((at, i) => placeAt(at, [unit, 4 * length * (strides[i]![0] ?? 0)]));
      if (last === null) f.call(run, ...args);
      else {
        f.if(
          op('i32.eq', unit, placeAt(units - 1)),
          () => f.call(last, ...args),
          () => f.call(run, ...args),
        );
      }
    },
  };
  return { name: `loop of ${group.nodes.map(nameOf).join(', ')}`, tasks: [task] };
}
