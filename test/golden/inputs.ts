/** Inputs of a golden case as the library's tensors, in a dtype and a memory layout. */

import { type Tensor, tensor } from '../../src/index.ts';
import { decode, type Encoded } from './load.ts';

/** `views`: float64, with every input a non-contiguous view of padded or permuted memory. */
export type Variant = 'float64' | 'views' | 'float32';

/** An input as the library sees it (`x`), the leaf that it is a view of, and a leaf's gradient in the input's own shape. */
export interface Input {
  readonly x: Tensor;
  readonly leaf: Tensor;
  readonly see: (t: Tensor) => Tensor;
}

export function makeInput(encoded: Encoded, variant: Variant, requiresGrad: boolean): Input {
  const values = decode(encoded);
  const shape = encoded.s;
  if (variant !== 'views') {
    const leaf = tensor(variant === 'float32' ? Float32Array.from(values) : values, [...shape], { requiresGrad });
    return { x: leaf, leaf, see: (t) => t };
  }
  const { data, leafShape, see } = spread(values, shape);
  const leaf = tensor(data, leafShape, { requiresGrad });
  return { x: see(leaf), leaf, see };
}

/** Memory that holds the values with axes reversed (or, below two axes, backward with NaN between), and the view back. */
function spread(
  values: Float64Array,
  shape: readonly number[],
): { data: Float64Array; leafShape: number[]; see: (t: Tensor) => Tensor } {
  if (shape.length < 2) {
    const data = new Float64Array(2 * values.length).fill(Number.NaN);
    values.forEach((value, i) => {
      data[2 * (values.length - i) - 1] = value;
    });
    const see = (t: Tensor): Tensor => t.slice([null, null, -2]);
    return { data, leafShape: [data.length], see: shape.length === 1 ? see : (t) => see(t).select(0, 0) };
  }
  const leafShape = [...shape].reverse();
  const axes = shape.map((_, i) => shape.length - 1 - i);
  const data = tensor(values, [...shape])
    .permute(axes)
    .toTypedArray() as Float64Array;
  return { data: Float64Array.from(data), leafShape, see: (t) => t.permute(axes) };
}

/** Labels and indices come in every form that the library takes. */
export function makeLabels(encoded: Encoded, variant: Variant): unknown {
  const values = decode(encoded);
  if (encoded.s.length !== 1 || variant === 'float32') {
    return tensor(variant === 'float32' ? Float32Array.from(values) : values, [...encoded.s]);
  }
  return variant === 'float64' ? [...values] : Int32Array.from(values);
}
