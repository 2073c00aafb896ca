import fc from 'fast-check';
import { type DType, Tensor } from '../../src/index.ts';

export const fromBase64 = (text: string): Uint8Array => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

/** Small tensors of any layout, with every kind of number. */
export const tensors: fc.Arbitrary<Tensor> = fc
  .record({
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
    dtype: fc.constantFrom<DType>('float32', 'float64'),
    flip: fc.boolean(),
  })
  .chain(({ shape, dtype, flip }) => {
    const size = shape.reduce((product, length) => product * length, 1);
    const options = { minLength: size, maxLength: size };
    const values = dtype === 'float32' ? fc.float32Array(options) : fc.float64Array(options);
    return values.map((data) => {
      const x = Tensor.from(data, shape);
      return flip ? x.permute(shape.map((_, axis) => shape.length - 1 - axis)).flip() : x;
    });
  });

/** Bytes of a valid file with some changed, inserted, removed, or cut off. */
export function damaged(valid: Uint8Array): fc.Arbitrary<Uint8Array> {
  const at = fc.integer({ min: 0, max: Math.max(0, valid.length - 1) });
  const change = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), at, byte: fc.integer({ min: 0, max: 255 }) }),
    fc.record({ kind: fc.constant('insert' as const), at, byte: fc.integer({ min: 0, max: 255 }) }),
    fc.record({ kind: fc.constant('remove' as const), at, byte: fc.constant(0) }),
    fc.record({ kind: fc.constant('cut' as const), at, byte: fc.constant(0) }),
  );
  return fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => {
    const bytes = [...valid];
    for (const { kind, at, byte } of changes) {
      if (kind === 'set') bytes[at] = byte;
      else if (kind === 'insert') bytes.splice(at, 0, byte);
      else if (kind === 'remove') bytes.splice(at, 1);
      else bytes.length = Math.min(bytes.length, at);
    }
    return Uint8Array.from(bytes, (byte) => byte ?? 0);
  });
}
