/**
 * Prints, per family, how many cases there are and the largest relative error of each part, in both dtypes:
 *
 *     npx tsx test/golden/report.ts [family ...]
 */

import type { DType } from '../../src/index.ts';
import { FAMILIES, loadFamily } from './load.ts';
import {
  type LayerCase,
  type RunCase,
  readCases,
  replayLayer,
  replayRun,
  replaySchedule,
  type ScheduleCase,
  type Step,
} from './replay.ts';
import { applies, type Part, runCase, VARIANTS, type Variant } from './run.ts';

const PARTS: readonly Part[] = ['forward', 'gradient', 'second gradient', 'third gradient'];
const COLUMNS = VARIANTS.flatMap((variant) => PARTS.map((part): [Variant, Part] => [variant, part])).filter(
  ([variant, part]) => variant !== 'views' || PARTS.indexOf(part) < 2,
);

interface Row {
  cases: number;
  failed: number;
  worst: Map<string, number>;
}

function measureFamily(family: string): Row {
  const row: Row = { cases: 0, failed: 0, worst: new Map() };
  for (const c of loadFamily(family)) {
    row.cases++;
    let failed = false;
    for (const variant of VARIANTS) {
      if (!applies(c, variant)) continue;
      try {
        for (const { part, error, tolerance } of runCase(c, variant)) {
          const key = `${variant} ${part}`;
          row.worst.set(key, Math.max(row.worst.get(key) ?? 0, error));
          failed ||= !(error <= tolerance);
        }
      } catch {
        failed = true;
      }
    }
    if (failed) row.failed++;
  }
  return row;
}

/** The three files that are not calls: their largest errors in float64 and float32. */
function reportReplays(): void {
  const replays: [string, (dtype: DType) => Step[][]][] = [
    ['layers', (dtype) => readCases<LayerCase>('layers').flatMap((c) => (c.state ? [replayLayer(c, dtype)] : []))],
    ['schedules', () => readCases<ScheduleCase>('schedules').map(replaySchedule)],
    ['trajectories', (dtype) => readCases<RunCase>('trajectories').map((c) => replayRun(c, dtype))],
  ];
  console.log('\n| replayed | cases | numbers compared | float64 | float32 |\n| --- | ---: | ---: | ---: | ---: |');
  for (const [name, replay] of replays) {
    const worst = (all: Step[][]): string => Math.max(...all.flat().map(({ error }) => error)).toExponential(1);
    const exact = replay('float64');
    const row = [name, exact.length, exact.flat().length, worst(exact), worst(replay('float32'))];
    console.log(`| ${row.join(' | ')} |`);
  }
}

const families = process.argv.length > 2 ? process.argv.slice(2) : FAMILIES;
console.log(`| family | cases | disagree | ${COLUMNS.map((c) => c.join(' ')).join(' | ')} |`);
console.log(`| --- | ${'---: | '.repeat(COLUMNS.length + 2)}`);
for (const family of families) {
  const { cases, failed, worst } = measureFamily(family);
  const errors = COLUMNS.map(([variant, part]) => worst.get(`${variant} ${part}`)?.toExponential(1) ?? '–');
  console.log(`| ${family} | ${cases} | ${failed} | ${errors.join(' | ')} |`);
}
if (process.argv.length === 2) reportReplays();
