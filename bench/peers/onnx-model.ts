/**
 * Writes ONNX models: networks of `bench/models.ts` and single operations, with their weights inside.
 *
 * Protocol Buffers' wire format by hand: a field is its number and wire type, then a varint, 4 bytes, or a length and
 * bytes. Field numbers: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3
 */
import type { Layer } from '../models.ts';

const VERSION = { format: 8, operators: 17 };
const FLOAT = 1;

type Bytes = Uint8Array<ArrayBuffer>;

function joined(parts: readonly Bytes[]): Bytes {
  const result = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

function varint(value: number): Bytes {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return new Uint8Array([...bytes, rest]);
}

const integer = (field: number, value: number): Bytes => joined([varint(field * 8), varint(value)]);
const bytes = (field: number, value: Bytes): Bytes => joined([varint(field * 8 + 2), varint(value.length), value]);
const message = (field: number, ...parts: Bytes[]): Bytes => bytes(field, joined(parts));
const text = (field: number, value: string): Bytes => bytes(field, new TextEncoder().encode(value));

const ATTRIBUTE = { integer: 2, integers: 7 };

function attribute([name, value]: [string, number | readonly number[]]): Bytes {
  const parts =
    typeof value === 'number'
      ? [integer(3, value), integer(20, ATTRIBUTE.integer)]
      : [...value.map((v) => integer(8, v)), integer(20, ATTRIBUTE.integers)];
  return message(5, text(1, name), ...parts);
}

function valueInfo(field: number, name: string, shape: readonly number[] | null): Bytes {
  const dimensions = shape === null ? [] : [message(2, ...shape.map((size) => message(1, integer(1, size))))];
  return message(field, text(1, name), message(2, message(1, integer(1, FLOAT), ...dimensions)));
}

export interface Constant {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

type Attributes = Record<string, number | readonly number[]>;

/** A graph under construction: every method returns the name of a value. */
export class OnnxGraph {
  private readonly nodes: Bytes[] = [];
  private readonly constants: Bytes[] = [];
  private readonly inputs: Bytes[] = [];
  private names = 0;

  input(name: string, shape: readonly number[]): string {
    this.inputs.push(valueInfo(11, name, shape));
    return name;
  }

  constant({ shape, data }: Constant): string {
    const name = `constant${this.names++}`;
    const raw = new Uint8Array(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    this.constants.push(
      message(5, ...shape.map((n) => integer(1, n)), integer(2, FLOAT), text(8, name), bytes(9, raw)),
    );
    return name;
  }

  scalar(value: number): string {
    return this.constant({ shape: [], data: new Float32Array([value]) });
  }

  op(type: string, inputs: readonly string[], attributes: Attributes = {}): string {
    const name = `${type}${this.names++}`;
    const links = [...inputs.map((input) => text(1, input)), text(2, name), text(3, name), text(4, type)];
    this.nodes.push(message(1, ...links, ...Object.entries(attributes).map(attribute)));
    return name;
  }

  layers(layers: readonly Layer[], x: string, next: () => Constant): string {
    return layers.reduce((x, layer) => this.layer(layer, x, next), x);
  }

  private layer(layer: Layer, x: string, next: () => Constant): string {
    switch (layer.type) {
      case 'conv': {
        const weights = [this.constant(next()), ...(layer.bias ? [this.constant(next())] : [])];
        return this.op('Conv', [x, ...weights], convAttributes(layer));
      }
      case 'batchNorm':
        return this.op('BatchNormalization', [x, ...[1, 2, 3, 4].map(() => this.constant(next()))]);
      case 'relu':
        return this.op('Relu', [x]);
      case 'relu6':
        return this.op('Clip', [x, this.scalar(0), this.scalar(6)]);
      case 'maxPool':
        return this.op('MaxPool', [x], poolAttributes(layer));
      case 'globalAvgPool':
        return this.op('Flatten', [this.op('GlobalAveragePool', [x])]);
      case 'flatten':
        return this.op('Flatten', [x]);
      case 'dense':
        return this.op('Gemm', [x, this.constant(next()), this.constant(next())], { transB: 1 });
      case 'residual': {
        const body = this.layers(layer.body, x, next);
        return this.op('Add', [body, this.layers(layer.shortcut, x, next)]);
      }
    }
  }

  /** The model's bytes; its result is `output`. */
  encode(output: string): Uint8Array {
    const result = valueInfo(12, output, null);
    const graph = message(7, ...this.nodes, text(2, 'benchmark'), ...this.constants, ...this.inputs, result);
    const operators = message(8, text(1, ''), integer(2, VERSION.operators));
    return joined([integer(1, VERSION.format), graph, operators]);
  }
}

interface Window {
  readonly kernel: readonly number[];
  readonly stride: number;
  readonly padding: number;
}

export function poolAttributes({ kernel, stride, padding }: Window): Attributes {
  const both = [...kernel, ...kernel];
  return { kernel_shape: kernel, strides: kernel.map(() => stride), pads: both.map(() => padding) };
}

export function convAttributes(window: Window & { readonly groups: number }): Attributes {
  return { ...poolAttributes(window), group: window.groups };
}
