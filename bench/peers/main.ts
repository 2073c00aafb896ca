/**
 * typedgrad and its peers side by side in one run: `npm run bench:peers -- --help`.
 *
 * Every library gets the same seeded numbers, must give the same results, runs in a process of its own, on one thread
 * unless asked otherwise, and takes turns with the others.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { casesOf } from './cases.ts';
import { type Clock, measureCase, type Plan } from './measure.ts';
import { PARTICIPANTS, PeerProcess, type Settings } from './participants.ts';
import type { Info } from './protocol.ts';
import { headText, markdown, type Report, type Row, rowText } from './report.ts';

const HELP = `npm run bench:peers -- [options]

  --filter TEXT    only cases whose group or name contains it (may repeat)
  --only NAME      only libraries whose name contains it (may repeat)
  --without NAME   no library whose name contains it (may repeat)
  --rounds N       rounds of samples (default 11)
  --budget N       seconds that a library may spend on the rounds of a case (default 8)
  --limit N        seconds that one call may take (default 100)
  --threads N      threads of typedgrad, PyTorch and onnxruntime (default 1); the others have one
  --clock NAME     cpu: processor time of the process (default for one thread); wall (default for more)
  --python PATH    the Python that has PyTorch (default /usr/bin/python3)
  --blas FOLDER    where PyTorch finds its BLAS library (default: the system's)
  --no-install     do not install what is missing in bench/peers
  --out FILE       results as JSON (default bench/results/peers.json)
  --merge          keep the rows of that file that this run does not measure
  --markdown       measure nothing: print the tables of that file
  --readme FILE    measure nothing: put the tables between <!-- benchmarks: generated --> and
                   <!-- /benchmarks --> of FILE
  --all            more shapes of the same kinds
  --list           print the names of the cases
`;

const here = dirname(fileURLToPath(import.meta.url));

const { values: options } = parseArgs({
  options: {
    filter: { type: 'string', multiple: true, default: [] },
    only: { type: 'string', multiple: true, default: [] },
    without: { type: 'string', multiple: true, default: [] },
    rounds: { type: 'string', default: '11' },
    budget: { type: 'string', default: '8' },
    limit: { type: 'string', default: '100' },
    threads: { type: 'string', default: '1' },
    clock: { type: 'string' },
    python: { type: 'string', default: '/usr/bin/python3' },
    blas: { type: 'string' },
    'no-install': { type: 'boolean', default: false },
    out: { type: 'string', default: join(here, '../results/peers.json') },
    merge: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
    readme: { type: 'string' },
    all: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

function install(): void {
  if (existsSync(join(here, 'node_modules')) || options['no-install']) return;
  console.log('Installing the libraries to compare with into bench/peers/node_modules (about 750 MB) …');
  const { status } = spawnSync('npm', ['ci'], { cwd: here, stdio: 'inherit' });
  if (status !== 0) console.log('npm ci failed: what could not be installed is missing from the tables.');
}

/** Starts all libraries; those that cannot run here are named with the reason. */
async function open(settings: Settings): Promise<{ peers: PeerProcess[]; libraries: Info[]; absent: string[] }> {
  const isWanted = (name: string): boolean =>
    (options.only.length === 0 || options.only.some((part) => name.includes(part))) &&
    !options.without.some((part) => name.includes(part));
  const [peers, libraries, absent] = [[] as PeerProcess[], [] as Info[], [] as string[]];
  for (const participant of PARTICIPANTS.filter(({ name }) => isWanted(name))) {
    const peer = new PeerProcess(participant, settings);
    try {
      const { detail } = await peer.info();
      libraries.push({ name: participant.name, detail });
      peers.push(peer);
    } catch (error) {
      absent.push(`${participant.name} is absent: ${(error as Error).message}`);
      peer.end();
    }
  }
  return { peers, libraries, absent };
}

/** A process that ended or was ended takes part in the next case as a new one. */
function revived(peers: readonly PeerProcess[], settings: Settings): PeerProcess[] {
  return peers.map((peer) => (peer.alive ? peer : new PeerProcess(peer.participant, settings)));
}

function readReport(): Report {
  return JSON.parse(readFileSync(options.out, 'utf8')) as Report;
}

function save(report: Report, old: Report | null): void {
  const isMeasured = (row: Row): boolean => report.rows.some((r) => r.group === row.group && r.name === row.name);
  const order = casesOf(true).map(({ group, name }) => `${group} ${name}`);
  const place = ({ group, name }: Row): number => order.indexOf(`${group} ${name}`);
  const kept = old?.rows.filter((row) => !isMeasured(row)) ?? [];
  const rows = [...kept, ...report.rows].sort((a, b) => place(a) - place(b));
  // Columns of the rows that stay are columns still, in the usual order.
  const known = [...report.libraries, ...(old?.libraries ?? [])];
  const libraries = PARTICIPANTS.flatMap(({ name }) => known.find((library) => library.name === name) ?? []);
  mkdirSync(dirname(options.out), { recursive: true });
  writeFileSync(options.out, `${JSON.stringify({ ...report, libraries, rows }, null, 1)}\n`);
}

async function measureAll(): Promise<void> {
  install();
  const threads = Number(options.threads);
  const settings: Settings = { python: options.python, blas: options.blas, threads };
  const opened = await open(settings);
  const [cpu] = cpus();
  const machine = `${cpu?.model ?? 'unknown processor'}, ${cpus().length} logical cores`;
  const plan: Plan = {
    rounds: Number(options.rounds),
    sample: 60,
    budget: Number(options.budget),
    limit: Number(options.limit),
    clock: (options.clock ?? (threads > 1 ? 'wall' : 'cpu')) as Clock,
    folder: join(mkdtempSync(join(tmpdir(), 'peers-')), 'case'),
  };
  const rows: Row[] = [];
  const { libraries } = opened;
  const report: Report = {
    machine,
    node: process.versions.node,
    clock: plan.clock,
    threads,
    rounds: plan.rounds,
    libraries,
    rows,
  };
  console.log([headText(report), ...opened.absent].join('\n'));
  const own = opened.absent.find((line) => line.startsWith('typedgrad'));
  if (own) throw new Error(`nothing to compare with: ${own}`);
  const old = options.merge && existsSync(options.out) ? readReport() : null;
  let { peers } = opened;
  const isWanted = (text: string): boolean =>
    options.filter.length === 0 || options.filter.some((f) => text.includes(f));
  try {
    for (const c of casesOf(options.all).filter(({ group, name }) => isWanted(`${group}: ${name}`))) {
      peers = revived(peers, settings);
      const row: Row = { group: c.group, name: c.name, flops: c.flops, results: await measureCase(c, peers, plan) };
      rows.push(row);
      console.log(`\n${rowText(row)}`);
      save(report, old);
    }
  } finally {
    for (const peer of peers) peer.end();
    rmSync(dirname(plan.folder), { recursive: true, force: true });
  }
  const wrong = rows.filter(({ results }) => results.some((r) => 'missing' in r && r.isMistake));
  if (wrong.length > 0) {
    console.error(`\nLibraries disagree in ${wrong.length} cases: ${wrong.map(({ name }) => name).join('; ')}`);
    process.exitCode = 1;
  }
}

function fillReadme(file: string): void {
  const [begin, end] = ['<!-- benchmarks: generated -->', '<!-- /benchmarks -->'];
  const text = readFileSync(file, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${file} has no lines ${begin} and ${end}`);
  writeFileSync(file, `${text.slice(0, from)}${begin}\n\n${markdown(readReport())}\n\n${text.slice(to)}`);
}

if (options.help) console.log(HELP);
else if (options.list)
  console.log(
    casesOf(options.all)
      .map(({ group, name }) => `${group}: ${name}`)
      .join('\n'),
  );
else if (options.readme) fillReadme(options.readme);
else if (options.markdown) console.log(markdown(readReport()));
else await measureAll();
