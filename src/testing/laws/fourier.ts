/** The discrete Fourier transform over several axes, each a power of two long. */
import { rowMajor, sizeOf } from '../nd.ts';

/** Complex numbers over a shape, in row-major order. */
export interface Spectrum {
  readonly shape: readonly number[];
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** The least power of two that is at least n. */
export const powerOfTwo = (n: number): number => 2 ** Math.ceil(Math.log2(Math.max(1, n)));

/** Decimation in time, recursively. Source: Cooley & Tukey, "An algorithm for the machine calculation of complex Fourier series", 1965. */
function transform(re: readonly number[], im: readonly number[], sign: 1 | -1): [number[], number[]] {
  const n = re.length;
  if (n === 1) return [[...re], [...im]];
  const even = (_: number, i: number): boolean => i % 2 === 0;
  const odd = (_: number, i: number): boolean => i % 2 === 1;
  const [evenRe, evenIm] = transform(re.filter(even), im.filter(even), sign);
  const [oddRe, oddIm] = transform(re.filter(odd), im.filter(odd), sign);
  const outRe = new Array<number>(n);
  const outIm = new Array<number>(n);
  for (let k = 0; k < n / 2; k++) {
    const angle = (sign * 2 * Math.PI * k) / n;
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const [a, b] = [oddRe[k] as number, oddIm[k] as number];
    const [turnedRe, turnedIm] = [a * c - b * s, a * s + b * c];
    outRe[k] = (evenRe[k] as number) + turnedRe;
    outIm[k] = (evenIm[k] as number) + turnedIm;
    outRe[k + n / 2] = (evenRe[k] as number) - turnedRe;
    outIm[k + n / 2] = (evenIm[k] as number) - turnedIm;
  }
  return [outRe, outIm];
}

/** The transform along every axis in turn: forward with sign -1, inverse (not divided by the size) with sign 1. */
export function fft({ shape, re, im }: Spectrum, sign: 1 | -1): Spectrum {
  const out: Spectrum = { shape, re: re.slice(), im: im.slice() };
  const strides = rowMajor(shape);
  const size = sizeOf(shape);
  shape.forEach((n, axis) => {
    const stride = strides[axis] as number;
    for (let start = 0; start < size; start++) {
      if (Math.floor(start / stride) % n !== 0) continue;
      const places = Array.from({ length: n }, (_, i) => start + i * stride);
      const [lineRe, lineIm] = transform(
        places.map((i) => out.re[i] as number),
        places.map((i) => out.im[i] as number),
        sign,
      );
      places.forEach((place, i) => {
        out.re[place] = lineRe[i] as number;
        out.im[place] = lineIm[i] as number;
      });
    }
  });
  return out;
}
