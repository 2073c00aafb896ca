/**
 * `npm run train`: a small convolutional network learns to read digits, and shows what it learned.
 *
 * Ctrl-C ends the run after the step at hand: up to 1,000 test digits are judged and the report is written with what
 * there is; the exit code is then 130 (143 after SIGTERM). A second Ctrl-C ends it at once.
 */

import { constants } from 'node:os';
import { join, relative } from 'node:path';
import { manualSeed, type Sequential, summary, TypedgradError } from 'typedgrad';
import { standalone } from './charts.ts';
import { runDemo } from './demos.ts';
import { makeFigures } from './figures.ts';
import type { History, Judgement } from './history.ts';
import { makeLayers, makeModel, type NamedLayer } from './model.ts';
import { parseArguments, type TrainOptions, UsageError } from './options.ts';
import { OutFolder } from './output.ts';
import { duration, makeProgress } from './progress.ts';
import { reportPage } from './report.ts';
import { drawDigits, readFolder, readTestDigits, type Source } from './source.ts';
import { judgeDigits, type Stop, train } from './training.ts';

const JUDGED_AFTER_STOP = 1000;

const say = (line = ''): void => {
  process.stdout.write(`${line}\n`);
};

async function main(): Promise<number> {
  const options = parseArguments(process.argv.slice(2));
  if ('help' in options) {
    process.stdout.write(options.help);
    return 0;
  }
  if (options.demo !== undefined) {
    runDemo(options.demo, options.seed, say);
    return 0;
  }
  const started = performance.now();
  const out = new OutFolder(options.out);
  const { stop, code } = listenForStop();
  const others = options.judge === undefined ? undefined : readTestDigits(options.judge);
  const source = load(options);
  if (others !== undefined && others.size !== source.train.size) {
    throw new UsageError(
      `--judge: its pictures are ${others.size} pixels wide, those learned from ${source.train.size}`,
    );
  }
  say(`${source.train.count} digits to learn from, ${source.test.count} to judge by: ${source.name}`);
  manualSeed(options.seed);
  const layers = makeLayers(source.train.size);
  const model = makeModel(layers);
  const table = String(summary(model, [options.batchSize, 1, source.train.size, source.train.size]));
  say(`${table}\n`);
  const history = await learn(model, source, options, stop);
  if (stop.requested) say('interrupted: judging what was learned so far');
  const count = stop.requested ? Math.min(JUDGED_AFTER_STOP, source.test.count) : source.test.count;
  const judgement = await judgeDigits(model, source.test, count);
  const seconds = (performance.now() - started) / 1000;
  await writeReport(out, { options, source, layers, history, judgement, table, interrupted: stop.requested, seconds });
  if (others !== undefined) {
    const { accuracy } = await judgeDigits(model, others);
    say(`accuracy on ${others.count} digits of ${options.judge}: ${accuracy.toFixed(4)}`);
  }
  say(`report: ${relative(process.cwd(), join(out.path, 'report.html')) || out.path}  (${duration(seconds)})`);
  say(`test accuracy ${judgement.accuracy.toFixed(4)}`);
  return code();
}

function load({ data, limit, seed }: TrainOptions): Source {
  if (data !== undefined) return readFolder(data, limit);
  say('drawing digits');
  return drawDigits(limit, seed);
}

async function learn(model: Sequential, source: Source, options: TrainOptions, stop: Stop): Promise<History> {
  const progress = makeProgress(options.epochs, options.epochs * source.train.count);
  try {
    return await train(model, source.train, options, { progress, stop, judge: () => judgeDigits(model, source.test) });
  } finally {
    progress.stop();
  }
}

/** A terminal sends Ctrl-C to every process of the command, and npm passes it on: what comes at once is one Ctrl-C. */
const SAME_PRESS_MS = 500;

function listenForStop(): { stop: Stop; code: () => number } {
  const stop: Stop = { requested: false };
  let exitCode = 0;
  let first = 0;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      exitCode = 128 + constants.signals[signal];
      if (stop.requested && performance.now() - first > SAME_PRESS_MS) process.exit(exitCode);
      if (!stop.requested) first = performance.now();
      stop.requested = true;
    });
  }
  return { stop, code: () => exitCode };
}

interface Run {
  readonly options: TrainOptions;
  readonly source: Source;
  readonly layers: readonly NamedLayer[];
  readonly history: History;
  readonly judgement: Judgement;
  readonly table: string;
  readonly interrupted: boolean;
  readonly seconds: number;
}

async function writeReport(out: OutFolder, run: Run): Promise<void> {
  const { options, source, layers, history, judgement } = run;
  const figures = await makeFigures({ layers, history, judgement, digits: source.test });
  for (const { name, svg } of figures) out.write(`${name}.svg`, standalone(svg));
  const seen = history.steps.at(-1)?.seen ?? 0;
  const settings = [
    ['digits', source.name],
    ['learned from', `${source.train.count}, seen ${seen} times in all`],
    ['epochs', String(options.epochs)],
    ['batch size', String(options.batchSize)],
    ['optimizer', `${options.optimizer}, learning rate ${options.lr}`],
    ['loss', options.loss],
    ['seed', String(options.seed)],
    ['time', duration(run.seconds)],
  ] as const;
  const { accuracy, count } = judgement;
  const facts = { accuracy, judged: count, interrupted: run.interrupted, settings, summary: run.table };
  out.write('report.html', reportPage(facts, figures));
  out.write(
    'history.json',
    `${JSON.stringify({ settings: Object.fromEntries(settings), ...history, accuracy }, null, 1)}\n`,
  );
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError) && !(error instanceof TypedgradError)) throw error;
  process.stderr.write(`error: ${error.message}\n`);
  process.exitCode = 1;
}
