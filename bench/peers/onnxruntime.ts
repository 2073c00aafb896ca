/** onnxruntime: with the argument `node` the native library, with `web` the one in WebAssembly. */
import type * as Runtime from 'onnxruntime-web';
import { type Constant, convAttributes, OnnxGraph, poolAttributes } from './onnx-model.ts';
import type { Task, TensorFile } from './protocol.ts';
import { type Library, type Prepared, readFloats, serve, unsupported, versionOf } from './serve.ts';

const threads = Number(process.env.BENCH_THREADS);
const kind = process.argv[2] === 'web' ? 'web' : 'node';
const name = `onnxruntime-${kind}`;

function read({ shape, file }: TensorFile): Constant {
  return { shape, data: readFloats({ shape, file }) };
}

/** The model of a task, and what it is fed. */
function modelOf(task: Task): { model: Uint8Array; feeds: Record<string, TensorFile> } {
  const graph = new OnnxGraph();
  switch (task.kind) {
    case 'conv': {
      if (task.direction !== 'forward') return unsupported('no gradients');
      const { x, w, stride, padding, groups } = task;
      const attributes = convAttributes({ kernel: w.shape.slice(2), stride, padding, groups });
      const y = graph.op('Conv', [graph.input('x', x.shape), graph.constant(read(w))], attributes);
      return { model: graph.encode(y), feeds: { x } };
    }
    case 'matmul': {
      const { a, b } = task;
      const [left, right] = [graph.input('a', a.shape), graph.input('b', b.shape)];
      const attributes = { transA: Number(task.transposeA), transB: Number(task.transposeB) };
      return { model: graph.encode(graph.op('Gemm', [left, right], attributes)), feeds: { a, b } };
    }
    case 'maxPool': {
      const y = graph.op('MaxPool', [graph.input('x', task.x.shape)], poolAttributes({ ...task, padding: 0 }));
      return { model: graph.encode(y), feeds: { x: task.x } };
    }
    case 'forward': {
      let i = 0;
      const next = () => read(task.weights[i++]!);
      const y = graph.layers(task.layers, graph.input('x', task.x.shape), next);
      return { model: graph.encode(y), feeds: { x: task.x } };
    }
    case 'train':
      return unsupported('no training');
  }
}

async function open(): Promise<Library> {
  const module = kind === 'web' ? await import('onnxruntime-web') : await import('onnxruntime-node');
  const runtime = module as unknown as typeof Runtime;
  if (kind === 'web') runtime.env.wasm.numThreads = threads;

  async function prepare(task: Task): Promise<Prepared> {
    const { model, feeds } = modelOf(task);
    const one = { intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: 'sequential' as const };
    const session = await runtime.InferenceSession.create(model, {
      ...one,
      graphOptimizationLevel: 'all',
      executionProviders: [kind === 'web' ? 'wasm' : 'cpu'],
    });
    const inputs = Object.fromEntries(
      Object.entries(feeds).map(([key, file]) => [key, new runtime.Tensor('float32', readFloats(file), file.shape)]),
    );
    let y: Runtime.Tensor;
    const run = async () => {
      y = (await session.run(inputs))[session.outputNames[0]!]!;
    };
    const outputs = () => [y.data as Float32Array];
    return { run, outputs, dispose: () => void session.release() };
  }

  return {
    info: { name, detail: `${versionOf(name)}, ${threads === 1 ? '1 thread' : `${threads} threads`}` },
    prepare,
  };
}

await serve(open);
