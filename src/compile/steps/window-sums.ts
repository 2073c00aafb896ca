/** The sum or the mean of each window and their ways back, plane by plane. */

import { type Expr, i32, op, plus, select } from '../../kernels/wasm/assembler/assembler.ts';
import { placeAt, type Task } from '../../kernels/wasm/conductor.ts';
import { layoutModule } from '../../kernels/wasm/memory/layout.ts';
import { isPadded, leadOf, rowSizes } from '../../kernels/wasm/pool/eager.ts';
import { type SumKernel, sumFunctions, sumKernelOf, sumKey } from '../../kernels/wasm/pool/sums.ts';
import { volume } from '../../kernels/wasm/pool/windows.ts';
import { isDense } from '../../tensor/shape.ts';
import { type GraphNode, nameOf, type View } from '../graph.ts';
import type { MeanAttrs } from '../passes/averages.ts';
import type { Step, StepContext } from './step.ts';

/** Elements that are worth a unit of their own. */
const unitElements = 8192;

/** The step of a window sum, mean or spread; null if it is none, or its operand lies in a way that has no kernel. */
export function windowSumStep(node: GraphNode, context: StepContext): Step | null {
  const name = nameOf(node);
  const [x] = node.reads as [View];
  if (!['windowSum', 'windowMean', 'windowSpread'].includes(name)) return null;
  if (x.value.dtype !== 'float32' || !isDense(x) || x.value.size * node.target.value.size === 0) return null;
  const { geometry, divisor } = node.attrs as MeanAttrs;
  const kernel = sumKernelOf(name === 'windowSpread' ? 'spread' : 'sum', x.shape, node.target.shape, geometry, divisor);
  if (kernel === null) return null;
  const padding = isPadded(kernel) ? ' with padding' : '';
  return { name: `${name} over windows${padding}`, tasks: [planesTask(kernel, x, node.target, context)] };
}

function planesTask(kernel: SumKernel, x: View, y: View, context: StepContext): Task {
  const run = context.imported(sumKey(kernel), () => sumFunctions(kernel));
  const copy = context.imported(...layoutModule('copy'), 'copy');
  const { counts, dense, padded } = rowSizes(kernel);
  const all = x.shape[0]! * x.shape[1]!;
  const [size, target] = [volume(kernel.size), volume(kernel.target)];
  const planes = Math.min(all, Math.ceil(unitElements / Math.max(size, target)));
  const [units, rest] = [Math.ceil(all / planes), all % planes];
  const [from, to] = [context.address(x), context.address(y)];
  // What lies around the planes stays zero.
  const own = isPadded(kernel) ? context.perThread(planes * volume(kernel.padded)) : null;
  return {
    units,
    emit(f, unit, thread) {
      const last = select(i32(rest), i32(planes), op('i32.eq', unit, i32(units - 1)));
      const n = f.let(rest === 0 ? i32(planes) : last, 'planes');
      const at = placeAt(from, [unit, 4 * planes * size]);
      let source: Expr<'i32'> = at;
      if (own) {
        source = f.let(own.at(thread), 'source');
        const strides = [...counts, ...dense, ...padded].map((value) => i32(value));
        f.call(copy, at, plus(source, leadOf(kernel)), n, ...strides);
      }
      f.call(run, n, source, placeAt(to, [unit, 4 * planes * target]));
    },
  };
}
