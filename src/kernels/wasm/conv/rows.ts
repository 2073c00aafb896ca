/**
 * How a convolution becomes sums of shifted rows. All sizes are in elements.
 *
 * Along one axis, tap k reads x[p·s + k·d - b]. Write k·d = s·j + r: the x positions of remainder r form a plane of
 * their own, in which the tap is a shift by j, whatever stride and dilation are. With planes stored row after row
 * and zeros where the padding is, a tap of a 3-axis filter is one constant distance in memory:
 *
 *   x of a 1-D row, s = 2, b = 1:   plane r = 0:  0 1 3 5 …      y[p] = … + w[k] · plane[r][p + j]
 *                                   plane r = 1:  0 2 4 6 …
 *
 * Rows share their padding: the zeros before row h + 1 serve as the zeros after row h, so a row's pitch is W + 1 and
 * not W + 2 for a 3-tap filter. Outputs are computed along the flat array, the few positions between rows included.
 */

/** One axis of a convolution: x's size, the kernel's, y's, and the geometry. */
export interface AxisSizes {
  readonly x: number;
  readonly k: number;
  readonly y: number;
  readonly stride: number;
  readonly dilation: number;
  readonly before: number;
}

/** The part of x with one remainder: x[from + stride·i], i < count, stored from position `at` of the plane. */
export interface Plane {
  readonly from: number;
  readonly count: number;
  readonly at: number;
}

/** One axis of the source of a tap kernel. */
export interface AxisPlan {
  readonly planes: readonly Plane[];
  /** Per tap: its plane and its shift. */
  readonly taps: readonly { readonly plane: number; readonly shift: number }[];
  /** Positions from one row (plane, image) to the next in the flat array. */
  readonly pitch: number;
  /** Positions that taps read: up to outputs + largest shift. */
  readonly reach: number;
  readonly outputs: number;
}

const ceilDiv = (a: number, b: number): number => Math.ceil(a / b);

/** The smallest pitch at which data, outputs and shared zeros do not collide. */
function sharedPitch(planes: readonly Plane[], outputs: number, reach: number): number {
  let end = outputs;
  let lead = reach;
  for (const { at, count } of planes) {
    if (count === 0) continue;
    end = Math.max(end, at + count);
    lead = Math.min(lead, at);
  }
  return Math.max(end, reach - lead, 1);
}

/** The forward convolution's source (x, for y and for the weight gradient). */
export function planAxis({ x, k, y, stride, dilation, before }: AxisSizes): AxisPlan {
  const planeOf = new Map<number, number>();
  const taps = Array.from({ length: k }, (_, i) => {
    const remainder = (i * dilation) % stride;
    if (!planeOf.has(remainder)) planeOf.set(remainder, planeOf.size);
    return { plane: planeOf.get(remainder) as number, shift: Math.floor((i * dilation) / stride) };
  });
  const reach = y + Math.max(0, ...taps.map((t) => t.shift));
  const planes = [...planeOf.keys()].map((r) => {
    const at = Math.min(reach, ceilDiv(Math.max(0, before - r), stride));
    const end = Math.min(reach, ceilDiv(x + before - r, stride));
    return { from: stride * at + r - before, count: Math.max(0, end - at), at };
  });
  return { planes, taps, pitch: sharedPitch(planes, y, reach), reach, outputs: y };
}

/** The part of the input gradient with one remainder: dx[from + stride·i], i < count, and the taps that reach it. */
export interface Residue {
  readonly from: number;
  readonly count: number;
  readonly taps: readonly { readonly tap: number; readonly shift: number }[];
}

/** The input gradient's source (g) along one axis, shared by the residues of dx. */
export interface AdjointPlan {
  readonly axis: AxisPlan;
  readonly residues: readonly Residue[];
}

/**
 * The adjoint: dx[q] = Σ over taps with q + b = s·(p) + k·d of w[k] · g[p]. For the q of one remainder that is a
 * forward sum over g again, with the taps of the same remainder in opposite order.
 */
export function planAdjoint({ x, k, y, stride, dilation, before }: AxisSizes): AdjointPlan {
  const raw = Array.from({ length: Math.min(stride, Math.max(x, 1)) }, (_, i) => {
    const remainder = (i + before) % stride;
    const first = (i + before - remainder) / stride;
    const taps: { tap: number; shift: number }[] = [];
    for (let t = 0; t < k; t++) {
      if ((t * dilation) % stride === remainder)
        taps.push({ tap: t, shift: first - Math.floor((t * dilation) / stride) });
    }
    return { from: i, count: Math.max(0, ceilDiv(x - i, stride)), taps };
  }).filter((r) => r.count > 0);
  const shifts = raw.flatMap((r) => r.taps.map((t) => t.shift));
  // g starts so far into its row that no tap reads before the row's beginning.
  const lead = Math.max(0, -Math.min(0, ...shifts));
  const residues = raw.map((r) => ({ ...r, taps: r.taps.map((t) => ({ tap: t.tap, shift: t.shift + lead })) }));
  const outputs = Math.max(0, ...residues.map((r) => r.count));
  const reach = Math.max(outputs, ...residues.flatMap((r) => r.taps.map((t) => t.shift + r.count)));
  const planes = [{ from: 0, count: Math.max(0, Math.min(y, reach - lead)), at: lead }];
  return { axis: { planes, taps: [], pitch: sharedPitch(planes, outputs, reach), reach, outputs }, residues };
}

/**
 * The flat array of one channel: axes [image, depth, height, width] with their pitches in floats. `level` is the
 * outermost axis that one call of a row kernel runs along: 3 = single rows … 0 = the whole chunk of images.
 */
export interface FlatLayout {
  readonly strides: readonly [number, number, number, number];
  /** Floats of one plane, over all images of a chunk, with room for what taps read. */
  readonly size: number;
}

/** Strides of a flat array whose axes, outermost first, have these pitches. */
export function flatLayout(images: number, axes: readonly [AxisPlan, AxisPlan, AxisPlan]): FlatLayout {
  const [d, h, w] = axes;
  const strides: [number, number, number, number] = [d.pitch * h.pitch * w.pitch, h.pitch * w.pitch, w.pitch, 1];
  const last = (images - 1) * strides[0] + (d.reach - 1) * strides[1] + (h.reach - 1) * strides[2] + w.reach;
  // The end of the last plane's data lies inside of images·pitch; what taps read beyond must be zeros, too.
  return { strides, size: Math.max(last, images * strides[0]) };
}

/** Flat positions of a run along the axes from `level` inwards, given the outputs of each axis. */
export function runLength(level: number, outputs: readonly number[], strides: readonly number[]): number {
  let length = 1;
  for (let a = level; a < 4; a++) length += ((outputs[a] as number) - 1) * (strides[a] as number);
  return length;
}

/** Where one call of a row kernel starts its runs. */
export interface Runs {
  /** Outermost axis inside of a run: 0 = all images of a chunk, 1 = an image, 2 = a plane, 3 = a row. */
  readonly level: number;
  /** Floats of one run, positions between rows included. */
  readonly length: number;
  /** Runs along the axis outside of `level`, walked by the kernel; rows of volumes leave the depth to the caller. */
  readonly segments: number;
  readonly outer: number;
}

/** The runs at one level; `outputs` counts images, depth, height and width. */
export function runsAt(level: number, outputs: readonly number[], strides: readonly number[]): Runs {
  const length = runLength(level, outputs, strides);
  if (level === 3) return { level, length, segments: outputs[2] as number, outer: outputs[1] as number };
  return { level, length, segments: level === 2 ? (outputs[1] as number) : 1, outer: 1 };
}

/** 256 KB: half of a small second-level cache. */
const CACHED_FLOATS = 65_536;

/**
 * The cheapest level for one image (1, 2, 3), or 0 if images are so small that a run should span several. `channels` planes
 * of those images must stay in the second-level cache, since every tile of outputs reads them all again.
 * `cost` gives the floats computed for a run of some length.
 */
export function chooseRuns(
  outputs: readonly number[],
  strides: readonly number[],
  images: number,
  channels: number,
  cost: (length: number, level: number) => number,
): { runs: Runs; images: number } {
  // Running on over the images pays only where one image is short; 1024 floats amortise a run.
  const cached = Math.floor(CACHED_FLOATS / (channels * (strides[0] as number)));
  const most = Math.max(1, Math.min(images, cached, Math.ceil(1024 / (strides[0] as number))));
  // Equal chunks: the last one is computed in full, however few images it has.
  const together = Math.ceil(images / Math.ceil(images / most));
  let best = { runs: runsAt(1, [1, ...outputs], strides), images: 1 };
  let least = Number.POSITIVE_INFINITY;
  for (const level of [1, 2, 3, 0]) {
    const count = level === 0 ? together : 1;
    const runs = runsAt(level, [count, ...outputs], strides);
    const spent = (runs.outer * runs.segments * cost(runs.length, level)) / count;
    if (spent < least) {
      least = spent;
      best = { runs, images: count };
    }
  }
  return best;
}

/** The source of a tap kernel in memory: per channel, one flat array per plane. */
export interface Source {
  readonly axes: readonly [AxisPlan, AxisPlan, AxisPlan];
  readonly stride: readonly number[];
  readonly strides: readonly [number, number, number, number];
  readonly plane: number;
  readonly channel: number;
  /** No padding and no planes: the channel is stored as it is. */
  readonly dense: boolean;
}

/** Floats rounded up to a vector, and off the 4 KB grid on which equal positions of all channels share a cache set. */
export function channelPitch(floats: number): number {
  const vectors = 4 * Math.ceil(floats / 4);
  return vectors % 1024 === 0 ? vectors + 16 : vectors;
}

export function sourceOf(
  images: number,
  axes: readonly [AxisPlan, AxisPlan, AxisPlan],
  sizes: readonly number[],
  stride: readonly number[],
): Source {
  const layout = flatLayout(images, axes);
  const planes = axes.reduce((n, a) => n * a.planes.length, 1);
  const total = images * sizes.reduce((n, s) => n * s, 1);
  const dense =
    images === 1 && planes === 1 && layout.size === total && axes.every((a, i) => a.planes[0]?.count === sizes[i]);
  const plane = dense ? total : channelPitch(layout.size);
  return { axes, stride, strides: layout.strides, plane, channel: plane * planes, dense };
}

/** One strided copy, from dense [channels, D, H, W] into a source: floats from the start, counts and strides. */
export interface Piece {
  readonly from: number;
  readonly to: number;
  readonly counts: readonly [number, number, number];
  readonly fromStrides: readonly [number, number, number];
  readonly toStrides: readonly [number, number, number];
}

/** The copies that fill a source, one per plane. */
export function packPieces({ axes, stride, strides, plane }: Source, sizes: readonly number[]): Piece[] {
  const [, sh, sw] = sizes as readonly [number, number, number];
  const dense = [sh * sw, sw, 1] as const;
  const pieces: Piece[] = [];
  const [d, h, w] = axes;
  d.planes.forEach((pd, i) => {
    h.planes.forEach((ph, j) => {
      w.planes.forEach((pw, k) => {
        const parts = [pd, ph, pw] as const;
        const at = (i * h.planes.length + j) * w.planes.length + k;
        pieces.push({
          from: parts.reduce((sum, p, a) => sum + p.from * (dense[a] as number), 0),
          to: at * plane + parts.reduce((sum, p, a) => sum + p.at * (strides[a + 1] as number), 0),
          counts: [pd.count, ph.count, pw.count],
          fromStrides: [0, 1, 2].map((a) => (stride[a] as number) * (dense[a] as number)) as [number, number, number],
          toStrides: [strides[1], strides[2], strides[3]],
        });
      });
    });
  });
  return pieces.filter((p) => p.counts.every((c) => c > 0));
}

/** Distances of all taps of a forward source, in the filter's order. */
export function tapDistances({ axes, strides, plane }: Source): number[] {
  const [d, h, w] = axes;
  return d.taps.flatMap((td) =>
    h.taps.flatMap((th) =>
      w.taps.map(
        (tw) =>
          ((td.plane * h.planes.length + th.plane) * w.planes.length + tw.plane) * plane +
          td.shift * strides[1] +
          th.shift * strides[2] +
          tw.shift * strides[3],
      ),
    ),
  );
}
