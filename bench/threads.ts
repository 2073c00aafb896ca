/**
 * `npm run bench:threads`: what threads cost and bring. First a barrier between two threads and a program without work;
 * then a step of training of each network, compiled, with one thread and with more, in turns, so that a machine that is
 * busy with other things is so for both: the best step of each counts.
 *
 *   node bench/threads.ts [threads = 2] [seconds for each network = 6]
 */
import os from 'node:os';
import * as tg from '../src/index.ts';
import { runProgram } from '../src/threads/index.ts';
import { handmade } from '../test/threads/programs.ts';

const [threads = 2, seconds = 6] = process.argv.slice(2).map(Number);
const microseconds = (ms: number): string => `${(1000 * ms).toFixed(2)} µs`;

/** The times of many calls, sorted, in milliseconds. */
function times(calls: number, run: () => void): number[] {
  const each = Array.from({ length: calls }, () => {
    const start = performance.now();
    run();
    return performance.now() - start;
  });
  return each.sort((a, b) => a - b);
}

function barriers(): void {
  tg.setThreads(2);
  // Two barriers in each round, and one that begins and one that ends the program.
  const rounds = 500;
  const program = handmade({ rounds });
  const empty = handmade({ rounds: 0 });
  for (const [name, { code, conductor }, count] of [
    ['a barrier between 2 threads', program, 2 * rounds + 2],
    ['a program without work', empty, 1],
  ] as const) {
    const sorted = times(1000, () => runProgram(code, conductor, () => {}));
    const [best, median] = [sorted[0]! / count, sorted[500]! / count];
    console.log(`${name}: best ${microseconds(best)}, median ${microseconds(median)}`);
  }
}

const conv2d = (inputs: number, outputs: number): tg.Layer[] => [
  new tg.Conv2d(inputs, outputs, 3, { padding: 1 }),
  new tg.ReLU(),
  new tg.MaxPool2d(2),
];
const conv3d = (inputs: number, outputs: number): tg.Layer[] => [
  new tg.Conv3d(inputs, outputs, 3, { padding: 1 }),
  new tg.ReLU(),
  new tg.MaxPool3d(2),
];
const heartbeat = (inputs: number, outputs: number): tg.Layer[] => [
  new tg.Conv1d(inputs, outputs, 7, { padding: 3 }),
  new tg.BatchNorm1d(outputs),
  new tg.ReLU(),
  new tg.MaxPool1d(2),
];
const smallCnn = (a: number, b: number): tg.Layer[] => [
  ...conv2d(1, a),
  ...conv2d(a, b),
  new tg.Flatten(),
  new tg.Dense(49 * b, 10),
];
const ecg = (): tg.Layer[] => {
  const channels = [1, 32, 64, 64, 128, 128];
  const blocks = channels.slice(1).flatMap((outputs, i) => heartbeat(channels[i]!, outputs));
  return [...blocks, new tg.Flatten(), new tg.Dense(128 * 6, 5)];
};

/** The networks of bench/models.ts by name, with the shape of a batch. */
const networks: Record<string, { layers: () => tg.Layer[]; input: number[]; classes: number }> = {
  'CNN 8/16, 28×28, batch 64': { layers: () => smallCnn(8, 16), input: [64, 1, 28, 28], classes: 10 },
  'CNN 32/64, 28×28, batch 64': { layers: () => smallCnn(32, 64), input: [64, 1, 28, 28], classes: 10 },
  'ECG, 192, batch 64': { layers: ecg, input: [64, 1, 192], classes: 5 },
  '3-D 16/32, 28×28×28, batch 8': {
    layers: () => [...conv3d(1, 16), ...conv3d(16, 32), new tg.Flatten(), new tg.Dense(32 * 343, 10)],
    input: [8, 1, 28, 28, 28],
    classes: 10,
  },
};

/** A step of training. */
function stepOf({ layers, input, classes }: (typeof networks)[string]): () => void {
  tg.manualSeed(1);
  const model = new tg.Sequential(...layers());
  const optimizer = new tg.SGD(model.parameters(), { lr: 0.01 });
  const x = tg.randn(input);
  const y = Int32Array.from({ length: input[0]! }, (_, i) => i % classes);
  const step = tg.compile((x: tg.Tensor, y: Int32Array) => {
    const loss = tg.crossEntropy(model.forward(x), y);
    loss.backward();
    optimizer.step();
    optimizer.zeroGrad();
    return loss;
  });
  return () => void step(x, y);
}

function scaling(name: string): void {
  const step = stepOf(networks[name]!);
  const best = new Map([1, threads].map((count) => [count, Number.POSITIVE_INFINITY]));
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end) {
    for (const count of best.keys()) {
      tg.setThreads(count);
      times(3, step);
      const calls = Math.max(5, Math.ceil(200 / Math.min(best.get(count)!, 40)));
      best.set(count, Math.min(best.get(count)!, times(calls, step)[0]!));
    }
  }
  const [one = 0, more = 0] = [...best.values()];
  console.log(
    `${name}: ${one.toFixed(2)} ms → ${more.toFixed(2)} ms with ${threads} threads, ${(one / more).toFixed(2)} ×`,
  );
}

console.log(`${os.cpus()[0]?.model}, ${os.availableParallelism()} cores, Node ${process.version}`);
barriers();
for (const name of Object.keys(networks)) scaling(name);
