import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError, OptionError, tensor } from '../../src/index.ts';
import { decodeSafetensors, encodeSafetensors, readSafetensorsMetadata } from '../../src/io/index.ts';
import { damaged, tensors } from './helpers.ts';

/** A file of a header and data, whatever they are. */
function file(header: unknown, data: ArrayLike<number> = []): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(Uint8Array.from(data), 8 + text.length);
  return bytes;
}

const names = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((name) => name !== '__metadata__');

describe('safetensors', () => {
  it('gives back what was written, bit for bit, in the same order', () => {
    fc.assert(
      fc.property(fc.dictionary(names, tensors), fc.dictionary(fc.string(), fc.string()), (record, metadata) => {
        const bytes = encodeSafetensors(record, metadata);
        const found = decodeSafetensors(bytes);
        expect(Object.keys(found)).toEqual(Object.keys(record));
        for (const [name, x] of Object.entries(record)) {
          expect(found[name]!.dtype).toBe(x.dtype);
          expect(found[name]!.shape).toEqual(x.shape);
          expect(found[name]!.toTypedArray()).toEqual(x.toTypedArray());
        }
        expect(readSafetensorsMetadata(bytes)).toEqual({ ...metadata });
      }),
    );
  });

  it('writes the layout of the specification', () => {
    const bytes = encodeSafetensors({ a: tensor([1]), b: tensor([[2, 3]], { dtype: 'float64' }) }, { format: 'pt' });
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    expect(JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))).toEqual({
      __metadata__: { format: 'pt' },
      a: { dtype: 'F32', shape: [1], data_offsets: [16, 20] },
      b: { dtype: 'F64', shape: [1, 2], data_offsets: [0, 16] },
    });
    expect([...new Float64Array(bytes.slice(8 + length, 24 + length).buffer)]).toEqual([2, 3]);
    expect([...new Float32Array(bytes.slice(24 + length).buffer)]).toEqual([1]);
  });

  it.each([
    ['F16', [0x00, 0x3c, 0xff, 0x7b, 0x01, 0x80, 0x00, 0xfc], [1, 65504, -(2 ** -24), -Infinity]],
    ['BF16', [0x80, 0x3f, 0x49, 0x40], [1, 3.140625]],
    ['I64', [0xfe, 255, 255, 255, 255, 255, 255, 255], [-2]],
    ['U64', [1, 0, 0, 0, 1, 0, 0, 0], [2 ** 32]],
    ['I32', [0xfd, 255, 255, 255], [-3]],
    ['U32', [0, 0, 0, 128], [2 ** 31]],
    ['I16', [0xfe, 255, 2, 1], [-2, 258]],
    ['U16', [0xfe, 255], [65534]],
    ['I8', [0x80, 127], [-128, 127]],
    ['U8', [0x80, 255], [128, 255]],
    ['BOOL', [0, 1], [0, 1]],
  ])('reads %s as float32', (dtype, data, values) => {
    const x = decodeSafetensors(file({ x: { dtype, shape: [values.length], data_offsets: [0, data.length] } }, data))
      .x!;
    expect(x.dtype).toBe('float32');
    expect(x.toArray()).toEqual(values);
  });

  it('reads from an odd address, and from a subclass of Uint8Array, without sharing memory', () => {
    const bytes = encodeSafetensors({ x: tensor([1, 2, 3]) });
    class Other extends Uint8Array {
      override slice(): never {
        throw new Error('Buffer.slice does not copy');
      }
    }
    const moved = new Other(bytes.length + 1);
    moved.set(bytes, 1);
    const odd = new Other(moved.buffer, 1);
    const { x } = decodeSafetensors(odd);
    new Uint8Array(moved.buffer).fill(0);
    expect(x!.toArray()).toEqual([1, 2, 3]);
  });

  const entry = { dtype: 'F32', shape: [1], data_offsets: [0, 4] };
  it.each<[string, Uint8Array, RegExp]>([
    ['no length', Uint8Array.of(1, 2), /2 bytes are too few/],
    ['a header beyond the end', Uint8Array.of(200, 0, 0, 0, 0, 0, 0, 0, 1), /200 bytes of 1 that follow/],
    ['a header of 2^63 bytes', Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 128), /of 0 that follow/],
    ['no JSON', file('{'), /no JSON/],
    ['no object', file([]), /must be a JSON object/],
    ['an unknown dtype', file({ x: { ...entry, dtype: 'F8_E4M3' } }, [0, 0, 0, 0]), /dtype "F8_E4M3"; known are F64/],
    ['a dtype of the prototype', file({ x: { ...entry, dtype: 'toString' } }, [0, 0, 0, 0]), /dtype "toString"/],
    ['a negative size', file({ x: { ...entry, shape: [-1] } }, [0, 0, 0, 0]), /no list of sizes/],
    ['a broken size', file({ x: { ...entry, shape: [0.5] } }, [0, 0, 0, 0]), /no list of sizes/],
    ['a size too large', file({ x: { ...entry, shape: [2 ** 52, 2 ** 52] } }, [0, 0, 0, 0]), /too large/],
    [
      'too few bytes',
      file({ x: { ...entry, shape: [2] } }, [0, 0, 0, 0]),
      /has 4 bytes, but shape \[2\] of F32 needs 8/,
    ],
    [
      'an end beyond the file',
      file({ x: { ...entry, data_offsets: [0, 8], shape: [2] } }, [0, 0, 0, 0]),
      /lies at \[0, 8\] of 4/,
    ],
    ['an end before the beginning', file({ x: { ...entry, data_offsets: [4, 0] } }, [0, 0, 0, 0]), /lies at \[4, 0\]/],
    [
      'a gap',
      file({ x: { ...entry, data_offsets: [4, 8] } }, new Uint8Array(8)),
      /begins at byte 4, but the ones before end at 0/,
    ],
    [
      'an overlap',
      file({ x: entry, y: entry }, new Uint8Array(4)),
      /'y' begins at byte 0, but the ones before end at 4/,
    ],
    ['a rest', file({ x: entry }, new Uint8Array(6)), /2 bytes at the end belong to no tensor/],
    ['an entry that is none', file({ x: null }), /has no dtype/],
    ['no UTF-8', file({ x: entry }).fill(0xff, 8), /no UTF-8/],
  ])('rejects %s', (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes)).toThrow(FormatError);
    expect(() => decodeSafetensors(bytes)).toThrow(message);
  });

  it('takes huge sizes of an empty tensor for what they are', () => {
    const x = decodeSafetensors(file({ x: { dtype: 'F32', shape: [2 ** 52, 0, 2 ** 52], data_offsets: [0, 0] } })).x!;
    expect([...x.shape, x.size]).toEqual([2 ** 52, 0, 2 ** 52, 0]);
  });

  it('keeps a name such as __proto__ a name', () => {
    const record = Object.fromEntries([['__proto__', tensor([1])]]);
    const found = decodeSafetensors(encodeSafetensors(record));
    expect(Object.keys(found)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(found)).toBe(Object.prototype);
  });

  it('reads damaged files, or says FormatError, and nothing else', () => {
    const valid = encodeSafetensors(
      {
        w: tensor([
          [1, 2],
          [3, 4],
        ]),
        b: tensor([5]),
      },
      { k: 'v' },
    );
    fc.assert(
      fc.property(damaged(valid), (bytes) => {
        try {
          const found = decodeSafetensors(bytes);
          expect(Object.values(found).reduce((sum, x) => sum + x.size, 0)).toBeLessThanOrEqual(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('rejects what it cannot write', () => {
    expect(() => encodeSafetensors({ a: 1 as never })).toThrow(OptionError);
    expect(() => encodeSafetensors(tensor([1]) as never)).toThrow(/tensors by name/);
    expect(() => encodeSafetensors({ __metadata__: tensor([1]) })).toThrow(/cannot be called/);
    expect(() => encodeSafetensors({}, { a: 1 as never })).toThrow(/metadata 'a' must be a text/);
    expect(() => decodeSafetensors('x' as never)).toThrow(OptionError);
  });
});
