import { boundingBox, drawTrace, sampleStroke, type Trace } from './pen.ts';
import { Stream } from './stream.ts';
import { digitStrokes } from './strokes.ts';

const SPLITS = { train: 1, test: 2 };

export function drawDigits(count: number, seed: number, split: keyof typeof SPLITS, size: number) {
  const pixels = new Uint8Array(count * size * size);
  const labels = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const chance = new Stream(seed, SPLITS[split], i);
    const digit = i % 10;
    labels[i] = digit;
    drawDigit(digit, chance, size, pixels.subarray(i * size * size, (i + 1) * size * size));
  }
  return { pixels, labels };
}

function drawDigit(digit: number, chance: Stream, size: number, out: Uint8Array): void {
  const traces = digitStrokes(digit, chance).map(sampleStroke);
  bend(traces, chance);
  slant(traces, digit, chance);
  press(traces, chance);
  const unit = size / 28;
  fit(traces, unit, chance);
  const edge = chance.between(0.9, 1.7) * unit;
  const canvas = new Float64Array(size * size);
  for (const trace of traces) drawTrace(canvas, size, trace, edge);
  const [dx, dy] = massOffset(canvas, size);
  const wander = 0.7 * unit;
  shift(traces, dx + chance.between(-wander, wander), dy + chance.between(-wander, wander));
  canvas.fill(0);
  for (const trace of traces) drawTrace(canvas, size, trace, edge);
  expose(canvas, chance, out);
}

/** Elastic bend: a 4×4 lattice of random pushes, blended smoothly between its corners. */
function bend(traces: readonly Trace[], chance: Stream): void {
  const strength = chance.between(0, 0.05);
  const push = Float64Array.from({ length: 32 }, () => chance.normal(strength));
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
function slant(traces: readonly Trace[], digit: number, chance: Stream): void {
  const width = (digit === 1 ? 0.8 : 0.78) * chance.between(0.72, 1.25);
  const shear = chance.normal(0.24) - 0.12;
  const half = chance.normal(0.06);
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
function press(traces: readonly Trace[], chance: Stream): void {
  const radius = chance.between(0.035, 0.085) + Math.max(0, chance.normal(0.02));
  for (const trace of traces) {
    const slope = chance.normal(0.18);
    const swell = chance.normal(0.18);
    const last = Math.max(1, trace.length / 3 - 1);
    for (let i = 0; i <= last; i++) {
      const t = (2 * i) / last - 1;
      const pressure = 1 + slope * t + swell * (0.33 - t * t);
      trace[3 * i + 2] = radius * Math.min(1.5, Math.max(0.6, pressure));
    }
  }
}

/** Scales the ink's box to about 20 of 28 pixels, keeping its proportions, as MNIST does. */
function fit(traces: readonly Trace[], unit: number, chance: Stream): void {
  const { x0, y0, x1, y1 } = boundingBox(traces);
  const scale = (chance.between(18.5, 20.5) * unit) / Math.max(x1 - x0, y1 - y0);
  const [cx, cy] = [(x0 + x1) / 2, (y0 + y1) / 2];
  for (const trace of traces) {
    for (let i = 0; i < trace.length; i += 3) {
      trace[i] = ((trace[i] as number) - cx) * scale + 14 * unit;
      trace[i + 1] = ((trace[i + 1] as number) - cy) * scale + 14 * unit;
      trace[i + 2] = (trace[i + 2] as number) * scale;
    }
  }
}

/** How far the ink's centre of mass is from the picture's centre, in pixels. */
function massOffset(canvas: Float64Array, size: number): [number, number] {
  let [mass, mx, my] = [0, 0, 0];
  for (let row = 0, at = 0; row < size; row++) {
    for (let column = 0; column < size; column++, at++) {
      const ink = canvas[at] as number;
      mass += ink;
      mx += ink * (column + 0.5);
      my += ink * (row + 0.5);
    }
  }
  return [size / 2 - mx / mass, size / 2 - my / mass];
}

function shift(traces: readonly Trace[], dx: number, dy: number): void {
  for (const trace of traces) {
    for (let i = 0; i < trace.length; i += 3) {
      trace[i] = (trace[i] as number) + dx;
      trace[i + 1] = (trace[i + 1] as number) + dy;
    }
  }
}

/** Ink to bytes, with a little grain where there is ink. */
function expose(canvas: Float64Array, chance: Stream, out: Uint8Array): void {
  const full = chance.between(235, 262);
  const grain = chance.between(0, 12);
  for (let i = 0; i < canvas.length; i++) {
    const ink = canvas[i] as number;
    if (ink <= 0) continue;
    out[i] = Math.min(255, Math.max(0, Math.round(ink * full + chance.normal(grain))));
  }
}
