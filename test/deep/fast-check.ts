/**
 * fast-check as `npm run test:deep` sees it: ten times as many runs of every property, from one seed, which the run
 * prints, so that what it finds can be found again.
 */

import * as real from '../../node_modules/fast-check/lib/fast-check.js';

export * from '../../node_modules/fast-check/lib/fast-check.js';

/** How many times as many runs. */
const factor = 10;

/** As fast-check's, but deeper. A property that asks for a seed of its own keeps it. */
export const assert = ((property: real.IRawProperty<unknown>, parameters: real.Parameters<unknown> = {}) => {
  const { numRuns = 100, seed = Number(process.env.TYPEDGRAD_SEED) } = parameters;
  return real.assert(property, { ...parameters, numRuns: factor * numRuns, seed });
}) as typeof real.assert;

// biome-ignore lint/style/noDefaultExport: tests import fast-check by its default export
export default { ...real.default, assert };
