/**
 * Prints, operator by operator, how many of ONNX's cases pass, and why the others do not apply:
 *
 *     npx tsx test/conformance/report.ts
 */

import { loadCases } from './onnx-cases.ts';
import { judge, type Verdict } from './onnx-run.ts';

const verdicts = loadCases().map(judge);
const count = (all: readonly Verdict[], state: Verdict['state']): number => all.filter((v) => v.state === state).length;
const single = (v: Verdict): string => (v.operator.includes(', ') ? '(written out in others)' : v.operator);

const operators = [...new Set(verdicts.map(single))].sort();
const rows: string[] = [];
const missing: string[] = [];
for (const operator of operators) {
  const all = verdicts.filter((v) => single(v) === operator);
  const reasons = [...new Set(all.filter((v) => v.state === 'not applicable').map((v) => v.reason))];
  if (reasons.includes('no such operation in the library')) {
    missing.push(`${operator} (${all.length})`);
    continue;
  }
  const worst = Math.max(0, ...all.map((v) => v.error));
  const cells = [
    operator,
    count(all, 'passed'),
    count(all, 'failed'),
    count(all, 'not applicable'),
    worst.toExponential(1),
    reasons.join('; '),
  ];
  rows.push(`| ${cells.join(' | ')} |`);
}
console.log('| operator | passed | failed | not applicable | largest relative error | why not |');
console.log('| --- | ---: | ---: | ---: | ---: | --- |');
console.log(rows.join('\n'));
console.log(`\nNo such operation in the library (cases): ${missing.join(', ')}`);
console.log(
  `\n${verdicts.length} cases: ${count(verdicts, 'passed')} passed, ${count(verdicts, 'failed')} failed, ${count(verdicts, 'not applicable')} not applicable`,
);
for (const { name, reason } of verdicts.filter((v) => v.state === 'failed')) console.log(`failed: ${name}: ${reason}`);
