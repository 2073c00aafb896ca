/** Checks of the options objects that public functions take. */

import { OptionError } from '../errors.ts';

/** Rejects keys that `operation` does not know, naming the ones it does. */
export function checkKeys(operation: string, options: object, known: readonly string[]): void {
  if (options === null || typeof options !== 'object' || Array.isArray(options)) {
    throw new OptionError(`${operation}: options must be an object with ${list(known)}, but got ${show(options)}`);
  }
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw new OptionError(`${operation}: unknown option '${key}'; it knows ${list(known)}`);
  }
}

/** `value` if it is a whole number of at least `least`. */
export function checkInteger(operation: string, name: string, value: unknown, least = 0): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value;
  throw new OptionError(`${operation}: ${name} must be a whole number of at least ${least}, but is ${show(value)}`);
}

/** `value` if it is a number that is neither NaN nor outside of [least, most]. */
export function checkNumber(
  operation: string,
  name: string,
  value: unknown,
  least: number = Number.NEGATIVE_INFINITY,
  most: number = Number.POSITIVE_INFINITY,
): number {
  if (typeof value === 'number' && value >= least && value <= most) return value;
  const range = least === -Infinity && most === Infinity ? '' : ` in [${least}, ${most}]`;
  throw new OptionError(`${operation}: ${name} must be a number${range}, but is ${show(value)}`);
}

/** `value` if it is one of `choices`. */
export function checkChoice<T extends string>(
  operation: string,
  name: string,
  value: unknown,
  choices: readonly T[],
): T {
  if (choices.includes(value as T)) return value as T;
  throw new OptionError(`${operation}: ${name} must be one of ${list(choices)}, but is ${show(value)}`);
}

/** A value as an error message shows it. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`;
  if (typeof value === 'function') return `a function`;
  if (typeof value === 'object' && value !== null) return `an object of ${value.constructor?.name ?? 'no class'}`;
  return String(value);
}

function list(names: readonly string[]): string {
  return names.length === 0 ? 'no options' : names.map((name) => `'${name}'`).join(', ');
}
