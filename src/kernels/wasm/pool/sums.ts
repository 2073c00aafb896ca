/**
 * The sum of each window of planes, and its adjoint, which adds up the windows that each element lies in.
 *
 *   sum      y[p] = Σ over k of x[p · stride + k · dilation - before]
 *   spread   y[s] = Σ over the k for which s + before - k · dilation = p · stride, of g[p]
 *
 * Both write each element once. Along an axis, target q · phases + p adds up a few elements of the source, evenly apart,
 * from q · step + first(p) on: a sum has one phase and steps by the stride, its adjoint steps by one and has as many phases
 * as the stride, which differ in the k that meet them.
 *
 *   rows of the source, added up   C₀ C₁ C₂ …     vectors, for some windows side by side
 *   windows                        Σ over their columns, picked from the lanes of C
 *
 * The planes that are read come with padding of zeros. Sums start from 0, so none is -0. Sizes are in floats. Exported:
 * `run(planes, from, to)`, addresses in bytes.
 */
import type { PoolGeometry } from '../../types.ts';
import {
  type Expr,
  FunctionBuilder,
  f32x4,
  i32,
  type Local,
  load,
  loadLane,
  op,
  shuffle,
} from '../assembler/assembler.ts';
import { map, type Three, three, volume } from './windows.ts';

type V = Expr<'v128'>;

/** What is added up along an axis: `count` elements, `apart` from each other, from `first` on. */
interface Taps {
  readonly first: number;
  readonly count: number;
  readonly apart: number;
}

interface Axis {
  /** Elements of the source from one round of phases to the next. */
  readonly step: number;
  readonly phases: readonly Taps[];
}

export interface SumKernel {
  /** Sizes of the planes that are read, before and with their padding. */
  readonly size: Three;
  readonly padded: Three;
  /** Padding before each axis. */
  readonly before: Three;
  /** Sizes of the planes that are written. */
  readonly target: Three;
  readonly axes: readonly [Axis, Axis, Axis];
  /** What the sums are divided by. */
  readonly divisor: number;
}

/** More vectors are not held in registers, nor more rows added up in a row of instructions. */
const MOST_COLUMNS = 8;
const UNROLLED = 64;
/** Kernels of more instructions than about this, which strange strides have, are left to the reference. */
const MOST_CODE = 16384;

/** The taps of a sum, and those of its adjoint for each element from one window to the next. */
function axisOf(kernel: number, stride: number, dilation: number, before: number, isSpread: boolean): Axis {
  if (!isSpread) return { step: stride, phases: [{ first: -before, count: kernel, apart: dilation }] };
  const phases = Array.from({ length: stride }, (_, p): Taps => {
    const shifts: number[] = [];
    for (let k = kernel - 1; k >= 0; k--) {
      const shift = (p + before - k * dilation) / stride;
      if (Number.isInteger(shift)) shifts.push(shift);
    }
    const [first = 0, second = first] = shifts;
    return { first, count: shifts.length, apart: second - first };
  });
  return { step: 1, phases };
}

/** The kernel from planes of `source` to planes of `target`, both with all their axes; null if there is none. */
export function sumKernelOf(
  kind: 'sum' | 'spread',
  source: readonly number[],
  target: readonly number[],
  { kernel, stride, dilation, before }: PoolGeometry,
  divisor: number = 1,
): SumKernel | null {
  const [size, counts] = [three(source.slice(2), 1), three(target.slice(2), 1)];
  const [k, s, d, b] = [three(kernel, 1), three(stride, 1), three(dilation, 1), three(before, 0)];
  const axes = map((a) => axisOf(k[a], s[a], d[a], b[a], kind === 'spread'));
  const ends = map((a) => reachOf(axes[a], counts[a]));
  const lead = map((a) => Math.max(0, -ends[a][0]));
  const found = {
    size,
    padded: map((a) => lead[a] + Math.max(size[a], ends[a][1])),
    before: lead,
    target: counts,
    axes: map((a) => ({
      ...axes[a],
      phases: axes[a].phases.map((taps) => ({ ...taps, first: taps.first + lead[a] })),
    })),
    divisor,
  };
  return codeSize(found) > MOST_CODE ? null : found;
}

/** The first element that is read along an axis, and the one behind the last. */
function reachOf({ step, phases }: Axis, target: number): [first: number, end: number] {
  let [low, end] = [0, 1];
  for (const [p, { first, count, apart }] of phases.slice(0, target).entries()) {
    if (count === 0) continue;
    low = Math.min(low, first);
    end = Math.max(end, Math.floor((target - 1 - p) / phases.length) * step + first + (count - 1) * apart + 1);
  }
  return [low, end];
}

const isSame = (a: Taps, b: Taps): boolean => a.first === b.first && a.count === b.count && a.apart === b.apart;

/** Neighbouring phases with the same taps. */
function runsOf(phases: readonly Taps[]): { readonly taps: Taps; length: number }[] {
  const runs: { readonly taps: Taps; length: number }[] = [];
  for (const taps of phases) {
    const last = runs.at(-1);
    if (last !== undefined && isSame(last.taps, taps)) last.length++;
    else runs.push({ taps, length: 1 });
  }
  return runs;
}

/** About how many instructions a kernel has: rows of all kinds, in rounds and left over, of groups and what is left over. */
function codeSize({ axes: [deep, high, wide] }: SumKernel): number {
  const most = (taps: Taps): number => Math.min(taps.count, 4 * MOST_COLUMNS);
  const columns = runsOf(wide.phases).reduce((sum, { taps }) => sum + 2 * most(taps), 2 * wide.phases.length);
  let rows = 0;
  for (const { taps: d } of runsOf(deep.phases)) {
    for (const { taps: h } of runsOf(high.phases)) rows += Math.min(UNROLLED, 2 * d.count * h.count) + columns;
  }
  return rows * 2 * (deep.phases.length > 1 ? 2 : 1) * (high.phases.length > 1 ? 2 : 1);
}

/** A lane of a vector. */
type Ref = readonly [vector: Local<'v128'>, lane: number];

/** Lanes of some vectors as one; what is missing is anything. */
function pick(refs: readonly Ref[]): V {
  const lanes = [0, 1, 2, 3].map((i) => refs[Math.min(i, refs.length - 1)] as Ref);
  const vectors = [...new Set(lanes.map(([vector]) => vector))] as [Local<'v128'>, ...Local<'v128'>[]];
  const [a, b = a, ...more] = vectors;
  if (vectors.length === 1 && refs.every(([, l], i) => l === i)) return a;
  const first = shuffle(
    a,
    b,
    lanes.map(([vector, l]) => (vector === a ? l : vector === b ? 4 + l : 0)),
  );
  return more.reduce<V>(
    (sum, next) =>
      shuffle(
        sum,
        next,
        lanes.map(([vector, l], i) => (vector === next ? 4 + l : i)),
      ),
    first,
  );
}

class SumEmitter {
  readonly f: FunctionBuilder = new FunctionBuilder('run');
  readonly #k: SumKernel;
  readonly #columns: Local<'v128'>[] = [];
  /** The kinds of taps along the last axis, and the kind of each phase. */
  readonly #classes: readonly Taps[];
  readonly #kinds: readonly number[];
  readonly #sums: readonly Local<'v128'>[];
  /** Rounds of phases that are done at a time, and the vectors of a row that they read, if those fit registers. */
  readonly #rounds: number;
  readonly #isHeld: boolean;

  constructor(k: SumKernel) {
    const { f } = this;
    this.#k = k;
    const [planes, from, to] = ['planes', 'from', 'to'].map((name) => f.param('i32', name)) as [
      Local<'i32'>,
      Local<'i32'>,
      Local<'i32'>,
    ];
    const { phases } = k.axes[2];
    this.#classes = phases.filter((taps, i) => phases.findIndex((other) => isSame(other, taps)) === i);
    this.#kinds = phases.map((taps) => this.#classes.findIndex((other) => isSame(other, taps)));
    this.#sums = this.#classes.map(() => f.local('v128', 'sum'));
    const fitting = [4, 2, 1].find((rounds) => this.#span(rounds)[1] <= MOST_COLUMNS);
    this.#isHeld = fitting !== undefined;
    this.#rounds = fitting ?? 4;
    const plane = f.let(i32(0), 'plane');
    f.while(plane, planes, 1, () => {
      this.#along(0, from, (deep, at) => this.#along(1, at, (high, row) => this.#row(deep, high, row, to)));
      f.advance(from, 4 * volume(k.padded));
    });
  }

  /** Where the columns begin that some rounds of phases read, and how many vectors they are. */
  #span(rounds: number): [base: number, vectors: number] {
    const used = this.#classes.filter(({ count }) => count > 0);
    const base = Math.min(...used.map(({ first }) => first));
    const end = Math.max(...used.map(({ first, count, apart }) => first + (count - 1) * apart));
    return [base, used.length === 0 ? 0 : Math.ceil((end - base + (rounds - 1) * this.#k.axes[2].step + 1) / 4)];
  }

  /** Runs along an axis, one round of phases after the other. */
  #along(axis: 0 | 1, from: Local<'i32'>, body: (taps: Taps, at: Local<'i32'>) => void): void {
    const { f } = this;
    const { padded, target, axes } = this.#k;
    const { step, phases } = axes[axis];
    const at = f.let(from, 'at');
    const each = (list: readonly Taps[]): void => {
      for (const { taps, length } of runsOf(list)) f.repeat(length, () => body(taps, at));
    };
    f.repeat(Math.floor(target[axis] / phases.length), () => {
      each(phases);
      f.advance(at, 4 * step * volume([1, axis === 0 ? padded[1] : 1, padded[2]]));
    });
    each(phases.slice(0, target[axis] % phases.length));
  }

  #row(deep: Taps, high: Taps, row: Local<'i32'>, to: Local<'i32'>): void {
    const { f } = this;
    const { step, phases } = this.#k.axes[2];
    const [elements, each] = [this.#k.target[2], this.#rounds * phases.length];
    const at = f.let(row, 'column');
    f.repeat(Math.floor(elements / each), () => {
      this.#group(deep, high, at, to, each);
      f.advance(at, 4 * this.#rounds * step);
    });
    if (elements % each > 0) this.#group(deep, high, at, to, elements % each);
  }

  /** Some neighbouring elements of the target. */
  #group(deep: Taps, high: Taps, at: Local<'i32'>, to: Local<'i32'>, elements: number): void {
    const { f } = this;
    const kinds = this.#kinds;
    const lanes = Math.ceil(elements / kinds.length);
    if (deep.count * high.count === 0) for (const sum of this.#sums) f.set(sum, f32x4(0));
    else if (this.#isHeld) this.#byColumns(deep, high, at, lanes);
    else this.#byTaps(deep, high, at, lanes);
    const { divisor } = this.#k;
    if (divisor !== 1) for (const sum of this.#sums) f.set(sum, op('f32x4.div', sum, f32x4(divisor)));
    for (let e = 0; e < elements; e += 4) {
      const width = Math.min(4, elements - e);
      const refs = Array.from({ length: width }, (_, i): Ref => {
        const phase = (e + i) % kinds.length;
        return [this.#sums[kinds[phase]!]!, Math.floor((e + i) / kinds.length)];
      });
      if (width === 4) f.store('v128.store', to, pick(refs), 4 * e);
      else refs.forEach(([vector, l], i) => f.storeLane('v128.store32_lane', l, to, vector, 4 * (e + i)));
    }
    f.advance(to, 4 * elements);
  }

  /** Visits rows of taps with pointers and distances from them. */
  #taps(
    deep: Taps,
    high: Taps,
    at: Local<'i32'>,
    isUnrolled: boolean,
    visit: (at: Local<'i32'>, floats: number, isFirst: boolean) => void,
  ): void {
    const { f } = this;
    const [, height, width] = this.#k.padded;
    if (isUnrolled) {
      for (let i = 0; i < deep.count; i++) {
        for (let j = 0; j < high.count; j++) {
          const floats = ((deep.first + i * deep.apart) * height + high.first + j * high.apart) * width;
          visit(at, floats, i + j === 0);
        }
      }
      return;
    }
    const plane = f.let(at, 'deep');
    f.repeat(deep.count, () => {
      const row = f.let(plane, 'high');
      f.repeat(high.count, () => {
        visit(row, (deep.first * height + high.first) * width, false);
        f.advance(row, 4 * high.apart * width);
      });
      f.advance(plane, 4 * deep.apart * height * width);
    });
  }

  /** Rows are added up, then columns. */
  #byColumns(deep: Taps, high: Taps, at: Local<'i32'>, lanes: number): void {
    const { f } = this;
    const { step } = this.#k.axes[2];
    const [base, vectors] = this.#span(lanes);
    while (this.#columns.length < vectors) this.#columns.push(f.local('v128', 'column'));
    const columns = this.#columns.slice(0, vectors);
    const isUnrolled = deep.count * high.count * vectors <= UNROLLED;
    if (!isUnrolled) for (const column of columns) f.set(column, f32x4(0));
    this.#taps(deep, high, at, isUnrolled, (row, floats, isFirst) => {
      for (const [i, column] of columns.entries()) {
        const more = load('v128.load', row, 4 * (floats + base + 4 * i));
        f.set(column, isFirst ? more : op('f32x4.add', column, more));
      }
    });
    for (const [c, { first, count, apart }] of this.#classes.entries()) {
      let sum: V = f32x4(0);
      for (let t = 0; t < count; t++) {
        const refs = Array.from({ length: lanes }, (_, i): Ref => {
          const column = first - base + t * apart + i * step;
          return [columns[column >> 2]!, column & 3];
        });
        sum = op('f32x4.add', sum, pick(refs));
      }
      f.set(this.#sums[c]!, sum);
    }
  }

  /** Tap by tap. */
  #byTaps(deep: Taps, high: Taps, at: Local<'i32'>, lanes: number): void {
    const { f } = this;
    const { step } = this.#k.axes[2];
    for (const sum of this.#sums) f.set(sum, f32x4(0));
    this.#taps(deep, high, at, false, (row, floats) => {
      for (const [c, { first, count, apart }] of this.#classes.entries()) {
        const [sum, tap] = [this.#sums[c]!, f.let(row, 'tap')];
        f.repeat(count, () => {
          let value: V = load('v128.load32_zero', tap, 4 * (floats + first));
          for (let l = 1; l < lanes; l++) {
            value = loadLane('v128.load32_lane', l, tap, value, 4 * (floats + first + l * step));
          }
          f.set(sum, op('f32x4.add', sum, value));
          f.advance(tap, 4 * apart);
        });
      }
    });
  }
}

/** The module's only function. */
export function sumFunctions(k: SumKernel): FunctionBuilder[] {
  return [new SumEmitter(k).f];
}

/** Everything that the code depends on, as the cache's key. */
export function sumKey(k: SumKernel): string {
  return `window sums ${JSON.stringify(k)}`;
}
