/** Planted bugs that no test can notice, and why. */

import type { Operator } from './operators.ts';

/** Holds for the bugs in `file` whose original text is `before`, all of them or those of one operator or new text. */
export interface Explanation {
  readonly file: string;
  readonly before: string;
  readonly after?: string;
  readonly operator?: Operator;
  readonly why: string;
}

export const explanations: readonly Explanation[] = [];
