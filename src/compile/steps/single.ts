/** One operation by the kernel that eager execution uses, on the program's memory. */

import { kernels } from '../../kernels/index.ts';
import type { FloatArray, Strided } from '../../kernels/types.ts';
import { allocateValue, type GraphNode, nameOf, type Value, type View } from '../graph.ts';
import type { Step, StepContext } from './step.ts';

/** The step of one operation. */
export function singleStep(node: GraphNode, context: StepContext): Step {
  return node.op === null ? assignStep(node, context) : computeStep(node, context);
}

function computeStep(node: GraphNode, context: StepContext): Step {
  const reads = node.reads.map((view) => context.operand(view));
  const { shape, value } = node.target;
  const out = { shape, dtype: value.dtype };
  return {
    name: nameOf(node),
    isEager: true,
    tasks: [],
    finish() {
      const y = context.buffer(value);
      y.fill(0);
      node.op!.compute(reads, node.attrs, out, y);
    },
  };
}

function assignStep(node: GraphNode, context: StepContext): Step {
  const source = context.operand(node.reads[0]!);
  const target = context.operand(node.target);
  return {
    name: nameOf(node),
    isEager: true,
    tasks: [],
    finish() {
      const isShared = source.data.buffer === target.data.buffer;
      const { shape, strides, offset } = source;
      kernels().assign(target, isShared ? { shape, strides, offset, data: source.data.slice() } : source);
    },
  };
}

/** Runs operations one by one on arrays of their own, and puts those results that are needed into the program's memory. */
export function runApart(nodes: readonly GraphNode[], context: StepContext): void {
  const made = new Map<Value, FloatArray>();
  const operand = (view: View): Strided => {
    const data = made.get(view.value);
    return data === undefined
      ? context.operand(view)
      : { data, shape: view.shape, strides: view.strides, offset: view.offset };
  };
  for (const { op, attrs, reads, target } of nodes) {
    const y = allocateValue(target.value);
    op!.compute(reads.map(operand), attrs, { shape: target.shape, dtype: target.value.dtype }, y);
    made.set(target.value, y);
  }
  for (const [value, y] of made) if (context.isNeeded(value)) context.buffer(value).set(y);
}
