/** Max pooling with windows of any kind, and its ways back, plane by plane: each plane gets its padding in scratch memory. */

import {
  type Expr,
  type FunctionBuilder,
  f32x4,
  i32,
  invoke,
  type Local,
  op,
  plus,
  select,
} from '../../kernels/wasm/assembler/assembler.ts';
import { placeAt, type Task } from '../../kernels/wasm/conductor.ts';
import { layoutModule } from '../../kernels/wasm/memory/layout.ts';
import { isPadded, leadOf, MOST_POSITIONS, rowSizes, windowKernelOf } from '../../kernels/wasm/pool/eager.ts';
import { type Three, type WindowKernel, windowFunctions, windowKey } from '../../kernels/wasm/pool/windows.ts';
import { isDense, sizeOf } from '../../tensor/shape.ts';
import { type GraphNode, nameOf, type View } from '../graph.ts';
import type { PoolAttrs } from '../pool-taps.ts';
import { runApart } from './single.ts';
import type { Step, StepContext } from './step.ts';

type Address = Expr<'i32'>;

/** Elements that are worth a unit of their own. */
const unitElements = 8192;

const kinds: Readonly<Record<string, WindowKernel['kind']>> = {
  maxPool: 'max',
  maxPoolIndices: 'index',
  maxPoolPick: 'pick',
  maxPoolSpread: 'spread',
};

const volume = ([d, h, w]: Three): number => d * h * w;

/** The step of a max pooling or one of its ways back; null if it is none, or its operands lie in a way that has no kernel. */
export function windowStep(node: GraphNode, context: StepContext): Step | null {
  const kind = kinds[nameOf(node)];
  const views = [node.target, ...node.reads];
  if (kind === undefined || views.some((v) => v.value.dtype !== 'float32' || v.value.size === 0 || !isDense(v)))
    return null;
  const isBack = kind === 'pick' || kind === 'spread';
  const x = node.reads[isBack ? 1 : 0]!;
  const pooled = kind === 'spread' ? node.reads[0]! : node.target;
  const kernel = windowKernelOf(kind, x.shape, (node.attrs as PoolAttrs).geometry, pooled.shape);
  if (volume(kernel.padded) > MOST_POSITIONS || sizeOf(x.shape) === 0) return null;
  return new Windows(kernel, node, x, pooled, context).step;
}

class Windows {
  readonly #kernel: WindowKernel;
  readonly #context: StepContext;
  readonly #isPadded: boolean;
  /** Planes in all, and of a unit. */
  readonly #all: number;
  readonly #planes: number;
  readonly step: Step;

  constructor(kernel: WindowKernel, node: GraphNode, x: View, pooled: View, context: StepContext) {
    this.#kernel = kernel;
    this.#context = context;
    this.#isPadded = isPadded(kernel);
    this.#all = x.shape[0]! * x.shape[1]!;
    this.#planes = Math.min(this.#all, Math.ceil(unitElements / volume(kernel.padded)));
    const units = Math.ceil(this.#all / this.#planes);
    const flags = context.scratch(units);
    this.step = {
      name: `${nameOf(node)} over windows${this.#isPadded ? ' with padding' : ''}`,
      tasks: [this.#task(units, flags.address, node, x, pooled)],
      // Where nothing is larger than the padding, which of the two came first decides: left to the reference.
      ...(this.#isPadded &&
        kernel.kind !== 'max' && {
          finish: () => {
            if (flags.view('float32', 0, units).some((flag) => flag !== 0)) runApart([node], context);
          },
        }),
    };
  }

  #task(units: number, flags: number, node: GraphNode, x: View, pooled: View): Task {
    const { kind, size, padded, counts } = this.#kernel;
    const run = this.#context.imported(windowKey(this.#kernel), () => windowFunctions(this.#kernel));
    const [from, at] = [this.#context.address(x), this.#context.address(pooled)];
    const wide = kind === 'pick' ? node.reads[0]! : kind === 'spread' ? node.target : null;
    const wideAt = wide === null ? 0 : this.#context.address(wide);
    const floats = this.#planes * volume(padded);
    const own = this.#isPadded ? this.#context.perThread(floats) : null;
    // Adding to the last elements of a plane touches those behind, which may be another thread's.
    const ownWide = kind === 'spread' || (this.#isPadded && wide !== null) ? this.#context.perThread(floats) : null;
    const [step, pooledStep] = [4 * this.#planes * volume(size), 4 * this.#planes * volume(counts)];
    const rest = this.#all % this.#planes;
    return {
      units,
      emit: (f, unit, thread) => {
        const last = select(i32(rest), i32(this.#planes), op('i32.eq', unit, i32(units - 1)));
        const n = f.let(rest === 0 ? i32(this.#planes) : last, 'planes');
        const place = (base: number, bytes: number): Local<'i32'> => f.let(placeAt(base, [unit, bytes]), 'at');
        const [dense, denseWide] = [place(from, step), place(wideAt, step)];
        const source = own ? f.let(own.at(thread), 'source') : dense;
        const other = ownWide ? f.let(ownWide.at(thread), 'other') : denseWide;
        if (own) this.#fill(f, source, floats);
        if (own) this.#copy(f, n, dense, source, true);
        // The scratch around the planes that are read stays zero.
        if (ownWide && kind === 'pick') this.#copy(f, n, denseWide, other, true);
        if (kind === 'spread') f.emit('memory.fill', [other, i32(0), op('i32.mul', n, i32(4 * volume(padded)))]);
        const args = [n, source, ...(wide === null ? [] : [other]), place(at, pooledStep)];
        f.store('i32.store', placeAt(flags, [unit, 4]), invoke(run, 'i32', ...args));
        if (ownWide && kind === 'spread') this.#copy(f, n, denseWide, other, false);
      },
    };
  }

  /** Minus infinity everywhere. */
  #fill(f: FunctionBuilder, at: Address, floats: number): void {
    const [to, end] = [f.let(at, 'to'), f.let(plus(at, 4 * floats), 'end')];
    f.while(to, end, 16, () => f.store('v128.store', to, f32x4(Number.NEGATIVE_INFINITY)));
  }

  /** Planes into their padding, or out of it. */
  #copy(f: FunctionBuilder, planes: Address, dense: Address, inPadding: Address, isInto: boolean): void {
    const copy = this.#context.imported(...layoutModule('copy'), 'copy');
    const { counts, dense: apart, padded } = rowSizes(this.#kernel);
    const inner = plus(inPadding, leadOf(this.#kernel));
    const ends = isInto ? [dense, inner] : [inner, dense];
    const strides = isInto ? [...apart, ...padded] : [...padded, ...apart];
    f.call(copy, ...ends, planes, ...[...counts, ...strides].map((value) => i32(value)));
  }
}
