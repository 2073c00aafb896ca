/**
 * Random bits by a counter: the n-th number of a seed is a function of n alone, so a stream can be continued, repeated
 * or divided, and is the same on every machine and engine. Philox4x32-10 of Salmon, Moraes, Dror & Shaw, "Parallel
 * random numbers: as easy as 1, 2, 3", 2011.
 *
 *   round:  (c₀, c₁, c₂, c₃) ← (high(b·c₂) ⊕ c₁ ⊕ k₀, low(b·c₂), high(a·c₀) ⊕ c₃ ⊕ k₁, low(a·c₀))
 *           (k₀, k₁) ← (k₀ + 0x9e3779b9, k₁ + 0xbb67ae85)      a = 0xd2511f53, b = 0xcd9e8d57
 */

/** Ten rounds over the 64-bit counter `block` and the 64-bit key `seed`: four words of 32 bits. */
export function philox(seed: number, block: number, words: Int32Array): void {
  // One by one: taking arrays apart, which runs an iterator, would cost more than the rounds.
  let c0 = block | 0;
  let c1 = (block / 2 ** 32) | 0;
  let c2 = 0;
  let c3 = 0;
  let k0 = seed | 0;
  let k1 = (seed / 2 ** 32) | 0;
  for (let round = 0; round < 10; round++) {
    const even = mulHigh(0xcd9e, 0x8d57, c2) ^ c1 ^ k0;
    const odd = mulHigh(0xd251, 0x1f53, c0) ^ c3 ^ k1;
    c1 = Math.imul(0xcd9e8d57, c2);
    c3 = Math.imul(0xd2511f53, c0);
    c0 = even;
    c2 = odd;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

/**
 * The upper 32 bits of the 64-bit product of (high · 2¹⁶ + low) and b, in integers of 32 bits: no partial sum exceeds 2³² - 1.
 * In Node 24 a number so takes 20 ns; with products in double precision 28, and with halves in arrays 250.
 */
function mulHigh(high: number, low: number, b: number): number {
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = (Math.imul(high, bLow) + (Math.imul(low, bLow) >>> 16)) | 0;
  return (Math.imul(high, bHigh) + (middle >>> 16) + ((Math.imul(low, bHigh) + (middle & 0xffff)) >>> 16)) | 0;
}

/** The number in [0, 1) of 53 bits that words 2 · half and 2 · half + 1 make. */
export function fraction(words: Int32Array, half: number): number {
  return ((words[2 * half]! >>> 5) * 2 ** 26 + (words[2 * half + 1]! >>> 6)) * 2 ** -53;
}
