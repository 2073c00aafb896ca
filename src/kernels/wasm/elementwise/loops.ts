/**
 * Fused loops: any number of elementwise functions over one iteration space, read, computed in registers and stored, or
 * summed, in one pass.
 *
 *   for i₀ … iₙ:   v₀ = x₀[Σ i·stride], v₁ = f(v₀), v₂ = g(v₁, x₁[…]), …   y[…] = v₂   or   s[…] += v₂
 *
 * The innermost axis runs four elements at a time; strides there are best 1 or 0, and any other is gathered lane by
 * lane. Sizes and strides are in floats. Exported: `run(…reads, …stores, …sums, …totals, count?)`, addresses in bytes.
 */
import {
  type Expr,
  FunctionBuilder,
  f32x4,
  i32,
  i32x4,
  type Local,
  lane,
  load,
  loadLane,
  op,
  shuffle,
} from '../assembler/assembler.ts';
import { vectorOf } from './forms.ts';
import { type LoopKernel, type LoopValue, sumFormOf } from './loop.ts';
import { VectorMath } from './vector-math.ts';

type V = Expr<'v128'>;
type Pointers = readonly Local<'i32'>[];

/** So many rounds are added up in float32 before they go to float64. */
const mostInLane = 64;

/** How many vectors one round of the innermost loop handles: many where the body is short, and so that few are left over. */
function unrolling(k: LoopKernel, vectors: number): number {
  const most = k.values.length <= 6 ? 4 : k.values.length <= 16 ? 2 : 1;
  const rounds = (unroll: number): number => Math.floor(vectors / unroll) + (vectors % unroll);
  let best = 1;
  for (let unroll = 2; unroll <= Math.min(most, vectors); unroll++) if (rounds(unroll) <= rounds(best)) best = unroll;
  return best;
}

/** Emits one kernel. */
class LoopEmitter {
  readonly f: FunctionBuilder = new FunctionBuilder('run');
  readonly #k: LoopKernel;
  readonly math: VectorMath;
  readonly #uses: number[];
  readonly #last: number;
  /** Strides of every pointer: reads, stores, sums, totals. */
  readonly #strides: readonly (readonly number[])[];
  readonly #form: ReturnType<typeof sumFormOf>;
  /** The axis at whose beginning sums begin. */
  readonly #opening: number;
  /** Of each sum in registers, its even and odd lanes' totals. */
  readonly #registers: (readonly [Local<'v128'>, Local<'v128'>])[];
  readonly #count: Local<'i32'> | null;
  /** Values that are the same along a row. */
  readonly #uniform: boolean[];

  constructor(k: LoopKernel) {
    this.#k = k;
    this.math = new VectorMath(this.f, k.fma);
    this.#last = k.shape.length - 1;
    this.#form = sumFormOf(k);
    this.#opening = k.sums[0]?.strides.indexOf(0) ?? -1;
    this.#strides = [...k.reads, ...[...k.stores, ...k.sums].map((target) => target.strides), ...(k.totals ?? [])];
    this.#uses = k.values.map(() => 0);
    const use = (value: number): void => {
      this.#uses[value] = (this.#uses[value] as number) + 1;
    };
    for (const value of k.values) if ('args' in value) value.args.forEach(use);
    for (const { value } of [...k.stores, ...k.sums]) use(value);
    this.#uniform = [];
    for (const value of k.values) {
      this.#uniform.push(
        'args' in value
          ? value.args.every((arg) => this.#uniform[arg])
          : value.name === 'constant' || k.reads[value.read]?.[this.#last] === 0,
      );
    }
    const pointers = this.#strides.map((_, i) => this.f.param('i32', `p${i}`));
    this.#count = k.counted ? this.f.param('i32', 'count') : null;
    this.#registers =
      this.#form === 'registers'
        ? k.sums.map(() => [this.f.local('v128', 'total'), this.f.local('v128', 'total')])
        : [];
    this.#axis(0, pointers);
  }

  #axis(axis: number, pointers: Pointers): void {
    if (axis === this.#opening) this.#openSums(pointers);
    if (axis === this.#last) this.#row(pointers);
    else this.#along(axis, pointers, (own) => this.#axis(axis + 1, own));
    if (axis === this.#opening) this.#closeSums(pointers);
  }

  /** Runs along an axis; the body gets pointers of its own. */
  #along(axis: number, pointers: Pointers, body: (own: Pointers) => void): void {
    const { f } = this;
    const own = pointers.map((p, i) => ((this.#strides[i]?.[axis] ?? 0) === 0 ? p : f.let(p, 'q')));
    this.#repeat(axis === 0 && this.#count ? this.#count : (this.#k.shape[axis] as number), () => {
      body(own);
      own.forEach((p, i) => f.advance(p, 4 * (this.#strides[i]?.[axis] ?? 0)));
    });
  }

  #repeat(times: number | Expr<'i32'>, body: () => void): void {
    const { f } = this;
    if (typeof times === 'number') {
      f.repeat(times, body);
      return;
    }
    const left = f.let(times, 'left');
    f.if(left, () =>
      f.loop((again) => {
        body();
        f.set(left, op('i32.sub', left, i32(1)));
        again(left);
      }),
    );
  }

  #sumPointer(pointers: Pointers, s: number): Local<'i32'> {
    return pointers[this.#k.reads.length + this.#k.stores.length + s] as Local<'i32'>;
  }

  #totalPointer(pointers: Pointers, s: number): Local<'i32'> {
    return this.#sumPointer(pointers, this.#k.sums.length + s);
  }

  /** Visits all sums that begin at the opening axis. */
  #eachSum(pointers: Pointers, body: (own: Pointers) => void): void {
    const kept = this.#k.shape.map((_, axis) => axis).filter((axis) => axis >= this.#opening);
    const visit = (axes: readonly number[], own: Pointers): void => {
      const [axis, ...rest] = axes;
      if (axis === undefined) body(own);
      else if (this.#k.sums[0]?.strides[axis] === 0) visit(rest, own);
      else this.#along(axis, own, (inner) => visit(rest, inner));
    };
    visit(kept, pointers);
  }

  #openSums(pointers: Pointers): void {
    const { f } = this;
    const zero = f32x4(0);
    for (const pair of this.#registers) for (const total of pair) f.set(total, zero);
    if (this.#form === 'registers') return;
    this.#eachSum(pointers, (own) => {
      for (let s = 0; s < this.#k.sums.length; s++) {
        if (this.#form === 'memory') f.storeLane('v128.store32_lane', 0, this.#sumPointer(own, s), zero);
        else for (const half of [0, 16]) f.store('v128.store', this.#totalPointer(own, s), zero, half);
      }
    });
  }

  #closeSums(pointers: Pointers): void {
    const { f } = this;
    const finish = (at: Local<'i32'>, even: V, odd: V): void => {
      const pair = f.let(op('f64x2.add', even, odd), 'pair');
      const total = op('f64.add', lane('f64x2.extract_lane', 0, pair), lane('f64x2.extract_lane', 1, pair));
      f.store('f32.store', at, op('f32.demote_f64', total));
    };
    this.#registers.forEach(([even, odd], s) => finish(this.#sumPointer(pointers, s), even, odd));
    if (this.#form !== 'totals') return;
    this.#eachSum(pointers, (own) => {
      for (let s = 0; s < this.#k.sums.length; s++) {
        const at = this.#totalPointer(own, s);
        finish(this.#sumPointer(own, s), load('v128.load', at), load('v128.load', at, 16));
      }
    });
  }

  /** The innermost axis. */
  #row(outer: Pointers): void {
    const { f } = this;
    const k = this.#k;
    const inner = this.#strides.map((strides) => strides[this.#last] as number);
    const pointers = outer.map((p, i) => (inner[i] === 0 ? p : f.let(p, 'r')));
    const row = new Row(pointers, inner, this.#fixedValues(pointers, inner));
    // A single row may run over its end into the slack behind every buffer, so that it needs no tail.
    const isWhole =
      !k.exact && this.#last === 0 && k.sums.length === 0 && inner.every((stride) => stride === 0 || stride === 1);
    if (this.#last === 0 && this.#count) this.#countedRow(row, this.#count, isWhole);
    else this.#fixedRow(row, k.shape[this.#last] as number, isWhole);
  }

  /** A row whose length is known: what does not fill a round follows it in place. */
  #fixedRow(row: Row, n: number, isWhole: boolean): void {
    const { f } = this;
    const vectors = isWhole ? Math.ceil(n / 4) : n >> 2;
    const unroll = unrolling(this.#k, vectors);
    this.#beginLanes(row, unroll);
    const round = (): void => {
      for (let u = 0; u < unroll; u++) this.#vector(row, u, 4);
      row.advance(f, 4 * unroll);
    };
    let rounds = Math.floor(vectors / unroll);
    if (row.lanes.length > 0 && rounds > 2 * mostInLane) {
      f.repeat(Math.floor(rounds / mostInLane), () => {
        f.repeat(mostInLane, round);
        this.#addLanes(row);
        for (const list of row.lanes) for (const lanes of list) f.set(lanes, f32x4(0));
      });
      rounds %= mostInLane;
    }
    f.repeat(rounds, round);
    const left = vectors % unroll;
    for (let u = 0; u < left; u++) this.#vector(row, u, 4);
    if (!isWhole && n % 4 > 0) this.#vector(row, left, (n & 3) as 1 | 2 | 3);
    this.#addLanes(row);
  }

  /** A row of any length, given at run time. */
  #countedRow(row: Row, count: Local<'i32'>, isWhole: boolean): void {
    const { f } = this;
    const unroll = 2 ** Math.floor(Math.log2(unrolling(this.#k, 1024)));
    const vectors = f.let(op('i32.shr_u', isWhole ? op('i32.add', count, i32(3)) : count, i32(2)), 'vectors');
    this.#beginLanes(row, unroll);
    this.#repeat(op('i32.shr_u', vectors, i32(Math.log2(unroll))), () => {
      for (let u = 0; u < unroll; u++) this.#vector(row, u, 4);
      row.advance(f, 4 * unroll);
    });
    if (unroll > 1) {
      this.#repeat(op('i32.and', vectors, i32(unroll - 1)), () => {
        this.#vector(row, 0, 4);
        row.advance(f, 4);
      });
    }
    if (!isWhole) {
      this.#repeat(op('i32.and', count, i32(3)), () => {
        this.#vector(row, 0, 1);
        row.advance(f, 1);
      });
    }
    this.#addLanes(row);
  }

  #beginLanes(row: Row, unroll: number): void {
    if (this.#form !== 'registers' && this.#form !== 'totals') return;
    row.lanes = this.#k.sums.map(() => Array.from({ length: unroll }, () => this.f.let(f32x4(0), 'lanes')));
  }

  /** Adds what the lanes of a row hold to the totals. */
  #addLanes(row: Row): void {
    const { f } = this;
    row.lanes.forEach((list, s) => {
      const [first, ...rest] = list as [Local<'v128'>, ...Local<'v128'>[]];
      const sum =
        rest.length === 0
          ? first
          : f.let(
              rest.reduce<V>((a, b) => op('f32x4.add', a, b), first),
              's',
            );
      const halves = [sum, shuffle(sum, sum, [2, 3, 2, 3])];
      const at = this.#totalPointer(row.pointers, s);
      for (const [h, half] of halves.entries()) {
        const terms = op('f64x2.promote_low_f32x4', half);
        const total = this.#registers[s]?.[h];
        if (total) f.set(total, op('f64x2.add', total, terms));
        else f.store('v128.store', at, op('f64x2.add', load('v128.load', at, 16 * h), terms), 16 * h);
      }
    });
  }

  /** What is the same along a row, computed before it. */
  #fixedValues(pointers: Pointers, inner: readonly number[]): (V | null)[] {
    const { f } = this;
    const reads = this.#k.reads.map((_, i) =>
      inner[i] === 0 ? f.let(load('v128.load32_splat', pointers[i] as Local<'i32'>), 'fixed') : null,
    );
    const values: (V | null)[] = [];
    for (const [i, value] of this.#k.values.entries()) {
      if (!this.#uniform[i]) values.push(null);
      else {
        const expr = this.#value(value, reads as V[], values as V[]);
        values.push('args' in value ? f.let(expr, 'fixed') : expr);
      }
    }
    return values;
  }

  /** The body for `width` elements, `u` vectors from the row's pointers. */
  #vector(row: Row, u: number, width: 1 | 2 | 3 | 4): void {
    const { f } = this;
    const k = this.#k;
    const { pointers, inner } = row;
    // All reads come before all stores, so that a buffer may be updated in place.
    const reads = k.reads.map((_, i) =>
      inner[i] === 0 ? null : f.let(this.#read(pointers[i] as Local<'i32'>, inner[i] as number, u, width), 'x'),
    );
    const values: V[] = [];
    for (const [i, value] of k.values.entries()) {
      const known = row.fixed[i];
      const expr = known ?? this.#value(value, reads as V[], values);
      const isHeld = !known && (this.#uses[i] as number) > 1 && value.name !== 'read';
      values.push(isHeld ? f.let(expr, 'v') : expr);
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
      const value = results[k.stores.length + s] as V;
      const lanes = row.lanes[s]?.[u % row.lanes[s].length];
      if (lanes) {
        const mask = i32x4(-1, width > 1 ? -1 : 0, width > 2 ? -1 : 0, 0);
        f.set(lanes, op('f32x4.add', lanes, width === 4 ? value : op('v128.and', value, mask)));
        return;
      }
      const at = this.#sumPointer(pointers, s);
      const stride = inner[k.reads.length + k.stores.length + s] as number;
      this.#store(at, stride, u, width, op('f32x4.add', this.#read(at, stride, u, width), value));
    });
  }

  #read(at: Local<'i32'>, stride: number, u: number, width: number): V {
    const from = 16 * u * stride;
    if (width === 1) return load('v128.load32_zero', ...shifted(at, from));
    if (stride === 1) return load('v128.load', at, from);
    let vector: V = load('v128.load32_zero', ...shifted(at, from));
    for (let l = 1; l < width; l++) {
      const [address, bytes] = shifted(at, from + 4 * l * stride);
      vector = loadLane('v128.load32_lane', l, address, vector, bytes);
    }
    return vector;
  }

  #store(at: Local<'i32'>, stride: number, u: number, width: number, value: V): void {
    const { f } = this;
    const from = 16 * u * stride;
    if (width === 4 && stride === 1) {
      f.store('v128.store', at, value, from);
      return;
    }
    const held = width === 1 || value.name === 'local.get' ? value : f.let(value, 'y');
    for (let l = 0; l < width; l++) {
      const [address, bytes] = shifted(at, from + 4 * l * stride);
      f.storeLane('v128.store32_lane', l, address, held, bytes);
    }
  }

  #value(value: LoopValue, reads: readonly V[], values: readonly V[]): V {
    return vectorOf(value, reads, values, this.f, this.math);
  }
}

/** One run along the innermost axis. */
class Row {
  readonly pointers: Pointers;
  readonly inner: readonly number[];
  /** Values that are the same along it. */
  readonly fixed: readonly (V | null)[];
  /** Where terms of sums are added up: for each sum, one vector for each of a round. */
  lanes: readonly (readonly Local<'v128'>[])[] = [];

  constructor(pointers: Pointers, inner: readonly number[], fixed: readonly (V | null)[]) {
    this.pointers = pointers;
    this.inner = inner;
    this.fixed = fixed;
  }

  advance(f: FunctionBuilder, elements: number): void {
    this.pointers.forEach((p, i) => f.advance(p, 4 * elements * (this.inner[i] as number)));
  }
}

/** Offsets of instructions are unsigned: a negative one moves the address itself. */
function shifted(at: Local<'i32'>, bytes: number): [Expr<'i32'>, number] {
  return bytes >= 0 ? [at, bytes] : [op('i32.add', at, i32(bytes)), 0];
}

/** The module's exported function, and those that it calls. */
export function loopFunctions(k: LoopKernel): FunctionBuilder[] {
  const emitter = new LoopEmitter(k);
  return [emitter.f, ...emitter.math.doubles.helpers];
}
