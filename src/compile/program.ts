/** A traced function made ready to run: its graph optimised, its memory planned, its operations one after the other. */

import { kernels } from '../kernels/index.ts';
import type { FloatArray, Strided } from '../kernels/types.ts';
import type { DType } from '../tensor/dtype.ts';
import { sizeOf } from '../tensor/shape.ts';
import { fromStorage } from '../tensor/creation.ts';
import { allocate } from '../tensor/dtype.ts';
import type { NumberArray, Tensor } from '../tensor/tensor.ts';
import { type Graph, type GraphNode, nameOf, printGraph, type Value, type View } from './graph.ts';
import { mergeCommonSubexpressions } from './passes/common.ts';
import { removeDeadCode } from './passes/dead-code.ts';
import { simplify } from './passes/simplify.ts';
import { lifetimesOf, type MemoryPlan, planMemory } from './plan.ts';

/** The passes in order; each gives an equivalent graph. */
export const passes: readonly ((graph: Graph) => Graph)[] = [
  removeDeadCode,
  mergeCommonSubexpressions,
  simplify,
  mergeCommonSubexpressions,
  removeDeadCode,
];

/** One thing to do in each run. */
interface Step {
  readonly name: string;
  run(): void;
}

/** A graph that can be run. */
export class Program {
  readonly graph: Graph;
  readonly plan: MemoryPlan;
  readonly #arena: ArrayBuffer;
  readonly #steps: readonly Step[];
  readonly #inputs: readonly FloatArray[];
  readonly #ownGrads = new Map<Tensor, Tensor>();

  constructor(traced: Graph) {
    this.graph = passes.reduce((graph, pass) => pass(graph), traced);
    this.plan = planMemory(lifetimesOf(this.graph));
    this.#arena = new ArrayBuffer(this.plan.bytes);
    this.#steps = this.graph.nodes.map((node) => this.#step(node));
    this.#inputs = this.graph.inputs.map((value) => this.#buffer(value));
  }

  /** Runs on `inputs` (tensors, or plain numbers for one axis) and gives the outputs as tensors of their own. */
  run(inputs: readonly (Tensor | NumberArray)[]): Tensor[] {
    for (const [i, input] of inputs.entries()) {
      const target = this.#inputs[i]!;
      if (ArrayBuffer.isView(input)) target.set(input);
      else kernels().copy(input, target);
    }
    for (const step of this.#steps) step.run();
    const outputs = this.graph.outputs.map((view) => this.#copyOut(view));
    this.#leaveGradients();
    return outputs;
  }

  /** The program's operations and its memory, as text. */
  explain(): string {
    const { bytes, floor } = this.plan;
    return `${printGraph(this.graph)}\narena: ${bytes} bytes, of which ${floor} live at one time`;
  }

  /** What `grad` of parameters holds after the call. A gradient that the last call left is overwritten, not made anew. */
  #leaveGradients(): void {
    for (const { tensor, view } of this.graph.grads) {
      const own = this.#ownGrads.get(tensor);
      if (view === null) tensor.grad = null;
      else if (own !== undefined && (tensor.grad === own || tensor.grad === null)) {
        kernels().copy(this.#operand(view), own.data);
        own.storage.version++;
        tensor.grad = own;
      } else {
        const fresh = this.#copyOut(view);
        this.#ownGrads.set(tensor, fresh);
        tensor.grad = fresh;
      }
    }
  }

  #copyOut(view: View): Tensor {
    const data = allocate(view.value.dtype, sizeOf(view.shape));
    kernels().copy(this.#operand(view), data);
    return fromStorage(data, view.shape);
  }

  #step(node: GraphNode): Step {
    const reads = node.reads.map((view) => this.#operand(view));
    const target = this.#operand(node.target);
    const { op, attrs } = node;
    if (op === null) {
      const source = reads[0]!;
      const { source: home } = node.target.value;
      return {
        name: nameOf(node),
        run() {
          const value = source.data === target.data ? { ...source, data: source.data.slice() } : source;
          kernels().assign(target, value);
          if (home.kind === 'state') home.storage.version++;
        },
      };
    }
    const y = this.#buffer(node.target.value);
    const out = { shape: node.target.shape, dtype: node.target.value.dtype };
    return {
      name: nameOf(node),
      run() {
        y.fill(0);
        op.compute(reads, attrs, out, y);
      },
    };
  }

  /** What a kernel sees of a view. States and gradients may move between calls, so their data is looked up at each. */
  #operand(view: View): Strided {
    const { source } = view.value;
    const { shape, strides, offset } = view;
    switch (source.kind) {
      case 'state':
        return { get data() { return source.storage.data; }, shape, strides, offset };
      case 'slot':
        return { get data() { return source.tensor.grad!.data; }, shape, strides, offset };
      case 'constant':
        return { data: source.data, shape, strides, offset };
      default:
        return { data: this.#buffer(view.value), shape, strides, offset };
    }
  }

  /** The place of an input or a temporary in the arena. */
  #buffer(value: Value): FloatArray {
    const at = this.plan.offsets.get(value);
    return arrayOn(this.#arena, value.dtype, at ?? 0, at === undefined ? 0 : value.size);
  }
}

function arrayOn(buffer: ArrayBuffer, dtype: DType, offset: number, length: number): FloatArray {
  return dtype === 'float32' ? new Float32Array(buffer, offset, length) : new Float64Array(buffer, offset, length);
}
