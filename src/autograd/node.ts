/** The record of one operation: what a vjp needs, and nothing else. */

import { GradError } from '../errors.ts';
import type { Call, RecordedOp, TensorSpec } from '../ops/op.ts';
import type { GradNode, Tensor } from '../tensor/tensor.ts';

let created = 0;

/** How many operations were recorded so far: the number of the next one. */
export function nodesMade(): number {
  return created;
}

/** An applied operation, its inputs and its result, until `release`. */
export class Node implements GradNode, Call<unknown> {
  /** Counts up, so that an operation has a higher number than all it depends on. */
  readonly id: number = created++;
  readonly op: RecordedOp;
  readonly attrs: unknown;
  readonly specs: readonly TensorSpec[];
  #inputs: readonly Tensor[] | null;
  #output: Tensor | null;
  readonly #versions: readonly number[];

  constructor(op: RecordedOp, inputs: readonly Tensor[], attrs: unknown, output: Tensor) {
    this.op = op;
    this.attrs = attrs;
    this.specs = inputs.map(({ shape, dtype }) => ({ shape, dtype }));
    this.#inputs = inputs;
    this.#output = output;
    this.#versions = [...inputs, output].map((x) => x.storage.version);
  }

  get name(): string {
    return this.op.name;
  }

  get inputs(): readonly Tensor[] {
    if (this.#inputs !== null) return this.#inputs;
    throw new GradError(
      `backward: the graph of ${this.name} was already used and released; pass { retainGraph: true } to the first backward to go through it again`,
    );
  }

  input(i: number): Tensor {
    return this.#unchanged(this.inputs[i]!, i, `input ${i}`);
  }

  output(): Tensor {
    const { length } = this.inputs;
    return this.#unchanged(this.#output!, length, 'the result');
  }

  /** Whether a backward pass has used it up. */
  get isReleased(): boolean {
    return this.#inputs === null;
  }

  /** Lets go of all tensors. */
  release(): void {
    this.#inputs = null;
    this.#output = null;
  }

  #unchanged(x: Tensor, i: number, what: string): Tensor {
    const [saved, now] = [this.#versions[i]!, x.storage.version];
    if (saved === now) return x;
    throw new GradError(
      `backward: ${what} of ${this.name}, shape [${x.shape.join(', ')}], was changed in place after it was used (version ${saved}, now ${now}); update it after backward, or use a clone()`,
    );
  }
}
