/** Several threads, for all that can use them. */

import { setThreads as makeTeam } from '../threads/index.ts';
import { spreadLargeOperations } from './large.ts';

/**
 * Runs compiled programs, and large convolutions and matrix products of eager code, on several threads from now on. The
 * results have the same bits whatever their number.
 *
 * In Node the call takes effect at once, and what it returns may be ignored. In a page workers begin only while the page
 * is idle, so wait for the promise; the page must be cross-origin isolated. Where threads cannot be had everything runs
 * on one, and `backend()` says why. Idle threads use no processor time and keep no process alive.
 *
 * @param threads a whole number from 1 to 64, the caller's thread included; `'auto'`: as many as the machine runs at
 *   once, at most 8. Without a call it is 1.
 * @returns how many threads there are then.
 * @throws OptionError if `threads` is neither.
 * @example
 * ```ts
 * import { backend, setThreads } from 'typedgrad';
 *
 * await setThreads('auto');
 * const { threads, reasons } = backend();
 * console.log(threads, reasons.threads);
 * ```
 */
export function setThreads(threads: number | 'auto'): Promise<number> {
  spreadLargeOperations();
  return makeTeam(threads);
}
