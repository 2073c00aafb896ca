/**
 * Max pooling of padded planes: the largest elements, their positions, and reading and adding at these positions.
 *
 *   max      y[p] = max over the window of x at p
 *   index    y[p] = where in the plane before padding its first largest element (or first NaN) is
 *   pick     y[p] = v there
 *   spread   z there += g[p]
 *
 * Positions are found anew each time instead of being kept: four windows side by side take three instructions per
 * element, less than what writing and reading positions costs. Rows may overlap, be dilated or hang over, since the
 * planes come with padding of minus infinity. Sizes are in floats. Exported: `run(planes, x, …others)`, addresses in bytes; it
 * gives 1 if, with padding, some window has no element above minus infinity, so that padding could have won.
 */
import {
  type Expr,
  FunctionBuilder,
  f32x4,
  i32,
  i32x4,
  type Local,
  load,
  loadLane,
  op,
  shuffle,
} from '../assembler/assembler.ts';

type V = Expr<'v128'>;
export type Three = readonly [number, number, number];

export interface WindowKernel {
  readonly kind: 'max' | 'index' | 'pick' | 'spread';
  /** Sizes of the plane, and of the plane with its padding. */
  readonly size: Three;
  readonly padded: Three;
  readonly before: Three;
  /** Windows along each axis, elements of a window, elements from window to window and from element to element. */
  readonly counts: Three;
  readonly kernel: Three;
  readonly stride: Three;
  readonly dilation: Three;
}

/** More elements of a window than this are looped over. */
const UNROLLED = 64;

export const volume = ([d, h, w]: Three): number => d * h * w;

/** Missing leading axes count as one. */
export function three(list: readonly number[], missing: number): Three {
  const padded = [missing, missing, missing, ...list].slice(-3);
  return [padded[0] as number, padded[1] as number, padded[2] as number];
}

/** Something of each axis. */
export const map = <T>(f: (axis: 0 | 1 | 2) => T): [T, T, T] => [f(0), f(1), f(2)];

/** Does no element belong to two windows? */
export function isDisjoint({
  kernel,
  stride,
  dilation,
}: Pick<WindowKernel, 'kernel' | 'stride' | 'dilation'>): boolean {
  return kernel.every((k, a) => (k - 1) * (dilation[a] as number) < (stride[a] as number));
}

/** x at `floats` of the first `count` windows of four; further lanes hold anything. */
function gatherWindows(at: Local<'i32'>, floats: number, stride: number, count: number): V {
  if (stride === 1) return load('v128.load', at, 4 * floats);
  if (stride === 2) {
    return shuffle(load('v128.load', at, 4 * floats), load('v128.load', at, 4 * (floats + 4)), [0, 2, 4, 6]);
  }
  return gatherLanes(at, floats, stride, count);
}

/** As `gatherWindows`, but further lanes hold 0. */
function gatherLanes(at: Local<'i32'>, floats: number, stride: number, count: number): V {
  if (stride === 1 && count === 4) return load('v128.load', at, 4 * floats);
  let vector: V = load('v128.load32_zero', at, 4 * floats);
  for (let l = 1; l < count; l++) vector = loadLane('v128.load32_lane', l, at, vector, 4 * (floats + l * stride));
  return vector;
}

class WindowEmitter {
  readonly f: FunctionBuilder;
  readonly k: WindowKernel;
  readonly #best: Local<'v128'>;
  readonly #where: Local<'v128'>;
  readonly #value: Local<'v128'>;
  readonly #mask: Local<'v128'>;
  readonly #lowest: Local<'v128'> | null;

  constructor(k: WindowKernel) {
    this.k = k;
    this.f = new FunctionBuilder('run', { result: 'i32' });
    const { f } = this;
    const planes = f.param('i32', 'planes');
    const x = f.param('i32', 'x');
    // Planes of the first kind lie as x's, pooled ones densely.
    const wide = k.kind === 'pick' || k.kind === 'spread' ? [f.param('i32', 'wide')] : [];
    const pooled = f.param('i32', 'pooled');
    this.#best = f.local('v128', 'best');
    this.#where = f.local('v128', 'where');
    this.#value = f.local('v128', 'value');
    this.#mask = f.local('v128', 'mask');
    this.#lowest = volume(k.padded) !== volume(k.size) && k.kind !== 'max' ? f.local('v128', 'lowest') : null;
    const plane = f.let(i32(0), 'plane');
    f.while(plane, planes, 1, () => {
      this.#plane([f.let(x, 'x'), ...wide.map((p) => f.let(p, 'wide'))], pooled);
      for (const p of [x, ...wide]) f.advance(p, 4 * volume(k.padded));
    });
    f.return(this.#lowest === null ? i32(0) : op('v128.any_true', this.#lowest));
  }

  /** Rows of windows one after the other; `base` counts to the row's first window in the plane before padding. */
  #plane(wide: readonly Local<'i32'>[], pooled: Local<'i32'>): void {
    const { f, k } = this;
    const [, ph, pw] = k.padded;
    const [, h, w] = k.size;
    const base = f.let(i32(-((k.before[0] * h + k.before[1]) * w + k.before[2])), 'base');
    f.repeat(k.counts[0], () => {
      const [rows, rowBase] = [wide.map((p) => f.let(p, 'row')), f.let(base, 'rowBase')];
      f.repeat(k.counts[1], () => {
        this.#row(rows, pooled, rowBase);
        for (const p of rows) f.advance(p, 4 * k.stride[1] * pw);
        f.advance(rowBase, k.stride[1] * w);
      });
      for (const p of wide) f.advance(p, 4 * k.stride[0] * ph * pw);
      f.advance(base, k.stride[0] * h * w);
    });
  }

  #row(rows: readonly Local<'i32'>[], pooled: Local<'i32'>, base: Local<'i32'>): void {
    const { f, k } = this;
    const windows = k.counts[2];
    const [at, index] = [rows.map((p) => f.let(p, 'at')), f.let(base, 'index')];
    f.repeat(windows >> 2, () => {
      this.#windows(at, pooled, index, 4);
      for (const p of at) f.advance(p, 16 * k.stride[2]);
      f.advance(pooled, 16);
      f.advance(index, 4 * k.stride[2]);
    });
    if (windows % 4 === 0) return;
    this.#windows(at, pooled, index, windows % 4);
    f.advance(pooled, 4 * (windows % 4));
  }

  /** `count` windows that begin at the pointers. */
  #windows(at: readonly Local<'i32'>[], pooled: Local<'i32'>, index: Local<'i32'>, count: number): void {
    const { f, k } = this;
    const [x, wide] = at as [Local<'i32'>, Local<'i32'>];
    const s = k.stride[2];
    const best = this.#best;
    f.set(best, gatherWindows(x, 0, s, count));
    if (k.kind === 'max') {
      this.#largest(x, count);
      this.#store(pooled, best, count);
      return;
    }
    f.set(this.#where, k.kind === 'pick' ? gatherWindows(wide, 0, s, count) : f32x4(0));
    this.#taps(k.kind === 'pick' ? [x, wide] : [x], (floats, [from, beside], id) => {
      f.set(this.#value, gatherWindows(from!, floats, s, count));
      const value = k.kind === 'pick' ? gatherWindows(beside!, floats, s, count) : id;
      this.#keepBetter(value);
    });
    this.#noteLowest(count);
    if (k.kind === 'spread') this.#spread(wide, pooled, count);
    else {
      if (k.kind === 'index') f.set(this.#where, op('f32x4.add', this.#where, this.#indices(index)));
      this.#store(pooled, this.#where, count);
    }
  }

  /** The larger ones; NaN is noted beside, and set bits make one: three instructions instead of `max`'s eight. */
  #largest(x: Local<'i32'>, count: number): void {
    const { f } = this;
    const [best, value, isNaN] = [this.#best, this.#value, this.#mask];
    f.set(isNaN, op('f32x4.ne', best, best));
    this.#taps([x], (floats, [from]) => {
      f.set(value, gatherWindows(from!, floats, this.k.stride[2], count));
      f.set(best, op('f32x4.pmax', best, value));
      f.set(isNaN, op('v128.or', isNaN, op('f32x4.ne', value, value)));
    });
    f.set(best, op('v128.or', best, isNaN));
  }

  /** Takes the value, and what belongs to it, where it is larger, or NaN where there was none yet: neither is ≤, and the best is a number. */
  #keepBetter(belonging: V): void {
    const { f } = this;
    const [best, value, mask] = [this.#best, this.#value, this.#mask];
    f.set(mask, op('v128.and', op('v128.not', op('f32x4.le', value, best)), op('f32x4.eq', best, best)));
    f.set(best, op('v128.bitselect', value, best, mask));
    f.set(this.#where, op('v128.bitselect', belonging, this.#where, mask));
  }

  /** Notes windows whose largest element is minus infinity. */
  #noteLowest(count: number): void {
    if (this.#lowest === null) return;
    const valid = i32x4(-1, count > 1 ? -1 : 0, count > 2 ? -1 : 0, count > 3 ? -1 : 0);
    const isLowest = op('v128.and', op('f32x4.eq', this.#best, f32x4(Number.NEGATIVE_INFINITY)), valid);
    this.f.set(this.#lowest, op('v128.or', this.#lowest, isLowest));
  }

  /** Where the next four windows begin, as floats. */
  #indices(index: Local<'i32'>): V {
    const s = this.k.stride[2];
    return op('f32x4.convert_i32x4_s', op('i32x4.add', op('i32x4.splat', index), i32x4(0, s, 2 * s, 3 * s)));
  }

  /** Adds the gradient at the elements that won. Where windows are disjoint and all lanes count, pairs are written at once. */
  #spread(to: Local<'i32'>, pooled: Local<'i32'>, count: number): void {
    const { f, k } = this;
    const s = k.stride[2];
    const gradient = this.#best;
    f.set(gradient, gatherLanes(pooled, 0, 1, count));
    if (s === 2 && k.kernel[2] === 2 && isDisjoint(k) && volume(k.kernel) <= UNROLLED && count === 4) {
      this.#spreadPairs(to);
      return;
    }
    this.#taps(
      [to],
      (floats, [at], id) => {
        const part = op('v128.and', gradient, op('f32x4.eq', this.#where, id));
        this.#add(at!, floats, s, part, count);
      },
      true,
    );
  }

  /** The gradients of four windows of two columns each, side by side: two vectors per row. */
  #spreadPairs(to: Local<'i32'>): void {
    const { f } = this;
    const [even, odd] = [this.#value, this.#mask];
    const part = (id: V): V => op('v128.and', this.#best, op('f32x4.eq', this.#where, id));
    let column = 0;
    this.#taps(
      [to],
      (floats, [at], id) => {
        f.set(column === 0 ? even : odd, part(id));
        column = 1 - column;
        if (column === 1) return;
        f.store('v128.store', at!, shuffle(even, odd, [0, 4, 1, 5]), 4 * (floats - 1));
        f.store('v128.store', at!, shuffle(even, odd, [2, 6, 3, 7]), 4 * (floats + 3));
      },
      true,
    );
  }

  /** Adds lanes to elements `stride` apart. */
  #add(at: Local<'i32'>, floats: number, stride: number, part: V, count: number): void {
    const { f } = this;
    const value = this.#value;
    if (stride === 1) {
      f.store('v128.store', at, op('f32x4.add', load('v128.load', at, 4 * floats), part), 4 * floats);
      return;
    }
    f.set(value, part);
    if (stride === 2) {
      for (let half = 0; 2 * half < count; half++) {
        const apart = shuffle(value, f32x4(0), half === 0 ? [0, 4, 1, 5] : [2, 6, 3, 7]);
        const bytes = 4 * (floats + 4 * half);
        f.store('v128.store', at, op('f32x4.add', load('v128.load', at, bytes), apart), bytes);
      }
      return;
    }
    f.set(value, op('f32x4.add', value, gatherLanes(at, floats, stride, count)));
    for (let l = 0; l < count; l++) f.storeLane('v128.store32_lane', l, at, value, 4 * (floats + l * stride));
  }

  #store(at: Local<'i32'>, value: Local<'v128'>, count: number): void {
    if (count === 4) this.f.store('v128.store', at, value);
    else for (let l = 0; l < count; l++) this.f.storeLane('v128.store32_lane', l, at, value, 4 * l);
  }

  /**
   * Calls `visit` for the elements of a window (the first only if asked for) with their distance from the pointers and
   * their number, by which the plane before padding counts.
   */
  #taps(
    pointers: readonly Local<'i32'>[],
    visit: (floats: number, at: readonly Local<'i32'>[], id: V) => void,
    isFirstWanted = false,
  ): void {
    const { f, k } = this;
    const [kd, kh, kw] = k.kernel;
    const [dd, dh, dw] = k.dilation;
    const [, ph, pw] = k.padded;
    const [, h, w] = k.size;
    if (volume(k.kernel) <= UNROLLED) {
      for (let i = isFirstWanted ? 0 : 1; i < kd * kh * kw; i++) {
        const [a, b, c] = [dd * Math.floor(i / (kh * kw)), dh * (Math.floor(i / kw) % kh), dw * (i % kw)];
        visit((a * ph + b) * pw + c, pointers, f32x4((a * h + b) * w + c));
      }
      return;
    }
    // A first element that is visited again is not larger than itself.
    const step = (ids: Local<'v128'>, at: readonly Local<'i32'>[], floats: number, id: number): void => {
      for (const p of at) f.advance(p, 4 * floats);
      f.set(ids, op('f32x4.add', ids, f32x4(id)));
    };
    const [planes, planeId] = [pointers.map((p) => f.let(p, 'deep')), f.let(f32x4(0), 'deepId')];
    f.repeat(kd, () => {
      const [rows, rowId] = [planes.map((p) => f.let(p, 'high')), f.let(planeId, 'highId')];
      f.repeat(kh, () => {
        const [at, id] = [rows.map((p) => f.let(p, 'tap')), f.let(rowId, 'tapId')];
        f.repeat(kw, () => {
          visit(0, at, id);
          step(id, at, dw, dw);
        });
        step(rowId, rows, dh * pw, dh * w);
      });
      step(planeId, planes, dd * ph * pw, dd * h * w);
    });
  }
}

/** The module's only function. */
export function windowFunctions(k: WindowKernel): FunctionBuilder[] {
  return [new WindowEmitter(k).f];
}

/** Everything that the code depends on, as the cache's key. */
export function windowKey(k: WindowKernel): string {
  return `window ${Object.values(k).flat().join()}`;
}
