/** Matrix products on the program's memory, with what is fused behind them. */

import { i32 } from '../../kernels/wasm/assembler/assembler.ts';
import type { Task } from '../../kernels/wasm/conductor.ts';
import { features } from '../../kernels/wasm/features.ts';
import { planMatmul } from '../../kernels/wasm/matmul/plan.ts';
import type { Operand } from '../../kernels/wasm/matmul/spec.ts';
import { type GraphNode, nameOf, type View } from '../graph.ts';
import type { Group } from '../group.ts';
import { biasOf } from '../products.ts';
import type { Step, StepContext } from './step.ts';

function operandOf({ strides }: View): Operand {
  const [row, column] = strides.slice(-2) as [number, number];
  return { row, column, batch: strides.slice(0, -2) };
}

/** The step of a product, its bias and its ReLU. */
export function matmulStep({ nodes }: Group, context: StepContext): Step {
  const [product] = nodes as [GraphNode];
  const [a, b] = product.reads as [View, View];
  const { value } = product.target;
  const bias = nodes.map((node) => biasOf(node, value)).find((view) => view !== null) ?? null;
  const relu = nodes.some((node) => nameOf(node) === 'relu');
  const [m, k] = a.shape.slice(-2) as [number, number];
  const plan = planMatmul({
    m,
    k,
    n: b.shape.at(-1)!,
    batch: a.shape.slice(0, -2),
    a: operandOf(a),
    b: operandOf(b),
    epilogue: { bias: bias !== null, relu },
    fma: features().relaxed,
  });
  const addresses = [a, b, nodes.at(-1)!.target].map((view) => context.address(view));
  const constants = [...addresses, bias === null ? 0 : context.address(bias), context.scratch(plan.shared).address];
  const own = context.perThread(plan.own);
  const tasks = plan.tasks.map(({ name, units }): Task => {
    const run = context.imported(plan.key, plan.build, name);
    return { units, emit: (f, unit, thread) => f.call(run, ...constants.map((at) => i32(at)), own.at(thread), unit) };
  });
  return { name: `matmul${bias === null ? '' : ' + bias'}${relu ? ' + relu' : ''}`, tasks };
}
