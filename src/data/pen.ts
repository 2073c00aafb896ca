/** A point of a stroke, x to the right and y down; `true` makes a corner where the pen stops and turns. */
export type Knot = readonly [x: number, y: number, corner?: boolean];

/** The points that a pen passes through without leaving the paper. */
export type Stroke = readonly Knot[];

/** A sampled stroke: x, y and the pen's radius, three numbers per sample. */
export type Trace = Float64Array;

const STEPS = 8;

/** Samples a stroke as a centripetal Catmull–Rom spline (which neither loops nor overshoots), broken at its corners. */
export function sampleStroke(stroke: Stroke): Trace {
  const out: number[] = [];
  let from = 0;
  for (let i = 1; i < stroke.length; i++) {
    if (i < stroke.length - 1 && stroke[i]?.[2] !== true) continue;
    sampleSmooth(stroke.slice(from, i + 1), out);
    from = i;
  }
  const last = stroke[stroke.length - 1] as Knot;
  out.push(last[0], last[1], 0);
  return Float64Array.from(out);
}

function sampleSmooth(knots: Stroke, out: number[]): void {
  const n = knots.length;
  for (let i = 0; i + 1 < n; i++) {
    const p1 = knots[i] as Knot;
    const p2 = knots[i + 1] as Knot;
    const p0 = i > 0 ? (knots[i - 1] as Knot) : mirror(p1, p2);
    const p3 = i + 2 < n ? (knots[i + 2] as Knot) : mirror(p2, p1);
    for (let step = 0; step < STEPS; step++) pushSpline(p0, p1, p2, p3, step / STEPS, out);
  }
}

const mirror = (at: Knot, other: Knot): Knot => [2 * at[0] - other[0], 2 * at[1] - other[1]];

/** Source: C. Yuksel et al., "Parameterization and applications of Catmull-Rom curves", 2011 (Barry–Goldman pyramid). */
function pushSpline(p0: Knot, p1: Knot, p2: Knot, p3: Knot, u: number, out: number[]): void {
  const t1 = interval(p0, p1);
  const t2 = t1 + interval(p1, p2);
  const t3 = t2 + interval(p2, p3);
  const t = t1 + (t2 - t1) * u;
  for (let axis = 0; axis < 2; axis++) {
    const [a, b, c, d] = [p0[axis] as number, p1[axis] as number, p2[axis] as number, p3[axis] as number];
    const ab = (a * (t1 - t) + b * t) / t1;
    const bc = (b * (t2 - t) + c * (t - t1)) / (t2 - t1);
    const cd = (c * (t3 - t) + d * (t - t2)) / (t3 - t2);
    const abc = (ab * (t2 - t) + bc * t) / t2;
    const bcd = (bc * (t3 - t) + cd * (t - t1)) / (t3 - t1);
    out.push((abc * (t2 - t) + bcd * (t - t1)) / (t2 - t1));
  }
  out.push(0);
}

/** The square root of the distance, kept above zero so that two equal points do not divide by it. */
function interval(a: Knot, b: Knot): number {
  const dx = b[0] - a[0];
  const dy = b[1] - a[1];
  return Math.sqrt(Math.sqrt(dx * dx + dy * dy)) + 1e-6;
}

/** The box around traces, pen radius included. */
export function boundingBox(traces: readonly Trace[]): { x0: number; y0: number; x1: number; y1: number } {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const trace of traces) {
    for (let i = 0; i < trace.length; i += 3) {
      const [x, y, r] = [trace[i] as number, trace[i + 1] as number, trace[i + 2] as number];
      x0 = Math.min(x0, x - r);
      y0 = Math.min(y0, y - r);
      x1 = Math.max(x1, x + r);
      y1 = Math.max(y1, y + r);
    }
  }
  return { x0, y0, x1, y1 };
}

/**
 * Lays ink on a square canvas: each pixel takes the ink of the nearest segment, `edge` pixels wide from full to none.
 * The canvas keeps the greater of old and new ink, as a pen does when it crosses its own line.
 */
export function drawTrace(canvas: Float64Array, side: number, trace: Trace, edge: number): void {
  for (let i = 0; i + 5 < trace.length; i += 3) {
    const [ax, ay, ar] = [trace[i] as number, trace[i + 1] as number, trace[i + 2] as number];
    const [bx, by, br] = [trace[i + 3] as number, trace[i + 4] as number, trace[i + 5] as number];
    const reach = Math.max(ar, br) + edge;
    const top = Math.max(0, Math.floor(Math.min(ay, by) - reach));
    const bottom = Math.min(side - 1, Math.ceil(Math.max(ay, by) + reach));
    const left = Math.max(0, Math.floor(Math.min(ax, bx) - reach));
    const right = Math.min(side - 1, Math.ceil(Math.max(ax, bx) + reach));
    const [dx, dy] = [bx - ax, by - ay];
    const scale = 1 / (dx * dx + dy * dy + 1e-12);
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) {
        const px = column + 0.5 - ax;
        const py = row + 0.5 - ay;
        const t = Math.min(1, Math.max(0, (px * dx + py * dy) * scale));
        const ex = px - t * dx;
        const ey = py - t * dy;
        const ink = 0.5 + (ar + t * (br - ar) - Math.sqrt(ex * ex + ey * ey)) / edge;
        const at = row * side + column;
        if (ink > (canvas[at] as number)) canvas[at] = Math.min(1, ink);
      }
    }
  }
}
