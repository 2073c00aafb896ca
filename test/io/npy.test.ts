import fc from 'fast-check';
import { deflateSync, unzipSync, zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { FormatError, OptionError, ones, Tensor, tensor } from '../../src/index.ts';
import { decodeNpy, decodeNpz, encodeNpy, encodeNpz } from '../../src/io/index.ts';
import { inflate } from '../../src/io/inflate.ts';
import { crc32, unzip, zip } from '../../src/io/zip.ts';
import { damaged, fromBase64, tensors } from './helpers.ts';
import golden from './npy.golden.json';

describe('npy', () => {
  it.each(Object.entries(golden.npy))('reads what NumPy writes: %s', (name, { file, shape, values }) => {
    const x = decodeNpy(fromBase64(file));
    expect(x.dtype).toBe(name.endsWith('f88') || name === 'scalar' ? 'float64' : 'float32');
    expect(x.shape).toEqual(shape);
    const expected = x.dtype === 'float64' ? Float64Array.from(values) : Float32Array.from(values);
    expect(x.toTypedArray()).toEqual(expected);
  });

  it('sees Fortran order as strides', () => {
    expect(decodeNpy(fromBase64(golden.npy.fortran.file)).strides).toEqual([1, 2, 6]);
  });

  it.each(['<f44', 'scalar', 'empty', 'vector'] as const)('writes the bytes that NumPy writes: %s', (name) => {
    const { file } = golden.npy[name];
    expect(encodeNpy(decodeNpy(fromBase64(file)))).toEqual(fromBase64(file));
  });

  it('gives back what was written, bit for bit', () => {
    fc.assert(
      fc.property(tensors, (x) => {
        const found = decodeNpy(encodeNpy(x));
        expect([found.dtype, found.shape]).toEqual([x.dtype, x.shape]);
        expect(found.toTypedArray()).toEqual(x.toTypedArray());
      }),
    );
  });

  it.each(Object.entries(golden.rejected))('rejects arrays of no real numbers: %s', (_, file) => {
    expect(() => decodeNpy(fromBase64(file))).toThrow(FormatError);
  });

  const header = (text: string, data: number[] = []): Uint8Array =>
    Uint8Array.of(
      0x93,
      ...new TextEncoder().encode('NUMPY'),
      1,
      0,
      text.length,
      0,
      ...new TextEncoder().encode(text),
      ...data,
    );
  it.each<[string, Uint8Array, RegExp]>([
    ['other magic', new Uint8Array(20), /does not begin/],
    ['version 4', header('{}').fill(4, 6, 7), /version 4/],
    ['a long header', Uint8Array.of(0x93, 78, 85, 77, 80, 89, 1, 0, 255, 255, 1, 1), /65535 bytes of 2/],
    ['no dict', header('[]'), /does not describe a plain array/],
    ['a missing key', header("{'descr': '<f4', 'fortran_order': False}"), /does not describe/],
    ['a rest', header("{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", [0, 0, 0, 0]), /does not describe/],
    ['odd sizes', header("{'descr': '<f4', 'fortran_order': False, 'shape': (1 2,)}"), /no list of sizes/],
    [
      'sizes too large',
      header("{'descr': '<f4', 'fortran_order': False, 'shape': (9007199254740991, 2)}"),
      /too large/,
    ],
    [
      'too few bytes',
      header("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", [0, 0, 0, 0]),
      /needs 8 bytes, but there are 4/,
    ],
    [
      'a dtype of the prototype',
      header("{'descr': '<toString', 'fortran_order': False, 'shape': (2,)}"),
      /none of real numbers/,
    ],
  ])('rejects %s', (_, bytes, message) => {
    expect(() => decodeNpy(bytes)).toThrow(FormatError);
    expect(() => decodeNpy(bytes)).toThrow(message);
  });

  it('reads sizes as Python 2 wrote them', () => {
    expect(
      decodeNpy(header("{'descr': '<f4', 'fortran_order': False, 'shape': (1L,), }", [0, 0, 128, 63])).toArray(),
    ).toEqual([1]);
  });

  it('reads damaged files, or says FormatError, and nothing else', () => {
    fc.assert(
      fc.property(
        damaged(
          encodeNpy(
            tensor([
              [1, 2],
              [3, 4],
            ]),
          ),
        ),
        (bytes) => {
          try {
            expect(decodeNpy(bytes)).toBeInstanceOf(Tensor);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('rejects what it cannot write', () => {
    expect(() => encodeNpy([1] as never)).toThrow(OptionError);
  });
});

describe('npz', () => {
  it.each(['stored', 'compressed'] as const)('reads what NumPy writes, %s', (kind) => {
    const found = decodeNpz(fromBase64(golden.npz[kind]));
    expect(Object.keys(found)).toEqual(Object.keys(golden.npz.content));
    for (const [name, { shape, sum, last }] of Object.entries(golden.npz.content)) {
      const x = found[name]!;
      expect(x.shape).toEqual(shape);
      expect(x.to('float64').sum().item()).toBeCloseTo(sum, 9);
      if (last !== null) expect(x.flatten().at(-1)).toBe(last);
    }
  });

  it('gives back what was written', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), tensors, { maxKeys: 4 }), (record) => {
        const found = decodeNpz(encodeNpz(record));
        expect(Object.keys(found)).toEqual(Object.keys(record));
        for (const [name, x] of Object.entries(record)) expect(found[name]!.toTypedArray()).toEqual(x.toTypedArray());
      }),
    );
  });

  it.each(['stored', 'compressed'] as const)(
    'reads damaged files, or says FormatError, and nothing else: %s',
    (kind) => {
      fc.assert(
        fc.property(damaged(fromBase64(golden.npz[kind])), (bytes) => {
          try {
            decodeNpz(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        }),
        { numRuns: 200 },
      );
    },
  );

  it('rejects other files in the archive', () => {
    expect(() => decodeNpz(zip(new Map([['a.txt', Uint8Array.of(1)]])))).toThrow(/'a.txt', which is no .npy file/);
  });

  it('notices a changed number', () => {
    const bytes = encodeNpz({ a: ones([3]) });
    bytes[bytes.findIndex((_, i) => bytes[i] === 0x80 && bytes[i + 1] === 0x3f)]! ^= 1;
    expect(() => decodeNpz(bytes)).toThrow(/checksum/);
  });
});

describe('zip', () => {
  it('writes archives that others read, and reads theirs', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 9 }), fc.uint8Array({ maxLength: 300 }), {
          maxKeys: 4,
        }),
        fc.constantFrom(0, 1, 9),
        (files, level) => {
          const map = new Map(Object.entries(files));
          expect(unzip(zipSync(files, { level: level as 0 | 1 | 9 }))).toEqual(map);
          expect(new Map(Object.entries(unzipSync(zip(map))))).toEqual(map);
        },
      ),
    );
  });

  it('computes the published check value', () => {
    expect(crc32(new TextEncoder().encode('123456789'))).toBe(0xcbf43926);
  });
});

describe('inflate', () => {
  const texts = fc.oneof(
    fc.uint8Array({ maxLength: 3000 }),
    fc
      .array(fc.constantFrom('abc', 'abcdef', 'zz', 'q'), { maxLength: 2000 })
      .map((parts) => new TextEncoder().encode(parts.join(''))),
    fc.integer({ min: 0, max: 100_000 }).map((length) => new Uint8Array(length)),
  );

  it('undoes what a compressor did, at any level', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 0, max: 9 }), (bytes, level) => {
        expect(inflate(deflateSync(bytes, { level: level as 0 }), bytes.length)).toEqual(bytes);
      }),
    );
  });

  it('rejects a wrong size, and one that cannot be, before it reserves memory', () => {
    const packed = deflateSync(new Uint8Array(100));
    expect(() => inflate(packed, 99)).toThrow(/more than 99/);
    expect(() => inflate(packed, 101)).toThrow(/100 bytes instead of 101/);
    expect(() => inflate(packed, 2 ** 31)).toThrow(/cannot hold/);
  });

  it('says FormatError of any other bytes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 60 }),
        fc.integer({ min: 0, max: 60_000 }),
        (bytes, size) => {
          try {
            expect(inflate(bytes, size).length).toBe(size);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
