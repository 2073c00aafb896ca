/**
 * Plants bugs in the mathematics, one at a time, and counts how many the tests notice. See docs/mutation.md.
 *
 *   npm run test:mutation -- [--sample 0.1] [--seed 0] [--only src/ops/conv] [--seconds 20] [--report file.json] [--again]
 *
 * With --again, only the bugs that survived according to the report are judged once more, and the report is brought up to date.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { Generator } from '../../src/tensor/random.ts';
import type { Mutant } from './instrument.ts';
import type { Limits, Trace, Verdict } from './judge.ts';
import { describe, printSummary, type Result } from './report.ts';
import type { Answer, Request } from './worker.ts';

const { values } = parseArgs({
  options: {
    sample: { type: 'string', default: '1' },
    seed: { type: 'string', default: '0' },
    only: { type: 'string', default: 'src/' },
    seconds: { type: 'string', default: '20' },
    report: { type: 'string', default: 'reports/mutation.json' },
    again: { type: 'boolean', default: false },
  },
});
const limits: Limits = { seed: Number(values.seed), seconds: Number(values.seconds) };

/** A process that answers one request at a time, or is replaced. */
class Worker {
  #child: ChildProcess = this.#spawn();

  #spawn(): ChildProcess {
    return fork(join(import.meta.dirname, 'worker.ts'), { execArgv: ['--import', 'tsx'], serialization: 'advanced' });
  }

  /** The answer, or null if there was none in time. */
  ask(request: Request, seconds: number): Promise<Answer | null> {
    return new Promise((resolve) => {
      const child = this.#child;
      const finish = (answer: Answer | null): void => {
        clearTimeout(timer);
        child.removeAllListeners();
        if (answer === null) child.kill('SIGKILL');
        resolve(answer);
      };
      const timer = setTimeout(() => finish(null), 1000 * seconds);
      child.once('message', (answer: Answer) => finish(answer));
      child.once('exit', () => finish(null));
      child.send(request);
    });
  }

  replace(): void {
    this.#child = this.#spawn();
  }

  end(): void {
    this.#child.disconnect();
  }
}

async function start(
  worker: Worker,
  traces: readonly Trace[] | null,
): Promise<{ mutants: readonly Mutant[]; traces: readonly Trace[] }> {
  const answer = await worker.ask({ start: limits, traces }, 3600);
  if (answer === null || !('mutants' in answer))
    throw new Error('mutation: the library could not be loaded with its bugs planted');
  return answer;
}

/** Bugs that take effect while modules are loaded come last, since each needs them loaded anew. */
function chosen(mutants: readonly Mutant[], traces: readonly Trace[]): Mutant[] {
  const reached = new Set(traces.flatMap(({ passed }) => [...passed]));
  const generator = new Generator(limits.seed);
  const sample = mutants.filter(
    ({ file }) => generator.uniform() < Number(values.sample) && file.startsWith(values.only),
  );
  const needsLoading = ({ atLoad, id }: Mutant): boolean => atLoad || !reached.has(id);
  return [...sample.filter((mutant) => !needsLoading(mutant)), ...sample.filter(needsLoading)];
}

async function main(): Promise<void> {
  const began = performance.now();
  const worker = new Worker();
  console.log(`seed ${limits.seed}, sample ${values.sample}, at most ${limits.seconds} s for each bug`);
  const { mutants, traces } = await start(worker, null);
  const list = chosen(mutants, traces);
  console.log(
    `${mutants.length} bugs, ${list.length} chosen, ${traces.length} tests and golden cases, ${minutes(began)}`,
  );
  const results: Result[] = values.again ? earlier(list).filter(({ verdict }) => verdict === 'killed') : [];
  const known = new Set(results.map(({ id }) => id));
  let judged = 0;
  for (const mutant of list.filter(({ id }) => !known.has(id))) {
    const answer = await worker.ask({ judge: mutant.id }, 60 + 3 * limits.seconds);
    const hung: Verdict = { id: mutant.id, verdict: 'killed', by: 'time', asked: 0, of: 0 };
    const verdict = answer !== null && 'verdict' in answer ? answer.verdict : hung;
    if (answer === null) {
      worker.replace();
      await start(worker, traces);
    }
    results.push({ ...mutant, ...verdict });
    if (verdict.verdict !== 'killed') console.log(describe({ ...mutant, ...verdict }));
    if (++judged % 100 !== 0) continue;
    console.log(`${judged} of ${list.length - known.size}, ${minutes(began)}`);
    write(results);
  }
  worker.end();
  write(results);
  const isEnough = printSummary(results);
  console.log(`${minutes(began)}; all verdicts are in ${values.report}`);
  process.exitCode = isEnough ? 0 : 1;
}

function write(results: readonly Result[]): void {
  mkdirSync(dirname(values.report), { recursive: true });
  writeFileSync(values.report, JSON.stringify({ limits, sample: values.sample, results }, null, 1));
}

/** The results of the last report, for the bugs that are still there. */
function earlier(mutants: readonly Mutant[]): Result[] {
  const { results } = JSON.parse(readFileSync(values.report, 'utf8')) as { results: Result[] };
  const keyOf = ({ file, line, column, operator, before, after }: Mutant): string =>
    JSON.stringify([file, line, column, operator, before, after]);
  const now = new Map(mutants.map((mutant) => [keyOf(mutant), mutant]));
  return results.flatMap((result) => {
    const mutant = now.get(keyOf(result));
    return mutant ? [{ ...result, id: mutant.id }] : [];
  });
}

function minutes(since: number): string {
  return `${((performance.now() - since) / 60_000).toFixed(1)} minutes`;
}

await main();
