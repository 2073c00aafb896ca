/** Softmax, its logarithm, and the cross entropy of labels, whose gradient comes out of the same pass over the logits. */

import { i32, op, select } from '../../kernels/wasm/assembler.ts';
import { placeAt, type Task } from '../../kernels/wasm/conductor.ts';
import { features } from '../../kernels/wasm/features.ts';
import { type SoftmaxKernel, type SoftmaxResult, softmaxFunctions, softmaxKey } from '../../kernels/wasm/softmax.ts';
import { checkClasses } from '../../ops/labels.ts';
import type { CrossEntropyAttrs } from '../../ops/softmax.ts';
import { sizeOf } from '../../tensor/shape.ts';
import { type GraphNode, nameOf, type View } from '../graph.ts';
import type { Group } from '../group.ts';
import { isUniform } from '../softmax.ts';
import { checking } from './check.ts';
import type { Step, StepContext } from './step.ts';

/** Elements that are worth a unit of their own. */
const unitElements = 2048;

const results: Readonly<Record<string, SoftmaxResult>> = {
  softmax: 'softmax',
  logSoftmax: 'logSoftmax',
  crossEntropy: 'loss',
  crossEntropyGrad: 'gradient',
};

const names: Readonly<Record<SoftmaxResult, string>> = {
  softmax: 'softmax',
  logSoftmax: 'logSoftmax',
  loss: 'cross entropy',
  gradient: 'gradient of cross entropy',
  lossAndGradient: 'cross entropy with its gradient',
};

/** The step of a group of lines. */
export function softmaxStep({ nodes }: Group, context: StepContext): Step {
  const [first] = nodes as [GraphNode];
  const [x, labels] = first.reads as [View, View?];
  const result = nodes.length > 1 ? 'lossAndGradient' : results[nameOf(first)]!;
  const gradient = nodes.find((node) => nameOf(node) === 'crossEntropyGrad');
  const g = gradient?.reads[2];
  const { axis, ignoreIndex } =
    labels === undefined ? { axis: first.attrs as number, ignoreIndex: -1 } : (first.attrs as CrossEntropyAttrs);
  const inner = sizeOf(x.shape.slice(axis + 1));
  const classes = x.shape[axis]!;
  const kernel: SoftmaxKernel = {
    result,
    classes,
    classStride: inner,
    lineStride: inner === 1 ? classes : 1,
    gStride: g === undefined || isUniform(g) ? 0 : 1,
    ignoreIndex,
    fma: features().relaxed,
  };
  const run = context.imported(softmaxKey(kernel), () => softmaxFunctions(kernel));
  const address = (view: View | undefined): number => (view === undefined ? 0 : context.address(view));
  const elements = labels === undefined ? first.target : gradient?.target;
  const losses = labels !== undefined && first !== gradient ? first.target : undefined;
  const at = { x: address(x), labels: address(labels), g: address(g), loss: address(losses), y: address(elements) };
  // Neighbouring lines in parts: rows, or those of one image.
  const lines = inner === 1 ? sizeOf(x.shape.slice(0, axis)) : inner;
  const length = Math.min(lines, 16 * Math.ceil(unitElements / classes / 16));
  const parts = Math.ceil(lines / length);
  const images = inner === 1 ? 1 : sizeOf(x.shape.slice(0, axis));
  const task: Task = {
    units: images * parts,
    emit(f, unit) {
      const image = f.let(op('i32.div_u', unit, i32(parts)), 'image');
      const part = f.let(op('i32.rem_u', unit, i32(parts)), 'part');
      const isLast = op('i32.eq', part, i32(parts - 1));
      const count = lines % length === 0 ? i32(length) : select(i32(lines % length), i32(length), isLast);
      const place = (base: number, perLine: number, perImage: number) =>
        base === 0 ? i32(0) : placeAt(base, [image, 4 * perImage], [part, 4 * perLine * length]);
      const ofLines = (base: number, stride: number = 1) => place(base, stride, stride * lines);
      const ofElements = (base: number) => place(base, kernel.lineStride, classes * lines);
      f.call(
        run,
        count,
        ofElements(at.x),
        ofLines(at.labels),
        ofLines(at.g, kernel.gStride),
        ofLines(at.loss),
        ofElements(at.y),
      );
    },
  };
  const check =
    labels === undefined
      ? {}
      : checking(labels, context, (given) => checkClasses(given, { operation: 'crossEntropy', classes, ignoreIndex }));
  return { name: names[result], tasks: [task], ...check };
}
