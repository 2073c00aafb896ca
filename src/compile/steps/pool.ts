/** Max pooling and its way back, as steps of their own and as ends of convolutions. */

import { type Expr, type FunctionBuilder, i32, op } from '../../kernels/wasm/assembler.ts';
import { emitZeros, placeAt, type Task } from '../../kernels/wasm/conductor.ts';
import { type PoolKernel, poolFunctions, poolKey, unpoolFunctions } from '../../kernels/wasm/pooling.ts';
import { sizeOf } from '../../tensor/shape.ts';
import { type GraphNode, nameOf, type View } from '../graph.ts';
import type { Group } from '../group.ts';
import type { PoolAttrs } from '../patterns.ts';
import type { Step, StepContext } from './step.ts';

type Address = Expr<'i32'>;

/** A max pooling whose way back makes the gradient that a convolution reads. */
export interface Spread {
  readonly node: GraphNode;
  readonly pool: GraphNode;
}

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

/** The unpooled planes as they lie in a dense array, of `images` images. */
export function densePlanes(pool: GraphNode, images: number): PlaneLayout {
  const { shape } = pool.reads[0]!;
  const [d, h, w] = spatialThree(shape);
  const plane = d * h * w;
  return { images, planes: shape[1]!, imageStride: shape[1]! * plane, planeStride: plane, rowStrides: [h * w, w] };
}

/** Where the values and positions of a pooling go. */
export interface Pooled {
  /** Whether anybody wants the positions. */
  readonly indexed: boolean;
  /** Whether values go through a ReLU. */
  readonly relu: boolean;
  /** Bytes from plane to plane, of values and of positions. */
  readonly planeBytes: readonly [number, number];
  /** Addresses of an image's values and positions, from a plane on. */
  at(image: Address, plane: Address): [values: Address, positions: Address];
}

/** Where those of a group with a pooling go. */
export function pooledOf(nodes: readonly GraphNode[], pool: GraphNode, context: StepContext): Pooled {
  const maxima = maximaOf(nodes);
  const { shape, value } = pool.target;
  // Values that nobody wants go to scratch.
  const values = maxima ? context.address(maxima.view) : context.scratch(value.size).address;
  const indexed = context.isNeeded(value);
  const index = indexed ? context.address(pool.target) : 0;
  const plane = 4 * sizeOf(shape.slice(2));
  const place = (base: number, image: Address, from: Address): Address =>
    placeAt(base, [image, plane * shape[1]!], [from, plane]);
  return {
    indexed,
    relu: maxima?.relu ?? false,
    planeBytes: [plane, plane],
    at: (image, from) => [place(values, image, from), indexed ? place(index, image, from) : i32(0)],
  };
}

/** Emits the pooling of planes that lie as `layout` says, from `from` on, to two addresses of `pooled`. */
export function emitPool(
  f: FunctionBuilder,
  pool: GraphNode,
  { indexed, relu }: Pooled,
  layout: PlaneLayout,
  from: Address,
  to: readonly [values: Address, positions: Address],
  context: StepContext,
): void {
  const kernel = poolKernelOf(pool, layout, indexed, relu);
  const run = context.imported(poolKey('pool', kernel), () => poolFunctions(kernel));
  f.call(run, from, ...to);
}

/** Emits the way back from an image and a plane on, into planes at `to` that lie as `layout` says. */
export function emitUnpool(
  f: FunctionBuilder,
  { node, pool }: Spread,
  layout: PlaneLayout,
  [image, plane]: readonly [Address, Address],
  to: Address,
  context: StepContext,
): void {
  const [, index, g] = node.reads;
  const kernel = poolKernelOf(pool, layout, true);
  const run = context.imported(poolKey('unpool', kernel), () => unpoolFunctions(kernel));
  const bytes = 4 * sizeOf(pool.target.shape.slice(2));
  const at = (view: View): Address =>
    placeAt(context.address(view), [image, bytes * pool.target.shape[1]!], [plane, bytes]);
  f.call(run, at(g!), at(index!), to);
}

/** Planes that are worth a unit of their own: at least so many elements. */
const unitElements = 8192;

/** The planes of a dense [N, C, ...S], in units of `planes`. */
function dividedPlanes(shape: readonly number[]): PlaneLayout & { readonly units: number } {
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

/** A max pooling of a dense input: its positions and, perhaps, its values. */
export function poolStep({ nodes }: Group, context: StepContext): Step {
  const pool = nodes[0]!;
  const x = pool.reads[0]!;
  const pooled = pooledOf(nodes, pool, context);
  const { units, ...layout } = dividedPlanes(x.shape);
  const from = context.address(x);
  const task: Task = {
    units,
    emit: (f, unit) => {
      const at = placeAt(from, [unit, 4 * layout.planes * layout.planeStride]);
      emitPool(f, pool, pooled, layout, at, pooled.at(i32(0), op('i32.mul', unit, i32(layout.planes))), context);
    },
  };
  return { name: `max pool${pooled.relu ? ' + ReLU' : ''}${pooled.indexed ? ' with positions' : ''}`, tasks: [task] };
}

/** The way back of a max pooling into a dense result. */
export function unpoolStep(node: GraphNode, pool: GraphNode, context: StepContext): Step {
  const { units, ...layout } = dividedPlanes(pool.reads[0]!.shape);
  const { counts, stride, size, kernel } = poolKernelOf(pool, layout, true);
  const to = context.address(node.target);
  const bytes = 4 * layout.planes * layout.planeStride;
  // What no window covers stays zero.
  const isCovered = counts.every(
    (count, axis) => count * stride[axis]! === size[axis] && kernel[axis] === stride[axis],
  );
  const task: Task = {
    units,
    emit(f, unit) {
      const x = f.let(placeAt(to, [unit, bytes]), 'x');
      if (!isCovered) emitZeros(f, x, bytes);
      emitUnpool(f, { node, pool }, layout, [i32(0), op('i32.mul', unit, i32(layout.planes))], x, context);
    },
  };
  return { name: 'spread of a max pool', tasks: [task] };
}
