/** Measures one case on all libraries, in rounds that alternate between them. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { weightsOf } from '../models.ts';
import { disagreement, type Kind, readResults, type Snapshots } from './agreement.ts';
import type { Case } from './cases.ts';
import type { PeerProcess } from './participants.ts';
import type { Task, Times } from './protocol.ts';

export type Clock = keyof Times;

export interface Plan {
  readonly rounds: number;
  /** Milliseconds of one sample: fast calls repeat until then. */
  readonly sample: number;
  /** Seconds that one library may spend on the rounds of one case; slow ones take part in fewer. */
  readonly budget: number;
  /** Seconds that one call may take at most. */
  readonly limit: number;
  readonly clock: Clock;
  readonly folder: string;
}

export type Result =
  | {
      readonly library: string;
      /** Milliseconds per call by the chosen clock, and the quartiles. */
      readonly median: number;
      readonly low: number;
      readonly high: number;
      /** Median by the clock on the wall. */
      readonly wall: number;
      readonly samples: number;
    }
  | { readonly library: string; readonly missing: string; readonly isMistake: boolean };

interface Entry {
  readonly peer: PeerProcess;
  readonly samples: Times[];
  /** Milliseconds of one call. */
  pace: number;
  snapshots: Snapshots;
  failure?: { missing: string; isMistake: boolean };
}

/** A second call slower than this is the measurement; after a first call slower than that, there is no second. */
const SLOW = 3000;
const VERY_SLOW = 20_000;

function kindOf(task: Task): Kind {
  return task.kind === 'train' ? 'training' : task.kind === 'forward' ? 'network' : 'operation';
}

async function runs(entry: Entry, calls: number, warm: number, plan: Plan): Promise<Times> {
  const { times } = await entry.peer.ask({ op: 'run', calls, warm }, plan.limit + (3 * plan.sample) / 1000);
  return times!;
}

/** Builds, calls once or twice, and keeps the results. */
async function begin(entry: Entry, task: Task, plan: Plan): Promise<void> {
  const { peer } = entry;
  await peer.ask({ op: 'prepare', task }, plan.limit);
  const snapshots: Float32Array[][] = [];
  for (let call = 0; call < 2 && entry.pace < VERY_SLOW; call++) {
    const times = await runs(entry, 1, 0, plan);
    entry.pace = times[plan.clock];
    const prefix = join(plan.folder, `${peer.participant.name.replaceAll(' ', '-')}-${call}`);
    snapshots.push(readResults((await peer.ask({ op: 'outputs', prefix }, 60)).files!));
    if (entry.pace >= (call === 0 ? VERY_SLOW : SLOW)) entry.samples.push(times);
  }
  entry.snapshots = snapshots;
}

/** Until the engine's compilers have had their say, at most 2 seconds. */
async function warmUp(entry: Entry, plan: Plan): Promise<void> {
  for (let spent = 0; spent < 1500 && entry.pace < 1000; ) {
    const calls = Math.max(3, Math.round(250 / Math.max(entry.pace, 0.01)));
    entry.pace = (await runs(entry, Math.min(calls, 2000), 0, plan))[plan.clock];
    spent += Math.max(calls * entry.pace, 50);
  }
}

async function attempt(entry: Entry, work: () => Promise<void>): Promise<void> {
  if (entry.failure) return;
  try {
    await work();
  } catch (error) {
    entry.failure = { missing: (error as Error).message, isMistake: false };
  }
}

async function alternate(entries: readonly Entry[], plan: Plan): Promise<void> {
  for (let round = 0; round < plan.rounds; round++) {
    for (const entry of entries) {
      const calls = Math.max(1, Math.round(plan.sample / Math.max(entry.pace, 0.001)));
      // At least two samples: one says nothing of the spread.
      const affordable = (1000 * plan.budget) / (calls * Math.max(entry.pace, 0.001));
      const share = Math.min(1, Math.max(Math.floor(affordable), 2) / plan.rounds);
      const takesPart = Math.floor((round + 1) * share) > Math.floor(round * share) || round === 0;
      if (entry.pace >= SLOW || !takesPart) continue;
      // The library before has filled the caches with its own: one call does not count, unless it is long.
      const warm = entry.pace < 100 ? 1 : 0;
      await attempt(entry, async () => void entry.samples.push(await runs(entry, calls, warm, plan)));
    }
  }
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.round(q * (sorted.length - 1))] as number;
}

function resultOf({ peer, samples, failure }: Entry, clock: Clock): Result {
  const library = peer.participant.name;
  if (failure) return { library, ...failure };
  const times = samples.map((s) => s[clock]);
  const [low, median, high] = [0.25, 0.5, 0.75].map((q) => quantile(times, q)) as [number, number, number];
  const wall = quantile(
    samples.map((s) => s.wall),
    0.5,
  );
  return { library, median, low, high, wall, samples: samples.length };
}

function compare(entries: readonly Entry[], task: Task): void {
  const reference = entries.find(({ failure }) => !failure);
  if (!reference) return;
  const trained = task.kind === 'train' ? trainedStart(task) : [];
  for (const entry of entries) {
    if (entry === reference || entry.failure) continue;
    const wrong = disagreement(kindOf(task), reference.snapshots, entry.snapshots, trained);
    const than = reference.peer.participant.name;
    if (wrong) entry.failure = { missing: `disagrees with ${than}: ${wrong}`, isMistake: true };
  }
}

function trainedStart({ weights, layers }: Extract<Task, { kind: 'train' }>): Float32Array[] {
  const kinds = weightsOf(layers).map(({ kind }) => kind);
  return readResults(weights.filter((_, i) => !kinds[i]!.startsWith('running')).map(({ file }) => file));
}

export async function measureCase(c: Case, peers: readonly PeerProcess[], plan: Plan): Promise<Result[]> {
  mkdirSync(plan.folder, { recursive: true });
  const task = c.task(plan.folder);
  const entries = peers.map((peer): Entry => ({ peer, samples: [], pace: 0, snapshots: [] }));
  for (const entry of entries) await attempt(entry, () => begin(entry, task, plan));
  compare(entries, task);
  for (const entry of entries) await attempt(entry, () => warmUp(entry, plan));
  await alternate(
    entries.filter(({ failure }) => !failure),
    plan,
  );
  for (const { peer } of entries) if (peer.alive) await peer.ask({ op: 'drop' }, 60).catch(() => peer.end());
  rmSync(plan.folder, { recursive: true, force: true });
  return entries.map((entry) => resultOf(entry, plan.clock));
}
