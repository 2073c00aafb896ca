/** The weight gradient by tiles: sums over tiles, position by position, which in the end become filters. */

import { product } from '../../../kernels/sizes.ts';
import { type Expr, i32, type Local, op } from '../../../kernels/wasm/assembler/assembler.ts';
import { emitZeros, placeAt, type Task } from '../../../kernels/wasm/conductor.ts';
import { positionsOf } from '../../../kernels/wasm/conv/winograd/geometry.ts';
import { gradientFunctions, gradientKey, gradientScratch } from '../../../kernels/wasm/conv/winograd/gradient.ts';
import type { GradientPlan } from '../../../kernels/wasm/conv/winograd/kernel.ts';
import { filterGradientFunction, filterGradientKey } from '../../../kernels/wasm/conv/winograd/weights.ts';
import { layoutModule } from '../../../kernels/wasm/memory/layout.ts';
import type { GraphNode, View } from '../../graph.ts';
import type { ConvAttrs } from '../../patterns.ts';
import { runApart } from '../single.ts';
import type { Step, StepContext } from '../step.ts';
import { Chunks, denseSource, filterUnits, type Source, spreadSource } from './chunks.ts';

type Address = Expr<'i32'>;
type I = Local<'i32'>;

/** Lowers one weight gradient. */
export class TiledGradient {
  readonly #context: StepContext;

  constructor(context: StepContext) {
    this.#context = context;
  }

  /** The weight gradient. */
  step(name: string, node: GraphNode, spread: GraphNode | null, plan: GradientPlan, images: number): Step {
    const { groups } = (node.attrs as ConvAttrs).geometry;
    const { kernel, back } = plan;
    const chunks = new Chunks(kernel.sizes, kernel.chunk, images);
    const [x, gradient] = node.reads as [View, View];
    const from = denseSource(x, this.#context);
    const g =
      spread === null
        ? denseSource(gradient, this.#context)
        : spreadSource(spread, chunks, plan.bands > 1, this.#context);
    const sums = this.#context.scratch(groups * plan.parts * back.distance).address;
    const run = this.#context.imported(filterGradientKey(back), () => [filterGradientFunction(back)], 'back');
    const to = this.#context.address(node.target);
    // A unit's work: every part of the sums is read.
    const size = (plan.parts * positionsOf(back.tileDepth)) / 16;
    const adding = filterUnits(back.items, size, 4, (f, first, count) => {
      for (let group = 0; group < groups; group++) {
        const sum = i32(sums + 4 * group * plan.parts * back.distance);
        f.call(run, sum, i32(to + ((4 * node.target.value.size) / groups) * group), first, count);
      }
    });
    const { finite } = this.#context.kernel(...layoutModule('finite'));
    return {
      name: name,
      tasks: [...g.tasks, this.#sumTask(plan, groups, chunks, from, g, sums), adding],
      finish: () => {
        if (finite!(to, node.target.value.size) === 0)
          runApart(spread === null ? [node] : [spread, node], this.#context);
      },
    };
  }

  /** The sums of all positions: units are series of chunks, or the rows of positions, over all chunks. */
  #sumTask(plan: GradientPlan, groups: number, chunks: Chunks, x: Source, g: Source, sums: number): Task {
    const { kernel, parts, bands, back } = plan;
    const { sizes, position } = kernel;
    const run = this.#context.imported(gradientKey(kernel), () => gradientFunctions(kernel), 'chunk');
    const scratch = this.#context.perThread(gradientScratch(kernel));
    const bandBytes = positionsOf(sizes.tileDepth) * position;
    const own = (4 / bands) * bandBytes;
    const [xGroup, gGroup] = [4 * sizes.channels * product(sizes.x), 4 * sizes.outputs * product(sizes.y)];
    return {
      units: parts * bands,
      emit: (f, unit, thread) => {
        const group = (n: number): I => f.let(placeAt(sums + 4 * n * parts * back.distance, [unit, own]), 'sums');
        const groupSums = Array.from({ length: groups }, (_, n) => group(n));
        for (const sum of groupSums) emitZeros(f, sum, own);
        // As in eager execution: chunk i is of series floor(i · parts / chunks).
        const begin = (of: Address): Address =>
          op('i32.div_u', op('i32.add', op('i32.mul', of, i32(chunks.count)), i32(parts - 1)), i32(parts));
        const number = f.let(parts === 1 ? i32(0) : begin(unit), 'number');
        const end = f.let(parts === 1 ? i32(chunks.count) : begin(op('i32.add', unit, i32(1))), 'end');
        f.while(number, end, 1, () => {
          const start = chunks.at(f, number);
          const [xAt, gAt] = [f.let(x.at(f, start, thread), 'x'), f.let(g.at(f, start, thread), 'g')];
          groupSums.forEach((sum, n) => {
            const [xn, gn] = [op('i32.add', xAt, i32(n * xGroup)), op('i32.add', gAt, i32(n * gGroup))];
            const memory = scratch.at(thread);
            const { images, layer, row } = start;
            if (bands === 4) f.call(run, xn, gn, sum, memory, unit, images, layer, row);
            else {
              for (let band = 0; band < 4; band++) {
                const at = op('i32.add', sum, i32(band * bandBytes));
                f.call(run, xn, gn, at, memory, i32(band), images, layer, row);
              }
            }
          });
        });
      },
    };
  }
}
