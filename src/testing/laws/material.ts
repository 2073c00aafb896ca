/** What laws need beyond their case (a second picture, a permutation, a shift), drawn from the case's seed. */
import { build, type NdArray } from '../nd.ts';

export class Material {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  /** An integer from `low` to `high`, both included. Source of the generator: T. Ettinger, mulberry32, 2017. */
  integer(low: number, high: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    const uniform = ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    return low + Math.floor(uniform * (high - low + 1));
  }

  /** Small integers, so that sums of products stay exact in float32. */
  array(shape: readonly number[]): NdArray {
    return build(shape, () => this.integer(-4, 4));
  }

  /** The numbers below n in some order. */
  permutation(n: number): number[] {
    const list = [...new Array(n).keys()];
    for (let i = n - 1; i > 0; i--) {
      const j = this.integer(0, i);
      [list[i], list[j]] = [list[j] as number, list[i] as number];
    }
    return list;
  }
}
