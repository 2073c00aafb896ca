/** Max pooling and its way back, as steps of their own and as ends of convolutions. */

import { type PoolKernel, poolFunctions, poolKey, unpoolFunctions } from '../../kernels/wasm/pooling.ts';
import { sizeOf } from '../../tensor/shape.ts';
import type { GraphNode } from '../graph.ts';
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

/** The kernel of a pooling over planes that lie as `layout` says. */
export function poolKernelOf(pool: GraphNode, layout: PlaneLayout, indexed: boolean): PoolKernel {
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
  };
}

/** All planes of a dense [N, C, ...S]. */
function denseLayout(shape: readonly number[]): PlaneLayout {
  const [d, h, w] = spatialThree(shape);
  return {
    images: 1,
    planes: shape[0]! * shape[1]!,
    imageStride: 0,
    planeStride: d * h * w,
    rowStrides: [h * w, w],
  };
}

/** A max pooling of a dense input: its positions and, perhaps, its values. */
export function poolStep({ nodes }: Group, context: StepContext): Step {
  const [pool, gather] = nodes as [GraphNode, GraphNode?];
  const x = pool.reads[0]!;
  const indexed = context.isNeeded(pool.target.value);
  const kernel = { ...poolKernelOf(pool, denseLayout(x.shape), indexed), pooledImage: 0 };
  const { run } = context.memory.kernel(poolKey('pool', kernel), () => poolFunctions(kernel));
  const values = gather?.target ?? null;
  // Without anybody who wants the values they go to scratch.
  const spare = values === null ? context.scratch(pool.target.value.size) : null;
  const from = context.address(x);
  const to = values === null ? spare!.address : context.address(values);
  const index = indexed ? context.address(pool.target) : 0;
  return { name: `max pool${indexed ? ' with positions' : ''}`, run: () => void run!(from, to, index) };
}

/** The way back of a max pooling into a dense result. */
export function unpoolStep(node: GraphNode, pool: GraphNode, context: StepContext): Step {
  const { shape } = pool.reads[0]!;
  const kernel = { ...poolKernelOf(pool, denseLayout(shape), true), pooledImage: 0 };
  const { run } = context.memory.kernel(poolKey('unpool', kernel), () => unpoolFunctions(kernel));
  const [, index, g] = node.reads;
  const [from, at, to] = [context.address(g!), context.address(index!), context.address(node.target)];
  // What no window covers stays zero.
  const isCovered = kernel.counts.every(
    (count, axis) => count * kernel.stride[axis]! === kernel.size[axis] && kernel.kernel[axis] === kernel.stride[axis],
  );
  return {
    name: 'spread of a max pool',
    run() {
      if (!isCovered) context.buffer(node.target.value).fill(0);
      run!(from, at, to);
    },
  };
}
