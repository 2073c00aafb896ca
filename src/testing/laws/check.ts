/** Runs laws over arbitraries of cases, and reports. */
import type { Arbitrary } from 'fast-check';
import fc from 'fast-check';
import { AssertionError, OptionError } from '../../errors.ts';
import type { Tolerance } from '../all-close.ts';
import { type ConvConstraints, convCase, convTransposeCase } from '../arbitraries/conv.ts';
import { type PoolConstraints, poolCase } from '../arbitraries/pool.ts';
import { filled, pool, type ValueSet } from '../arbitraries/values.ts';
import { type Implementation, LAW_TOLERANCE, type Law, type LawCases, type LawKind, UnsupportedError } from './law.ts';

export interface CheckOptions {
  /** The number of spatial axes, 2 by default. */
  readonly rank?: number;
  /** Cases per law, 50 by default. */
  readonly runs?: number;
  /** Drawn, and named in the report, by default. */
  readonly seed?: number;
  /** What the arrays hold; `integers` by default, whose sums are exact in float32. */
  readonly values?: ValueSet | Arbitrary<number>;
  readonly tolerance?: Tolerance;
  /** Bounds for convolutions and transposed convolutions, such as `{ maxGroups: 1 }`. */
  readonly conv?: Omit<ConvConstraints, 'rank'>;
  /** Bounds for poolings. */
  readonly pool?: Omit<PoolConstraints, 'rank' | 'kind'>;
  /** Names of the laws to check; all that the implementation has operations for by default. */
  readonly only?: readonly string[];
  /** Names of laws to leave out, such as `maxKeepsNaN` for a library that promises otherwise. */
  readonly skip?: readonly string[];
}

export interface LawFailure {
  /** The assertion's message for the shrunk case. */
  readonly message: string;
  /** The shrunk case. Calling the law with it fails again. */
  readonly counterexample: LawCases[LawKind];
  /** How many cases it took to find one that fails, and how many times it was made smaller. */
  readonly foundAfter: number;
  readonly shrinks: number;
}

export interface LawResult {
  readonly law: string;
  readonly says: string;
  /** `unsupported`: the implementation declined every case. */
  readonly status: 'passed' | 'failed' | 'unsupported';
  /** Cases that were judged. */
  readonly runs: number;
  /** Cases that the implementation declined by an UnsupportedError. */
  readonly unsupported: number;
  readonly failure?: LawFailure;
}

/** What `laws.check` found. As a string, a table with the shrunk failures below it. */
export class LawReport {
  readonly rank: number;
  readonly seed: number;
  readonly results: readonly LawResult[];

  constructor(rank: number, seed: number, results: readonly LawResult[]) {
    this.rank = rank;
    this.seed = seed;
    this.results = results;
  }

  /** Whether no law failed. */
  get passed(): boolean {
    return this.failures.length === 0;
  }

  /** The laws that failed. */
  get failures(): readonly LawResult[] {
    return this.results.filter(({ status }) => status === 'failed');
  }

  /** Throws an AssertionError with the whole report if a law failed. */
  throwIfFailed(): void {
    if (!this.passed) throw new AssertionError(String(this));
  }

  toString(): string {
    const width = Math.max(...this.results.map(({ law }) => law.length));
    const lines = this.results.map(({ law, status, runs, unsupported, says }) => {
      const declined = unsupported > 0 ? ` (${unsupported} unsupported)` : '';
      return `${status.padEnd(11)} ${law.padEnd(width)} ${String(runs).padStart(4)} runs${declined}  ${says}`;
    });
    const details = this.failures.map(({ failure }) => `\n${failure?.message}`);
    const count = `${this.results.length} laws in ${this.rank}-d, seed ${this.seed}: ${this.failures.length} failed`;
    return [count, ...lines, ...details].join('\n');
  }
}

/** The arbitrary of cases for each kind of law. */
function casesOf({ rank = 2, values, ...options }: CheckOptions): { [K in LawKind]: Arbitrary<LawCases[K]> } {
  const set = values === undefined ? {} : { values };
  const convs = { ...options.conv, ...set, rank };
  const pools = { ...options.pool, ...set, rank };
  const size = fc.integer({ min: 1, max: 4 });
  return {
    conv: convCase(convs),
    convTranspose: convTransposeCase(convs),
    maxPool: poolCase({ ...pools, kind: 'max' }),
    avgPool: poolCase({ ...pools, kind: 'avg' }),
    linear: fc
      .record({
        n: size,
        i: size,
        o: size,
        x: pool(values),
        w: pool(values),
        bias: fc.option(pool(values), { nil: undefined }),
        seed: fc.nat(),
      })
      .map(({ n, i, o, x, w, bias, seed }) => ({
        x: filled([n, i], x),
        w: filled([o, i], w),
        options: bias === undefined ? {} : { bias: filled([o], bias) },
        seed,
      })),
  };
}

function checkLaw(
  law: Law,
  implementation: Implementation,
  cases: Arbitrary<LawCases[LawKind]>,
  options: CheckOptions,
  seed: number,
): LawResult {
  let unsupported = 0;
  const property = fc.property(cases, (sample) => {
    try {
      law(implementation, sample as never, options.tolerance ?? LAW_TOLERANCE);
    } catch (error) {
      if (!(error instanceof UnsupportedError)) throw error;
      unsupported += 1;
    }
  });
  const { failed, numRuns, numShrinks, counterexample, errorInstance } = fc.check(property, {
    seed,
    numRuns: options.runs ?? 50,
  });
  const result = { law: law.lawName, says: law.says };
  if (!failed) {
    const judged = numRuns - unsupported;
    return { ...result, status: judged === 0 ? 'unsupported' : 'passed', runs: judged, unsupported };
  }
  const failure: LawFailure = {
    message: errorInstance instanceof Error ? errorInstance.message : String(errorInstance),
    counterexample: (counterexample as [LawCases[LawKind]])[0],
    foundAfter: numRuns,
    shrinks: numShrinks,
  };
  // Cases declined while shrinking are no runs.
  return { ...result, status: 'failed', runs: numRuns, unsupported: Math.min(unsupported, numRuns - 1), failure };
}

/** Checks those of `all` laws whose operations the implementation has. See `laws.check`. */
export function checkLaws(all: readonly Law[], implementation: Implementation, options: CheckOptions = {}): LawReport {
  const { rank = 2, seed = Math.floor(Math.random() * 2 ** 31), only, skip = [] } = options;
  const known = all.map(({ lawName }) => lawName);
  const stranger = [...(only ?? []), ...skip].find((name) => !known.includes(name));
  if (stranger !== undefined)
    throw new OptionError(`laws.check: there is no law '${stranger}'; there are ${known.join(', ')}`);
  const chosen = all.filter(
    ({ lawName, needs }) =>
      needs.every((operation) => implementation[operation] !== undefined) &&
      (only?.includes(lawName) ?? true) &&
      !skip.includes(lawName),
  );
  if (chosen.length === 0)
    throw new OptionError(
      'laws.check: no law to check; give at least one of conv, convTranspose, maxPool, avgPool, linear',
    );
  const cases = casesOf(options);
  return new LawReport(
    rank,
    seed,
    chosen.map((law) => checkLaw(law, implementation, cases[law.kind], options, seed)),
  );
}
