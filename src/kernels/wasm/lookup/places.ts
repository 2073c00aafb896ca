/**
 * Reading and adding at computed places along an axis, over the iteration space of the index:
 *
 *   gather       y[i₀ … iₙ] = x[i₀ … index[i₀ … iₙ] … iₙ]
 *   scatterAdd   y[i₀ … index[i₀ … iₙ] … iₙ] += src[i₀ … iₙ]
 *
 * An axis along which everything is dense and the index the same (whole rows of a table) runs four elements at a time. An
 * index outside of the axis counts as 0; whoever calls has it checked. Sizes and strides are in elements; y holds floats, or doubles
 * where many terms may add up in one place. Exported: `run(count, from, index, to)`, for `count` steps of the outermost axis.
 */
import { type Expr, FunctionBuilder, i32, type Local, load, op, select } from '../assembler/assembler.ts';

export interface PlacesKernel {
  readonly name: 'gather' | 'scatterAdd';
  /** Sizes of the axes, outermost first; the first is the caller's to count. At least one. */
  readonly shape: readonly number[];
  /** Strides of what is read (for `gather`, 0 along the axis of places). */
  readonly from: readonly number[];
  readonly index: readonly number[];
  /** Strides of what is written (for `scatterAdd`, 0 along the axis of places). */
  readonly to: readonly number[];
  /** The length and the stride of the axis of places. */
  readonly length: number;
  readonly along: number;
  /** Whether what is written are doubles. */
  readonly isDouble: boolean;
}

class PlacesEmitter {
  readonly f: FunctionBuilder = new FunctionBuilder('run');
  readonly #k: PlacesKernel;
  readonly #toBytes: number;

  constructor(k: PlacesKernel) {
    this.#k = k;
    this.#toBytes = k.isDouble ? 8 : 4;
    const { f } = this;
    const count = f.param('i32', 'count');
    const pointers = ['from', 'index', 'to'].map((name) => f.param('i32', name));
    const done = f.let(i32(0), 'done');
    f.while(done, count, 1, () => this.#step(0, pointers));
  }

  /** One step along `axis`, after which the pointers are at the next. */
  #step(axis: number, pointers: readonly Local<'i32'>[]): void {
    const { f } = this;
    const { shape } = this.#k;
    if (axis === shape.length - 1) this.#element(pointers);
    else {
      const own = pointers.map((p) => f.let(p, 'p'));
      const next = axis + 1;
      if (next === shape.length - 1 && this.#isRow(next)) this.#row(own, shape[next] as number);
      else f.repeat(shape[next] as number, () => this.#step(next, own));
    }
    const { from, index, to } = this.#k;
    const bytes = [4, 4, this.#toBytes];
    [from, index, to].forEach((strides, i) =>
      f.advance(pointers[i] as Local<'i32'>, (bytes[i] as number) * (strides[axis] as number)),
    );
  }

  /** Whether a whole axis is moved with one index. */
  #isRow(axis: number): boolean {
    const { from, index, to } = this.#k;
    return index[axis] === 0 && from[axis] === 1 && to[axis] === 1 && !this.#k.isDouble;
  }

  /** Bytes from the beginning of the axis of places. */
  #place(index: Local<'i32'>, bytes: number): Expr<'i32'> {
    const { f } = this;
    const at = f.let(op('i32.trunc_sat_f32_s', load('f32.load', index)), 'at');
    const safe = select(at, i32(0), op('i32.lt_u', at, i32(this.#k.length)));
    return op('i32.mul', safe, i32(bytes * this.#k.along));
  }

  #element([from, index, to]: readonly Local<'i32'>[]): void {
    const { f } = this;
    const [source, target] = [from as Local<'i32'>, to as Local<'i32'>];
    const place = this.#place(index as Local<'i32'>, this.#k.name === 'gather' ? 4 : this.#toBytes);
    if (this.#k.name === 'gather') {
      f.store('f32.store', target, load('f32.load', op('i32.add', source, place)));
      return;
    }
    const at = f.let(op('i32.add', target, place), 'to');
    const term = load('f32.load', source);
    if (this.#k.isDouble) f.store('f64.store', at, op('f64.add', load('f64.load', at), op('f64.promote_f32', term)));
    else f.store('f32.store', at, op('f32.add', load('f32.load', at), term));
  }

  #row([from, index, to]: readonly Local<'i32'>[], length: number): void {
    const { f } = this;
    const place = this.#place(index as Local<'i32'>, 4);
    const isGather = this.#k.name === 'gather';
    const source = f.let(isGather ? op('i32.add', from as Local<'i32'>, place) : (from as Local<'i32'>), 'from');
    const target = f.let(isGather ? (to as Local<'i32'>) : op('i32.add', to as Local<'i32'>, place), 'to');
    const both = (bytes: number): void => {
      f.advance(source, bytes);
      f.advance(target, bytes);
    };
    f.repeat(length >> 2, () => {
      const x = load('v128.load', source);
      f.store('v128.store', target, isGather ? x : op('f32x4.add', load('v128.load', target), x));
      both(16);
    });
    for (let i = 0; i < length % 4; i++) {
      const x = load('f32.load', source, 4 * i);
      f.store('f32.store', target, isGather ? x : op('f32.add', load('f32.load', target, 4 * i), x), 4 * i);
    }
  }
}

/** The module's only function. */
export function placesFunctions(k: PlacesKernel): FunctionBuilder[] {
  return [new PlacesEmitter(k).f];
}

/** Everything that the code depends on, as the cache's key. */
export function placesKey({ name, shape, from, index, to, length, along, isDouble }: PlacesKernel): string {
  return `${name} ${shape.slice(1).join()} ${from.join()} ${index.join()} ${to.join()} ${length} ${along} ${isDouble ? 'd' : ''}`;
}

/** widen(count, from, to) and narrow(count, from, to): floats to doubles and back. */
export function doublesFunctions(): FunctionBuilder[] {
  return (['widen', 'narrow'] as const).map((name) => {
    const f = new FunctionBuilder(name);
    const [count, from, to] = [f.param('i32', 'count'), f.param('i32', 'from'), f.param('i32', 'to')];
    const done = f.let(i32(0), 'done');
    f.while(done, count, 1, () => {
      if (name === 'widen') f.store('f64.store', to, op('f64.promote_f32', load('f32.load', from)));
      else f.store('f32.store', to, op('f32.demote_f64', load('f64.load', from)));
      f.advance(from, name === 'widen' ? 4 : 8);
      f.advance(to, name === 'widen' ? 8 : 4);
    });
    return f;
  });
}
