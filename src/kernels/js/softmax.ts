/**
 * Softmax and its relatives, line by line along one axis. A line is shifted by its largest element m, so that nothing
 * overflows. A line with NaN, with +∞ or of -∞ alone is NaN, since ∞ - ∞ is.
 *
 *   softmax            eᵢ / Σ e,  e = exp(x - m)
 *   logSoftmax         xᵢ - m - log Σ e
 *   crossEntropy       log Σ e - (x[label] - m)
 *   crossEntropyGrad   g · (eᵢ / Σ e - [i = label])
 */
import type { FloatArray, Strided } from '../types.ts';
import { dense, denseStrides, walk, without } from './walk.ts';

/** One line, shifted, with its exponentials in double precision. */
class Line {
  readonly powers: Float64Array;
  shift = 0;
  sum = 0;

  constructor(length: number) {
    this.powers = new Float64Array(length);
  }

  read(x: FloatArray, from: number, stride: number): void {
    const { powers } = this;
    let most = Number.NEGATIVE_INFINITY;
    for (let i = 0, at = from; i < powers.length; i++, at += stride) if (x[at]! > most) most = x[at]!;
    let sum = 0;
    for (let i = 0, at = from; i < powers.length; i++, at += stride) {
      const power = Math.exp(x[at]! - most);
      powers[i] = power;
      sum += power;
    }
    this.shift = most;
    this.sum = sum;
  }
}

interface Lines {
  readonly offset: number;
  readonly strides: readonly number[];
}

/** The places of x, or of a dense array of its shape, without the axis. */
function linesOf(x: Strided, axis: number): Lines {
  return { offset: x.offset, strides: without(x.strides, axis) };
}

function denseLines(shape: readonly number[], axis: number): Lines {
  return { offset: 0, strides: without(denseStrides(shape), axis) };
}

export function softmax(x: Strided, axis: number, y: FloatArray): void {
  const step = denseStrides(x.shape)[axis]!;
  eachLine(x, axis, [denseLines(x.shape, axis)], (line, _, [to]) => {
    for (let i = 0; i < line.powers.length; i++) y[to! + i * step] = line.powers[i]! / line.sum;
  });
}

export function logSoftmax(x: Strided, axis: number, y: FloatArray): void {
  const step = denseStrides(x.shape)[axis]!;
  const stride = x.strides[axis]!;
  eachLine(x, axis, [denseLines(x.shape, axis)], (line, from, [to]) => {
    const log = Math.log(line.sum);
    for (let i = 0; i < line.powers.length; i++) y[to! + i * step] = x.data[from + i * stride]! - line.shift - log;
  });
}

export function crossEntropy(x: Strided, labels: Strided, axis: number, ignoreIndex: number, y: FloatArray): void {
  const stride = x.strides[axis]!;
  eachLine(x, axis, [dense(labels.shape), labels], (line, from, [to, at]) => {
    const label = labels.data[at!]!;
    const own = label === ignoreIndex ? 0 : x.data[from + label * stride]! - line.shift;
    y[to!] = label === ignoreIndex ? 0 : Math.log(line.sum) - own;
  });
}

// biome-ignore format: operands side by side
export function crossEntropyGrad(
  x: Strided, labels: Strided, g: Strided, axis: number, ignoreIndex: number, y: FloatArray,
): void {
  const step = denseStrides(x.shape)[axis]!;
  eachLine(x, axis, [denseLines(x.shape, axis), labels, g], (line, _, [to, at, gradient]) => {
    const label = labels.data[at!]!;
    const factor = g.data[gradient!]!;
    for (let i = 0; i < line.powers.length; i++) {
      const excess = line.powers[i]! / line.sum - (i === label ? 1 : 0);
      y[to! + i * step] = label === ignoreIndex ? 0 : factor * excess;
    }
  });
}

/** Hands over each line of x along `axis`, where it begins, and the places of the other operands, which have no such axis. */
function eachLine(
  x: Strided,
  axis: number,
  others: readonly Lines[],
  visit: (line: Line, from: number, places: readonly number[]) => void,
): void {
  if (x.shape[axis] === 0) return;
  const line = new Line(x.shape[axis]!);
  const places = others.map(() => 0);
  walk(without(x.shape, axis), [linesOf(x, axis), ...others], (n, at, step) => {
    for (let i = 0; i < n; i++) {
      const from = at[0]! + i * step[0]!;
      for (let k = 0; k < places.length; k++) places[k] = at[k + 1]! + i * step[k + 1]!;
      line.read(x.data, from, x.strides[axis]!);
      visit(line, from, places);
    }
  });
}
