/** Whether operations are being recorded. */

import { GradError } from '../errors.ts';

let enabled = true;

/** Whether operations on tensors that require a gradient are recorded now. */
export function isGradEnabled(): boolean {
  return enabled;
}

/** Runs `fn` with recording on or off, and restores what was before. */
export function withGrad<R>(on: boolean, fn: () => R): R {
  const before = enabled;
  enabled = on;
  try {
    return fn();
  } finally {
    enabled = before;
  }
}

let depth = 0;

/** Whether a function is being carried out to be differentiated, by `grad` or its relatives. */
export function isDifferentiating(): boolean {
  return depth > 0;
}

/** Runs `fn`, whose results will be differentiated. */
export function differentiating<R>(fn: () => R): R {
  depth++;
  try {
    return fn();
  } finally {
    depth--;
  }
}

/**
 * Runs `fn` without recording: results require no gradient, and tensors may be updated in place. `fn` must not be
 * async, since what runs after an `await` would be outside.
 *
 * @throws GradError if `fn` returns a promise.
 * @example
 * ```ts
 * import { noGrad, ones } from 'typedgrad';
 * const w = ones([2], { requiresGrad: true });
 * noGrad(() => w.assign(w.mul(0.5)));
 * w.toArray(); // → [0.5, 0.5]
 * ```
 */
export function noGrad<R>(fn: () => R): R {
  const result = withGrad(false, fn);
  if (result instanceof Promise)
    throw new GradError(
      'noGrad: the function is async, so what follows its first await would be recorded; await outside',
    );
  return result;
}
