/**
 * Where the first largest (smallest) element of each line is, or its first NaN.
 *
 *   for each i along the line:   if (x > best, or x is NaN and best is not)   best = x, at = i
 *
 * Four lines at a time, one in each lane, where lines are short or lie side by side. In a long row, each lane has every fourth
 * element, and in the end the best of them is found, of equals the earliest. Positions are counted in float32, as they are stored, so
 * lines have no more than 2²⁴ elements.
 */
import {
  type Expr,
  FunctionBuilder,
  f32x4,
  i32,
  i32x4,
  type Local,
  load,
  op,
  shuffle,
} from '../assembler/assembler.ts';
import { type Lines, loadLanes, MOST_HELD, type Width } from './lanes.ts';

type V = Expr<'v128'>;

export interface ExtremeKernel extends Lines {
  readonly name: 'argMax' | 'argMin';
}

/** Elements that a line may have. */
export const MOST_POSITIONS: number = 2 ** 24;

class ExtremeEmitter {
  readonly f: FunctionBuilder = new FunctionBuilder('run');
  readonly #k: ExtremeKernel;
  readonly #count: Local<'i32'> = this.f.param('i32', 'count');
  readonly #x: Local<'i32'> = this.f.param('i32', 'x');
  readonly #y: Local<'i32'> = this.f.param('i32', 'y');
  readonly #best: Local<'v128'> = this.f.local('v128', 'best');
  readonly #at: Local<'v128'> = this.f.local('v128', 'at');

  constructor(k: ExtremeKernel) {
    this.#k = k;
    if (k.classStride === 1 && k.classes > MOST_HELD) this.#lines(1, () => this.#row());
    else {
      this.#lines(4, () => this.#lanes(4));
      this.#lines(1, () => this.#lanes(1));
    }
  }

  #lines(width: Width, body: () => void): void {
    const { f } = this;
    const more = (): Expr<'i32'> => op('i32.ge_u', this.#count, i32(width));
    f.if(more(), () =>
      f.loop((again) => {
        body();
        f.advance(this.#x, 4 * width * this.#k.lineStride);
        f.advance(this.#y, 4 * width);
        f.set(this.#count, op('i32.sub', this.#count, i32(width)));
        again(more());
      }),
    );
  }

  #beats(a: V, b: V): V {
    return op(this.#k.name === 'argMax' ? 'f32x4.gt' : 'f32x4.lt', a, b);
  }

  /** Takes x, at position `i`, where it is better than what was found so far; `among` restricts the lanes. */
  #consider(x: V, i: V, among: V | null = null): void {
    const { f } = this;
    const best = this.#best;
    const isFirstNaN = op('v128.andnot', op('f32x4.ne', x, x), op('f32x4.ne', best, best));
    const beats = op('v128.or', this.#beats(x, best), isFirstNaN);
    const better = f.let(among === null ? beats : op('v128.and', beats, among), 'better');
    f.set(best, op('v128.bitselect', x, best, better));
    f.set(this.#at, op('v128.bitselect', i, this.#at, better));
  }

  #lanes(width: Width): void {
    const { f } = this;
    const { classes, classStride } = this.#k;
    f.set(this.#at, f32x4(0));
    if (classes <= MOST_HELD) {
      const [first, ...others] = loadLanes(f, this.#x, this.#k, width);
      f.set(this.#best, first as V);
      others.forEach((x, i) => this.#consider(x, f32x4(i + 1)));
    } else {
      const read = width === 4 ? 'v128.load' : 'v128.load32_zero';
      const p = f.let(this.#x, 'p');
      const i = f.let(f32x4(0), 'i');
      f.set(this.#best, load(read, p));
      f.repeat(classes - 1, () => {
        f.advance(p, 4 * classStride);
        f.set(i, op('f32x4.add', i, f32x4(1)));
        this.#consider(f.let(load(read, p), 'x'), i);
      });
    }
    if (width === 4) f.store('v128.store', this.#y, this.#at);
    else f.storeLane('v128.store32_lane', 0, this.#y, this.#at);
  }

  #row(): void {
    const { f } = this;
    const { classes } = this.#k;
    const p = f.let(this.#x, 'p');
    const i = f.let(FIRST, 'i');
    f.set(this.#best, load('v128.load', p));
    f.set(this.#at, i);
    f.repeat((classes >> 2) - 1, () => {
      f.advance(p, 16);
      f.set(i, op('f32x4.add', i, f32x4(4)));
      this.#consider(f.let(load('v128.load', p), 'x'), i);
    });
    f.advance(p, 16);
    for (let rest = classes & -4; rest < classes; rest++) {
      const x = f.let(load('v128.load32_zero', p, 4 * (rest % 4)), 'x');
      this.#consider(x, f32x4(rest), i32x4(-1, 0, 0, 0));
    }
    for (const lanes of [
      [2, 3, 0, 1],
      [1, 0, 3, 2],
    ]) {
      this.#fold(lanes);
    }
    f.storeLane('v128.store32_lane', 0, this.#y, this.#at);
  }

  /** Each lane takes over what another found, if that is better, or as good and earlier. */
  #fold(lanes: readonly number[]): void {
    const { f } = this;
    const [best, at] = [this.#best, this.#at];
    const other = f.let(shuffle(best, best, lanes), 'other');
    const otherAt = f.let(shuffle(at, at, lanes), 'otherAt');
    const [isNaN, isOtherNaN] = [f.let(op('f32x4.ne', best, best), 'nan'), f.let(op('f32x4.ne', other, other), 'nan')];
    const isAsGood = op('v128.or', op('f32x4.eq', other, best), op('v128.and', isNaN, isOtherNaN));
    const isEarlier = op('v128.and', isAsGood, op('f32x4.lt', otherAt, at));
    const isBetter = op('v128.or', this.#beats(other, best), op('v128.andnot', isOtherNaN, isNaN));
    const takes = f.let(op('v128.or', isBetter, isEarlier), 'takes');
    f.set(best, op('v128.bitselect', other, best, takes));
    f.set(at, op('v128.bitselect', otherAt, at, takes));
  }
}

/** The positions 0, 1, 2, 3. */
const FIRST: V = f32x4(0, 1, 2, 3);

/** The module's only function: run(count, x, y), the number of lines and addresses in bytes. */
export function extremeFunctions(k: ExtremeKernel): FunctionBuilder[] {
  return [new ExtremeEmitter(k).f];
}

/** Everything that the code depends on, as the cache's key. */
export function extremeKey({ name, classes, classStride, lineStride }: ExtremeKernel): string {
  return `${name} ${classes} ${classStride} ${lineStride}`;
}
