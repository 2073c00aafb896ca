/** Decompression of deflated data. Source: RFC 1951; the code follows its sections. */

import { FormatError } from '../errors.ts';

/** A Huffman code: how many codes of each length there are, and the symbols in the order of their codes. */
interface Huffman {
  readonly counts: Uint16Array;
  readonly symbols: Uint16Array;
}

/** Section 3.2.2: a code is fixed by the lengths of its symbols' codes. */
function makeHuffman(lengths: ArrayLike<number>): Huffman {
  const counts = new Uint16Array(16);
  for (let i = 0; i < lengths.length; i++) counts[lengths[i]!]!++;
  counts[0] = 0;
  let left = 1;
  const starts = new Uint16Array(17);
  for (let length = 1; length < 16; length++) {
    left = left * 2 - counts[length]!;
    if (left < 0) throw corrupt('a code has more symbols than fit');
    starts[length + 1] = starts[length]! + counts[length]!;
  }
  const symbols = new Uint16Array(lengths.length);
  for (let i = 0; i < lengths.length; i++) if (lengths[i] !== 0) symbols[starts[lengths[i]!]!++] = i;
  return { counts, symbols };
}

function corrupt(problem: string): FormatError {
  return new FormatError(`inflate: the compressed data are corrupt: ${problem}`);
}

// Section 3.2.5: the first length or distance of each symbol, and how many extra bits follow.
const lengthBase = [
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
];
const lengthBits = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const distanceBase = [
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
  8193, 12289, 16385, 24577,
];
const distanceBits = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
/** Section 3.2.7: the order in which lengths of length codes come. */
const codeOrder = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** A compressed byte holds at most so many: the longest copy, 258 bytes, takes two bits. */
const mostExpansion = 1032;

/**
 * The `size` bytes that `input` is the compressed form of.
 *
 * @throws FormatError if the data are corrupt, or do not hold exactly `size` bytes.
 */
export function inflate(input: Uint8Array, size: number): Uint8Array {
  if (size > input.length * mostExpansion) throw corrupt(`${input.length} bytes cannot hold ${size}`);
  return new Inflater(input, size).all();
}

class Inflater {
  readonly #input: Uint8Array;
  readonly #output: Uint8Array;
  #in = 0;
  #out = 0;
  #bits = 0;
  #bitCount = 0;

  constructor(input: Uint8Array, size: number) {
    this.#input = input;
    this.#output = new Uint8Array(size);
  }

  /** Section 3.2.3: blocks, until one says that it is the last. */
  all(): Uint8Array {
    for (let last = 0; last === 0; ) {
      last = this.#take(1);
      const type = this.#take(2);
      if (type === 0) this.#stored();
      else if (type === 1) this.#compressed(fixedLengths(), makeHuffman(new Uint8Array(30).fill(5)));
      else if (type === 2) this.#dynamic();
      else throw corrupt('a block of type 3');
    }
    if (this.#out !== this.#output.length)
      throw corrupt(`it holds ${this.#out} bytes instead of ${this.#output.length}`);
    return this.#output;
  }

  #take(count: number): number {
    while (this.#bitCount < count) {
      if (this.#in >= this.#input.length) throw corrupt('it ends too early');
      this.#bits |= this.#input[this.#in++]! << this.#bitCount;
      this.#bitCount += 8;
    }
    const value = this.#bits & ((1 << count) - 1);
    this.#bits >>>= count;
    this.#bitCount -= count;
    return value;
  }

  #put(byte: number): void {
    if (this.#out >= this.#output.length) throw corrupt(`it holds more than ${this.#output.length} bytes`);
    this.#output[this.#out++] = byte;
  }

  /** Section 3.2.4. */
  #stored(): void {
    this.#bits = 0;
    this.#bitCount = 0;
    const length = this.#take(8) | (this.#take(8) << 8);
    const check = this.#take(8) | (this.#take(8) << 8);
    if ((length ^ check) !== 0xffff) throw corrupt('the length of a stored block contradicts itself');
    for (let i = 0; i < length; i++) this.#put(this.#take(8));
  }

  /** Codes come with the highest bit first. */
  #symbol({ counts, symbols }: Huffman): number {
    let [code, first, index] = [0, 0, 0];
    for (let length = 1; length < 16; length++) {
      code |= this.#take(1);
      const count = counts[length]!;
      if (code - first < count) return symbols[index + code - first]!;
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    throw corrupt('a code that stands for nothing');
  }

  /** Section 3.2.7: the codes themselves come compressed. */
  #dynamic(): void {
    const literals = this.#take(5) + 257;
    const distances = this.#take(5) + 1;
    const lengths = new Uint8Array(19);
    for (let i = 0, count = this.#take(4) + 4; i < count; i++) lengths[codeOrder[i]!] = this.#take(3);
    const code = makeHuffman(lengths);
    const all = new Uint8Array(literals + distances);
    for (let i = 0; i < all.length; ) {
      const symbol = this.#symbol(code);
      if (symbol < 16) {
        all[i++] = symbol;
        continue;
      }
      if (symbol === 16 && i === 0) throw corrupt('it repeats a length before the first');
      const value = symbol === 16 ? all[i - 1]! : 0;
      const times = symbol === 16 ? 3 + this.#take(2) : symbol === 17 ? 3 + this.#take(3) : 11 + this.#take(7);
      if (i + times > all.length) throw corrupt('it lists too many lengths');
      all.fill(value, i, i + times);
      i += times;
    }
    this.#compressed(makeHuffman(all.subarray(0, literals)), makeHuffman(all.subarray(literals)));
  }

  /** Section 3.2.3: bytes, and copies of what came before. */
  #compressed(literals: Huffman, distances: Huffman): void {
    for (let symbol = this.#symbol(literals); symbol !== 256; symbol = this.#symbol(literals)) {
      if (symbol < 256) {
        this.#put(symbol);
        continue;
      }
      const which = symbol - 257;
      if (which >= lengthBase.length) throw corrupt('a length that does not exist');
      const length = lengthBase[which]! + this.#take(lengthBits[which]!);
      const far = this.#symbol(distances);
      if (far >= distanceBase.length) throw corrupt('a distance that does not exist');
      const distance = distanceBase[far]! + this.#take(distanceBits[far]!);
      if (distance > this.#out) throw corrupt('a copy from before the beginning');
      for (let i = 0; i < length; i++) this.#put(this.#output[this.#out - distance]!);
    }
  }
}

/** Section 3.2.6. */
function fixedLengths(): Huffman {
  const lengths = new Uint8Array(288).fill(8);
  lengths.fill(9, 144, 256);
  lengths.fill(7, 256, 280);
  return makeHuffman(lengths);
}
