import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type IdxArray, readIdx } from '../../src/data/idx.ts';
import { FormatError } from '../../src/errors.ts';

const CODES = { uint8: 0x08, int8: 0x09, int16: 0x0b, int32: 0x0c, float32: 0x0d, float64: 0x0e } as const;
type Kind = keyof typeof CODES;
const KINDS = Object.keys(CODES) as Kind[];
const BYTES: Record<Kind, number> = { uint8: 1, int8: 1, int16: 2, int32: 4, float32: 4, float64: 8 };

/** An independent writer: every element through DataView's own setter. */
function writeIdx(kind: Kind, shape: readonly number[], values: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + BYTES[kind] * values.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(2, CODES[kind]);
  view.setUint8(3, shape.length);
  for (const [axis, size] of shape.entries()) view.setUint32(4 + 4 * axis, size);
  for (let i = 0; i < values.length; i++) {
    const at = 4 + 4 * shape.length + BYTES[kind] * i;
    const value = values[i] as number;
    if (kind === 'uint8') view.setUint8(at, value);
    else if (kind === 'int8') view.setInt8(at, value);
    else if (kind === 'int16') view.setInt16(at, value);
    else if (kind === 'int32') view.setInt32(at, value);
    else if (kind === 'float32') view.setFloat32(at, value);
    else view.setFloat64(at, value);
  }
  return bytes;
}

const RANGE: Record<'uint8' | 'int8' | 'int16' | 'int32', [number, number]> = {
  uint8: [0, 255],
  int8: [-128, 127],
  int16: [-32768, 32767],
  int32: [-(2 ** 31), 2 ** 31 - 1],
};

const files: fc.Arbitrary<{ kind: Kind; shape: number[]; values: number[]; bytes: Uint8Array }> = fc
  .record({
    kind: fc.constantFrom(...KINDS),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 }),
  })
  .chain(({ kind, shape }) => {
    const count = shape.reduce((a, b) => a * b, 1);
    const element =
      kind === 'float32'
        ? fc.float()
        : kind === 'float64'
          ? fc.double()
          : fc.integer({ min: RANGE[kind][0], max: RANGE[kind][1] });
    return fc.array(element, { minLength: count, maxLength: count }).map((values) => ({ kind, shape, values }));
  })
  .map((file) => ({ ...file, bytes: writeIdx(file.kind, file.shape, file.values) }));

/** What readIdx gives, or null if it raised FormatError; anything else it raises fails the test. */
function tryRead(bytes: Uint8Array): { shape: number[]; data: IdxArray } | null {
  try {
    return readIdx(bytes);
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
    return null;
  }
}

describe('readIdx', () => {
  it('reads back every type, shape and value that was written', () => {
    fc.assert(
      fc.property(files, ({ kind, shape, values, bytes }) => {
        const read = readIdx(bytes);
        expect(read.shape).toEqual(shape);
        expect(read.data.constructor.name.toLowerCase()).toBe(`${kind}array`);
        expect([...read.data]).toEqual(values);
      }),
    );
  });

  it('reads from an ArrayBuffer, and from the middle of a larger one', () => {
    const bytes = writeIdx('int16', [2], [-2, 300]);
    const larger = new Uint8Array(bytes.length + 7);
    larger.set(bytes, 3);
    expect([...readIdx(bytes.buffer as ArrayBuffer).data]).toEqual([-2, 300]);
    expect([...readIdx(larger.subarray(3, 3 + bytes.length)).data]).toEqual([-2, 300]);
  });

  it('copies: writing to the result leaves the file as it was', () => {
    const bytes = writeIdx('uint8', [3], [1, 2, 3]);
    readIdx(bytes).data[0] = 9;
    expect(bytes[8]).toBe(1);
  });

  it('rejects every file that is cut off, whatever is left of it', () => {
    fc.assert(
      fc.property(files, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), ({ bytes }, part) => {
        expect(tryRead(bytes.subarray(0, Math.floor(part * bytes.length)))).toBeNull();
      }),
    );
  });

  it('rejects every byte that trails behind the data', () => {
    fc.assert(
      fc.property(files, fc.uint8Array({ minLength: 1, maxLength: 9 }), ({ bytes }, extra) => {
        expect(tryRead(Uint8Array.of(...bytes, ...extra))).toBeNull();
      }),
    );
  });

  it('answers damaged headers with FormatError or with an array no larger than the file', () => {
    const damage = fc.array(fc.tuple(fc.nat({ max: 24 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(files, damage, ({ bytes }, changes) => {
        const damaged = bytes.slice();
        for (const [at, value] of changes) if (at < damaged.length) damaged[at] = value;
        const read = tryRead(damaged);
        if (read !== null) {
          expect(read.data.byteLength).toBeLessThan(damaged.length);
          expect(read.shape.reduce((a, b) => a * b, 1)).toBe(read.data.length);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('answers any bytes at all with FormatError or a result', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        tryRead(bytes);
        tryRead(Uint8Array.of(0, 0, 8, ...bytes));
      }),
      { numRuns: 500 },
    );
  });

  it('allocates nothing for a header that promises more than the file holds', () => {
    const huge = Uint8Array.of(0, 0, 0x0e, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
    expect(() => readIdx(huge)).toThrow(
      /cut off: float64 \[4294967295, 4294967295\] needs \d+ bytes with its header, the file has 12/,
    );
    const rank255 = new Uint8Array(4 + 4 * 255).fill(0xff);
    rank255.set([0, 0, 8, 255]);
    expect(() => readIdx(rank255)).toThrow(FormatError);
  });

  it('accepts an empty dimension beside one that overflows', () => {
    const bytes = new Uint8Array(4 + 4 * 200).fill(0xff);
    bytes.set([0, 0, 8, 200, 0, 0, 0, 0]);
    expect(readIdx(bytes).data.length).toBe(0);
  });

  it('says what is wrong, with the values', () => {
    expect(() => readIdx(new Uint8Array(3))).toThrow('starts with 4 bytes, this one has 3');
    expect(() => readIdx(Uint8Array.of(0x1f, 0x8b, 8, 0))).toThrow('gzipped (they start with 0x1f 0x8b); decompress');
    expect(() => readIdx(Uint8Array.of(0x89, 0x50, 0x4e, 0x47))).toThrow('found 0x89 0x50');
    expect(() => readIdx(Uint8Array.of(0, 0, 0x0a, 1))).toThrow('unknown type code 0x0a; the format knows 0x08 uint8');
    expect(() => readIdx(Uint8Array.of(0, 0, 8, 0))).toThrow('0 dimensions');
    expect(() => readIdx(Uint8Array.of(0, 0, 8, 3, 0, 0))).toThrow('3 dimensions need a header of 16 bytes');
    expect(() => readIdx(writeIdx('uint8', [2, 2], [1, 2, 3]))).toThrow(
      'cut off: uint8 [2, 2] needs 16 bytes with its header, the file has 15',
    );
    expect(() => readIdx(writeIdx('uint8', [2], [1, 2, 3]))).toThrow('trail behind the data');
  });
});
