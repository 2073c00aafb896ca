/**
 * Softmax, its logarithm, the cross entropy of labels and its gradient, for any number of lines of one length.
 *
 *   m = max x,  e = exp(x - m),  s = Σ e      softmax e/s    logSoftmax x - m - log s    loss log s - (x[label] - m)
 *                                             gradient g · (e/s - [i = label])
 *
 * Four lines at a time, one in each lane, where lines are short (16 classes or fewer are kept in registers) or lie side by side; long
 * rows one after the other, four elements at a time.
 *
 * A line with NaN, with +∞ or of -∞ alone is NaN, since ∞ - ∞ is. Sizes and strides are in floats.
 */
import {
  type Expr,
  FunctionBuilder,
  f32x4,
  f64,
  i32,
  i32x4,
  type Local,
  lane,
  load,
  op,
  select,
  shuffle,
} from '../assembler/assembler.ts';
import { VectorMath } from '../elementwise/vector-math.ts';
import { transpose4 } from '../memory/transpose.ts';
import { type Lines, loadLanes, MOST_HELD, type Width } from './lanes.ts';

type V = Expr<'v128'>;

/** `loss` gives the lines' losses, `gradient` that of the elements, `lossAndGradient` both in one pass. */
export type SoftmaxResult = 'softmax' | 'logSoftmax' | 'loss' | 'gradient' | 'lossAndGradient';

export interface SoftmaxKernel extends Lines {
  readonly result: SoftmaxResult;
  /** From one line's g to the next: 1, or 0 where all have one. */
  readonly gStride: 0 | 1;
  /** The label of lines that do not count; an impossible one if all do. */
  readonly ignoreIndex: number;
  /** Whether the lines of each call are a multiple of four: half of the code is for those that are left. */
  readonly inFours: boolean;
  readonly fma: boolean;
}

/** Elements of a long row whose sum is kept in float32 lanes before it goes to double precision. */
const PART = 1024;

/** What every line needs besides its elements, in lanes. */
interface Target {
  readonly label: Local<'v128'>;
  /** Set where the line does not count. */
  readonly ignored: Local<'v128'>;
}

class SoftmaxEmitter {
  readonly f: FunctionBuilder = new FunctionBuilder('run');
  readonly #k: SoftmaxKernel;
  readonly #math: VectorMath;
  readonly #count: Local<'i32'> = this.f.param('i32', 'count');
  readonly #x: Local<'i32'> = this.f.param('i32', 'x');
  readonly #labels: Local<'i32'> = this.f.param('i32', 'labels');
  readonly #g: Local<'i32'> = this.f.param('i32', 'g');
  readonly #loss: Local<'i32'> = this.f.param('i32', 'loss');
  readonly #y: Local<'i32'> = this.f.param('i32', 'y');
  readonly #hasLabels: boolean;
  readonly #hasLoss: boolean;
  readonly #hasGradient: boolean;

  constructor(k: SoftmaxKernel) {
    this.#k = k;
    this.#math = new VectorMath(this.f, k.fma);
    this.#hasLoss = k.result === 'loss' || k.result === 'lossAndGradient';
    this.#hasGradient = k.result === 'gradient' || k.result === 'lossAndGradient';
    this.#hasLabels = this.#hasLoss || this.#hasGradient;
    if (k.classStride === 1 && k.classes > MOST_HELD) this.#lines(1, i32(1), () => this.#row());
    else {
      const body = k.classes <= MOST_HELD ? (w: Width) => this.#held(w) : (w: Width) => this.#columns(w);
      this.#lines(4, i32(4), () => body(4));
      if (!k.inFours) this.#lines(1, i32(1), () => body(1));
    }
  }

  /** Runs `body` for `width` lines at a time as long as there are so many. */
  #lines(width: Width, least: Expr<'i32'>, body: () => void): void {
    const { f } = this;
    const k = this.#k;
    f.if(op('i32.ge_u', this.#count, least), () =>
      f.loop((again) => {
        body();
        f.advance(this.#x, 4 * width * k.lineStride);
        f.advance(this.#y, 4 * width * k.lineStride);
        if (this.#hasLabels) f.advance(this.#labels, 4 * width);
        if (this.#hasLoss) f.advance(this.#loss, 4 * width);
        if (this.#hasGradient) f.advance(this.#g, 4 * width * k.gStride);
        f.set(this.#count, op('i32.sub', this.#count, i32(width)));
        again(op('i32.ge_u', this.#count, least));
      }),
    );
  }

  #target(width: Width, splat: boolean): Target | null {
    if (!this.#hasLabels) return null;
    const { f } = this;
    const name = splat ? 'v128.load32_splat' : width === 4 ? 'v128.load' : 'v128.load32_zero';
    const label = f.let(load(name, this.#labels), 'label');
    return { label, ignored: f.let(op('f32x4.eq', label, f32x4(this.#k.ignoreIndex)), 'ignored') };
  }

  #gradientFactor(width: Width): Local<'v128'> | null {
    if (!this.#hasGradient) return null;
    const many = width === 4 && this.#k.gStride === 1;
    return this.f.let(load(many ? 'v128.load' : 'v128.load32_splat', this.#g), 'g');
  }

  #storeLoss(width: Width, sum: V, own: V, { ignored }: Target): void {
    const loss = op('f32x4.sub', this.#math.log(sum), own);
    const masked = this.f.let(op('v128.andnot', loss, ignored), 'loss');
    if (width === 4) this.f.store('v128.store', this.#loss, masked);
    else this.f.storeLane('v128.store32_lane', 0, this.#loss, masked);
  }

  // Lines in lanes.

  /** Four lines of few classes, all in registers. */
  #held(width: Width): void {
    const { f } = this;
    const { classes, result } = this.#k;
    const x = loadLanes(f, this.#x, this.#k, width);
    const shift = f.let(
      x
        .slice(1)
        .reduce<V>((a, b) => op('f32x4.pmax', a, b), op('f32x4.pmax', f32x4(Number.NEGATIVE_INFINITY), x[0] as V)),
      'shift',
    );
    const target = this.#target(width, false);
    const own = this.#hasLoss ? f.let(f32x4(0), 'own') : null;
    const sum = f.let(f32x4(0), 'sum');
    for (let c = 0; c < classes; c++) {
      const at = x[c] as Local<'v128'>;
      f.set(at, op('f32x4.sub', at, shift));
      if (own !== null && target !== null) this.#pick(own, at, target, f32x4(c));
      const power = f.let(this.#math.exp(at), 'e');
      f.set(sum, op('f32x4.add', sum, power));
      if (result !== 'logSoftmax') f.set(at, power);
    }
    if (own !== null && target !== null) this.#storeLoss(width, sum, own, target);
    if (result === 'loss') return;
    const log = result === 'logSoftmax' ? f.let(this.#math.log(sum), 'log') : null;
    const g = this.#gradientFactor(width);
    const finished = x.map((value, c) => {
      const y = log === null ? op('f32x4.div', value, sum) : op('f32x4.sub', value, log);
      f.set(value, g === null || target === null ? y : this.#gradient(y, g, target, f32x4(c)));
      return value;
    });
    this.#store(width, finished);
  }

  /** own = value where the label is this class. */
  #pick(own: Local<'v128'>, value: V, { label }: Target, number: V): void {
    this.f.set(own, op('v128.bitselect', value, own, op('f32x4.eq', label, number)));
  }

  /** g · (share - [this class is the label]). */
  #gradient(share: V, g: V, { label, ignored }: Target, number: V): V {
    const excess = op('f32x4.sub', share, op('v128.and', op('f32x4.eq', label, number), f32x4(1)));
    return op('v128.andnot', op('f32x4.mul', excess, g), ignored);
  }

  #store(width: Width, values: readonly Local<'v128'>[]): void {
    const { f } = this;
    const { classStride, lineStride } = this.#k;
    const at = (line: number, c: number): number => 4 * (line * lineStride + c * classStride);
    if (width === 4 && lineStride === 1) {
      for (const [c, value] of values.entries()) f.store('v128.store', this.#y, value, at(0, c));
      return;
    }
    let c = 0;
    for (; width === 4 && c + 4 <= values.length; c += 4) {
      for (const [line, row] of transpose4(f, values.slice(c, c + 4)).entries())
        f.store('v128.store', this.#y, row, at(line, c));
    }
    for (; c < values.length; c++) {
      for (let line = 0; line < width; line++)
        f.storeLane('v128.store32_lane', line, this.#y, values[c] as V, at(line, c));
    }
  }

  /** Four lines side by side, of many classes: three passes over them. */
  #columns(width: Width): void {
    const { f } = this;
    const { result } = this.#k;
    const shift = f.let(f32x4(Number.NEGATIVE_INFINITY), 'shift');
    const p = f.local('i32', 'p');
    const q = f.local('i32', 'q');
    const number = f.local('v128', 'number');
    const read = (from: Local<'i32'>): V => load(width === 4 ? 'v128.load' : 'v128.load32_zero', from);
    const write = (value: V): void => {
      if (width === 4) f.store('v128.store', q, value);
      else f.storeLane('v128.store32_lane', 0, q, value);
    };
    this.#classes(p, q, null, () => f.set(shift, op('f32x4.pmax', shift, read(p))));
    const target = this.#target(width, false);
    const own = this.#hasLoss ? f.let(f32x4(0), 'own') : null;
    const sums = [0, 1].map(() => f.let(op('f64x2.splat', f64(0)), 'sum'));
    this.#classes(p, q, own && number, () => {
      const x = f.let(op('f32x4.sub', read(p), shift), 'x');
      if (own !== null && target !== null) this.#pick(own, x, target, number);
      const power = f.let(this.#math.exp(x), 'e');
      this.#addTo(sums, power);
      if (result === 'softmax' || this.#hasGradient) write(power);
    });
    const [low, high] = sums.map((s) => op('f32x4.demote_f64x2_zero', s)) as [V, V];
    const sum = f.let(shuffle(low, high, [0, 1, 4, 5]), 'sum');
    if (own !== null && target !== null) this.#storeLoss(width, sum, own, target);
    if (result === 'loss') return;
    const log = result === 'logSoftmax' ? f.let(this.#math.log(sum), 'log') : null;
    const g = this.#gradientFactor(width);
    this.#classes(p, q, g && number, () => {
      const y = log === null ? op('f32x4.div', read(q), sum) : op('f32x4.sub', op('f32x4.sub', read(p), shift), log);
      write(f.let(g === null || target === null ? y : this.#gradient(y, g, target, number), 'y'));
    });
  }

  /** Runs through the classes: `p` in x, `q` in y, and `number`, where it is given, counts them. */
  #classes(p: Local<'i32'>, q: Local<'i32'>, number: Local<'v128'> | null, body: () => void): void {
    const { f } = this;
    f.set(p, this.#x);
    f.set(q, this.#y);
    if (number !== null) f.set(number, f32x4(0));
    f.repeat(this.#k.classes, () => {
      body();
      f.advance(p, 4 * this.#k.classStride);
      f.advance(q, 4 * this.#k.classStride);
      if (number !== null) f.set(number, op('f32x4.add', number, f32x4(1)));
    });
  }

  /** Adds four floats to the doubles of two vectors. */
  #addTo([low, high]: readonly Local<'v128'>[], value: Local<'v128'>): void {
    const { f } = this;
    f.set(low as Local<'v128'>, op('f64x2.add', low as V, op('f64x2.promote_low_f32x4', value)));
    const upper = op('f64x2.promote_low_f32x4', shuffle(value, value, [2, 3, 2, 3]));
    f.set(high as Local<'v128'>, op('f64x2.add', high as V, upper));
  }

  // Long rows.

  #row(): void {
    const { f } = this;
    const { classes, result } = this.#k;
    const p = f.local('i32', 'p');
    const q = f.local('i32', 'q');
    const most = [0, 1, 2, 3].map(() => f.let(f32x4(Number.NEGATIVE_INFINITY), 'most'));
    f.set(p, this.#x);
    const larger = (u: number, value: V): void =>
      f.set(most[u] as Local<'v128'>, op('f32x4.pmax', most[u] as V, value));
    this.#vectors(
      classes,
      4,
      [p],
      (u) => larger(u, load('v128.load', p, 16 * u)),
      () => larger(0, this.#tail(p)),
    );
    const [a, b, c, d] = most as unknown as [V, V, V, V];
    const shift = f.let(op('f32x4.pmax', op('f32x4.pmax', a, b), op('f32x4.pmax', c, d)), 'shift');
    f.set(shift, op('f32x4.pmax', shift, shuffle(shift, shift, [2, 3, 0, 1])));
    f.set(shift, op('f32x4.pmax', shift, shuffle(shift, shift, [1, 0, 3, 2])));
    const sum = this.#rowSum(p, q, shift);
    const target = this.#target(1, true);
    if (this.#hasLoss && target !== null) {
      const own = load('v128.load32_splat', this.#labelled(this.#x, target));
      this.#storeLoss(1, sum, op('f32x4.sub', own, shift), target);
    }
    if (result === 'loss') return;
    const log = result === 'logSoftmax' ? f.let(this.#math.log(sum), 'log') : null;
    const g = this.#gradientFactor(1);
    const finish = (value: V): V => {
      if (log !== null) return op('f32x4.sub', op('f32x4.sub', value, shift), log);
      const share = op('f32x4.div', value, sum);
      return g === null || target === null ? share : op('v128.andnot', op('f32x4.mul', share, g), target.ignored);
    };
    const from = log === null ? q : p;
    f.set(p, this.#x);
    f.set(q, this.#y);
    const pointers = log === null ? [q] : [p, q];
    this.#vectors(
      classes,
      2,
      pointers,
      (u) => f.store('v128.store', q, finish(load('v128.load', from, 16 * u)), 16 * u),
      () => this.#storeTail(q, f.let(finish(load('v128.load', from)), 'y')),
    );
    if (g !== null && target !== null) {
      const at = f.let(this.#labelled(this.#y, target), 'at');
      const less = f.let(op('v128.andnot', op('f32x4.sub', load('v128.load32_zero', at), g), target.ignored), 'less');
      f.storeLane('v128.store32_lane', 0, at, less);
    }
  }

  /** Σ exp(x - shift) in all lanes; the exponentials go to y where they are needed again. */
  #rowSum(p: Local<'i32'>, q: Local<'i32'>, shift: V): Local<'v128'> {
    const { f } = this;
    const { classes, result } = this.#k;
    const keeps = result === 'softmax' || this.#hasGradient;
    f.set(p, this.#x);
    f.set(q, this.#y);
    const total = f.let(f64(0), 'total');
    const lanes = [0, 1, 2, 3].map(() => f.local('v128', 'lanes'));
    const add = (u: number, value: V): void => f.set(lanes[u] as Local<'v128'>, op('f32x4.add', lanes[u] as V, value));
    const part = (length: number): void => {
      for (const list of lanes) f.set(list, f32x4(0));
      const power = (x: V): Local<'v128'> => f.let(this.#math.exp(f.let(op('f32x4.sub', x, shift), 'x')), 'e');
      this.#vectors(
        length,
        4,
        keeps ? [p, q] : [p],
        (u) => {
          const e = power(load('v128.load', p, 16 * u));
          if (keeps) f.store('v128.store', q, e, 16 * u);
          add(u, e);
        },
        () => {
          const e = power(this.#tail(p));
          if (keeps) this.#storeTail(q, e);
          add(0, e);
        },
      );
      const [a, b, c, d] = lanes as unknown as [V, V, V, V];
      const s = f.let(op('f32x4.add', op('f32x4.add', a, b), op('f32x4.add', c, d)), 's');
      for (let l = 0; l < 4; l++) {
        f.set(total, op('f64.add', total, op('f64.promote_f32', lane('f32x4.extract_lane', l, s))));
      }
    };
    f.repeat(Math.floor(classes / PART), () => part(PART));
    if (classes % PART > 0) part(classes % PART);
    return f.let(op('f32x4.splat', op('f32.demote_f64', total)), 'sum');
  }

  /** Runs over `length` elements, `unroll` vectors a round; `tail` handles what is left of a vector. */
  #vectors(
    length: number,
    unroll: number,
    pointers: readonly Local<'i32'>[],
    body: (u: number) => void,
    tail: () => void,
  ): void {
    const { f } = this;
    const vectors = length >> 2;
    const round = (count: number) => (): void => {
      for (let u = 0; u < count; u++) body(u);
      for (const p of pointers) f.advance(p, 16 * count);
    };
    f.repeat(Math.floor(vectors / unroll), round(unroll));
    f.repeat(vectors % unroll, round(1));
    if (length % 4 > 0) tail();
  }

  /** The rest of a row, and -∞ behind it. */
  #tail(p: Local<'i32'>): V {
    const mask = i32x4(
      ...([0, 1, 2, 3].map((l) => (l < this.#k.classes % 4 ? -1 : 0)) as [number, number, number, number]),
    );
    return op('v128.bitselect', load('v128.load', p), f32x4(Number.NEGATIVE_INFINITY), mask);
  }

  #storeTail(q: Local<'i32'>, value: Local<'v128'>): void {
    const count = this.#k.classes % 4;
    if (count > 1) this.f.storeLane('v128.store64_lane', 0, q, value);
    if (count !== 2) this.f.storeLane('v128.store32_lane', count - 1, q, value, 4 * (count - 1));
  }

  /** The address of the label's element in a row; of the first if there is none. */
  #labelled(row: Expr<'i32'>, { label }: Target): Expr<'i32'> {
    const { f } = this;
    const number = f.let(op('i32.trunc_sat_f32_s', lane('f32x4.extract_lane', 0, label)), 'number');
    const safe = select(number, i32(0), op('i32.lt_u', number, i32(this.#k.classes)));
    return op('i32.add', row, op('i32.shl', safe, i32(2)));
  }
}

/** The module's only function: run(count, x, labels, g, loss, y), the number of lines and addresses in bytes. */
export function softmaxFunctions(k: SoftmaxKernel): FunctionBuilder[] {
  return [new SoftmaxEmitter(k).f];
}

/** Everything that the code depends on, as the cache's key. */
export function softmaxKey(k: SoftmaxKernel): string {
  const { result, classes, classStride, lineStride, gStride, ignoreIndex, inFours, fma } = k;
  return `${result} ${classes} ${classStride} ${lineStride} ${gStride} ${ignoreIndex} ${inFours ? '4' : ''}${fma ? 'f' : ''}`;
}
