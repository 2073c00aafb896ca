import { describe, expect, it } from 'vitest';
import { type Layer, MODELS, weightsOf } from '../../bench/models.ts';
import { disagreement, type Snapshots } from '../../bench/peers/agreement.ts';
import { OnnxGraph } from '../../bench/peers/onnx-model.ts';
import { markdown, type Report } from '../../bench/peers/report.ts';

const floats = (...values: number[]): Float32Array => new Float32Array(values);

describe('agreement of libraries', () => {
  const reference: Snapshots = [[floats(1, -2, 0.5)]];

  it('lets rounding pass', () => {
    expect(disagreement('operation', reference, [[floats(1.0001, -2, 0.5)]], [])).toBeNull();
  });

  it('sees one wrong element, a NaN, a missing element and a missing result', () => {
    expect(disagreement('operation', reference, [[floats(1.01, -2, 0.5)]], [])).toMatch(/differs by 0.0050/);
    expect(disagreement('operation', reference, [[floats(Number.NaN, -2, 0.5)]], [])).toMatch(/Infinity/);
    expect(disagreement('operation', reference, [[floats(1, -2)]], [])).toMatch(/Infinity/);
    expect(disagreement('operation', reference, [[]], [])).toMatch(/0 results instead of 1/);
  });

  it('sees two results that are all zero as wrong where there should be numbers', () => {
    expect(disagreement('operation', reference, [[floats(0, 0, 0)]], [])).not.toBeNull();
  });

  it('compares trained weights by how far they moved', () => {
    const start = [floats(1, 1)];
    const moved: Snapshots = [[floats(2), floats(1.001, 0.999)]];
    expect(disagreement('training', moved, [[floats(2), floats(1.001, 0.999)]], start)).toBeNull();
    // A step not taken changes the weights by 0.1 % only, and still is wrong.
    expect(disagreement('training', moved, [[floats(2), floats(1, 1)]], start)).toMatch(/result 1 of call 1/);
  });
});

/** Fields of a Protocol Buffers message: number, and an integer or bytes. */
function decode(bytes: Uint8Array): [field: number, value: number | Uint8Array][] {
  const fields: [number, number | Uint8Array][] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    if (tag % 8 === 0) {
      fields.push([tag >> 3, varint()]);
      continue;
    }
    expect(tag % 8).toBe(2);
    const length = varint();
    fields.push([tag >> 3, bytes.subarray(at, at + length)]);
    at += length;
    expect(at).toBeLessThanOrEqual(bytes.length);
  }
  return fields;
}

describe('ONNX models', () => {
  it('hold nodes in order, constants with their bytes, and the names that link them', () => {
    const graph = new OnnxGraph();
    const x = graph.input('x', [2, 300]);
    const w = graph.constant({ shape: [1, 300], data: new Float32Array(300).fill(1) });
    const y = graph.op('Gemm', [x, w], { transB: 1 });
    const model = decode(graph.encode(graph.op('Relu', [y])));
    const parts = decode(model.find(([field]) => field === 7)![1] as Uint8Array);
    const text = (value: number | Uint8Array): string => new TextDecoder().decode(value as Uint8Array);
    const nodes = parts.filter(([field]) => field === 1).map(([, node]) => decode(node as Uint8Array));
    const of = (node: (typeof nodes)[number], field: number) =>
      node.filter(([f]) => f === field).map(([, v]) => text(v));
    expect(nodes.map((node) => of(node, 4))).toEqual([['Gemm'], ['Relu']]);
    expect(of(nodes[0]!, 1)).toEqual([x, w]);
    expect(of(nodes[1]!, 1)).toEqual(of(nodes[0]!, 2));
    const constant = decode(parts.find(([field]) => field === 5)![1] as Uint8Array);
    expect(constant.filter(([field]) => field === 1).map(([, n]) => n)).toEqual([1, 300]);
    expect((constant.find(([field]) => field === 9)![1] as Uint8Array).length).toBe(1200);
  });
});

/** Output shape of layers, by the arithmetic of convolution. */
function shapeAfter(layers: readonly Layer[], input: readonly number[]): readonly number[] {
  return layers.reduce((shape: readonly number[], layer) => {
    if (layer.type === 'conv' || layer.type === 'maxPool') {
      const { kernel, stride, padding } = layer;
      if (layer.type === 'conv') expect(shape[1]).toBe(layer.inputs);
      const places = kernel.map((k, i) => Math.floor((shape[i + 2]! + 2 * padding - k) / stride) + 1);
      return [shape[0]!, layer.type === 'conv' ? layer.outputs : shape[1]!, ...places];
    }
    if (layer.type === 'batchNorm') expect(shape[1]).toBe(layer.channels);
    if (layer.type === 'residual') {
      const body = shapeAfter(layer.body, shape);
      expect(shapeAfter(layer.shortcut, shape)).toEqual(body);
      return body;
    }
    if (layer.type === 'flatten') return [shape[0]!, shape.slice(1).reduce((a, b) => a * b, 1)];
    if (layer.type === 'globalAvgPool') return shape.slice(0, 2);
    if (layer.type !== 'dense') return shape;
    expect(shape).toEqual([shape[0], layer.inputs]);
    return [shape[0]!, layer.outputs];
  }, input);
}

describe('networks of the comparison', () => {
  it.each(MODELS.map((model) => [model.name, model] as const))('%s: layers fit each other', (_, model) => {
    expect(shapeAfter(model.layers, model.input)).toEqual([model.input[0], model.classes]);
  });

  it.each([
    // The papers' sizes: parameters without running statistics.
    ['ResNet-18-like, 224×224, batch 1', 11_689_512],
    ['MobileNetV2-like, 224×224, batch 1', 3_504_872],
  ])('%s has %i parameters', (name, count) => {
    const { layers } = MODELS.find((model) => model.name === name)!;
    const trained = weightsOf(layers).filter(({ kind }) => !kind.startsWith('running'));
    expect(trained.reduce((n, { shape }) => n + shape.reduce((a, b) => a * b, 1), 0)).toBe(count);
  });
});

describe('the table for the README', () => {
  const timed = (library: string, median: number) => ({
    library,
    median,
    low: median,
    high: median,
    wall: median,
    samples: 3,
  });
  const report: Report = {
    machine: 'a machine',
    node: '24.0.0',
    clock: 'cpu',
    threads: 1,
    rounds: 3,
    libraries: ['typedgrad', 'typedgrad compiled', 'peer', 'mute'].map((name) => ({ name, detail: '1.0' })),
    rows: [
      {
        group: 'network, training step',
        name: 'a network',
        flops: 0,
        results: [
          timed('typedgrad', 20),
          timed('typedgrad compiled', 5),
          timed('peer', 12.5),
          { library: 'mute', missing: 'cannot: no training', isMistake: false },
        ],
      },
    ],
  };

  it('relates every time to the compiled one, and leaves out a library without any', () => {
    const lines = markdown(report).split('\n');
    expect(lines).toContain('| network, training step | typedgrad | typedgrad compiled | peer |');
    expect(lines).toContain('| a network | 20.0 ms (4.0 ×) | **5.00 ms** | 12.5 ms (2.5 ×) |');
  });
});
