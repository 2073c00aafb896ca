/** Max pooling and its way back, as steps of their own and as ends of convolutions. */

import { type Expr, type FunctionBuilder, i32, op } from '../../kernels/wasm/assembler/assembler.ts';
import { emitZeros, placeAt, type Task } from '../../kernels/wasm/conductor.ts';
import {
  type PoolKernel,
  pickFunctions,
  poolFunctions,
  poolKey,
  type TapBytes,
  unpoolFunctions,
} from '../../kernels/wasm/pool/planes.ts';
import { isDense, type Shape, sizeOf } from '../../tensor/shape.ts';
import { elementBytes, type GraphNode, nameOf, type View } from '../graph.ts';
import type { Group } from '../group.ts';
import type { PoolAttrs } from '../pool-taps.ts';
import type { Step, StepContext } from './step.ts';

type Address = Expr<'i32'>;

/** Where the rows of the unpooled planes lie. */
export type PlaneLayout = Pick<PoolKernel, 'images' | 'planes' | 'imageStride' | 'planeStride' | 'rowStrides'>;

/** Three spatial sizes, missing leading ones being 1. */
export function spatialThree(shape: readonly number[]): [number, number, number] {
  const list = shape.slice(2);
  return [...new Array<number>(3 - list.length).fill(1), ...list] as [number, number, number];
}

/** Where the maxima of a group with a pooling go, and whether through a ReLU; null if nobody wants them. */
export function maximaOf(nodes: readonly GraphNode[]): { readonly view: View; readonly relu: boolean } | null {
  const pick = nodes.findIndex((node) => nameOf(node) === 'pickTaps');
  if (pick < 0) return null;
  const relu = nodes[pick + 1];
  return { view: (relu ?? nodes[pick]!).target, relu: relu !== undefined };
}

/** The kernel of a pooling, or of a way back, over planes that lie as `layout` says; `taps` is the view of their numbers. */
export function poolKernelOf(
  { attrs }: GraphNode,
  taps: View,
  layout: PlaneLayout,
  tapBytes: TapBytes,
  relu: boolean = false,
): PoolKernel {
  const { geometry } = attrs as PoolAttrs;
  const three = (list: readonly number[]): [number, number, number] =>
    [...new Array<number>(3 - list.length).fill(1), ...list] as [number, number, number];
  return {
    ...layout,
    counts: spatialThree(taps.shape),
    kernel: three(geometry.kernel),
    stride: three(geometry.stride),
    pooledImage: sizeOf(taps.shape.slice(1)),
    tapBytes,
    relu,
  };
}

/** The planes of [N, C, ...S] as they lie in a dense array, of `images` images. */
export function densePlanes(shape: Shape, images: number): PlaneLayout {
  const [d, h, w] = spatialThree(shape);
  const plane = d * h * w;
  return { images, planes: shape[1]!, imageStride: shape[1]! * plane, planeStride: plane, rowStrides: [h * w, w] };
}

/** Planes that are worth a unit of their own: at least so many elements. */
const unitElements = 8192;

/** The planes of a dense [N, C, ...S], in units of `planes`. */
function dividedPlanes(shape: Shape): PlaneLayout & { readonly units: number } {
  const { planeStride, rowStrides } = densePlanes(shape, 1);
  const all = shape[0]! * shape[1]!;
  let planes = Math.min(all, Math.ceil(unitElements / planeStride));
  while (all % planes > 0) planes++;
  return { units: all / planes, images: 1, planes, imageStride: 0, planeStride, rowStrides };
}

/** Bytes from plane to plane of a pooled array. */
function planeBytes({ shape, value }: View): number {
  return elementBytes(value.dtype) * sizeOf(shape.slice(2));
}

/** Where a plane of a dense view begins. */
function planeAt(view: View, image: Address, plane: Address, context: StepContext): Address {
  const bytes = planeBytes(view);
  return placeAt(context.address(view), [image, bytes * view.shape[1]!], [plane, bytes]);
}

/** Where the values of a pooling and the numbers of taps go. */
export interface Pooled {
  readonly tapBytes: TapBytes;
  /** Whether values go through a ReLU. */
  readonly relu: boolean;
  /** Bytes from plane to plane, of values and of taps. */
  readonly planeBytes: readonly [number, number];
  /** Addresses of an image's values and taps, from a plane on. */
  at(image: Address, plane: Address): [values: Address, taps: Address];
}

/** The bytes of a tap's number. */
function bytesOf(taps: View): TapBytes {
  return elementBytes(taps.value.dtype) as TapBytes;
}

/** Where those of a group with a pooling go. */
export function pooledOf(nodes: readonly GraphNode[], pool: GraphNode, context: StepContext): Pooled {
  const maxima = maximaOf(nodes);
  const taps = pool.target;
  const hasTaps = context.isNeeded(taps.value);
  // Values that nobody wants go to scratch.
  const scratch = maxima === null ? context.scratch(taps.value.size).address : 0;
  const bytes = 4 * sizeOf(taps.shape.slice(2));
  return {
    tapBytes: hasTaps ? bytesOf(taps) : 0,
    relu: maxima?.relu ?? false,
    planeBytes: [bytes, hasTaps ? planeBytes(taps) : 0],
    at: (image, plane) => [
      placeAt(
        maxima === null ? scratch : context.address(maxima.view),
        [image, bytes * taps.shape[1]!],
        [plane, bytes],
      ),
      hasTaps ? planeAt(taps, image, plane, context) : i32(0),
    ],
  };
}

/** Emits the pooling of planes that lie as `layout` says, from `from` on, to two addresses of `pooled`. */
export function emitPool(
  f: FunctionBuilder,
  pool: GraphNode,
  { tapBytes, relu }: Pooled,
  layout: PlaneLayout,
  from: Address,
  to: readonly [values: Address, taps: Address],
  context: StepContext,
): void {
  const kernel = poolKernelOf(pool, pool.target, layout, tapBytes, relu);
  const run = context.imported(poolKey('pool', kernel), () => poolFunctions(kernel));
  f.call(run, from, ...to);
}

/** Emits the way back from an image and a plane on, into planes at `to` that lie as `layout` says. */
export function emitUnpool(
  f: FunctionBuilder,
  spread: GraphNode,
  layout: PlaneLayout,
  [image, plane]: readonly [Address, Address],
  to: Address,
  context: StepContext,
): void {
  const [g, taps] = spread.reads as [View, View];
  const kernel = poolKernelOf(spread, taps, layout, bytesOf(taps));
  const run = context.imported(poolKey('unpool', kernel), () => unpoolFunctions(kernel));
  f.call(run, planeAt(g, image, plane, context), planeAt(taps, image, plane, context), to);
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
  return { name: `max pool${pooled.relu ? ' + ReLU' : ''}${pooled.tapBytes > 0 ? ' with taps' : ''}`, tasks: [task] };
}

/** Reading at taps or putting a gradient there, by itself; null if it is neither, or an operand is not dense. */
export function tapStep(node: GraphNode, context: StepContext): Step | null {
  const isPick = nameOf(node) === 'pickTaps';
  if (!(isPick || nameOf(node) === 'spreadTaps') || !node.reads.every(isDense)) return null;
  return isPick ? pickStep(node, context) : unpoolStep(node, context);
}

function pickStep(node: GraphNode, context: StepContext): Step {
  const [v, taps] = node.reads as [View, View];
  const { units, ...layout } = dividedPlanes(v.shape);
  const kernel = poolKernelOf(node, taps, layout, bytesOf(taps));
  const run = context.imported(poolKey('pick', kernel), () => pickFunctions(kernel));
  const task: Task = {
    units,
    emit(f, unit) {
      const at = (view: View): Address => planeAt(view, i32(0), op('i32.mul', unit, i32(layout.planes)), context);
      f.call(run, at(v), at(node.target), at(taps));
    },
  };
  return { name: 'maxima of a max pool', tasks: [task] };
}

/** The way back of a max pooling into a dense result. */
function unpoolStep(node: GraphNode, context: StepContext): Step {
  const { shape } = node.target;
  const { units, ...layout } = dividedPlanes(shape);
  const { kernel, stride } = (node.attrs as PoolAttrs).geometry;
  const counts = node.reads[1]!.shape;
  const bytes = 4 * layout.planes * layout.planeStride;
  // What no window covers stays zero.
  const isCovered = kernel.every(
    (length, axis) => length === stride[axis] && counts[axis + 2]! * length === shape[axis + 2],
  );
  const task: Task = {
    units,
    emit(f, unit) {
      const x = f.let(placeAt(context.address(node.target), [unit, bytes]), 'x');
      if (!isCovered) emitZeros(f, x, bytes);
      emitUnpool(f, node, layout, [i32(0), op('i32.mul', unit, i32(layout.planes))], x, context);
    },
  };
  return { name: 'spread of a max pool', tasks: [task] };
}
