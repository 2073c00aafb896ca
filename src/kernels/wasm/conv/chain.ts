/**
 * Elementwise functions of a sum that is still in registers: what follows a convolution, such as a normalisation with fixed
 * statistics, a residual, an activation.
 *
 *   y[o][i] = f(sum[o][i], c[o], …, r[o][i], …, n, …)      numbers per channel, arrays that lie as y does, single numbers
 *
 * The same functions, in the same order, as a loop over the stored sums would compute.
 */
import { type Expr, type FunctionBuilder, type Local, load, op } from '../assembler/assembler.ts';
import { vectorOf } from '../elementwise/forms.ts';
import { type LoopValue, valuesKey } from '../elementwise/loop.ts';
import { VectorMath } from '../elementwise/vector-math.ts';
import { splatAt } from './tile.ts';

type V = Expr<'v128'>;
type I = Local<'i32'>;

/** What a value that is read is. All but the sum have a pointer: for an element, the distance from y in bytes. */
export type ChainOperand = 'sum' | 'channel' | 'number' | 'element';

export interface Chain {
  readonly operands: readonly ChainOperand[];
  /** A `read` is the number of an operand. */
  readonly values: readonly LoopValue[];
  /** The number of the value that is stored. */
  readonly result: number;
}

/** Parameters for a chain's pointers. */
export function operandPointers(f: FunctionBuilder, chain: Chain | undefined): I[] {
  return (chain?.operands ?? []).flatMap((kind) => (kind === 'sum' ? [] : [f.param('i32', kind)]));
}

/** Moves pointers on by some channels. */
export function advanceOperands(f: FunctionBuilder, chain: Chain | undefined, pointers: readonly I[], q: number): void {
  const own = (chain?.operands ?? []).filter((kind) => kind !== 'sum');
  own.forEach((kind, i) => {
    if (kind === 'channel') f.advance(pointers[i] as I, 4 * q);
  });
}

/** Emits a chain for the vectors of a few channels, one after the other. */
export class ChainEmitter {
  readonly #f: FunctionBuilder;
  readonly #chain: Chain;
  readonly #math: VectorMath;
  readonly #uses: readonly number[];
  /** Values that are the same for all elements of a channel. */
  readonly #uniform: boolean[] = [];
  /** The pointer of each operand, but for the sum. */
  readonly #pointers: readonly (I | null)[];
  #fixed: readonly (V | null)[] = [];

  constructor(f: FunctionBuilder, chain: Chain, pointers: readonly I[], fma: boolean) {
    this.#f = f;
    this.#chain = chain;
    this.#math = new VectorMath(f, fma);
    let next = 0;
    this.#pointers = chain.operands.map((kind) => (kind === 'sum' ? null : (pointers[next++] as I)));
    const uses = chain.values.map(() => 0);
    for (const value of chain.values) {
      if ('args' in value) for (const arg of value.args) uses[arg] = (uses[arg] as number) + 1;
      this.#uniform.push(
        'args' in value
          ? value.args.every((arg) => this.#uniform[arg])
          : value.name === 'constant' || ['channel', 'number'].includes(chain.operands[value.read] as string),
      );
    }
    this.#uses = uses;
  }

  /** Computes what is the same for all elements of channel `q`, counted from the pointers' on. */
  begin(q: number): void {
    const f = this.#f;
    const reads = this.#chain.operands.map((kind, i): V | null => {
      const pointer = this.#pointers[i] as I;
      return kind === 'channel' ? splatAt(pointer, q) : kind === 'number' ? splatAt(pointer, 0) : null;
    });
    const values: (V | null)[] = [];
    this.#chain.values.forEach((value, i) => {
      if (!this.#uniform[i]) values.push(null);
      else {
        const expr = vectorOf(value, reads as V[], values as V[], f, this.#math);
        values.push(value.name === 'constant' ? expr : f.let(expr, 'fixed'));
      }
    });
    this.#fixed = values;
  }

  /** The chain's result for a vector of sums, whose place is so many floats from `y`. */
  emit(sum: V, y: I, floats: number): V {
    const f = this.#f;
    const { operands, values: list, result } = this.#chain;
    const sums = f.let(sum, 'sum');
    const reads = operands.map((kind, i): V | null =>
      kind === 'sum'
        ? sums
        : kind === 'element'
          ? load('v128.load', op('i32.add', this.#pointers[i] as I, y), 4 * floats)
          : null,
    );
    const values: V[] = [];
    list.forEach((value, i) => {
      const known = this.#fixed[i];
      const expr = known ?? vectorOf(value, reads as V[], values, f, this.#math);
      const isHeld = !known && (this.#uses[i] as number) > 1 && expr.name !== 'local.get';
      values.push(isHeld ? f.let(expr, 'v') : expr);
    });
    return values[result] as V;
  }
}

/** Everything that a chain's code depends on. */
export function chainKey({ operands, values, result }: Chain): string {
  return `${operands.join()} ${valuesKey(values)} > ${result}`;
}
