/** Two sets of kernels side by side, and what rounding lets them differ by. */

import { TypedgradError } from '../../../errors.ts';
import { unary } from '../../js/elementwise.ts';
import { product } from '../../sizes.ts';
import type { FloatArray, Kernels, Strided } from '../../types.ts';

export const EPSILON: number = 2 ** -23;
/** Below this, float32 rounds to denormals and relative bounds do not hold. */
export const TINY: number = 2 ** -126;

export const fresh = (y: FloatArray): FloatArray => new (y.constructor as Float32ArrayConstructor)(y.length);

function absolute(x: Strided): Strided {
  const data = new (x.data.constructor as Float32ArrayConstructor)(product(x.shape));
  unary('abs', x, data);
  const strides = x.shape.map((_, i) => product(x.shape.slice(i + 1)));
  return { data, offset: 0, shape: x.shape, strides };
}

/** A bound by other magnitudes than the operation's own on absolute values. */
export interface Tiled {
  readonly roundings: number;
  magnitudes(inputs: readonly Strided[]): FloatArray;
}

/** Throws at the first element of `actual` that is further from `expected` than `allowed(i)`. */
function compare(name: string, actual: FloatArray, expected: FloatArray, allowed: (i: number) => number): void {
  for (let i = 0; i < actual.length; i++) {
    const [a, e] = [actual[i] as number, expected[i] as number];
    if (a === e || Math.abs(a - e) <= allowed(i) || (Number.isNaN(a) && Number.isNaN(e))) continue;
    if (allowed(i) === Number.POSITIVE_INFINITY) continue;
    throw new TypedgradError(
      `differential mode: ${name} gives ${a} on the kernels under test but ${e} on the reference kernels, at element ${i} of ` +
        `${actual.length}; rounding explains a difference of ${allowed(i)}`,
    );
  }
}

/** Writes an operation's result by one set of kernels. */
type Run = (kernels: Kernels, y: FloatArray) => void;
/** The same on inputs of which some are replaced. */
type RunOn = (kernels: Kernels, y: FloatArray, inputs: readonly Strided[]) => void;

/** Kernels under test beside reference kernels. Each check leaves the result of those under test in `y`. */
export class Pair {
  readonly tested: Kernels;
  readonly reference: Kernels;

  constructor(tested: Kernels, reference: Kernels) {
    this.tested = tested;
    this.reference = reference;
  }

  /** Elements differ by at most `allowed` of the expected one. */
  within(name: string, y: FloatArray, run: Run, allowed: (expected: number, i: number) => number): void {
    const expected = fresh(y);
    expected.set(y);
    // The reference first: y may be an operand, whose place the result takes.
    run(this.reference, expected);
    run(this.tested, y);
    compare(name, y, expected, (i) => allowed(expected[i]!, i) + TINY);
  }

  /** Elements differ by at most `ulps` units in the last place. */
  relative(name: string, y: FloatArray, run: Run, ulps = 4): void {
    this.within(name, y, run, (e) => ulps * EPSILON * Math.abs(e));
  }

  /** Sums of at most `terms` terms differ by their rounding, bounded by the same operation on magnitudes. */
  sums(name: string, terms: number, y: FloatArray, inputs: readonly Strided[], run: RunOn, tiled?: Tiled | null): void {
    const expected = fresh(y);
    const bound = fresh(y);
    run(this.tested, y, inputs);
    run(this.reference, expected, inputs);
    const magnitudes = inputs.map(absolute);
    run(this.reference, bound, magnitudes);
    const more = tiled?.magnitudes(magnitudes);
    // Beside numbers that are not finite tiles have no bound: what they touch is computed directly instead.
    const byTiles = (i: number): number => (more && !Number.isNaN(more[i]) ? tiled!.roundings * EPSILON * more[i]! : 0);
    // An infinite bound (magnitudes that overflow) allows anything: partial sums may overflow in one order of terms only.
    const most = (i: number): number => (terms + 4) * EPSILON * bound[i]! + terms * TINY + byTiles(i);
    compare(name, y, expected, most);
  }
}
