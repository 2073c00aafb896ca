import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError, OptionError, Tensor, tensor } from '../../src/index.ts';
import { decodeNpy, encodeNpy } from '../../src/io/index.ts';
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
