/** Softmax, its logarithm, and the cross entropy of labels, whose gradient comes out of the same pass over the logits. */

import { features } from '../../kernels/wasm/features.ts';
import {
  type SoftmaxKernel,
  type SoftmaxResult,
  softmaxFunctions,
  softmaxKey,
} from '../../kernels/wasm/lines/softmax.ts';
import { checkClasses } from '../../ops/labels.ts';
import type { CrossEntropyAttrs } from '../../ops/softmax.ts';
import { type GraphNode, nameOf, type View } from '../graph.ts';
import type { Group } from '../group.ts';
import { isUniform } from '../softmax.ts';
import { checking } from './check.ts';
import { divideLines, lineTask } from './lines.ts';
import type { Step, StepContext } from './step.ts';

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
  const lines = divideLines(x.shape, axis);
  const kernel: SoftmaxKernel = {
    ...lines.layout,
    result,
    gStride: g === undefined || isUniform(g) ? 0 : 1,
    ignoreIndex,
    inFours: lines.lines % 4 === 0 && lines.length % 4 === 0,
    fma: features().relaxed,
  };
  const run = context.imported(softmaxKey(kernel), () => softmaxFunctions(kernel));
  const address = (view: View | undefined): number => (view === undefined ? 0 : context.address(view));
  const elements = labels === undefined ? first.target : gradient?.target;
  const losses = labels !== undefined && first !== gradient ? first.target : undefined;
  const at = { x: address(x), labels: address(labels), g: address(g), loss: address(losses), y: address(elements) };
  const task = lineTask(lines, (f, to) => {
    const [labelled, factors] = [to.lines(at.labels, 1), to.lines(at.g, kernel.gStride)];
    f.call(run, to.count, to.elements(at.x), labelled, factors, to.lines(at.loss, 1), to.elements(at.y));
  });
  const check =
    labels === undefined
      ? {}
      : checking(labels, context, (given) =>
          checkClasses(given, { operation: 'crossEntropy', classes: lines.layout.classes, ignoreIndex }),
        );
  return { name: names[result], tasks: [task], ...check };
}
