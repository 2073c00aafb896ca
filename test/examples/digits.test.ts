import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runDemo } from '../../examples/digits/demos.ts';
import { makeLayers, makeModel } from '../../examples/digits/model.ts';
import { LEARNING_RATES, LOSSES, type OptimizerName } from '../../examples/digits/options.ts';
import { drawDigits, readFolder } from '../../examples/digits/source.ts';
import { judgeDigits, type Settings, train } from '../../examples/digits/training.ts';
import { manualSeed } from '../../src/index.ts';
import { elements } from './xml.ts';

/** Starting Node, tsx and the charts takes seconds where other suites use the processor too. */
const PATIENCE = 120_000;

let folder = '';
/** The command as one file of JavaScript, which starts in a fifth of the time that tsx takes. */
let bundled = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'typedgrad-'));
  // Within the repository, where its packages are found.
  bundled = mkdtempSync(join('node_modules', '.digits-'));
  await build({
    entryPoints: ['examples/digits/main.ts'],
    outfile: join(bundled, 'main.mjs'),
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    alias: { typedgrad: './src/index.ts', 'typedgrad/data': './src/data/index.ts' },
    logLevel: 'error',
  });
});
afterAll(() => {
  for (const made of [folder, bundled]) rmSync(made, { recursive: true });
});

interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const command = ['--import', 'tsx', 'examples/digits/main.ts'];

const start = (args: readonly string[], how = [join(bundled, 'main.mjs')]): ChildProcessWithoutNullStreams =>
  spawn(process.execPath, [...how, ...args]);

function finish(child: ChildProcessWithoutNullStreams, onText: (out: string) => void = () => {}): Promise<Result> {
  let [out, err] = ['', ''];
  child.stdout.on('data', (part: Buffer) => {
    out += part.toString();
    onText(out);
  });
  child.stderr.on('data', (part: Buffer) => {
    err += part.toString();
  });
  return new Promise((done) => child.on('close', (code) => done({ code, out, err })));
}

const FIGURES = ['confusion-matrix', 'feature-maps', 'filters', 'learning-curve', 'worst-mistakes'];

function checkReport(path: string): void {
  expect(readdirSync(path).sort()).toEqual(
    [...FIGURES.map((name) => `${name}.svg`), 'history.json', 'report.html'].sort(),
  );
  for (const name of FIGURES) {
    const svg = readFileSync(join(path, `${name}.svg`), 'utf8');
    expect(elements(svg)[0]).toBe('svg');
    // Nothing to load: every reference is data inside of the file.
    for (const [, target] of svg.matchAll(/href="([^"]*)"/g)) expect(target).toMatch(/^data:image\/png;base64,/);
  }
  const html = readFileSync(join(path, 'report.html'), 'utf8');
  expect(html.match(/<svg /g)).toHaveLength(FIGURES.length);
  expect(html).not.toMatch(/<script|<link|src="|@import|href="(?!data:)/);
}

const lastLine = (text: string): string | undefined => text.trimEnd().split('\n').at(-1);

describe('npm run train', () => {
  it('is a command without a process in between, which would swallow Ctrl-C', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };
    expect(scripts.train).toBe(['node', ...command].join(' '));
  });

  it(
    'trains, writes its pictures and ends with the accuracy; the same seed gives the same losses, bit for bit',
    async () => {
      const run = async (name: string, seed: number, how?: string[]) => {
        const out = join(folder, name);
        const args = ['--limit', '150', '--epochs', '2', '--batch-size', '32', '--seed', `${seed}`, '--out', out];
        const result = await finish(start(args, how));
        expect(result.err).toBe('');
        expect(result.code).toBe(0);
        expect(lastLine(result.out)).toMatch(/^test accuracy 0\.\d{4}$/);
        return { out, history: JSON.parse(readFileSync(join(out, 'history.json'), 'utf8')) };
      };
      const first = await run('a', 3, command);
      checkReport(first.out);
      expect(first.history.steps).toHaveLength(10);
      expect(first.history.tests).toHaveLength(2);
      const again = await run('b', 3);
      expect(again.history.steps).toEqual(first.history.steps);
      const other = await run('c', 4);
      expect(other.history.steps).not.toEqual(first.history.steps);
    },
    PATIENCE,
  );

  it(
    'ends cleanly on Ctrl-C, even if npm passes it on a second time, and writes what it has',
    async () => {
      const out = join(folder, 'interrupted');
      const child = start(['--limit', '1500', '--epochs', '100', '--out', out]);
      let sent = false;
      const result = await finish(child, (text) => {
        if (sent || !text.includes('epoch 1/100')) return;
        sent = true;
        child.kill('SIGINT');
        child.kill('SIGINT');
      });
      expect(result.err).toBe('');
      expect(result.code).toBe(130);
      expect(result.out).toContain('interrupted');
      expect(lastLine(result.out)).toMatch(/^test accuracy 0\.\d{4}$/);
      checkReport(out);
      expect(readFileSync(join(out, 'report.html'), 'utf8')).toContain('The run was interrupted');
    },
    PATIENCE,
  );

  it(
    'tells every mistake in one line, without a stack trace, and exits 1',
    async () => {
      const file = join(folder, 'file');
      writeFileSync(file, '');
      const mistakes: [string[], RegExp][] = [
        [['--epochs', 'many'], /option '--epochs <n>' argument 'many' is invalid/],
        [['--judge', join(folder, 'nowhere'), '--limit', '10', '--out', join(folder, 'e')], /there is no folder/],
        [['--out', file], /--out: cannot write into/],
        [
          ['--limit', '200', '--lr', '1e9', '--epochs', '4', '--out', join(folder, 'd')],
          /the loss became .* smaller --lr than 1000000000/,
        ],
      ];
      for (const [args, reason] of mistakes) {
        const { code, err } = await finish(start(args));
        expect(code, args.join(' ')).toBe(1);
        expect(err).toMatch(/^error: [^\n]+\n$/);
        expect(err).toMatch(reason);
      }
    },
    PATIENCE,
  );

  it(
    'prints its help',
    async () => {
      const { code, out, err } = await finish(start(['--help'], command));
      expect([code, err]).toEqual([0, '']);
      expect(out).toContain('Usage: npm run train -- [options]');
      expect(existsSync(join(folder, 'out'))).toBe(false);
    },
    PATIENCE,
  );
});

describe('the training loop', () => {
  const hooks = { progress: { step() {}, note() {}, stop() {} }, stop: { requested: false } };
  const { train: digits, test } = drawDigits(120, 0);
  const settings = (optimizer: OptimizerName, loss: (typeof LOSSES)[number]): Settings => ({
    epochs: 3,
    batchSize: 20,
    lr: LEARNING_RATES[optimizer],
    seed: 0,
    optimizer,
    loss,
    eager: false,
  });

  it('gives the same losses compiled and operation by operation, to rounding', async () => {
    const run = async (eager: boolean): Promise<number[]> => {
      manualSeed(0);
      const model = makeModel(makeLayers(28));
      const judge = () => judgeDigits(model, test);
      const { steps } = await train(model, digits, { ...settings('sgd', 'crossEntropy'), eager }, { ...hooks, judge });
      return steps.map((step) => step.loss);
    };
    const [compiled, eager] = [await run(false), await run(true)];
    for (const [i, loss] of compiled.entries()) expect(Math.abs(loss - (eager[i] ?? Number.NaN))).toBeLessThan(1e-3);
  });

  it.each(LOSSES.flatMap((loss) => [[loss, 'sgd'] as const, [loss, 'adam'] as const]))(
    'lowers %s with %s',
    async (loss, optimizer) => {
      manualSeed(0);
      const model = makeModel(makeLayers(28));
      const judge = () => judgeDigits(model, test);
      const { steps, tests } = await train(model, digits, settings(optimizer, loss), { ...hooks, judge });
      const losses = steps.map((step) => step.loss);
      const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
      expect(losses).toHaveLength(18);
      expect(mean(losses.slice(-4))).toBeLessThan(0.95 * mean(losses.slice(0, 4)));
      expect(tests).toHaveLength(3);
    },
  );

  it('learns to read the digits it is shown', async () => {
    manualSeed(1);
    const model = makeModel(makeLayers(28));
    const judge = () => judgeDigits(model, test);
    await train(model, digits, { ...settings('sgd', 'crossEntropy'), epochs: 15 }, { ...hooks, judge });
    expect((await judgeDigits(model, digits)).accuracy).toBeGreaterThan(0.9);
    expect((await judge()).accuracy).toBeGreaterThan(0.5);
  });

  it('stops after the step at hand when told to', async () => {
    const stop = { requested: false };
    let steps = 0;
    const progress = {
      step() {
        steps++;
        stop.requested = steps === 2;
      },
      note() {},
      stop() {},
    };
    const judge = () => Promise.reject(new Error('must not judge after a stop'));
    const model = makeModel(makeLayers(28));
    const history = await train(model, digits, settings('sgd', 'crossEntropy'), { progress, stop, judge });
    expect(history.steps).toHaveLength(2);
    expect(history.tests).toHaveLength(0);
  });
});

describe('--demo', () => {
  const run = (kind: '1d' | '2d' | '3d'): string => {
    const lines: string[] = [];
    runDemo(kind, 0, (line = '') => lines.push(line));
    return lines.join('\n');
  };
  const percents = (text: string): number[] => [...text.matchAll(/([\d.]+) %/g)].map(([, number]) => Number(number));

  it('1d learns -1 1 -1 in proportion, and finds every isolated 1', () => {
    const text = run('1d');
    expect(percents(text)).toEqual([100, 100]);
    const [left, middle, right] = /in proportion\s+(\S+)\s+(\S+)\s+(\S+)/.exec(text)!.slice(1).map(Number) as [
      number,
      number,
      number,
    ];
    expect(middle).toBe(1);
    for (const side of [left, right]) expect(Math.abs(side + 1)).toBeLessThan(0.35);
  });

  it('2d finds every isolated pixel', () => {
    expect(percents(run('2d'))).toEqual([100, 100]);
  });

  it('3d tells balls from shells', () => {
    const [right] = percents(run('3d'));
    expect(right).toBeGreaterThan(95);
  });
});

const data = resolve(process.env.TYPEDGRAD_DATA ?? '../shared/data', 'mnist');

describe.skipIf(!existsSync(data))(
  `MNIST (skipped unless TYPEDGRAD_DATA has a folder mnist; looked in ${data})`,
  () => {
    it('is read from its gzipped files', () => {
      const { train: digits, test } = readFolder(data, undefined);
      expect([digits.count, digits.size, test.count, test.size]).toEqual([60_000, 28, 10_000, 28]);
      expect([...digits.labels.subarray(0, 5)]).toEqual([5, 0, 4, 1, 9]);
      const mean = digits.pixels.reduce((sum, value) => sum + value, 0) / digits.pixels.length / 255;
      expect(mean).toBeCloseTo(0.1307, 4);
    });
  },
);
