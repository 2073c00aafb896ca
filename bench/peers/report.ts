/** Tables of the comparison: for the terminal and, in Markdown, for the README. */
import { GROUPS, type Group } from './cases.ts';
import type { Clock, Result } from './measure.ts';
import type { Info } from './protocol.ts';

export interface Row {
  readonly group: Group;
  readonly name: string;
  readonly flops: number;
  readonly results: readonly Result[];
}

export interface Report {
  readonly machine: string;
  readonly node: string;
  readonly clock: Clock;
  readonly threads: number;
  readonly rounds: number;
  readonly libraries: readonly Info[];
  readonly rows: readonly Row[];
}

type Timed = Extract<Result, { median: number }>;

function isTimed(result: Result | undefined): result is Timed {
  return result !== undefined && 'median' in result;
}

/** What the others are compared with: the compiled program where there is one, else eager code. */
function baseOf({ results }: Row): Timed | undefined {
  const of = (library: string) => results.find((r) => r.library === library);
  return [of('typedgrad compiled'), of('typedgrad')].find(isTimed);
}

function milliseconds(ms: number): string {
  if (ms >= 1000) return `${(ms / 1000).toPrecision(3)} s`;
  return `${ms >= 100 ? ms.toFixed(0) : ms.toPrecision(3)} ms`;
}

function factor(ratio: number): string {
  return `${ratio >= 100 ? ratio.toFixed(0) : ratio.toPrecision(2)} ×`;
}

function line(result: Result, row: Row): string {
  const name = `  ${result.library.padEnd(20)}`;
  if (!isTimed(result)) return `${name} – ${result.missing}`;
  const base = baseOf(row);
  const ratio = base ? factor(result.median / base.median) : '';
  const speed = row.flops > 0 ? `${(row.flops / result.median / 1e6).toFixed(1)} GFLOP/s` : '';
  const spread = `(${milliseconds(result.low)} … ${milliseconds(result.high)}, ${result.samples} samples)`;
  return `${name}${milliseconds(result.median).padStart(9)} ${ratio.padStart(8)} ${speed.padStart(14)}  ${spread}`;
}

export function rowText(row: Row): string {
  return [`${row.group}: ${row.name}`, ...row.results.map((result) => line(result, row))].join('\n');
}

export function headText({ machine, node, clock, threads, rounds, libraries }: Report): string {
  const clocks = { cpu: 'processor time of the whole process', wall: 'time on the wall' };
  const what = libraries.map(({ name, detail }) => `  ${name}: ${detail}`);
  const how = `${rounds} rounds that alternate between the libraries; medians of ${clocks[clock]} per call, with quartiles`;
  return [
    `${machine}, Node ${node}; ${threads === 1 ? 'one thread' : `up to ${threads} threads`} each`,
    how,
    ...what,
  ].join('\n');
}

function cell(result: Result | undefined, base: Timed | undefined): string {
  if (!isTimed(result)) return '–';
  const time = milliseconds(result.median);
  if (!base || result === base) return `**${time}**`;
  return `${time} (${factor(result.median / base.median)})`;
}

function table(group: Group, rows: readonly Row[], libraries: readonly string[]): string {
  const shown = libraries.filter((library) =>
    rows.some((row) => isTimed(row.results.find((r) => r.library === library))),
  );
  const head = [`| ${[group, ...shown].join(' | ')} |`, `| --- |${' ---: |'.repeat(shown.length)}`];
  const body = rows.map((row) => {
    const base = baseOf(row);
    return `| ${[
      row.name,
      ...shown.map((l) =>
        cell(
          row.results.find((r) => r.library === l),
          base,
        ),
      ),
    ].join(' | ')} |`;
  });
  return [...head, ...body].join('\n');
}

/** Tables with the time of one call and, in brackets, how many times typedgrad's that is. */
export function markdown(report: Report): string {
  const names = report.libraries.map(({ name }) => name);
  const tables = GROUPS.flatMap((group) => {
    const rows = report.rows.filter((row) => row.group === group);
    return rows.length === 0 ? [] : [table(group, rows, names)];
  });
  const versions = report.libraries.map(({ name, detail }) => `${name} (${detail})`).join(', ');
  const clocks = { cpu: 'processor time', wall: 'time' };
  const how =
    `Median ${clocks[report.clock]} of one call on ${report.threads === 1 ? 'one thread' : `up to ${report.threads} threads`}, in brackets how many times typedgrad's (in bold) that is; ` +
    `all libraries alternate in one run of \`npm run bench:peers\` on ${report.machine}, Node ${report.node}. Versions: ${versions}.`;
  return [how, ...tables].join('\n\n');
}
