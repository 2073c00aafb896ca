/** One node of an ONNX graph: its attributes with defaults, its inputs as tensors or as numbers. */

import type { Tensor } from '../../src/index.ts';
import { type OnnxCase, toTensor, valuesOf } from './onnx-cases.ts';

/** Thrown by a mapping where the library has no counterpart, with the reason. */
export class NotApplicable extends Error {
  override readonly name: string = 'NotApplicable';
}

export class OnnxNode {
  readonly case: OnnxCase;
  readonly outputs: number;

  constructor(source: OnnxCase) {
    this.case = source;
    this.outputs = source.outputs!.length;
  }

  get count(): number {
    return this.case.inputs!.length;
  }

  /** Whether an optional input is there. */
  has(i: number): boolean {
    return Boolean(this.case.inputs![i]);
  }

  input(i: number): Tensor {
    const encoded = this.case.inputs![i];
    if (!encoded) throw new Error(`input ${i} is missing`);
    return toTensor(encoded);
  }

  optional(i: number): Tensor | undefined {
    return this.has(i) ? this.input(i) : undefined;
  }

  inputs(): Tensor[] {
    return this.case.inputs!.map((_, i) => this.input(i));
  }

  dtype(i: number): string {
    return this.case.inputs![i]!.t;
  }

  /** An input of sizes, axes or positions as numbers. */
  list(i: number): number[] | undefined {
    const encoded = this.case.inputs![i];
    return encoded ? [...valuesOf(encoded)] : undefined;
  }

  number(name: string, fallback: number): number {
    return (this.case.attributes![name] as number | undefined) ?? fallback;
  }

  text(name: string, fallback: string): string {
    return (this.case.attributes![name] as string | undefined) ?? fallback;
  }

  numbers(name: string): number[] | undefined {
    return this.case.attributes![name] as number[] | undefined;
  }
}

/** From a node to the outputs that can be compared; a left-out trailing output is not. */
export type Mapping = (node: OnnxNode) => Tensor | (Tensor | null)[];
