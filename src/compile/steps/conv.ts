/**
 * Convolutions on the program's memory: by tiles with fewer multiplications where that pays, else by shifted rows. Both
 * handle a few images at a time, so that bias, ReLU and pooling find them in the cache, and so do the gradients with the way
 * back through a pooling.
 */

import { sizesOf } from '../../kernels/wasm/conv/parts.ts';
import type { GradientPlan, LinearPlan } from '../../kernels/wasm/conv/winograd/kernel.ts';
import { planTiles, planTilesInputGrad, planTilesWeightGrad } from '../../kernels/wasm/conv/winograd/plan.ts';
import { features } from '../../kernels/wasm/features.ts';
import { type GraphNode, nameOf, type View } from '../graph.ts';
import type { Group } from '../group.ts';
import type { ConvAttrs } from '../patterns.ts';
import { DirectGradient } from './direct/gradient.ts';
import { DirectLinear } from './direct/linear.ts';
import type { Step, StepContext } from './step.ts';
import { TiledGradient } from './tiles/gradient.ts';
import { TiledLinear } from './tiles/linear.ts';

function describeConv({ nodes, epilogue }: Group, isSpread: boolean): string {
  const names: Record<string, string> = {
    conv: 'convolution',
    convInputGrad: `convolution's input gradient${isSpread ? ' behind a max pool' : ''}`,
    convWeightGrad: `convolution's weight gradient${isSpread ? ' behind a max pool' : ''}`,
    add: 'bias',
    maxPoolTaps: 'max pool',
    relu: 'ReLU',
  };
  const own = epilogue?.nodes ?? [];
  const parts = nodes.flatMap((node) => (own.includes(node) ? [] : (names[nameOf(node)] ?? [])));
  // What a loop does stands between the sums and a pooling.
  const first = nodes.indexOf(own[0]!);
  if (first > 0) parts.splice(first, 0, own.map(nameOf).join(', '));
  return parts.join(' + ');
}

/** What `explain` calls the tiles. */
const algorithmOf = ({ kernel }: LinearPlan | GradientPlan): string =>
  kernel.sizes.row !== undefined
    ? 'Winograd F(2,2)·F(2,3)'
    : kernel.sizes.tileDepth === 2
      ? 'Winograd F(2×2×2,3×3×3)'
      : 'Winograd F(2×2,3×3)';

/** The step of a convolution by tiles and what was fused with it, or null where the direct kernels are as good. */
function tiledStep(convolution: string, group: Group, spread: GraphNode | null, context: StepContext): Step | null {
  const [node] = group.nodes as [GraphNode];
  const { geometry, shape } = node.attrs as ConvAttrs;
  const [first, second] = node.reads as [View, View];
  const fma = features().relaxed;
  const kind = nameOf(node);
  const nameBy = (plan: LinearPlan | GradientPlan): string => `${convolution}, ${algorithmOf(plan)}`;
  if (kind === 'convWeightGrad') {
    const sizes = sizesOf(first.shape, shape, second.shape, geometry);
    const plan = planTilesWeightGrad(sizes, fma);
    return plan && new TiledGradient(context).step(nameBy(plan), node, spread, plan, sizes.images);
  }
  const isForward = kind === 'conv';
  const sizes = isForward
    ? sizesOf(first.shape, second.shape, shape, geometry)
    : sizesOf(shape, second.shape, first.shape, geometry);
  const plan = isForward ? planTiles(sizes, false, fma) : planTilesInputGrad(sizes, fma);
  return plan && new TiledLinear(context).step(nameBy(plan), group, spread, plan, sizes.images);
}

/** The step of a convolution and what was fused with it. */
export function convStep(group: Group, spread: GraphNode | null, context: StepContext): Step {
  const name = describeConv(group, spread !== null);
  const tiled = tiledStep(name, group, spread, context);
  if (tiled !== null) return tiled;
  const node = group.nodes[0]!;
  return nameOf(node) === 'convWeightGrad'
    ? new DirectGradient(node, spread, context).step(name)
    : new DirectLinear(context).step(name, group, spread);
}
