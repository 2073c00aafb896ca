/**
 * A small typed assembler for WebAssembly. Code is written as expressions with the specification's instruction names,
 * collected into functions by `FunctionBuilder`, and encoded by `encode.ts` (bytes) or `text.ts` (for reading).
 *
 *   const f = new FunctionBuilder('scale');
 *   const p = f.param('i32', 'p');
 *   f.store('v128.store', p, op('f32x4.mul', load('v128.load', p), f32x4(2)));
 */
import { LANE, MEMORY, MEMORY_LANE, naturalAlignment, PLAIN } from './opcodes.ts';

export type ValueType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

interface Letters {
  i: 'i32';
  l: 'i64';
  f: 'f32';
  d: 'f64';
  v: 'v128';
}
type Operands<S extends string> = S extends `${infer L extends keyof Letters}${infer Rest}`
  ? [Expr<Letters[L]>, ...Operands<Rest>]
  : [];
type Result<S extends string> = S extends keyof Letters ? Letters[S] : never;
type SignatureIn<T, N> = { [S in keyof T]: N extends keyof T[S] ? S : never }[keyof T] & string;
type NameIn<T> = { [S in keyof T]: keyof T[S] }[keyof T] & string;
type OperandsOf<T, N> = SignatureIn<T, N> extends `${infer A}:${string}` ? Operands<A> : never;
type ResultOf<T, N> = SignatureIn<T, N> extends `${string}:${infer R}` ? Result<R> : never;
type NameWithResult<T, Empty extends boolean> = {
  [S in keyof T]: S extends `${string}:`
    ? Empty extends true
      ? keyof T[S]
      : never
    : Empty extends true
      ? never
      : keyof T[S];
}[keyof T] &
  string;

export type PlainName = NameIn<typeof PLAIN>;
export type LaneName = NameIn<typeof LANE>;
export type LoadName = NameWithResult<typeof MEMORY, false>;
export type StoreName = NameWithResult<typeof MEMORY, true>;

/** One instruction with its operands; statements have no type. */
export interface Node {
  readonly name: string;
  readonly args: readonly Node[];
  /** Indices, constants, offsets and lanes, in the text form's order. */
  readonly immediates: readonly number[];
  /** The bodies of `block`, `loop` and `if` (then, else). */
  readonly bodies?: readonly (readonly Node[])[];
  /** The function that a `call` calls. */
  readonly callee?: FunctionBuilder;
}

/** An instruction that leaves a value of type T. */
export interface Expr<T extends ValueType = ValueType> extends Node {
  readonly type: T;
}

/** A parameter or local variable; as an expression it is `local.get`. */
export interface Local<T extends ValueType = ValueType> extends Expr<T> {
  readonly index: number;
  readonly label: string;
}

/** What the tables say of an instruction. */
export interface Entry {
  readonly code: number;
  readonly kind: 'plain' | 'lane' | 'memory' | 'memoryLane';
  readonly result: ValueType | undefined;
  /** What a memory argument states. */
  readonly align: number;
}

const TYPE_OF: Readonly<Record<string, ValueType>> = { i: 'i32', l: 'i64', f: 'f32', d: 'f64', v: 'v128' };
let table: Map<string, Entry> | undefined;

/** What the opcode tables, which are read at first use, say of an instruction; undefined if it is in none of them. */
export function listed(name: string): Entry | undefined {
  table ??= readTables();
  return table.get(name);
}

function readTables(): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  const groups = { plain: PLAIN, lane: LANE, memory: MEMORY, memoryLane: MEMORY_LANE };
  for (const [kind, group] of Object.entries(groups) as [Entry['kind'], Record<string, Record<string, number>>][]) {
    const isMemory = kind === 'memory' || kind === 'memoryLane';
    for (const [signature, codes] of Object.entries(group)) {
      const result = TYPE_OF[signature.slice(signature.indexOf(':') + 1)];
      for (const name in codes) {
        entries.set(name, { code: codes[name]!, kind, result, align: isMemory ? naturalAlignment(name) : 0 });
      }
    }
  }
  return entries;
}

/** @throws RangeError if no instruction is named so. */
export function entryOf(name: string): Entry {
  const entry = listed(name);
  if (entry === undefined) throw new RangeError(`assembler: no instruction is named ${name}`);
  return entry;
}

function make<T extends ValueType>(name: string, args: readonly Node[], immediates: readonly number[]): Expr<T> {
  return { name, args, immediates, type: entryOf(name).result as T };
}

/** An instruction without immediates. */
export function op<N extends PlainName>(
  name: N,
  ...args: OperandsOf<typeof PLAIN, N>
): Expr<ResultOf<typeof PLAIN, N>> {
  return make(name, args, NONE);
}

/** An instruction on one lane. */
export function lane<N extends LaneName>(
  name: N,
  at: number,
  ...args: OperandsOf<typeof LANE, N>
): Expr<ResultOf<typeof LANE, N>> {
  return make(name, args, [at]);
}

/** A load (or an atomic operation that leaves a value) at `address + offset` bytes. */
export function load<N extends LoadName>(
  name: N,
  address: Expr<'i32'>,
  offset = 0,
  ...rest: OperandsOf<typeof MEMORY, N> extends [unknown, ...infer R] ? R : never
): Expr<ResultOf<typeof MEMORY, N>> {
  return make(name, [address, ...(rest as readonly Node[])], [offset]);
}

/** A load into one lane of `value`. */
export function loadLane(
  name: 'v128.load32_lane' | 'v128.load64_lane',
  at: number,
  address: Expr<'i32'>,
  value: Expr<'v128'>,
  offset = 0,
): Expr<'v128'> {
  return make(name, [address, value], [offset, at]);
}

/** Sixteen byte indices into the 32 bytes of a and b. */
export function shuffleBytes(a: Expr<'v128'>, b: Expr<'v128'>, bytes: readonly number[]): Expr<'v128'> {
  return { name: 'i8x16.shuffle', args: [a, b], immediates: bytes, type: 'v128' };
}

/** Four lane indices into the 8 lanes of a and b. */
export function shuffle(a: Expr<'v128'>, b: Expr<'v128'>, lanes: readonly number[]): Expr<'v128'> {
  return shuffleBytes(
    a,
    b,
    lanes.flatMap((l) => [4 * l, 4 * l + 1, 4 * l + 2, 4 * l + 3]),
  );
}

const NONE: readonly never[] = [];

export const i32 = (value: number): Expr<'i32'> => ({
  name: 'i32.const',
  args: NONE,
  immediates: [value | 0],
  type: 'i32',
});
export const i64 = (value: number): Expr<'i64'> => ({
  name: 'i64.const',
  args: NONE,
  immediates: [value],
  type: 'i64',
});
export const f32 = (value: number): Expr<'f32'> => ({
  name: 'f32.const',
  args: NONE,
  immediates: [Math.fround(value)],
  type: 'f32',
});
export const f64 = (value: number): Expr<'f64'> => ({
  name: 'f64.const',
  args: NONE,
  immediates: [value],
  type: 'f64',
});

/** A constant of four words of 32 bits. */
function words(a: number, b: number, c: number, d: number): Expr<'v128'> {
  return { name: 'v128.const', args: NONE, immediates: [a, b, c, d], type: 'v128' };
}
/** Four floats, equal if one is given. */
export function f32x4(a: number): Expr<'v128'>;
export function f32x4(a: number, b: number, c: number, d: number): Expr<'v128'>;
export function f32x4(a: number, b?: number, c?: number, d?: number): Expr<'v128'> {
  const first = bitsOf(a);
  const next = (value: number | undefined): number => (value === undefined ? first : bitsOf(value));
  return words(first, next(b), next(c), next(d));
}
/** Two equal doubles. */
export function f64x2(value: number): Expr<'v128'> {
  const [low, high] = new Int32Array(Float64Array.of(value).buffer) as unknown as [number, number];
  return words(low, high, low, high);
}
/** Four integers, equal if one is given. */
export const i32x4 = (a: number, b: number = a, c: number = a, d: number = a): Expr<'v128'> =>
  words(a | 0, b | 0, c | 0, d | 0);

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

function bitsOf(value: number): number {
  float[0] = value;
  return bits[0] as number;
}

/** What a function gives that has a result. */
export function invoke<T extends ValueType>(callee: FunctionBuilder, type: T, ...args: readonly Expr[]): Expr<T> {
  return { name: 'call', args, immediates: NONE, callee, type };
}

/** A function that a module imports from `env`. */
export function importedFunction(name: string, params: readonly ValueType[], result?: ValueType): FunctionBuilder {
  const f = new FunctionBuilder(name, result === undefined ? { imported: true } : { imported: true, result });
  for (const type of params) f.param(type);
  return f;
}

/** address + bytes, without an instruction for zero. */
export function plus(address: Expr<'i32'>, bytes: number): Expr<'i32'> {
  return bytes === 0 ? address : op('i32.add', address, i32(bytes));
}

export function select<T extends ValueType>(a: Expr<T>, b: Expr<T>, condition: Expr<'i32'>): Expr<T> {
  return {
    name: a.type === 'v128' ? 'select_v128' : 'select',
    args: [a, b, condition],
    immediates: NONE,
    type: a.type,
  };
}

/** Collects one function: parameters first, then locals and statements. */
export class FunctionBuilder {
  readonly name: string;
  readonly params: Local[] = [];
  readonly locals: Local[] = [];
  readonly body: Node[] = [];
  readonly exported: boolean;
  /** Whether it has no body here but comes from the importing side's `env`, by its name. */
  readonly imported: boolean;
  readonly result: ValueType | undefined;
  #at: Node[] = this.body;
  #depth = 0;

  constructor(
    name: string,
    options: { readonly exported?: boolean; readonly imported?: boolean; readonly result?: ValueType } = {},
  ) {
    this.name = name;
    this.imported = options.imported ?? false;
    this.exported = options.exported ?? !this.imported;
    this.result = options.result;
  }

  #variable<T extends ValueType>(type: T, label: string | undefined): Local<T> {
    const at = this.params.length + this.locals.length;
    return { name: 'local.get', args: NONE, immediates: [at], type, index: at, label: `${label ?? type}_${at}` };
  }

  param<T extends ValueType>(type: T, label?: string): Local<T> {
    const local = this.#variable(type, label);
    this.params.push(local);
    return local;
  }

  local<T extends ValueType>(type: T, label?: string): Local<T> {
    const local = this.#variable(type, label);
    this.locals.push(local);
    return local;
  }

  /** A new local holding `value`. */
  let<T extends ValueType>(value: Expr<T>, label?: string): Local<T> {
    const local = this.local(value.type, label);
    this.set(local, value);
    return local;
  }

  emit(
    name: string,
    args: readonly Node[] = NONE,
    immediates: readonly number[] = NONE,
    bodies?: readonly (readonly Node[])[],
  ): void {
    this.#at.push(bodies === undefined ? { name, args, immediates } : { name, args, immediates, bodies });
  }

  set<T extends ValueType>(local: Local<T>, value: Expr<T>): void {
    this.#at.push({ name: 'local.set', args: [value], immediates: [local.index] });
  }

  /** local += bytes. */
  advance(local: Local<'i32'>, bytes: number | Expr<'i32'>): void {
    if (bytes === 0) return;
    this.set(local, op('i32.add', local, typeof bytes === 'number' ? i32(bytes) : bytes));
  }

  store<N extends StoreName>(
    name: N,
    address: Expr<'i32'>,
    value: OperandsOf<typeof MEMORY, N> extends [unknown, infer V] ? V : never,
    offset = 0,
  ): void {
    this.emit(name, [address, value as Node], [offset]);
  }

  storeLane(
    name: 'v128.store8_lane' | 'v128.store32_lane' | 'v128.store64_lane',
    at: number,
    address: Expr<'i32'>,
    value: Expr<'v128'>,
    offset = 0,
  ): void {
    this.emit(name, [address, value], [offset, at]);
  }

  /** Evaluates for the effect (an atomic operation's old value, a call's result). */
  drop(value: Expr): void {
    this.emit('drop', [value]);
  }

  call(callee: FunctionBuilder, ...args: readonly Expr[]): void {
    this.#at.push({ name: 'call', args, immediates: NONE, callee });
  }

  return(value?: Expr): void {
    this.emit('return', value === undefined ? NONE : [value]);
  }

  #nested(body: () => void): Node[] {
    const outer = this.#at;
    const inner: Node[] = [];
    this.#at = inner;
    this.#depth++;
    body();
    this.#depth--;
    this.#at = outer;
    return inner;
  }

  /** The body's argument branches out of the block, when a condition is given only if it holds. */
  block(body: (leave: (condition?: Expr<'i32'>) => void) => void): void {
    const depth = this.#depth + 1;
    this.emit('block', NONE, NONE, [this.#nested(() => body((condition) => this.#branch(depth, condition)))]);
  }

  /** The body's argument starts the next round; falling off the end leaves the loop. */
  loop(body: (again: (condition?: Expr<'i32'>) => void) => void): void {
    const depth = this.#depth + 1;
    this.emit('loop', NONE, NONE, [this.#nested(() => body((condition) => this.#branch(depth, condition)))]);
  }

  if(condition: Expr<'i32'>, then: () => void, otherwise?: () => void): void {
    const bodies = [this.#nested(then)];
    if (otherwise !== undefined) bodies.push(this.#nested(otherwise));
    this.emit('if', [condition], NONE, bodies);
  }

  #branch(depth: number, condition: Expr<'i32'> | undefined): void {
    this.emit(condition === undefined ? 'br' : 'br_if', condition === undefined ? NONE : [condition], [
      this.#depth - depth,
    ]);
  }

  /** Runs the body a constant number of times; a counter counts down and no code is spent on 0 or 1 rounds. */
  repeat(times: number, body: () => void): void {
    if (times <= 0) return;
    if (times === 1) {
      body();
      return;
    }
    const left = this.let(i32(times), 'left');
    this.loop((again) => {
      body();
      this.set(left, op('i32.sub', left, i32(1)));
      again(left);
    });
  }

  /** Runs the body while `local` < `limit` (unsigned), adding `step` after each round; the first test comes first. */
  while(local: Local<'i32'>, limit: Expr<'i32'>, step: number, body: () => void): void {
    this.if(op('i32.lt_u', local, limit), () => {
      this.loop((again) => {
        body();
        this.advance(local, step);
        again(op('i32.lt_u', local, limit));
      });
    });
  }
}
