/** When a printed value is what a comment says. docs/contributing.md states the same rules for people. */
import { inspect } from 'node:util';

/** The ways in which a value may be written in a comment. */
export function renderings(value: unknown): string[] {
  if (typeof value === 'string') return [value, JSON.stringify(value), inspect(value)];
  const list = [inspect(value, { depth: Infinity, breakLength: Infinity, maxArrayLength: null })];
  const ownText = typeof value === 'object' && value !== null && value.toString !== Object.prototype.toString;
  if (ownText || typeof value !== 'object') list.unshift(String(value));
  if (Array.isArray(value) || (typeof value === 'object' && value !== null && !ownText))
    list.push(JSON.stringify(value));
  return list;
}

/** One space between words, none beside brackets, commas and `…`, so that a result may be wrapped for the eye. */
const normalise = (text: string): string =>
  text
    .replace(/\s+/g, ' ')
    .replace(/ ?([[\]{}(),:…]) ?/g, '$1')
    .trim();

const number = /(?<![\w.])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w])/gi;

/** How far a number may be from the one written: to the digits written where there are three decimals or more. */
function tolerance(written: string): number {
  const decimals = /^-?\d+\.(\d+)$/.exec(written)?.[1]?.length ?? 0;
  return decimals >= 3 ? 0.5000001 * 10 ** -decimals : 1e-6 * Math.abs(Number(written));
}

const quote = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Whether `actual` is the text `expected`, in which `…` stands for anything. */
export function matches(actual: string, expected: string): boolean {
  const want = normalise(expected);
  const numbers = want.match(number) ?? [];
  const pattern = want
    .split(number)
    .map((part) => part.split('…').map(quote).join('[\\s\\S]*?'))
    .join('(-?\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?)');
  const found = new RegExp(`^${pattern}$`).exec(normalise(actual));
  if (found === null) return false;
  return numbers.every((written, i) => Math.abs(Number(found[i + 1]) - Number(written)) <= tolerance(written));
}
