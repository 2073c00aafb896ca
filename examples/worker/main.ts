/**
 * `npm run build && node examples/worker/main.ts` (Node 22.18 or later): trains in a worker, while this thread does
 * something else. Ctrl-C ends training early; what was learned until then is used.
 */
import { Worker } from 'node:worker_threads';
import { argMax, noGrad } from 'typedgrad';
import { syntheticDigits } from 'typedgrad/data';
import { connect } from 'typedgrad/worker';
import { makeModel } from './model.ts';
import type { Tasks } from './tasks.ts';

const [count = 1000, epochs = 5] = process.argv.slice(2).map(Number);
const { train, test } = syntheticDigits({ train: count, test: 500, seed: 1 });

const worker = new Worker(new URL('./tasks.ts', import.meta.url));
const ask = connect<Tasks>(worker);
const controller = new AbortController();
process.once('SIGINT', () => controller.abort());

let ticks = 0;
const clock = setInterval(() => ticks++, 10);
const state = await ask(
  'train',
  { images: train.images, labels: train.labels, epochs },
  { onProgress: (line) => console.log(line), signal: controller.signal },
);
clearInterval(clock);
console.log(`meanwhile this thread was free ${ticks} times`);
await worker.terminate();

const model = makeModel();
model.loadStateDict(state);
model.eval();
const guesses = noGrad(() => argMax(model.forward(test.images), 1)).toArray() as number[];
const right = guesses.filter((guess, i) => guess === test.labels[i]).length;
console.log(`${right} of ${test.labels.length} digits read correctly`);
