/**
 * Printing as NumPy prints: numbers aligned at the decimal point, the shortest digits that tell a value from its
 * neighbours in its dtype (8 after the point at most), scientific notation where the values spread widely, and of more
 * than 1,000 elements three from each end of each axis.
 */

import type { Strided } from '../kernels/types.ts';

const threshold = 1000;
const edge = 3;
const lineWidth = 75;
const precision = 8;

/** The text of a tensor. */
export function formatTensor(x: Strided): string {
  const size = x.shape.reduce((product, length) => product * length, 1);
  const abridge = size > threshold;
  if (size === 0) return x.shape.length === 1 ? '[]' : `[], shape [${x.shape.join(', ')}]`;
  const format = numberFormat(shownValues(x, abridge), x.data instanceof Float32Array, x.shape.length === 0);
  return formatAxis(x, 0, x.offset, abridge, format);
}

function formatAxis(x: Strided, axis: number, offset: number, abridge: boolean, format: (v: number) => string): string {
  if (axis === x.shape.length) return format(x.data[offset]!);
  const parts = shownIndices(x.shape[axis]!, abridge).map((index) =>
    index < 0 ? '...' : formatAxis(x, axis + 1, offset + index * x.strides[axis]!, abridge, format),
  );
  const indent = ' '.repeat(axis + 1);
  const depth = x.shape.length - axis;
  if (depth === 1) return `[${wrap(parts, indent)}]`;
  return `[${parts.join('\n'.repeat(depth - 1) + indent)}]`;
}

/** The words of one row, broken into lines. */
function wrap(words: readonly string[], indent: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of words) {
    if (line !== '' && indent.length + line.length + 1 + word.length + 1 > lineWidth) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.join(`\n${indent}`);
}

/** Indices to show along an axis; -1 stands for the ones left out. */
function shownIndices(length: number, abridge: boolean): number[] {
  const all = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
  if (!abridge || length <= 2 * edge) return all(0, length);
  return [...all(0, edge), -1, ...all(length - edge, length)];
}

function shownValues(x: Strided, abridge: boolean): number[] {
  const values: number[] = [];
  const visit = (axis: number, offset: number): void => {
    if (axis === x.shape.length) values.push(x.data[offset]!);
    else
      for (const index of shownIndices(x.shape[axis]!, abridge)) {
        if (index >= 0) visit(axis + 1, offset + index * x.strides[axis]!);
      }
  };
  visit(0, x.offset);
  return values;
}

/** One format for all shown values, so that they align. */
function numberFormat(values: readonly number[], single: boolean, scalar: boolean): (value: number) => string {
  const finite = values.filter(Number.isFinite);
  const sizes = finite.map(Math.abs).filter((size) => size > 0);
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const scientific =
    sizes.length > 0 && (scalar ? least < 1e-4 || most >= 1e16 : most >= 1e8 || least < 1e-4 || most / least > 1000);
  // A scalar shows all its digits, as NumPy's scalars do.
  const digits = scalar ? 17 : precision;
  const texts = finite.map((value) => shortest(value, single, scientific, digits));
  const parts = texts.map((text) => text.split('e')[0]!.split('.'));
  const right = Math.max(0, ...parts.map(([, fraction]) => (fraction ?? '').length));
  const plain = (value: number): string => {
    if (Number.isNaN(value)) return 'nan';
    if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
    const [mantissa, exponent] = shortest(value, single, scientific, digits).split('e') as [string, string?];
    const [whole, fraction = ''] = mantissa.split('.') as [string, string?];
    if (exponent === undefined)
      return scalar ? `${whole}.${fraction || '0'}` : `${whole}.${fraction.padEnd(right, ' ')}`;
    const point = scalar && fraction === '' ? '' : '.';
    const power = exponent.replace(/[+-]/, '').padStart(2, '0');
    return `${whole}${point}${fraction.padEnd(right, '0')}e${exponent.startsWith('-') ? '-' : '+'}${power}`;
  };
  const width = Math.max(...values.map((value) => plain(value).length));
  return (value) => (scalar ? plain(value) : plain(value).padStart(width, ' '));
}

/** The shortest decimal that reads back as `value` in its dtype, with at most `most` digits after the point. */
function shortest(value: number, single: boolean, scientific: boolean, most: number): string {
  const reads = (text: string): boolean => (single ? Math.fround(Number(text)) : Number(text)) === value;
  for (let digits = 0; digits < most; digits++) {
    const text = scientific ? value.toExponential(digits) : value.toFixed(digits);
    if (reads(text)) return signed(text, value);
  }
  const text = scientific ? value.toExponential(most) : value.toFixed(most).replace(/0+$/, '');
  return signed(text, value);
}

/** Negative zero keeps its sign. */
function signed(text: string, value: number): string {
  return Object.is(value, -0) && !text.startsWith('-') ? `-${text}` : text;
}
