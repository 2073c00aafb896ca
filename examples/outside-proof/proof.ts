/**
 * Runs the laws of `typedgrad/testing` against the convolutions of other libraries and prints what does not hold.
 *
 *     npm install && npm start
 */
import { type CheckOptions, type Implementation, laws } from 'typedgrad/testing';
import * as jax from './jax.ts';
import { mlConvolution } from './ml.ts';
import * as tensorflow from './tfjs.ts';

const SEED = 1;
const RUNS = 100;

interface Subject {
  readonly name: string;
  readonly rank: number;
  readonly implementation: Implementation;
  readonly options?: CheckOptions;
  readonly prepare?: () => Promise<void>;
}

/** Bounds that keep most cases within what a library supports; the rest it declines, and the table counts it. */
const PLAIN = { paddingModes: ['zeros'] } as const;
const UNGROUPED = { conv: { ...PLAIN, maxGroups: 1 }, pool: { ceilMode: false, maxDilation: 1 } };

const tfjs = (backend: 'cpu' | 'wasm', rank: number, form: tensorflow.PaddingForm): Subject => ({
  name: `tfjs 4.22 ${backend}, padding as ${form}`,
  rank,
  implementation: tensorflow.tensorflow(rank, form),
  options: UNGROUPED,
  prepare: () => tensorflow.use(backend),
});

const subjects: Subject[] = [
  ...(['cpu', 'wasm'] as const).flatMap((backend) => [1, 2, 3].map((rank) => tfjs(backend, rank, 'pairs'))),
  ...(['cpu', 'wasm'] as const).flatMap((device) =>
    [1, 2, 3].map((rank) => ({
      name: `jax-js 0.1.25 ${device}`,
      rank,
      implementation: jax.jax(rank),
      options: { conv: PLAIN, pool: { ceilMode: false, maxDilation: 1, padding: false } },
      prepare: () => jax.use(device),
    })),
  ),
  ...(['direct', 'fft'] as const).map((which) => ({
    name: `ml-convolution 2.0 ${which}`,
    rank: 1,
    implementation: mlConvolution(which),
    options: {
      conv: {
        ...PLAIN,
        maxGroups: 1,
        maxChannels: 1,
        maxBatch: 1,
        maxStride: 1,
        maxDilation: 1,
        paddingForms: ['valid'],
        bias: false,
        maxKernel: 5,
      },
    } as CheckOptions,
  })),
  // Last, since what breaks here may leave the library's memory broken.
  ...(['cpu', 'wasm'] as const).flatMap((backend) => [2, 1].map((rank) => tfjs(backend, rank, 'number'))),
];

const only = process.argv[2] ?? '';
const findings: string[] = [];
console.log('| library | rank | laws held | laws broken | not applicable | cases judged | cases declined |');
console.log('| --- | --- | --- | --- | --- | --- | --- |');
for (const { name, rank, implementation, options = {}, prepare } of subjects.filter(({ name, rank }) =>
  `${name} ${rank}-d`.includes(only),
)) {
  await prepare?.();
  const report = laws.check(implementation, { rank, runs: RUNS, seed: SEED, ...options });
  const count = (status: string): number => report.results.filter((result) => result.status === status).length;
  const sum = (key: 'runs' | 'unsupported'): number => report.results.reduce((total, result) => total + result[key], 0);
  const broken = report.failures.map(({ law }) => law).join(', ') || 'none';
  console.log(
    `| ${name} | ${rank} | ${count('passed')} | ${broken} | ${count('unsupported')} | ${sum('runs')} | ${sum('unsupported')} |`,
  );
  findings.push(...report.failures.map(({ failure }) => `### ${name}, ${rank}-d\n\n${failure?.message}`));
}
console.log(`\n${findings.join('\n\n')}`);
