/** Strided tensors into kernel memory: dense ones in one copy, others gathered on the way. */

import { copy } from '../../js/elementwise.ts';
import { product } from '../../sizes.ts';
import type { Strided } from '../../types.ts';
import type { KernelMemory } from './memory.ts';

/** Is the view its elements in row-major order, one after the other? */
export function isDense(x: Pick<Strided, 'shape' | 'strides'>): boolean {
  let step = 1;
  for (let a = x.shape.length - 1; a >= 0; a--) {
    if (x.shape[a] !== 1 && x.strides[a] !== step) return false;
    step *= x.shape[a] as number;
  }
  return true;
}

/** Where else `axis` may stand among the axes so that the view is dense: there, with the shape that it has then; or null. */
export function denseOrder(
  { shape, strides }: Pick<Strided, 'shape' | 'strides'>,
  axis: number,
): { readonly shape: number[]; readonly axis: number } | null {
  const without = (list: readonly number[]): number[] => list.filter((_, a) => a !== axis);
  for (let at = shape.length - 1; at >= 0; at--) {
    const moved = (list: readonly number[]): number[] => without(list).toSpliced(at, 0, list[axis] as number);
    const view = { shape: moved(shape), strides: moved(strides) };
    if (isDense(view)) return { shape: view.shape, axis: at };
  }
  return null;
}

/** The part [from, from + count) of the first axis. */
export function narrowFirst(x: Strided, from: number, count: number): Strided {
  return {
    data: x.data,
    offset: x.offset + from * (x.strides[0] as number),
    shape: [count, ...x.shape.slice(1)],
    strides: x.strides,
  };
}

/** Writes the elements of x in row-major order to an address. */
export function writeStrided(memory: KernelMemory, address: number, x: Strided): void {
  const count = product(x.shape);
  if (isDense(x)) memory.write(address, x.data as Float32Array, x.offset, count);
  else copy(x, memory.view(address, count));
}
