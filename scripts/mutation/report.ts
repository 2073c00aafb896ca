/** What came of it, room by room. */

import { explanations } from './explained.ts';
import type { Mutant } from './instrument.ts';
import type { Verdict } from './judge.ts';

export type Result = Mutant & Verdict;

/** The score that each room must reach. */
const ENOUGH = 0.9;

/** Why no test can notice a bug, where that is known. */
function explanationOf({ file, before, after, operator }: Result): string | undefined {
  return explanations.find(
    (one) =>
      file.endsWith(one.file) &&
      one.before === before &&
      (one.after === undefined || one.after === after) &&
      (one.operator === undefined || one.operator === operator),
  )?.why;
}

/** Prints scores and unexplained survivors; whether every room has enough. */
export function printSummary(results: readonly Result[]): boolean {
  const rooms = [...new Set(results.map(({ file }) => roomOf(file)))];
  const rows = rooms.map((room) =>
    score(
      room,
      results.filter(({ file }) => roomOf(file) === room),
    ),
  );
  console.table([...rows, score('all', results)]);
  const left = results.filter((result) => result.verdict !== 'killed' && explanationOf(result) === undefined);
  console.log(`${left.length} survivors without an explanation${left.length ? ':' : ''}`);
  for (const result of left) console.log(describe(result));
  return rows.every((row) => row.score >= 100 * ENOUGH);
}

/** A survivor in one line. */
export function describe({ file, line, operator, before, after, verdict, asked, of }: Result): string {
  const what = `${short(before)} → ${after === '' ? 'nothing' : short(after)}`;
  return `${file}:${line} ${verdict} ${asked} of ${of} tests, ${operator}: ${what}`;
}

interface Row {
  readonly room: string;
  readonly bugs: number;
  readonly killed: number;
  readonly survived: number;
  readonly 'not reached': number;
  readonly explained: number;
  readonly score: number;
  readonly 'score without the explained': number;
}

function score(room: string, results: readonly Result[]): Row {
  const count = (verdict: Verdict['verdict']): number => results.filter((result) => result.verdict === verdict).length;
  const killed = count('killed');
  const explained = results.filter(
    (result) => result.verdict !== 'killed' && explanationOf(result) !== undefined,
  ).length;
  const percent = (share: number): number => Math.round(1000 * share) / 10;
  return {
    room,
    bugs: results.length,
    killed,
    survived: count('survived'),
    'not reached': count('not reached'),
    explained,
    score: percent(killed / results.length),
    'score without the explained': percent(killed / (results.length - explained)),
  };
}

function roomOf(file: string): string {
  return file.slice(0, file.lastIndexOf('/'));
}

function short(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > 90 ? `${line.slice(0, 87)}…` : line;
}
