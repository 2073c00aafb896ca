/** What the digit generator asks of a source of chance: numbers spread evenly over [0, 1). */
export interface UniformSource {
  uniform(): number;
}

/**
 * A stream of chance of its own for every (seed, split, index): digit 7 of a set is the same picture whether the set has
 * 10 or 10,000 digits, and two splits share nothing. Counter-based: number i is a hash of (key, i).
 *
 * Everything here is integer arithmetic or + - * /, which the language defines to the last bit; Math.log and Math.sin
 * may differ between engines, so normal numbers are sums of uniform ones.
 *
 * Source: the finaliser of MurmurHash3 (A. Appleby), applied as in J. Salmon et al., "Parallel random numbers: as easy
 * as 1, 2, 3", 2011.
 */
export class Stream implements UniformSource {
  readonly #key: number;
  #counter = 0;

  constructor(...keys: readonly number[]) {
    this.#key = keys.reduce((hash, key) => mix(Math.imul(hash, 31) ^ mix(key >>> 0) ^ (key / 2 ** 32)), 0x9e3779b9);
  }

  uniform(): number {
    this.#counter = (this.#counter + 1) | 0;
    const high = mix(this.#key ^ mix(this.#counter));
    return (high >>> 0) / 2 ** 32;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.uniform();
  }

  /** Near-normal with the given spread: the sum of four uniform numbers (Irwin–Hall), within ±3.46 spreads. */
  normal(spread: number): number {
    const sum = this.uniform() + this.uniform() + this.uniform() + this.uniform();
    return (sum - 2) * SQRT_3 * spread;
  }

  chance(probability: number): boolean {
    return this.uniform() < probability;
  }
}

/** Four uniform numbers have variance 4/12. */
const SQRT_3 = Math.sqrt(3);

function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
