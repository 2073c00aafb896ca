/** The process in which bugs are switched on; main.ts asks it, and ends it where a bug makes it hang. */

import type { Mutant } from './instrument.ts';
import { Judge, type Limits, type Trace, type Verdict } from './judge.ts';
import { Library } from './library.ts';

/** What main.ts sends. */
export type Request = { readonly start: Limits; readonly traces: readonly Trace[] | null } | { readonly judge: number };

/** What it gets back. */
export type Answer =
  | { readonly mutants: readonly Mutant[]; readonly traces: readonly Trace[] }
  | { readonly verdict: Verdict };

let library: Library;
let judge: Judge;

async function answer(request: Request): Promise<Answer> {
  if ('judge' in request) return { verdict: await judge.judge(library.mutants[request.judge]!) };
  library = await Library.open(request.start.seed);
  judge = new Judge(library, await library.load(), request.start);
  const traces = request.traces ?? (await judge.trace());
  judge.use(traces);
  return { mutants: library.mutants, traces };
}

process.on('message', (request: Request) => {
  answer(request).then(
    (message) => process.send!(message),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit());
