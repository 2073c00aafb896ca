/**
 * Eager elementwise operations on WebAssembly: rows are copied in, computed and copied out in chunks that stay in the
 * cache. A chunk kernel has a fixed length (what lies behind a shorter row is computed in vain), so that one
 * compiled kernel per function and broadcasting pattern serves all shapes.
 */
import { type Operand, walk } from '../../js/walk.ts';
import type { BinaryName, FloatArray, Strided, UnaryName } from '../../types.ts';
import { features } from '../features.ts';
import type { KernelCache, KernelFunction } from '../memory/cache.ts';
import { isDense } from '../memory/transfer.ts';
import { hasVectorForm } from './forms.ts';
import { type LoopKernel, loopKey } from './loop.ts';
import { loopFunctions } from './loops.ts';

/** Elements of a chunk: three arrays of 32 KB, in the second-level cache; half of it is slower by a tenth for its calls. */
const CHUNK = 8192;
const CHUNKS: readonly number[] = [256, 512, 1024, 2048, 4096, CHUNK];
/** Shorter rows cost more to move than the reference kernels take. */
const LEAST_ROW = 192;

type Name = UnaryName | BinaryName | 'where';

/** Shorter rows than this are not worth a kernel even when many are computed in one call. */
const LEAST_BATCHED = 16;

/** A compiled chunk: `rows` rows of `length`; an input of step 0 has one element per row. */
function chunkKernel(
  cache: KernelCache,
  name: Name,
  rows: number,
  length: number,
  steps: readonly number[],
): KernelFunction {
  const { relaxed } = features();
  const key = `chunk ${name} ${rows}x${length} ${steps.join()} ${relaxed ? 'f' : ''}`;
  return cache.plan(key, () => {
    const strides = (step: number): number[] => (rows === 1 ? [step] : step === 0 ? [1, 0] : [length, 1]);
    const kernel: LoopKernel = {
      shape: rows === 1 ? [length] : [rows, length],
      reads: steps.map(strides),
      values: [...steps.map((_, read) => ({ name: 'read' as const, read })), { name, args: steps.map((_, i) => i) }],
      stores: [{ value: steps.length, strides: strides(1) }],
      sums: [],
      fma: relaxed,
      exact: false,
    };
    return cache.get(loopKey(kernel), () => loopFunctions(kernel)).run as KernelFunction;
  });
}

/** Computes rows one after the other, each in chunks. */
class RowByRow {
  readonly #cache: KernelCache;
  readonly #name: Name;
  readonly #inputs: readonly Strided[];
  readonly #y: FloatArray;
  readonly #addresses: readonly number[];
  /** By length: looked up once, since all rows have the same steps. */
  readonly #kernels = new Map<number, KernelFunction>();

  constructor(cache: KernelCache, name: Name, inputs: readonly Strided[], y: FloatArray) {
    this.#cache = cache;
    this.#name = name;
    this.#inputs = inputs;
    this.#y = y;
    cache.memory.begin(CHUNK * (inputs.length + 1), inputs.length + 1);
    this.#addresses = [...inputs, y].map(() => cache.memory.allocate(CHUNK));
  }

  row(n: number, at: readonly number[], steps: readonly number[]): void {
    const { memory } = this.#cache;
    for (let from = 0; from < n; from += CHUNK) {
      const count = Math.min(CHUNK, n - from);
      const length = CHUNKS.find((c) => c >= count) as number;
      this.#inputs.forEach(({ data }, i) => {
        const stride = steps[i] as number;
        const start = (at[i + 1] as number) + from * stride;
        memory.write(this.#addresses[i] as number, data as Float32Array, start, stride === 0 ? 1 : count);
      });
      this.#kernel(length, steps)(...this.#addresses);
      memory.read(
        this.#addresses[this.#inputs.length] as number,
        this.#y as Float32Array,
        (at[0] as number) + from,
        count,
      );
    }
  }

  #kernel(length: number, steps: readonly number[]): KernelFunction {
    const known = this.#kernels.get(length);
    if (known !== undefined) return known;
    const made = chunkKernel(this.#cache, this.#name, 1, length, steps);
    this.#kernels.set(length, made);
    return made;
  }
}

/** Computes many short rows in one call: dense inputs move as one block, the others give one element per row. */
class Batched {
  readonly #cache: KernelCache;
  readonly #inputs: readonly Strided[];
  readonly #y: FloatArray;
  readonly #addresses: readonly number[];
  readonly #run: KernelFunction;
  readonly #n: number;
  readonly #steps: readonly number[];
  readonly #most: number;
  readonly #singles: readonly Float32Array[];
  /** Rows done and sent, and rows seen. */
  #sent = 0;
  #seen = 0;

  constructor(
    cache: KernelCache,
    name: Name,
    inputs: readonly Strided[],
    y: FloatArray,
    n: number,
    steps: readonly number[],
  ) {
    this.#cache = cache;
    this.#inputs = inputs;
    this.#y = y;
    this.#n = n;
    this.#steps = steps;
    this.#most = Math.min(Math.floor(CHUNK / n), y.length / n);
    this.#singles = inputs.map(() => new Float32Array(this.#most));
    this.#run = chunkKernel(cache, name, this.#most, n, steps);
    cache.memory.begin(CHUNK * (inputs.length + 1), inputs.length + 1);
    this.#addresses = [...inputs, y].map(() => cache.memory.allocate(CHUNK));
  }

  row(at: readonly number[]): void {
    const place = this.#seen++ - this.#sent;
    for (let i = 0; i < this.#inputs.length; i++) {
      if (this.#steps[i] === 0)
        (this.#singles[i] as Float32Array)[place] = this.#inputs[i]?.data[at[i + 1] as number] as number;
    }
    if (place + 1 === this.#most) this.flush();
  }

  flush(): void {
    const rows = this.#seen - this.#sent;
    if (rows === 0) return;
    const { memory } = this.#cache;
    const [from, count] = [this.#sent * this.#n, rows * this.#n];
    this.#inputs.forEach(({ data, offset }, i) => {
      const address = this.#addresses[i] as number;
      if (this.#steps[i] === 0) memory.write(address, this.#singles[i] as Float32Array, 0, rows);
      else memory.write(address, data as Float32Array, offset + from, count);
    });
    this.#run(...this.#addresses);
    memory.read(this.#addresses[this.#inputs.length] as number, this.#y as Float32Array, from, count);
    this.#sent = this.#seen;
  }
}

/** y = f(inputs), all of y's shape; false if the layout does not suit. */
function apply(cache: KernelCache, name: Name, inputs: readonly Strided[], y: FloatArray): boolean {
  const shape = inputs[0]?.shape ?? [];
  const dense: Operand = { offset: 0, strides: shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1)) };
  let how: RowByRow | Batched | null | undefined;
  walk(shape, [dense, ...inputs], (n, at, step) => {
    if (how === undefined) how = choose(cache, name, inputs, y, n, step.slice(1));
    if (how instanceof Batched) how.row(at);
    else how?.row(n, at, step.slice(1));
  });
  if (how instanceof Batched) how.flush();
  return how !== null && how !== undefined;
}

function choose(
  cache: KernelCache,
  name: Name,
  inputs: readonly Strided[],
  y: FloatArray,
  n: number,
  steps: readonly number[],
): RowByRow | Batched | null {
  if (steps.some((s) => s !== 0 && s !== 1)) return null;
  const isBlock = inputs.every((x, i) => steps[i] === 0 || isDense(x));
  if (isBlock && n >= LEAST_BATCHED && 2 * n <= CHUNK && n < y.length)
    return new Batched(cache, name, inputs, y, n, steps);
  return n >= LEAST_ROW ? new RowByRow(cache, name, inputs, y) : null;
}

export function unary(cache: KernelCache, name: UnaryName, x: Strided, y: FloatArray): boolean {
  return hasVectorForm(name) && apply(cache, name, [x], y);
}

/** Powers that are simpler functions, to the last bit. */
const SIMPLE_POWERS: ReadonlyMap<number, UnaryName> = new Map([
  [2, 'square'],
  [-1, 'reciprocal'],
]);

/** The number that a view repeats, if it does nothing else. */
function repeated({ data, offset, shape, strides }: Strided): number | undefined {
  return strides.every((stride, axis) => stride === 0 || shape[axis] === 1) ? data[offset] : undefined;
}

export function binary(cache: KernelCache, name: BinaryName, a: Strided, b: Strided, y: FloatArray): boolean {
  const simple = name === 'pow' ? SIMPLE_POWERS.get(repeated(b) ?? Number.NaN) : undefined;
  if (simple !== undefined) return apply(cache, simple, [a], y);
  return hasVectorForm(name) && apply(cache, name, [a, b], y);
}

export function where(cache: KernelCache, condition: Strided, a: Strided, b: Strided, y: FloatArray): boolean {
  return apply(cache, 'where', [condition, a, b], y);
}
