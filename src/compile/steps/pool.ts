/** Max pooling and its way back, as steps of their own and as ends of convolutions. */

import type { Expr } from '../../kernels/wasm/assembler.ts';
import { emitZeros, placeAt, type Task } from '../../kernels/wasm/conductor.ts';
import { type PoolKernel, poolFunctions, poolKey, unpoolFunctions } from '../../kernels/wasm/pooling.ts';
import { sizeOf } from '../../tensor/shape.ts';
import { type GraphNode, nameOf, type View } from '../graph.ts';
import type { Group } from '../group.ts';
import type { PoolAttrs } from '../patterns.ts';
import type { Step, StepContext } from './step.ts';

/** Where the rows of the unpooled planes lie. */
export type PlaneLayout = Pick<PoolKernel, 'images' | 'planes' | 'imageStride' | 'planeStride' | 'rowStrides'>;

/** Three spatial sizes, missing leading ones being 1. */
export function spatialThree(shape: readonly number[]): [number, number, number] {
  const list = shape.slice(2);
  return [...new Array<number>(3 - list.length).fill(1), ...list] as [number, number, number];
}

/** Where the maxima of a group with a pooling go, and whether through a ReLU; null if nobody wants them. */
export function maximaOf(nodes: readonly GraphNode[]): { readonly view: View; readonly relu: boolean } | null {
  const gather = nodes.findIndex((node) => nameOf(node) === 'gather');
  if (gather < 0) return null;
  const relu = nodes[gather + 1];
  return { view: (relu ?? nodes[gather]!).target, relu: relu !== undefined };
}

/** The kernel of a pooling over planes that lie as `layout` says. */
export function poolKernelOf(
  pool: GraphNode,
  layout: PlaneLayout,
  indexed: boolean,
  relu: boolean = false,
): PoolKernel {
  const { geometry, shape } = pool.attrs as PoolAttrs;
  const three = (list: readonly number[]): [number, number, number] =>
    [...new Array<number>(3 - list.length).fill(1), ...list] as [number, number, number];
  return {
    ...layout,
    size: spatialThree(pool.reads[0]!.shape),
    counts: spatialThree(shape),
    kernel: three(geometry.kernel),
    stride: three(geometry.stride),
    pooledImage: sizeOf(shape.slice(1)),
    indexed,
    relu,
  };
}

/** Planes that are worth a unit of their own: at least so many elements. */
const unitElements = 8192;

/** The planes of a dense [N, C, ...S], in units of `planes`. */
function denseLayout(shape: readonly number[]): PlaneLayout & { readonly units: number } {
  const [d, h, w] = spatialThree(shape);
  const all = shape[0]! * shape[1]!;
  const least = Math.min(all, Math.ceil(unitElements / (d * h * w)));
  let planes = least;
  while (all % planes > 0) planes++;
  return {
    units: all / planes,
    images: 1,
    planes,
    imageStride: 0,
    planeStride: d * h * w,
    rowStrides: [h * w, w],
  };
}

/** Addresses of a unit's planes: of full size, and pooled. */
function planesAt(kernel: PoolKernel): (address: number, unit: Expr<'i32'>, isPooled: boolean) => Expr<'i32'> {
  return (address, unit, isPooled) =>
    placeAt(address, [unit, 4 * kernel.planes * (isPooled ? sizeOf(kernel.counts) : kernel.planeStride)]);
}

/** A max pooling of a dense input: its positions and, perhaps, its values. */
export function poolStep({ nodes }: Group, context: StepContext): Step {
  const pool = nodes[0]!;
  const maxima = maximaOf(nodes);
  const x = pool.reads[0]!;
  const indexed = context.isNeeded(pool.target.value);
  const { units, ...layout } = denseLayout(x.shape);
  const kernel = { ...poolKernelOf(pool, layout, indexed, maxima?.relu), pooledImage: 0 };
  const run = context.imported(poolKey('pool', kernel), () => poolFunctions(kernel));
  // Without anybody who wants the values they go to scratch.
  const to = maxima === null ? context.scratch(pool.target.value.size).address : context.address(maxima.view);
  const from = context.address(x);
  const index = indexed ? context.address(pool.target) : 0;
  const at = planesAt(kernel);
  const task: Task = {
    units,
    emit: (f, unit) => f.call(run, at(from, unit, false), at(to, unit, true), at(index, unit, true)),
  };
  return { name: `max pool${maxima?.relu ? ' + ReLU' : ''}${indexed ? ' with positions' : ''}`, tasks: [task] };
}

/** The way back of a max pooling into a dense result. */
export function unpoolStep(node: GraphNode, pool: GraphNode, context: StepContext): Step {
  const { units, ...layout } = denseLayout(pool.reads[0]!.shape);
  const kernel = { ...poolKernelOf(pool, layout, true), pooledImage: 0 };
  const run = context.imported(poolKey('unpool', kernel), () => unpoolFunctions(kernel));
  const [, index, g] = node.reads;
  const [from, where, to] = [context.address(g!), context.address(index!), context.address(node.target)];
  // What no window covers stays zero.
  const isCovered = kernel.counts.every(
    (count, axis) => count * kernel.stride[axis]! === kernel.size[axis] && kernel.kernel[axis] === kernel.stride[axis],
  );
  const at = planesAt(kernel);
  const task: Task = {
    units,
    emit(f, unit) {
      const x = f.let(at(to, unit, false), 'x');
      if (!isCovered) emitZeros(f, x, 4 * kernel.planes * kernel.planeStride);
      f.call(run, at(from, unit, true), at(where, unit, true), x);
    },
  };
  return { name: 'spread of a max pool', tasks: [task] };
}
