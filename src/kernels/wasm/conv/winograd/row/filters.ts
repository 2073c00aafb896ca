/** The filters' side: taps to one factor of every product, and sums of products back to the gradient by the taps. */
import {
  type Expr,
  FunctionBuilder,
  f32x4,
  i32,
  type Local,
  load,
  loadLane,
  op,
  plus,
  select,
} from '../../../assembler/assembler.ts';
import { vectorAt } from '../../tile.ts';
import { transposed } from './algorithm.ts';
import { algorithmOf, PANEL, products, round4 } from './geometry.ts';
import { mapped } from './transform.ts';

type V = Expr<'v128'>;
type I = Local<'i32'>;

export interface RowFilters {
  /** Results of the product, and what it sums over. */
  readonly outer: number;
  readonly inner: number;
  /** Taps along the row. */
  readonly row: number;
  readonly adjoint: boolean;
}

/** Channels between positions of U, so that equal places of all positions lie in different sets of the cache. */
export const GAP = 2;

/** Floats of U per output. */
export const rowOuterPitch = ({ row, inner }: RowFilters): number =>
  products(algorithmOf(row)) * round4(inner) + GAP * algorithmOf(row).terms.length;
export const rowFilterFloats = (w: RowFilters): number => rowOuterPitch(w) * round4(w.outer);

/** `filters(w, u, first, count)`: the weights of some of a group's results; `first` is a multiple of a panel's outputs. */
export function rowFilterFunction(w: RowFilters): FunctionBuilder {
  const f = new FunctionBuilder('filters');
  const [from, to, first, count] = ['w', 'u', 'first', 'count'].map((n) => f.param('i32', n)) as [I, I, I, I];
  const algorithm = algorithmOf(w.row);
  const [innerStep, outerStep] = w.adjoint ? [w.outer * w.row, w.row] : [w.row, w.inner * w.row];
  const gaps = algorithm.terms.flatMap((count, i) => new Array<number>(count).fill(GAP * i));
  const inner = round4(w.inner);
  const vectors = round4(w.outer) / 4;
  const fill = (width: number, at: readonly I[], target: I): void => {
    f.repeat(w.inner, () => {
      const taps = Array.from({ length: w.row }, (_, i) => {
        const place = 4 * (w.adjoint ? w.row - 1 - i : i);
        const [p, ...rest] = at as [I, ...I[]];
        const start: V = load('v128.load32_splat', p, place);
        return rest.reduce<V>((v, lane, l) => loadLane('v128.load32_lane', l + 1, lane, v, place), start);
      });
      const held = taps.map((tap) => f.let(tap, 'tap'));
      const number = mapped(f, algorithm.filter, (i) => held[i] as V);
      gaps.forEach((gap, n) => f.store('v128.store', target, number(n), 4 * (n * inner + gap) * width));
      for (const p of at) f.advance(p, 4 * innerStep);
      f.advance(target, 4 * width);
    });
    // Channels that there are not.
    for (let c = w.inner; c < inner; c++) {
      gaps.forEach((gap, n) => f.store('v128.store', target, f32x4(0), 4 * (n * inner + gap + c - w.inner) * width));
    }
  };
  f.advance(to, op('i32.mul', first, i32(4 * rowOuterPitch(w))));
  const end = f.let(op('i32.add', first, count), 'end');
  const output = f.let(first, 'output');
  f.while(output, end, 4, () => {
    const base = f.let(op('i32.add', from, op('i32.mul', output, i32(4 * outerStep))), 'base');
    const at = [0, 1, 2, 3].map((l): I => {
      const own = plus(base, 4 * l * outerStep);
      if (w.outer % 4 === 0 || l === 0) return f.let(own, 'w');
      return f.let(select(own, base, op('i32.lt_u', plus(output, l), i32(w.outer))), 'w');
    });
    const width = 4 * PANEL;
    // The second vector of a panel lies beside the first.
    const isSecond = op('i32.and', op('i32.shr_u', output, i32(2)), i32(1));
    const target = f.let(op('i32.add', to, op('i32.shl', isSecond, i32(4))), 'target');
    if (vectors % PANEL === 0) fill(width, at, target);
    else if (vectors === 1) fill(4, at, target);
    else {
      f.if(
        op('i32.ge_u', output, i32(4 * (vectors - 1))),
        () => fill(4, at, target),
        () => fill(width, at, target),
      );
    }
    f.if(isSecond, () => f.advance(to, 4 * 4 * PANEL * rowOuterPitch(w)));
  });
  return f;
}

export interface RowFilterGradient {
  /** Pairs of output and channel, channels rounded up to four. */
  readonly items: number;
  readonly channels: number;
  readonly taps: number;
  /** Where the sums of each product lie, in floats. */
  readonly places: readonly number[];
  /** Sums of all weights that are added up, and floats from one to the next. */
  readonly parts: number;
  readonly distance: number;
}

/** `back(sums, dw, first, count)`: sums [product][items] to weights, for a range of items of a multiple of four. */
export function rowFilterGradientFunction(g: RowFilterGradient): FunctionBuilder {
  const f = new FunctionBuilder('back');
  const [from, to, first, count] = ['sums', 'dw', 'first', 'count'].map((n) => f.param('i32', n)) as [I, I, I, I];
  const { filter } = algorithmOf(g.taps);
  const inner = round4(g.channels);
  const steps = [transposed(filter[1]), transposed(filter[0])];
  const sumAt = (n: number): V => {
    const floats = g.places[n] as number;
    let sum: V = vectorAt(from, floats);
    for (let p = 1; p < g.parts; p++) sum = op('f32x4.add', sum, vectorAt(from, floats + p * g.distance));
    return f.let(sum, 's');
  };
  f.advance(from, op('i32.shl', first, i32(2)));
  const end = f.let(op('i32.add', first, count), 'end');
  const item = f.let(first, 'item');
  f.while(item, end, 4, () => {
    const made = new Map<number, V>();
    const value = mapped(f, steps, (n) => {
      const kept = made.get(n) ?? sumAt(n);
      made.set(n, kept);
      return kept;
    });
    const results = Array.from({ length: g.taps }, (_, k) => f.let(op('f32x4.mul', value(k), f32x4(0.5)), 'dw'));
    const channel = f.let(op('i32.rem_u', item, i32(inner)), 'channel');
    const output = op('i32.div_u', item, i32(inner));
    const place = op('i32.add', op('i32.mul', output, i32(g.channels)), channel);
    const at = f.let(op('i32.add', to, op('i32.mul', place, i32(4 * g.taps))), 'at');
    const put = (l: number): void =>
      results.forEach((v, k) => f.storeLane('v128.store32_lane', l, at, v, 4 * (l * g.taps + k)));
    for (let l = 0; l < 4; l++) {
      // Of the last four channels of an output some may not be.
      if (l < ((g.channels - 1) % 4) + 1) put(l);
      else f.if(op('i32.lt_u', plus(channel, l), i32(g.channels)), () => put(l));
    }
    f.advance(from, 16);
  });
  return f;
}
