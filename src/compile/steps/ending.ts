/** What follows a convolution's sums within its step: bias, ReLU, a loop over the results, a max pooling. */

import { type Expr, i32 } from '../../kernels/wasm/assembler/assembler.ts';
import { placeAt } from '../../kernels/wasm/conductor.ts';
import type { Chain } from '../../kernels/wasm/conv/chain.ts';
import { type GraphNode, nameOf, type View } from '../graph.ts';
import type { Group } from '../group.ts';
import { operandKind } from '../passes/epilogue.ts';
import { type LoopPlan, planLoop } from './loop-plan.ts';
import type { StepContext } from './step.ts';

export interface Ending {
  readonly bias: View | null;
  /** Whether the positive part of the sums goes on; behind a pooling it is the pooled values that are clipped. */
  readonly relu: boolean;
  readonly loop: EndingLoop | null;
  readonly pool: GraphNode | null;
  /** The results as they are before a pooling. */
  readonly result: View;
}

/** A loop over the results. */
export interface EndingLoop {
  readonly plan: LoopPlan;
  /** What the loop knows as the sums. */
  readonly sums: View;
  readonly chain: Chain;
  /** The chain's operands but for the sums, as they lie over the results. */
  readonly operands: readonly { readonly kind: 'channel' | 'number' | 'element'; readonly view: View }[];
}

function loopOf(epilogue: Group, sums: View): EndingLoop {
  const { target } = epilogue.nodes.at(-1)!;
  const plan = planLoop(epilogue, (value) => value === target.value);
  const operands = plan.reads.flatMap((view) =>
    view.value === sums.value ? [] : [{ kind: operandKind(view, target)!, view }],
  );
  const kinds = plan.reads.map((view) => (view.value === sums.value ? 'sum' : operandKind(view, target)!));
  const chain = { operands: kinds, values: plan.kernel.values, result: plan.kernel.stores[0]!.value };
  return { plan, sums, chain, operands };
}

/** What follows the first operation of a convolution's group. */
export function endingOf({ nodes, epilogue }: Group): Ending {
  const [first] = nodes as [GraphNode];
  const after = epilogue ? nodes.indexOf(epilogue.nodes[0]!) : nodes.length;
  const own = nodes.slice(0, after);
  const pool = nodes.find((node) => nameOf(node) === 'maxPoolTaps') ?? null;
  const add = own.find((node) => nameOf(node) === 'add');
  const relu = pool === null || epilogue ? own.find((node) => nameOf(node) === 'relu') : undefined;
  const sums = (relu ?? add ?? first).target;
  return {
    bias: add?.reads[1] ?? null,
    relu: relu !== undefined,
    loop: epilogue ? loopOf(epilogue, sums) : null,
    pool,
    result: epilogue ? epilogue.nodes.at(-1)!.target : sums,
  };
}

/** The pointers of a chain's operands, from output `output` on; elements lie as the results do, which are at `y`. */
export function chainPointers(
  loop: EndingLoop | null,
  y: View,
  output: Expr<'i32'>,
  context: StepContext,
): Expr<'i32'>[] {
  return (loop?.operands ?? []).map(({ kind, view }) => {
    const at = context.address(view);
    if (kind === 'element') return i32(at - context.address(y));
    return kind === 'channel' ? placeAt(at, [output, 4]) : i32(at);
  });
}

/** Whether a loop reads arrays that lie as the results do. */
export function hasElements({ operands }: EndingLoop): boolean {
  return operands.some(({ kind }) => kind === 'element');
}
