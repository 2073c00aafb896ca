import type { Generator } from '../tensor/random.ts';
import type { Trace } from './pen.ts';

/**
 * What a hand does to a digit: bends it, slants it, presses harder here than there.
 * Only + - · / and square roots, which IEEE 754 fixes to the last bit: the same pictures in every engine.
 */

/** Elastic bend: a 4×4 lattice of random pushes, blended smoothly between its corners. */
export function bend(traces: readonly Trace[], chance: Generator): void {
  const strength = chance.uniform(0, 0.06);
  const push = Float64Array.from({ length: 32 }, () => chance.normal(0, strength));
  for (const trace of traces) {
    for (let i = 0; i < trace.length; i += 3) {
      const [x, y] = [trace[i] as number, trace[i + 1] as number];
      trace[i] = x + blend(push, 0, x, y);
      trace[i + 1] = y + blend(push, 16, x, y);
    }
  }
}

function blend(lattice: Float64Array, from: number, x: number, y: number): number {
  const gx = Math.min(2.999, Math.max(0, 3 * x));
  const gy = Math.min(2.999, Math.max(0, 3 * y));
  const [cx, cy] = [Math.floor(gx), Math.floor(gy)];
  const [u, v] = [ease(gx - cx), ease(gy - cy)];
  const at = from + 4 * cy + cx;
  const top = (lattice[at] as number) * (1 - u) + (lattice[at + 1] as number) * u;
  const bottom = (lattice[at + 4] as number) * (1 - u) + (lattice[at + 5] as number) * u;
  return top * (1 - v) + bottom * v;
}

const ease = (t: number): number => t * t * (3 - 2 * t);

/** Width, shear and a small turn. The turn's cosine and sine come from the half-angle tangent, without Math.sin. */
export function slant(traces: readonly Trace[], digit: number, chance: Generator): void {
  const width = (digit === 1 ? 0.8 : 0.78) * chance.uniform(0.65, 1.35);
  const shear = chance.normal(0, 0.28) - 0.14;
  const half = chance.normal(0, 0.08);
  const cos = (1 - half * half) / (1 + half * half);
  const sin = (2 * half) / (1 + half * half);
  for (const trace of traces) {
    for (let i = 0; i < trace.length; i += 3) {
      const y = (trace[i + 1] as number) - 0.5;
      const x = ((trace[i] as number) - 0.5) * width + shear * y;
      trace[i] = x * cos - y * sin;
      trace[i + 1] = x * sin + y * cos;
    }
  }
}

/** The pen's radius along each stroke: a base, pressure that swells or fades, in parts of the digit's height. */
export function press(traces: readonly Trace[], digit: number, chance: Generator): void {
  // A one is often pressed hard: nothing in it can fill up.
  const radius = chance.uniform(0.03, digit === 1 ? 0.12 : 0.09) + Math.max(0, chance.normal(0, 0.025));
  for (const trace of traces) {
    const slope = chance.normal(0, 0.18);
    const swell = chance.normal(0, 0.18);
    const last = Math.max(1, trace.length / 3 - 1);
    for (let i = 0; i <= last; i++) {
      const t = (2 * i) / last - 1;
      const pressure = 1 + slope * t + swell * (0.33 - t * t);
      trace[3 * i + 2] = radius * Math.min(1.5, Math.max(0.6, pressure));
    }
  }
}
