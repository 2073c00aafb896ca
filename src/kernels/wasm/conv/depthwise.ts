/**
 * A plane by a filter of its own, read as it lies, without a padded copy:
 *
 *   y[i][j] = Σ_k Σ_l w[k][l] · x[i·s + k·d - b][j·s + l·d - b]       over the k and l that hit x
 *
 *            columns, four at a time: those that touch a border one by one, the others in a loop
 *            ┌────┬────────────┬────┐
 *   rows,    │ ▒▒ │ ▒▒▒▒▒▒▒▒▒▒ │ ▒▒ │   ▒: some taps fall outside. Rows of them are left out; in lanes of them both x and
 *   a few at ├────┼────────────┼────┤   w are zero, so that nothing infinite or NaN gets there.
 *   a time   │ ▒▒ │    loop    │ ▒▒ │
 *            └────┴────────────┴────┘
 *
 * A row of x is loaded once for all rows of y in a block, and the weights once for all of the plane. Sums run over the taps
 * in the filter's order.
 */
import { type Expr, type FunctionBuilder, i32x4, type Local, op, plus, shuffle } from '../assembler/assembler.ts';
import type { AxisSizes } from './rows.ts';
import { multiplyAdd, splatAt, vectorAt } from './tile.ts';

type V = Expr<'v128'>;
type I = Local<'i32'>;

/** Neighbours along one axis of y that are computed together, `count` such blocks one after the other. */
interface Block {
  readonly from: number;
  readonly size: number;
  count: number;
  /** Whether all taps hit x, so that the next such block is the same code. */
  readonly isInner: boolean;
}

export interface PlanePlan {
  readonly h: AxisSizes;
  readonly w: AxisSizes;
  readonly rows: readonly Block[];
  readonly columns: readonly Block[];
}

/** As many weights as registers hold beside the sums of a block of four rows. */
const MOST_TAPS = 9;
/** Blocks along an axis, each of which is code of its own. */
const MOST_BLOCKS = 5;

/** Where tap `k` of output `i` lies. */
const tapAt = (a: AxisSizes, i: number, k: number): number => i * a.stride + k * a.dilation - a.before;
const indices = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
/** The place within x that is nearest to one at which a load would begin. */
const within = (a: AxisSizes, at: number): number => Math.max(0, Math.min(at, a.x - 4));

/**
 * Where the loads for four outputs begin: four neighbours, or eight, of which those of even or those of odd number are
 * taken, so that taps side by side share them.
 */
const loadAt = (a: AxisSizes, j: number, l: number): number =>
  tapAt(a, j, l) - (a.stride === 2 ? (l * a.dilation) % 2 : 0);

/** Blocks of four outputs. The last one is smaller, but not below `least`: then it overlaps the one before it. */
function blocksOf(outputs: number, least: number, isInside: (from: number) => boolean): Block[] {
  const blocks: Block[] = [];
  for (let at = 0; at < outputs; at += 4) {
    const from = Math.min(at, outputs - least);
    const isInner = at + 4 <= outputs && isInside(at);
    const last = blocks.at(-1);
    if (isInner && last?.isInner) last.count++;
    else blocks.push({ from, size: Math.min(4, outputs - from), count: 1, isInner });
  }
  return blocks;
}

/** The plan for planes of these sizes, or null where padded copies are the way. */
export function planPlane(h: AxisSizes, w: AxisSizes): PlanePlan | null {
  const taps = h.k * w.k;
  if (taps === 0 || taps > MOST_TAPS || w.stride > 2 || h.x === 0 || Math.min(w.x, w.y) < 4) return null;
  const rows = blocksOf(h.y, 1, (i) => tapAt(h, i, 0) >= 0 && tapAt(h, i + 3, h.k - 1) < h.x);
  const columns = blocksOf(w.y, 4, (j) => loadAt(w, j, 0) >= 0 && loadAt(w, j, w.k - 1) + 4 * w.stride <= w.x);
  return Math.max(rows.length, columns.length) > MOST_BLOCKS ? null : { h, w, rows, columns };
}

/** Emits the sums of one block after the other; `store` is given those of a block's rows, and where the first goes. */
export function emitPlane(
  f: FunctionBuilder,
  plan: PlanePlan,
  fma: boolean,
  at: { readonly x: I; readonly w: I; readonly y: I },
  start: V,
  store: (sums: readonly V[], y: I) => void,
): void {
  const { h, w, rows, columns } = plan;
  const weights = indices(h.k * w.k).map((t) => f.let(splatAt(at.w, t), 'w'));
  for (const row of rows) {
    const top = Math.max(0, tapAt(h, row.from, 0));
    const [xr, yr] = [f.let(plus(at.x, 4 * top * w.x), 'x'), f.let(plus(at.y, 4 * row.from * w.y), 'y')];
    f.repeat(row.count, () => {
      for (const column of columns) {
        const left = within(w, loadAt(w, column.from, 0));
        const [x, y] = [f.let(plus(xr, 4 * left), 'x'), f.let(plus(yr, 4 * column.from), 'y')];
        f.repeat(column.count, () => {
          store(emitBlock(f, plan, fma, { row, column, x, top, left }, weights, start), y);
          f.advance(x, 16 * w.stride);
          f.advance(y, 16);
        });
      }
      f.advance(xr, 4 * row.size * h.stride * w.x);
      f.advance(yr, 4 * row.size * w.y);
    });
  }
}

/** The first of the blocks of a loop, and a pointer to a place in x. */
interface Place {
  readonly row: Block;
  readonly column: Block;
  readonly x: I;
  readonly top: number;
  readonly left: number;
}

/** The sums of a block, one vector for each of its rows. */
function emitBlock(
  f: FunctionBuilder,
  { h, w }: PlanePlan,
  fma: boolean,
  { row, column, x, top, left }: Place,
  weights: readonly V[],
  start: V,
): V[] {
  const sums = indices(row.size).map(() => f.let(start, 'sum'));
  const held = new Map<string, V>();
  const hold = (key: string, value: () => V): V => {
    if (!held.has(key)) held.set(key, f.let(value()));
    return held.get(key) as V;
  };
  const last = tapAt(h, row.from + row.size - 1, h.k - 1);
  for (let i = top; i <= Math.min(last, h.x - 1); i++) {
    const load = (at: number): V => hold(`${i} ${at}`, () => vectorAt(x, (i - top) * w.x + at - left));
    for (const l of indices(w.k)) {
      const mask = maskOf(w, column.from, l);
      const masked = (value: V): V => (mask ? op('v128.and', value, mask) : value);
      sums.forEach((sum, r) => {
        const k = (i - tapAt(h, row.from + r, 0)) / h.dilation;
        if (!Number.isInteger(k) || k < 0 || k >= h.k) return;
        const read = hold(`${i} tap ${l}`, () => masked(readTap(w, column.from, l, load)));
        const weight = weights[k * w.k + l] as V;
        f.set(sum, multiplyAdd(fma, read, mask ? hold(`w${k} ${l}`, () => masked(weight)) : weight, sum));
      });
    }
  }
  return sums;
}

/** What tap `l` of four outputs from `j` on reads; anything in lanes that do not hit. */
function readTap(w: AxisSizes, j: number, l: number, load: (at: number) => V): V {
  const [first, second] = [0, 4 * (w.stride - 1)].map((more) => within(w, loadAt(w, j, l) + more)) as [number, number];
  const lanes = indices(4).map((lane) => {
    const at = tapAt(w, j + lane, l);
    return at < first || at >= w.x ? 0 : at < first + 4 ? at - first : at - second + 4;
  });
  const [a, b] = [load(first), load(second)];
  return lanes.join() === '0,1,2,3' ? a : shuffle(a, b, lanes);
}

/** All bits of the lanes in which tap `l` of four outputs from `j` on hits, or null if it does in all. */
function maskOf(w: AxisSizes, j: number, l: number): V | null {
  const bits = indices(4).map((lane) => (tapAt(w, j + lane, l) >= 0 && tapAt(w, j + lane, l) < w.x ? -1 : 0));
  return bits.includes(0) ? i32x4(...(bits as [number, number, number, number])) : null;
}
