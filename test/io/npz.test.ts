import fc from 'fast-check';
import { strToU8, unzipSync, zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { FormatError, OptionError, ones, tensor } from '../../src/index.ts';
import { decodeNpz, encodeNpz } from '../../src/io/index.ts';
import { crc32, unzip, zip } from '../../src/io/zip.ts';
import { damaged, fromBase64, tensors } from './helpers.ts';
import golden from './npy.golden.json';

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
    'says FormatError of damaged files, and nothing else, or gives the numbers that were written: %s',
    (kind) => {
      const valid = fromBase64(golden.npz[kind]);
      const numbers = (bytes: Uint8Array): unknown =>
        Object.entries(decodeNpz(bytes)).map(([name, x]) => [name, x.dtype, x.shape, x.toTypedArray()]);
      const expected = numbers(valid);
      fc.assert(
        fc.property(damaged(valid), (bytes) => {
          let found: unknown;
          try {
            found = numbers(bytes);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
            return;
          }
          expect(found).toEqual(expected);
        }),
        { numRuns: 400 },
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

  it('writes the same bytes today as ever', () => {
    const bytes = encodeNpz({ ä: tensor([1, 2]), b: tensor(3, { dtype: 'float64' }) });
    expect([bytes.length, crc32(bytes)]).toEqual([468, 2053095471]);
    // As NumPy: midnight of the first of January 1980.
    expect([...bytes.subarray(10, 14)]).toEqual([0, 0, 0x21, 0]);
  });

  it('rejects more than the format holds, which would be read as less', () => {
    const many = new Map(Array.from({ length: 65535 }, (_, i) => [`x${i}`, new Uint8Array(0)]));
    expect(() => zip(many)).toThrow(OptionError);
    many.delete('x0');
    expect(unzip(zip(many)).size).toBe(65534);
    const x = tensor(1);
    expect(() => encodeNpz({ ['é'.repeat(32766)]: x })).toThrow(/65536 bytes, more than 65535/);
    expect(Object.keys(decodeNpz(encodeNpz({ ['é'.repeat(32765)]: x })))).toEqual(['é'.repeat(32765)]);
    // As large as it says it is, no test could hold it.
    const large = Object.defineProperty(new Uint8Array(1), 'length', { value: 2 ** 32 });
    expect(() => zip(new Map([['a', large]]))).toThrow(/larger than 4 GiB/);
  });
});

describe('zip', () => {
  const names = fc.string({ unit: 'grapheme', maxLength: 9 }).map((name) => `${name}.npy`);

  it('writes archives that others read, and reads theirs', () => {
    fc.assert(
      fc.property(
        fc.dictionary(names, fc.uint8Array({ maxLength: 300 }), { maxKeys: 4 }),
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
    expect(crc32(strToU8('123456789'))).toBe(0xcbf43926);
  });

  const content = new Uint8Array(100).fill(7);
  /** An archive of `a` and `b`, compressed, with fields of the directory's first entry or the last record changed. */
  const changed = (entry: Record<number, number>, end: Record<number, number> = {}, level: 0 | 6 = 6): Uint8Array => {
    const bytes = zipSync({ a: content, b: content }, { level });
    const view = new DataView(bytes.buffer);
    const last = bytes.length - 22;
    const first = view.getUint32(last + 16, true);
    for (const [field, value] of Object.entries(entry)) view.setUint32(first + Number(field), value, true);
    for (const [field, value] of Object.entries(end)) view.setUint16(last + Number(field), value, true);
    return bytes;
  };

  /** Where b's header is: behind all of a. */
  function secondFile(): number {
    const bytes = zipSync({ a: content }, { level: 6 });
    return new DataView(bytes.buffer).getUint32(bytes.length - 6, true);
  }

  it('reads the archive that the next tests change', () => {
    expect([...unzip(changed({})).keys()]).toEqual(['a', 'b']);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['a size too small', changed({ 24: 99 }), /'a' does not hold the 99 bytes/],
    ['a size too large', changed({ 24: 101 }), /'a' does not hold the 101 bytes/],
    ['a size too large, stored', changed({ 24: 101 }, {}, 0), /'a' does not hold the 101 bytes/],
    [
      'a size that cannot be, before it reserves memory',
      changed({ 24: 2 ** 31 }),
      /bytes of 'a' cannot hold 2147483648/,
    ],
    ['more packed bytes than there are', changed({ 20: 2 ** 31 }), /files of \d+ bytes in an archive of/],
    ['a size of an extension', changed({ 24: 0xffffffff }), /'a' is larger than 4 GiB/],
    ['a wrong checksum', changed({ 16: 0 }), /content of 'a' is damaged/],
    ['another method', changed({ 10: 12 }), /method 12/],
    ['an encrypted file', changed({ 8: 0x80001 }), /'a' is encrypted/],
    ['another file instead', changed({ 42: secondFile() }), /another name in its own header/],
    ['no file there', changed({ 42: 1 }), /not where the directory says/],
    ['fewer files than there are', changed({}, { 10: 1 }), /directory of 1 files ends at byte/],
    ['more files than there are', changed({}, { 10: 3 }), /entry 2 of the directory is missing/],
    ['nothing', new Uint8Array(0), /does not end as a zip archive/],
  ])('rejects %s', (_, bytes, message) => {
    expect(() => unzip(bytes)).toThrow(FormatError);
    expect(() => unzip(bytes)).toThrow(message);
  });

  it('rejects a name that is there twice', () => {
    const bytes = zipSync({ a: content, b: content }, { level: 0 });
    expect(() => unzip(bytes.map((byte) => (byte === 'b'.charCodeAt(0) ? 'a'.charCodeAt(0) : byte)))).toThrow(
      /'a' is there twice/,
    );
  });

  it('says FormatError of any bytes in the place of compressed ones', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 60 }),
        fc.integer({ min: 0, max: 60_000 }),
        (bytes, size) => {
          const archive = zipSync({ a: bytes }, { level: 0 });
          const view = new DataView(archive.buffer);
          const entry = view.getUint32(archive.length - 6, true);
          view.setUint16(entry + 10, 8, true);
          view.setUint32(entry + 24, size, true);
          expect(() => unzip(archive)).toThrow(FormatError);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
