/**
 * Matrix products on WebAssembly: the tap kernel with one tap, rows of a as its weights and columns of b as its pixels.
 *
 *   for each block of k:  for each panel of 8 columns of b (kept in the first-level cache):
 *     for each tile of 6 rows of a (streamed from the second):   y tile += a tile · panel
 *
 * b is packed into panels [N/8][K][8] on the way, transposed in registers if it lies the other way. With few rows in
 * a, packing would cost more than it saves: b is then read where it lies. When only y's columns fit vectors badly, the
 * transposed product is computed instead.
 */
import type { FloatArray, Strided } from '../types.ts';
import type { KernelCache, KernelFunction } from './cache.ts';
import { features } from './features.ts';
import { type LayoutKernels, layoutKernels } from './layout.ts';
import { type TapKernel, tapFunctions, tapKey, writtenLength } from './taps.ts';
import { isDense, writeStrided } from './transfer.ts';

/** Columns of a panel: two vectors, the widest tile's. */
const PANEL = 8;
/** Inner length of a block: a panel of 8 KB and a tile of a of 6 KB lie in the first-level cache together. */
const BLOCK_K = 256;
/** Rows of a per block: 192 × 256 floats, 192 KB, lie in the second-level cache. */
const BLOCK_M = 192;
/** Fewer rows than this do not repay packing. */
const FEW_ROWS = 16;

interface Matrix {
  readonly view: Strided;
  readonly rows: number;
  readonly columns: number;
}

const transposed = ({ view, rows, columns }: Matrix): Matrix => {
  const [r, c] = view.strides as [number, number];
  return { view: { ...view, shape: [columns, rows], strides: [c, r] }, rows: columns, columns: rows };
};

/** Writes a matrix to `target` with rows one after the other, `pitch` floats apart; `staging` holds what must move twice. */
function place(cache: KernelCache, k: LayoutKernels, m: Matrix, staging: number, target: number, pitch: number): void {
  const { memory } = cache;
  const turned = transposed(m);
  if (!isDense(m.view) && isDense(turned.view)) {
    writeStrided(memory, staging, turned.view);
    k.transpose(staging, target, m.columns, m.rows, 4 * m.rows, 4 * pitch);
  } else if (pitch === m.columns) writeStrided(memory, target, m.view);
  else {
    writeStrided(memory, staging, m.view);
    k.copy(staging, target, 1, 1, m.rows, m.columns, 0, 0, 4 * m.columns, 4, 0, 0, 4 * pitch, 4);
  }
}

/** Writes b [K, N] to `target` in panels; columns after the last stay what they are. */
function placePanels(cache: KernelCache, k: LayoutKernels, b: Matrix, staging: number, target: number): void {
  const { memory } = cache;
  const [depth, columns] = [b.rows, b.columns];
  const turned = transposed(b);
  const whole = Math.floor(columns / PANEL);
  const rest = columns % PANEL;
  const panelBytes = 4 * PANEL * depth;
  if (!isDense(b.view) && isDense(turned.view)) {
    writeStrided(memory, staging, turned.view);
    for (let p = 0; p * PANEL < columns; p++) {
      const count = Math.min(PANEL, columns - p * PANEL);
      k.transpose(staging + p * panelBytes, target + p * panelBytes, count, depth, 4 * depth, 4 * PANEL);
    }
    return;
  }
  writeStrided(memory, staging, b.view);
  const row = 4 * columns;
  k.panels(staging, target, whole, depth, row);
  if (rest > 0) {
    k.copy(
      staging + 4 * PANEL * whole,
      target + whole * panelBytes,
      1,
      1,
      depth,
      rest,
      0,
      0,
      row,
      4,
      0,
      0,
      4 * PANEL,
      4,
    );
  }
}

interface Sizes {
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

/** One product, b in panels, into rows at `y` that are `pitch` floats apart. */
function runPanels(
  cache: KernelCache,
  { m, k, n }: Sizes,
  a: number,
  aPitch: number,
  b: number,
  y: number,
  pitch: number,
): void {
  const fma = features().relaxed;
  const panels = Math.ceil(n / PANEL);
  for (let k0 = 0; k0 < k; k0 += BLOCK_K) {
    const channels = Math.min(BLOCK_K, k - k0);
    for (let m0 = 0; m0 < m; m0 += BLOCK_M) {
      const kernel: TapKernel = {
        channels,
        xChannel: PANEL,
        taps: [{ x: 0, w: 0 }],
        wChannel: 1,
        outputs: Math.min(BLOCK_M, m - m0),
        wOutput: aPitch,
        yOutput: pitch,
        length: PANEL,
        fma,
        epilogue: { accumulate: k0 > 0 },
      };
      const run = cache.get(tapKey(kernel), () => tapFunctions(kernel)).run as KernelFunction;
      run(
        b + 4 * PANEL * k0,
        a + 4 * (m0 * aPitch + k0),
        y + 4 * m0 * pitch,
        0,
        0,
        0,
        panels,
        4 * PANEL * k,
        4 * PANEL,
      );
    }
  }
}

/** One product with b's rows as they lie. */
function runRows(cache: KernelCache, { m, k, n }: Sizes, a: number, b: number, y: number, pitch: number): void {
  const kernel: TapKernel = {
    channels: k,
    xChannel: n,
    taps: [{ x: 0, w: 0 }],
    wChannel: 1,
    outputs: m,
    wOutput: k,
    yOutput: pitch,
    length: n,
    fma: features().relaxed,
  };
  const run = cache.get(tapKey(kernel), () => tapFunctions(kernel)).run as KernelFunction;
  run(b, a, y, 0, 0, 0, 1, 0, 0);
}

/** One matrix of a batch. */
function matrixAt(x: Strided, batch: number, batchAxes: number): Matrix {
  let offset = x.offset;
  let rest = batch;
  for (let axis = batchAxes - 1; axis >= 0; axis--) {
    const size = x.shape[axis] as number;
    offset += (rest % size) * (x.strides[axis] as number);
    rest = Math.floor(rest / size);
  }
  const [rows, columns] = x.shape.slice(batchAxes) as [number, number];
  return { view: { data: x.data, offset, shape: [rows, columns], strides: x.strides.slice(batchAxes) }, rows, columns };
}

/** Do y's columns waste so much of a panel that computing yᵀ = bᵀ·aᵀ is faster? */
function turnedIsBetter({ m, n }: Sizes): boolean {
  const use = (size: number): number => size / (PANEL * Math.ceil(size / PANEL));
  return m >= PANEL && use(m) > 1.2 * use(n);
}

/** y [...B, M, N] = a [...B, M, K] · b [...B, K, N]; false if it must run on the reference kernels. */
export function matmul(cache: KernelCache, a: Strided, b: Strided, y: FloatArray): boolean {
  const batchAxes = a.shape.length - 2;
  const batches = a.shape.slice(0, batchAxes).reduce((p, q) => p * q, 1);
  const first = matrixAt(a, 0, batchAxes);
  const original: Sizes = { m: first.rows, k: first.columns, n: b.shape[batchAxes + 1] as number };
  const turn = turnedIsBetter(original);
  const sizes = turn ? { m: original.n, k: original.k, n: original.m } : original;
  const { m, k, n } = sizes;
  const direct = m < FEW_ROWS || k * n <= 8192;
  const aPitch = direct || k % 256 !== 0 ? k : k + 16;
  const pitch = direct
    ? Math.max(n, 4 * Math.ceil(writtenLength(n, m, features().relaxed) / 4))
    : PANEL * Math.ceil(n / PANEL);
  const { memory } = cache;
  const counts = [Math.max(m * k, k * n), m * aPitch, k * PANEL * Math.ceil(n / PANEL), m * pitch, m * n];
  if (
    !memory.begin(
      counts.reduce((p, q) => p + q, 0),
      5,
    )
  )
    return false;
  const [staging, left, right, rows, result] = counts.map((c) => memory.allocate(c)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const kernels = layoutKernels(cache);
  for (let i = 0; i < batches; i++) {
    const [p, q] = [matrixAt(a, i, batchAxes), matrixAt(b, i, batchAxes)];
    const [l, r] = turn ? [transposed(q), transposed(p)] : [p, q];
    place(cache, kernels, l, staging, left, aPitch);
    if (direct) {
      place(cache, kernels, r, staging, right, n);
      runRows(cache, sizes, left, right, rows, pitch);
    } else {
      placePanels(cache, kernels, r, staging, right);
      runPanels(cache, sizes, left, aPitch, right, rows, pitch);
    }
    let at = rows;
    if (turn) {
      kernels.transpose(rows, result, m, n, 4 * pitch, 4 * m);
      at = result;
    } else if (pitch !== n) {
      kernels.copy(rows, result, 1, 1, m, n, 0, 0, 4 * pitch, 4, 0, 0, 4 * n, 4);
      at = result;
    }
    memory.read(at, y as Float32Array, i * m * n, m * n);
  }
  return true;
}
