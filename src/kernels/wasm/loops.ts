/**
 * Fused loops: any number of elementwise functions over one iteration space, read, computed in registers and stored, or
 * summed, in one pass.
 *
 *   for i₀ … iₙ:   v₀ = x₀[Σ i·stride], v₁ = f(v₀), v₂ = g(v₁, x₁[…]), …   y[…] = v₂   or   s[…] += v₂
 *
 * The innermost axis runs four elements at a time; strides there are best 1 or 0, and any other is gathered lane by
 * lane. Sizes and strides are in floats. Exported: `run(…reads, …stores, …sums)`, addresses in bytes.
 */
import type { BinaryName, UnaryName } from '../types.ts';
import { type Expr, FunctionBuilder, f32x4, i32, i32x4, type Local, lane, load, loadLane, op } from './assembler.ts';
import { VectorMath } from './vector-math.ts';

type V = Expr<'v128'>;

/** One value of the loop's body; arguments are the numbers of earlier ones. */
export type LoopValue =
  | { readonly name: 'read'; readonly read: number }
  | { readonly name: 'constant'; readonly value: number }
  | { readonly name: UnaryName | BinaryName | 'where'; readonly args: readonly number[] };

/** Where a value goes: stored, or added up along the axes of stride 0. */
export interface LoopTarget {
  readonly value: number;
  readonly strides: readonly number[];
}

export interface LoopKernel {
  /** Sizes of the axes, outermost first; at least one. */
  readonly shape: readonly number[];
  /** Strides of each array that is read. */
  readonly reads: readonly (readonly number[])[];
  readonly values: readonly LoopValue[];
  readonly stores: readonly LoopTarget[];
  /**
   * Summed axes (stride 0) are the innermost ones: then a sum is kept in registers, rows in float32 lanes, over rows in
   * float64. Or the innermost axis is not summed (stride 1): then it is added up in memory, which begins as zeros.
   */
  readonly sums: readonly LoopTarget[];
  readonly fma: boolean;
  /** Whether nothing may be written behind the last element, since the targets are parts of larger arrays. */
  readonly exact: boolean;
}

/** Unary functions that have a vector form. */
const unaryForms: Partial<Record<UnaryName, (x: V, math: VectorMath, f: FunctionBuilder) => V>> = {
  neg: (x) => op('f32x4.neg', x),
  abs: (x) => op('f32x4.abs', x),
  exp: (x, math) => math.exp(x),
  log: (x, math) => math.log(x),
  sqrt: (x) => op('f32x4.sqrt', x),
  rsqrt: (x) => op('f32x4.div', f32x4(1), op('f32x4.sqrt', x)),
  square: (x) => op('f32x4.mul', x, x),
  reciprocal: (x) => op('f32x4.div', f32x4(1), x),
  tanh: (x, math) => math.tanh(x),
  erf: (x, math) => math.erf(x),
  sign: (x) => {
    const ones = op('f32x4.sub', one(op('f32x4.gt', x, f32x4(0))), one(op('f32x4.lt', x, f32x4(0))));
    return op('v128.bitselect', x, ones, op('f32x4.ne', x, x));
  },
  floor: (x) => op('f32x4.floor', x),
  ceil: (x) => op('f32x4.ceil', x),
  round: (x) => op('f32x4.nearest', x),
  // pmax lets NaN through; adding zero turns -0 into 0.
  relu: (x) => op('f32x4.add', op('f32x4.pmax', x, f32x4(0)), f32x4(0)),
  sigmoid: (x, math) => math.sigmoid(x),
  softplus: (x, math) => math.softplus(x),
  isNaN: (x) => one(op('f32x4.ne', x, x)),
};

const binaryForms: Partial<Record<BinaryName, (a: V, b: V) => V>> = {
  add: (a, b) => op('f32x4.add', a, b),
  sub: (a, b) => op('f32x4.sub', a, b),
  mul: (a, b) => op('f32x4.mul', a, b),
  div: (a, b) => op('f32x4.div', a, b),
  reluGrad: (a, b) => op('v128.andnot', a, op('f32x4.le', b, f32x4(0))),
  maximum: (a, b) => op('f32x4.max', a, b),
  minimum: (a, b) => op('f32x4.min', a, b),
  eq: (a, b) => one(op('f32x4.eq', a, b)),
  ne: (a, b) => one(op('f32x4.ne', a, b)),
  lt: (a, b) => one(op('f32x4.lt', a, b)),
  le: (a, b) => one(op('f32x4.le', a, b)),
  gt: (a, b) => one(op('f32x4.gt', a, b)),
  ge: (a, b) => one(op('f32x4.ge', a, b)),
};

/** 1 where a mask is set, else 0. */
function one(mask: V): V {
  return op('v128.and', mask, f32x4(1));
}

/** Whether a function of an operation's name can stand in a loop. */
export function hasVectorForm(name: string): boolean {
  return name === 'where' || name in unaryForms || name in binaryForms;
}

/** How many vectors one round of the innermost loop handles: many where the body is short. */
function unrolling(k: LoopKernel, vectors: number): number {
  const most = k.values.length <= 6 ? 4 : k.values.length <= 16 ? 2 : 1;
  return Math.max(1, Math.min(most, vectors));
}

/** Emits one kernel. */
class LoopEmitter {
  readonly f: FunctionBuilder = new FunctionBuilder('run');
  readonly #k: LoopKernel;
  readonly #math: VectorMath;
  readonly #uses: number[];
  readonly #last: number;
  /** Strides of every pointer: reads, stores, sums. */
  readonly #strides: readonly (readonly number[])[];
  readonly #totals: Local<'f64'>[];

  constructor(k: LoopKernel) {
    this.#k = k;
    this.#math = new VectorMath(this.f, k.fma);
    this.#last = k.shape.length - 1;
    this.#strides = [...k.reads, ...k.stores.map((s) => s.strides), ...k.sums.map((s) => s.strides)];
    this.#uses = k.values.map(() => 0);
    const use = (value: number): void => {
      this.#uses[value] = (this.#uses[value] as number) + 1;
    };
    for (const value of k.values) if ('args' in value) value.args.forEach(use);
    for (const { value } of [...k.stores, ...k.sums]) use(value);
    const pointers = this.#strides.map((_, i) => this.f.param('i32', `p${i}`));
    this.#totals = k.sums.map(() => this.f.local('f64', 'total'));
    this.#axis(0, pointers);
  }

  /** Whether the sum is kept in registers. */
  #isInner({ strides }: LoopTarget): boolean {
    return strides[this.#last] === 0;
  }

  /** The axis from which on everything is summed. */
  #summedFrom({ strides }: LoopTarget): number {
    return strides.findLastIndex((stride) => stride !== 0) + 1;
  }

  #axis(axis: number, pointers: readonly Local<'i32'>[]): void {
    const { f } = this;
    const k = this.#k;
    k.sums.forEach((sum, i) => {
      if (this.#isInner(sum) && this.#summedFrom(sum) === axis) f.set(this.#totals[i] as Local<'f64'>, F64_ZERO);
    });
    if (axis === this.#last) this.#row(pointers);
    else {
      const own = pointers.map((p, i) => ((this.#strides[i]?.[axis] ?? 0) === 0 ? p : f.let(p, 'q')));
      f.repeat(k.shape[axis] as number, () => {
        this.#axis(axis + 1, own);
        own.forEach((p, i) => f.advance(p, 4 * (this.#strides[i]?.[axis] ?? 0)));
      });
    }
    k.sums.forEach((sum, i) => {
      if (!this.#isInner(sum) || this.#summedFrom(sum) !== axis) return;
      const at = pointers[k.reads.length + k.stores.length + i] as Local<'i32'>;
      f.store('f32.store', at, op('f32.demote_f64', this.#totals[i] as Local<'f64'>));
    });
  }

  /** The innermost axis. */
  #row(outer: readonly Local<'i32'>[]): void {
    const { f } = this;
    const k = this.#k;
    const n = k.shape[this.#last] as number;
    const inner = this.#strides.map((strides) => strides[this.#last] as number);
    const pointers = outer.map((p, i) => (inner[i] === 0 ? p : f.let(p, 'r')));
    const fixed = k.reads.map((_, i) =>
      inner[i] === 0 ? f.let(load('v128.load32_splat', pointers[i] as Local<'i32'>), 'fixed') : null,
    );
    // A single row may run over its end into the slack behind every buffer, so that it needs no tail.
    const isWhole =
      !k.exact && this.#last === 0 && k.sums.length === 0 && inner.every((stride) => stride === 0 || stride === 1);
    const vectors = isWhole ? Math.ceil(n / 4) : n >> 2;
    const unroll = unrolling(k, vectors);
    const lanes = k.sums.map((sum) =>
      this.#isInner(sum) ? Array.from({ length: unroll }, () => f.let(f32x4(0), 'lanes')) : null,
    );
    const advance = (elements: number): void =>
      pointers.forEach((p, i) => f.advance(p, 4 * elements * (inner[i] as number)));
    f.repeat(Math.floor(vectors / unroll), () => {
      for (let u = 0; u < unroll; u++) this.#vector(pointers, inner, fixed, u, lanes, 4);
      advance(4 * unroll);
    });
    f.repeat(vectors % unroll, () => {
      this.#vector(pointers, inner, fixed, 0, lanes, 4);
      advance(4);
    });
    f.repeat(isWhole ? 0 : n & 3, () => {
      this.#vector(pointers, inner, fixed, 0, lanes, 1);
      advance(1);
    });
    this.#addLanes(lanes);
  }

  /** Adds what the lanes of a row hold to the totals. */
  #addLanes(lanes: readonly (readonly Local<'v128'>[] | null)[]): void {
    const { f } = this;
    lanes.forEach((list, i) => {
      if (list === null) return;
      const total = this.#totals[i] as Local<'f64'>;
      const sum = f.let(
        list.slice(1).reduce<V>((a, b) => op('f32x4.add', a, b), list[0] as V),
        's',
      );
      for (let l = 0; l < 4; l++) {
        f.set(total, op('f64.add', total, op('f64.promote_f32', lane('f32x4.extract_lane', l, sum))));
      }
    });
  }

  /** The body for four elements, or for one (in lane 0), `u` vectors from the pointers. */
  #vector(
    pointers: readonly Local<'i32'>[],
    inner: readonly number[],
    fixed: readonly (V | null)[],
    u: number,
    lanes: readonly (readonly Local<'v128'>[] | null)[],
    width: 1 | 4,
  ): void {
    const { f } = this;
    const k = this.#k;
    // All reads come before all stores, so that a buffer may be updated in place.
    const reads = k.reads.map(
      (_, i) => fixed[i] ?? f.let(this.#read(pointers[i] as Local<'i32'>, inner[i] as number, u, width), 'x'),
    );
    const values: V[] = [];
    for (const [i, value] of k.values.entries()) {
      const expr = this.#value(value, reads, values);
      values.push((this.#uses[i] as number) > 1 && value.name !== 'read' ? f.let(expr, 'v') : expr);
    }
    const results = [...k.stores, ...k.sums].map(({ value }) => {
      const expr = values[value] as V;
      return expr.name === 'local.get' ? expr : f.let(expr, 'y');
    });
    k.stores.forEach((_, s) => {
      const i = k.reads.length + s;
      this.#store(pointers[i] as Local<'i32'>, inner[i] as number, u, width, results[s] as V);
    });
    k.sums.forEach((_, s) => {
      const i = k.reads.length + k.stores.length + s;
      const value = results[k.stores.length + s] as V;
      const list = lanes[s] ?? null;
      const at = pointers[i] as Local<'i32'>;
      if (list === null) {
        const sum = op('f32x4.add', this.#read(at, inner[i] as number, u, width), value);
        this.#store(at, inner[i] as number, u, width, sum);
      } else {
        const term = width === 4 ? value : op('v128.and', value, i32x4(-1, 0, 0, 0));
        f.set(list[u] as Local<'v128'>, op('f32x4.add', list[u] as Local<'v128'>, term));
      }
    });
  }

  #read(at: Local<'i32'>, stride: number, u: number, width: 1 | 4): V {
    const from = 16 * u * stride;
    if (width === 1) return load('v128.load32_zero', at, from);
    if (stride === 1) return load('v128.load', at, from);
    // Offsets of instructions are unsigned: a negative stride moves the address itself.
    const shifted = (bytes: number): readonly [Expr<'i32'>, number] =>
      bytes >= 0 ? [at, bytes] : [op('i32.add', at, i32(bytes)), 0];
    const [first, offset] = shifted(from);
    let vector: V = load('v128.load32_zero', first, offset);
    for (let l = 1; l < 4; l++) {
      const [address, bytes] = shifted(from + 4 * l * stride);
      vector = loadLane('v128.load32_lane', l, address, vector, bytes);
    }
    return vector;
  }

  #store(at: Local<'i32'>, stride: number, u: number, width: 1 | 4, value: V): void {
    const { f } = this;
    const from = 16 * u * stride;
    if (width === 4 && stride === 1) {
      f.store('v128.store', at, value, from);
      return;
    }
    const held = width === 1 || value.name === 'local.get' ? value : f.let(value, 'y');
    for (let l = 0; l < width; l++) {
      const bytes = from + 4 * l * stride;
      if (bytes >= 0) f.storeLane('v128.store32_lane', l, at, held, bytes);
      else f.storeLane('v128.store32_lane', l, op('i32.add', at, i32(bytes)), held);
    }
  }

  #value(value: LoopValue, reads: readonly V[], values: readonly V[]): V {
    if (value.name === 'read') return reads[value.read] as V;
    if (value.name === 'constant') return f32x4(value.value);
    if (!('args' in value)) throw new RangeError(`loops: no such value`);
    const args = value.args.map((arg) => values[arg] as V);
    const [a, b, c] = args as [V, V, V];
    if (value.name === 'where') return op('v128.bitselect', b, c, op('f32x4.ne', a, f32x4(0)));
    const hold = (x: V): V => (x.name === 'local.get' || x.name === 'v128.const' ? x : this.f.let(x, 'a'));
    const unary = unaryForms[value.name as UnaryName];
    if (unary !== undefined) return unary(hold(a), this.#math, this.f);
    const binary = binaryForms[value.name as BinaryName];
    if (binary !== undefined) return binary(a, b);
    throw new RangeError(`loops: ${value.name} has no vector form`);
  }
}

const F64_ZERO: Expr<'f64'> = { name: 'f64.const', args: [], immediates: [0], type: 'f64' };

/** The module's only function. */
export function loopFunctions(k: LoopKernel): FunctionBuilder[] {
  return [new LoopEmitter(k).f];
}

/** Everything that the code depends on, as the cache's key. */
export function loopKey(k: LoopKernel): string {
  const targets = (list: readonly LoopTarget[]): string => list.map((t) => `${t.value}:${t.strides.join()}`).join('|');
  const values = k.values.map((v) =>
    'args' in v
      ? `${v.name}(${v.args.join()})`
      : v.name === 'read'
        ? `r${v.read}`
        : Object.is(v.value, -0)
          ? '-0'
          : `${v.value}`,
  );
  const reads = k.reads.map((strides) => strides.join()).join('|');
  return `loop ${k.shape.join()} ${reads} ${values.join(' ')} > ${targets(k.stores)} + ${targets(k.sums)}${k.fma ? ' f' : ''}${k.exact ? ' e' : ''}`;
}
