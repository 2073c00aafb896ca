import * as avgPool from './avg-pool.ts';
import { type CheckOptions, checkLaws, type LawReport } from './check.ts';
import * as conv from './conv.ts';
import * as forms from './conv-forms.ts';
import type { Implementation, Law } from './law.ts';
import * as maxPool from './max-pool.ts';
import * as transpose from './transpose.ts';

const all = { ...conv, ...forms, ...transpose, ...maxPool, ...avgPool };

/** Every law by its name, and the means to check them all. */
export type Laws = Readonly<typeof conv & typeof forms & typeof transpose & typeof maxPool & typeof avgPool> & {
  /** All laws. */
  readonly list: readonly Law[];
  /**
   * Checks every law that the implementation has operations for, each over `runs` valid configurations, and reports for
   * each law whether it holds, with the shrunk counterexample if it does not.
   */
  check(implementation: Implementation, options?: CheckOptions): LawReport;
};

/** By family, then by name: bundlers disagree on the order of a module's exports. */
const list = [conv, forms, transpose, maxPool, avgPool].flatMap((family) =>
  (Object.values(family) as Law[]).toSorted((a, b) => (a.lawName < b.lawName ? -1 : 1)),
);

/**
 * Laws of convolution and pooling, for any implementation of them: each is a function of an implementation and a case,
 * which throws an AssertionError with its statement, the case and the worst element if the law does not hold.
 *
 * An implementation is an object of functions of plain arrays `{ shape, data }` (or, for a law about a single operation,
 * that function itself); what it returns may be anything that `toNd` reads. For an option that its library does not have
 * it throws an `UnsupportedError`. Cases hold small integers, so that an exact law holds exactly in float32.
 *
 * @example
 * ```ts
 * import { laws, reference } from 'typedgrad/testing';
 * laws.linearInInput(reference.conv, { x: [[[1, 2, 3]]], w: [[[1, -1]]], options: { padding: 1 } });
 * laws.check(reference, { rank: 1, runs: 10, seed: 1 }).passed; // → true
 * ```
 */
export const laws: Laws = {
  ...all,
  list,
  check: (implementation, options) => checkLaws(list, implementation, options),
};
