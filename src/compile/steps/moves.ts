/** What only moves numbers: joining arrays, and placing one within a constant. */

import {
  type Expr,
  type FunctionBuilder,
  f32,
  f32x4,
  i32,
  type Local,
  op,
  plus,
} from '../../kernels/wasm/assembler/assembler.ts';
import { placeAt, type Task } from '../../kernels/wasm/conductor.ts';
import type { PadAttrs } from '../../ops/pad.ts';
import { type Range, rangesLayout } from '../../ops/views.ts';
import { denseStrides, type Layout, sizeOf } from '../../tensor/shape.ts';
import { type GraphNode, nameOf, type View } from '../graph.ts';
import { loopTask, together } from './loop.ts';
import { type LoopPlan, planLoop } from './loop-plan.ts';
import type { Step, StepContext } from './step.ts';

/** Elements that are worth a unit of their own. */
const unitElements = 32768;

/** The step of an operation that only moves numbers; null if it is none, or has nothing to move. */
export function movesStep(node: GraphNode, context: StepContext): Step | null {
  const { target, reads, attrs } = node;
  const whole = { shape: target.shape, strides: denseStrides(target.shape), offset: 0 };
  if ([target, ...reads].some(({ value }) => value.dtype !== 'float32') || target.value.size === 0) return null;
  switch (nameOf(node)) {
    case 'cat':
      return { name: 'cat', tasks: [catTask(node, whole, context)] };
    case 'pad': {
      const { before, value } = attrs as PadAttrs;
      const ranges = reads[0]!.shape.map((count, axis) => ({ start: before[axis]!, step: 1, count }));
      return { name: 'pad', tasks: placeTasks(node, rangesLayout(whole, ranges), value, context) };
    }
    case 'embed': {
      const { ranges } = attrs as { readonly ranges: readonly Range[] };
      return { name: 'embed', tasks: placeTasks(node, rangesLayout(whole, ranges), 0, context) };
    }
    default:
      return null;
  }
}

/** The loop that copies a view into a part of an array. */
function copyPlan(from: View, { target }: GraphNode, part: Layout): LoopPlan {
  const assign: GraphNode = { op: null, attrs: null, reads: [from], target: { ...target, ...part } };
  return planLoop({ kind: 'loop', nodes: [assign], after: new Set() }, () => true);
}

/**
 * Parts one after the other along an axis. Where outer axes are whole, a unit has all parts of some images, as those have
 * who made and who read them: a chain of joined halves, [64, 32, 14, 14] on two threads, takes 22 µs each, not 46.
 */
function catTask(node: GraphNode, whole: Layout, context: StepContext): Task {
  const axis = node.attrs as number;
  let { offset } = whole;
  const plans: LoopPlan[] = [];
  for (const part of node.reads) {
    if (sizeOf(part.shape) > 0) plans.push(copyPlan(part, node, { ...whole, shape: part.shape, offset }));
    offset += part.shape[axis]! * whole.strides[axis]!;
  }
  const [{ count }] = plans as [LoopPlan, ...LoopPlan[]];
  const each = node.target.value.size / count;
  if (!plans.every((plan) => plan.count === count && plan.steps.at(-1) === each)) {
    return together(plans.map((plan) => loopTask(plan, context)));
  }
  // Fours, since vectors may lie along the axis.
  const chunk = each < 4 ? Math.ceil(unitElements / each / 4) * 4 : Math.ceil(unitElements / each);
  const tasks = plans.map((plan) => loopTask({ ...plan, chunk }, context));
  const [{ units }] = tasks as [Task, ...Task[]];
  return { units, emit: (...args) => tasks.forEach((task) => task.emit(...args)) };
}

/** One array in a part of another, the rest of which is `value`. */
function placeTasks(node: GraphNode, part: Layout, value: number, context: StepContext): Task[] {
  const { target, reads } = node;
  const at = context.address({ ...target, offset: 0 });
  const size = target.value.size;
  if (sizeOf(reads[0]!.shape) === 0) return [fillTask(at, size, value)];
  const plan = copyPlan(reads[0]!, node, part);
  const copy = loopTask(plan, context);
  // Where the outermost axis is whole, each unit of the copy fills what it writes into, while that is in the cache.
  const each = plan.steps.at(-1)!;
  if (each * plan.count !== size) return [fillTask(at, size, value), copy];
  const bytes = 4 * each * plan.chunk;
  return [
    {
      ...copy,
      emit(f, unit, thread) {
        fill(f, span(f, at, 4 * size, bytes, unit), value);
        copy.emit(f, unit, thread);
      },
    },
  ];
}

function fillTask(at: number, size: number, value: number): Task {
  const bytes = 4 * unitElements;
  return {
    units: Math.ceil(size / unitElements),
    emit: (f, unit) => fill(f, span(f, at, 4 * size, bytes, unit), value),
  };
}

type Span = readonly [from: Local<'i32'>, end: Local<'i32'>];

/** The bytes of a unit of so many, among `size` from `at` on. */
function span(f: FunctionBuilder, at: number, size: number, bytes: number, unit: Expr<'i32'>): Span {
  const from = f.let(placeAt(at, [unit, bytes]), 'from');
  const end = f.let(plus(from, bytes), 'end');
  f.if(op('i32.gt_u', end, i32(at + size)), () => f.set(end, i32(at + size)));
  return [from, end];
}

/** Puts a number everywhere in a span, and nothing behind it, which may be another thread's. */
function fill(f: FunctionBuilder, [from, end]: Span, value: number): void {
  if (Object.is(value, 0)) {
    f.emit('memory.fill', [from, i32(0), op('i32.sub', end, from)]);
    return;
  }
  const vectors = f.let(op('i32.add', from, op('i32.and', op('i32.sub', end, from), i32(-16))), 'vectors');
  f.while(from, vectors, 16, () => f.store('v128.store', from, f32x4(value)));
  f.while(from, end, 4, () => f.store('f32.store', from, f32(value)));
}
