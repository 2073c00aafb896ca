/** What goes along lines or by places, one operation a step: extremes, running sums, reading and adding at positions, checks. */

import { mergeAxes } from '../../kernels/js/walk.ts';
import { type Expr, i32, op, select } from '../../kernels/wasm/assembler/assembler.ts';
import { placeAt, type Task } from '../../kernels/wasm/conductor.ts';
import { type LoopKernel, loopKey } from '../../kernels/wasm/elementwise/loop.ts';
import { loopFunctions } from '../../kernels/wasm/elementwise/loops.ts';
import { extremeFunctions, extremeKey, MOST_POSITIONS } from '../../kernels/wasm/lines/extremes.ts';
import { runningFunctions, runningKey } from '../../kernels/wasm/lines/running.ts';
import { doublesFunctions, type PlacesKernel, placesFunctions, placesKey } from '../../kernels/wasm/lookup/places.ts';
import { denseOrder } from '../../kernels/wasm/memory/transfer.ts';
import { checkIndices } from '../../ops/indexing.ts';
import { checkClasses, type LabelAttrs } from '../../ops/labels.ts';
import { checkWithin, type WithinAttrs } from '../../ops/regression.ts';
import { denseStrides, isDense, showShape, sizeOf } from '../../tensor/shape.ts';
import { type GraphNode, nameOf, type View } from '../graph.ts';
import { uniformValue } from '../passes/simplify.ts';
import type { Patterns } from '../patterns.ts';
import { checking } from './check.ts';
import { divideLines, lineTask } from './lines.ts';
import type { Step, StepContext } from './step.ts';

/** Elements that are worth a unit of their own. */
const unitElements = 4096;

/** The step of an operation by places; null if it is none, or its operands lie in a way that has no kernel. */
export function lookupStep(node: GraphNode, patterns: Patterns, context: StepContext): Step | null {
  const { value } = node.target;
  const views = [node.target, ...node.reads];
  if (value.size === 0 || views.some((view) => view.value.dtype !== 'float32')) return null;
  switch (nameOf(node)) {
    case 'argMax':
    case 'argMin':
      return extremeStep(node, context);
    case 'cumsum':
      return cumsumStep(node, context);
    case 'gather':
      return gatherStep(node, patterns, context);
    case 'scatterAdd':
      return scatterStep(node, patterns, context);
    case 'labels':
      return labelStep(node, context);
    case 'within':
      return withinStep(node, context);
    default:
      return null;
  }
}

function extremeStep(node: GraphNode, context: StepContext): Step | null {
  const [x] = node.reads as [View];
  const order = denseOrder(x, node.attrs as number);
  if (order === null || order.shape[order.axis]! > MOST_POSITIONS) return null;
  const lines = divideLines(order.shape, order.axis);
  const kernel = { ...lines.layout, name: nameOf(node) as 'argMax' | 'argMin' };
  const run = context.imported(extremeKey(kernel), () => extremeFunctions(kernel));
  const [from, to] = [context.address(x), context.address(node.target)];
  const task = lineTask(lines, (f, at) => f.call(run, at.count, at.elements(from), at.lines(to, 1)));
  return { name: nameOf(node), tasks: [task] };
}

function cumsumStep(node: GraphNode, context: StepContext): Step | null {
  const [x] = node.reads as [View];
  if (!isDense(x)) return null;
  const lines = divideLines(x.shape, node.attrs as number);
  const run = context.imported(runningKey(lines.layout), () => runningFunctions(lines.layout));
  const [from, to] = [context.address(x), context.address(node.target)];
  const task = lineTask(lines, (f, at) => f.call(run, at.count, at.elements(from), at.elements(to)));
  return { name: 'cumsum', tasks: [task] };
}

/** The check of an index, unless it is known to be right. */
function indexCheck(
  node: GraphNode,
  index: View,
  x: View,
  patterns: Patterns,
  context: StepContext,
): Pick<Step, 'prepare' | 'finish'> {
  const axis = node.attrs as number;
  const length = x.shape[axis]!;
  const maker = patterns.makerOf(index.value);
  const isPosition = maker !== undefined && ['argMax', 'argMin'].includes(nameOf(maker));
  if (isPosition && maker.reads[0]!.shape[maker.attrs as number]! <= length) return {};
  if (maker !== undefined && nameOf(maker) === 'labels' && (maker.attrs as LabelAttrs).classes <= length) return {};
  const check = (given: Parameters<typeof checkIndices>[1]): void =>
    checkIndices(nameOf(node), given, length, `axis ${axis} of shape ${showShape(x.shape)}`);
  if (index.value.source.kind !== 'constant') return checking(index, context, check);
  check(context.operand(index));
  return {};
}

/** Where units of the outermost axis begin, and how many steps they have. */
function unitsOf({ shape }: PlacesKernel, isDivided: boolean): { units: number; length: number } {
  const outer = shape[0]!;
  const length = isDivided ? Math.min(outer, Math.ceil((unitElements * outer) / sizeOf(shape))) : outer;
  return { units: Math.ceil(outer / length), length };
}

function countOf(outer: number, { units, length }: { units: number; length: number }, unit: Expr<'i32'>): Expr<'i32'> {
  if (outer % length === 0) return i32(length);
  return select(i32(outer % length), i32(length), op('i32.eq', unit, i32(units - 1)));
}

type Operand = Pick<View, 'strides' | 'offset'>;

/** The kernel over the space of an index, with as few axes as can be. */
function placesKernel(
  rest: Pick<PlacesKernel, 'name' | 'length' | 'along' | 'isDouble'>,
  shape: readonly number[],
  operands: readonly [from: Operand, index: Operand, to: Operand],
): PlacesKernel {
  const { sizes, strides } = mergeAxes(shape, operands);
  const [from, index, to] = strides as [number[], number[], number[]];
  if (sizes.length === 0) return { ...rest, shape: [1], from: [0], index: [0], to: [0] };
  return { ...rest, shape: sizes, from, index, to };
}

const withoutStride = (strides: readonly number[], axis: number): number[] =>
  strides.map((stride, a) => (a === axis ? 0 : stride));

function gatherStep(node: GraphNode, patterns: Patterns, context: StepContext): Step {
  const [x, index] = node.reads as [View, View];
  const axis = node.attrs as number;
  const kernel = placesKernel(
    { name: 'gather', length: x.shape[axis]!, along: x.strides[axis]!, isDouble: false },
    index.shape,
    [{ offset: 0, strides: withoutStride(x.strides, axis) }, index, node.target],
  );
  const run = context.imported(placesKey(kernel), () => placesFunctions(kernel));
  const division = unitsOf(kernel, true);
  const { units, length } = division;
  const [from, where, to] = [x, index, node.target].map((view) => context.address(view)) as [number, number, number];
  const task: Task = {
    units,
    emit(f, unit) {
      const at = (base: number, stride: number): Expr<'i32'> => placeAt(base, [unit, 4 * stride * length]);
      const count = countOf(kernel.shape[0]!, division, unit);
      f.call(run, count, at(from, kernel.from[0]!), at(where, kernel.index[0]!), at(to, kernel.to[0]!));
    },
  };
  return { name: 'gather', tasks: [task], ...indexCheck(node, index, x, patterns, context) };
}

function scatterStep(node: GraphNode, patterns: Patterns, context: StepContext): Step | null {
  const [x, index, source] = node.reads as [View, View, View];
  const axis = node.attrs as number;
  const isBlank = Object.is(uniformValue(x), 0);
  if (!isBlank && !isDense(x)) return null;
  const { shape, value } = node.target;
  const strides = denseStrides(shape);
  // More terms than places: many may add up in one, where rounding each time would be felt.
  const isDouble = index.shape[axis]! > shape[axis]!;
  const kernel = placesKernel(
    { name: 'scatterAdd', length: shape[axis]!, along: strides[axis]!, isDouble },
    index.shape,
    [source, index, { offset: 0, strides: withoutStride(strides, axis) }],
  );
  const run = context.imported(placesKey(kernel), () => placesFunctions(kernel));
  const [widen, narrow] = ['widen', 'narrow'].map((name) => context.imported('doubles', doublesFunctions, name));
  const outer = kernel.shape[0]!;
  /** Elements of y that belong to one step of the outermost axis, if they lie apart from those of the others. */
  const each = kernel.to[0]!;
  const division = unitsOf(kernel, each * outer === value.size);
  const { units, length } = division;
  const addresses = [source, index, node.target].map((view) => context.address(view)) as [number, number, number];
  const [from, where, y] = addresses;
  const old = isBlank ? 0 : context.address(x);
  const doubles = isDouble ? context.scratch(2 * value.size).address : 0;
  const task: Task = {
    units,
    emit(f, unit) {
      const at = (base: number, stride: number, bytes: number = 4): Expr<'i32'> =>
        placeAt(base, [unit, bytes * stride * length]);
      const count = countOf(outer, division, unit);
      const elements = f.let(units === 1 ? i32(value.size) : op('i32.mul', count, i32(each)), 'elements');
      const bytes = op('i32.mul', elements, i32(isDouble ? 8 : 4));
      const sums = f.let(isDouble ? at(doubles, each, 8) : at(y, each), 'sums');
      if (isBlank) f.emit('memory.fill', [sums, i32(0), bytes]);
      else if (isDouble) f.call(widen!, elements, at(old, each), sums);
      else f.emit('memory.copy', [sums, at(old, each), bytes]);
      f.call(run, count, at(from, kernel.from[0]!), at(where, kernel.index[0]!), sums);
      if (isDouble) f.call(narrow!, elements, sums, at(y, each));
    },
  };
  return { name: 'scatterAdd', tasks: [task], ...indexCheck(node, index, node.target, patterns, context) };
}

/** A loop over all elements of a dense view into a result. */
function rowTask(x: View, y: View, values: LoopKernel['values'], context: StepContext): Task {
  const shape = [sizeOf(x.shape)];
  const kernel: LoopKernel = {
    shape,
    reads: [[1]],
    values,
    stores: [{ value: values.length - 1, strides: [1] }],
    sums: [],
    fma: false,
    exact: false,
  };
  const run = context.imported(loopKey(kernel), () => loopFunctions(kernel));
  const [from, to] = [context.address(x), context.address(y)];
  return { units: 1, emit: (f) => f.call(run, i32(from), i32(to)) };
}

function labelStep(node: GraphNode, context: StepContext): Step | null {
  const [labels] = node.reads as [View];
  if (!isDense(labels)) return null;
  const attrs = node.attrs as LabelAttrs;
  const read = { name: 'read', read: 0 } as const;
  // 0 in place of labels that are ignored.
  const values: LoopKernel['values'] =
    attrs.ignoreIndex === null
      ? [read]
      : [
          read,
          { name: 'constant', value: attrs.ignoreIndex },
          { name: 'eq', args: [0, 1] },
          { name: 'constant', value: 0 },
          { name: 'where', args: [2, 3, 0] },
        ];
  const check = checking(labels, context, (given) => checkClasses(given, attrs));
  return { name: 'labels', tasks: [rowTask(labels, node.target, values, context)], ...check };
}

function withinStep(node: GraphNode, context: StepContext): Step | null {
  const [x] = node.reads as [View];
  if (!isDense(x)) return null;
  const check = checking(x, context, ({ data, offset }) =>
    checkWithin(data.subarray(offset, offset + sizeOf(x.shape)), node.attrs as WithinAttrs),
  );
  return { name: 'within', tasks: [rowTask(x, node.target, [{ name: 'read', read: 0 }], context)], ...check };
}
