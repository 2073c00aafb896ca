/**
 * Random numbers. Each is a function of seed and position, so that a tensor of them is divided like any other work; the stream
 * moves on as a whole, before anything is computed.
 */

import { drawKernels } from '../../kernels/draws.ts';
import type { Draw } from '../../kernels/types.ts';
import { f64, i32, load, op, select } from '../../kernels/wasm/assembler/assembler.ts';
import { placeAt, type Task } from '../../kernels/wasm/conductor.ts';
import { drawFunctions, drawKey, drawOperands } from '../../kernels/wasm/draws/kernel.ts';
import { type Drawing, takeNumbers } from '../../tensor/random.ts';
import { type GraphNode, nameOf, type View } from '../graph.ts';
import type { Step, StepContext } from './step.ts';

/** Numbers that are worth a unit of their own: some 30 µs of the simplest ones. A multiple of a kernel's eight. */
const unitNumbers = 8192;

/** The step of a draw; null if the operation is none. */
export function drawStep(node: GraphNode, hasKernels: boolean, context: StepContext): Step | null {
  if (!node.op?.impure) return null;
  const { draw, source } = node.attrs as Drawing;
  const { value } = node.target;
  if (hasKernels && value.dtype === 'float32' && value.size > 0) {
    return vectorStep(node, draw, source, context);
  }
  let from = { seed: 0, position: 0 };
  return {
    name: nameOf(node),
    isEager: true,
    begin() {
      from = takeNumbers(source(), value.size);
    },
    tasks: [],
    finish: () => drawKernels().draw(draw, from.seed, from.position, context.buffer(value)),
  };
}

function vectorStep(node: GraphNode, draw: Draw, source: Drawing['source'], context: StepContext): Step {
  const { size } = node.target.value;
  const from = context.scratch(4);
  return {
    name: nameOf(node),
    begin() {
      const { seed, position } = takeNumbers(source(), size);
      from.view('float64', 0, 2).set([seed, position]);
    },
    tasks: [drawTask(node.target, draw, from.address, context)],
  };
}

/** Draws into `target`; at `from` are the seed, and the position of the first number. */
function drawTask(target: View, draw: Draw, from: number, context: StepContext): Task {
  const run = context.imported(drawKey(draw), () => drawFunctions(draw));
  const y = context.address(target);
  const { size } = target.value;
  const units = Math.ceil(size / unitNumbers);
  const [a, b] = drawOperands(draw);
  return {
    units,
    emit(f, unit) {
      const last = size - (units - 1) * unitNumbers;
      const count = select(i32(last), i32(unitNumbers), op('i32.eq', unit, i32(units - 1)));
      const first = op('f64.convert_i32_u', op('i32.mul', unit, i32(unitNumbers)));
      const position = op('f64.add', load('f64.load', i32(from), 8), first);
      f.call(run, placeAt(y, [unit, 4 * unitNumbers]), count, load('f64.load', i32(from)), position, f64(a), f64(b));
    },
  };
}
