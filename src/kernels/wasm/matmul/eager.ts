/**
 * Matrix products of eager calls: both operands are written to scratch memory, as they lie where that is compact, and
 * the plan's units run on them one after the other.
 */
import { product } from '../../sizes.ts';
import type { FloatArray, Strided } from '../../types.ts';
import { features } from '../features.ts';
import type { KernelCache, KernelFunction } from '../memory/cache.ts';
import { writeStrided } from '../memory/transfer.ts';
import { type MatmulPlan, planMatmul } from './plan.ts';
import type { MatmulSpec, Operand } from './spec.ts';

/** An operand on its way to scratch memory. */
interface Placed {
  readonly source: Strided;
  /** What is written, in floats. */
  readonly size: number;
  /** Is the source's own memory written, gaps included, or its elements in row-major order? */
  readonly whole: boolean;
  readonly strides: readonly number[];
}

/** A view that is mostly gaps, or runs backwards, is gathered; axes that are expanded stay so. */
function placed(x: Strided): Placed {
  const shape = x.shape.map((n, axis) => (x.strides[axis] === 0 ? 1 : n));
  const count = product(shape);
  const span = shape.reduce((end, n, axis) => end + (n - 1) * (x.strides[axis] as number), 1);
  const forward = shape.every((n, axis) => n === 1 || (x.strides[axis] as number) > 0);
  if (forward && span <= 1.25 * count) return { source: x, size: span, whole: true, strides: x.strides };
  const strides = shape.map((n, axis) => (n === 1 ? 0 : product(shape.slice(axis + 1))));
  const { data, offset } = x;
  return { source: { data, offset, shape, strides: x.strides }, size: count, whole: false, strides };
}

function write({ memory }: KernelCache, address: number, { source, size, whole }: Placed): void {
  if (whole) memory.write(address, source.data as Float32Array, source.offset, size);
  else writeStrided(memory, address, source);
}

function operandOf(strides: readonly number[]): Operand {
  const [row, column] = strides.slice(-2) as [number, number];
  return { row, column, batch: strides.slice(0, -2) };
}

/** y [...B, M, N] = a [...B, M, K] · b [...B, K, N]; false if it must run on the reference kernels. */
export function matmul(cache: KernelCache, a: Strided, b: Strided, y: FloatArray): boolean {
  const [left, right] = [placed(a), placed(b)];
  const { relaxed: fma } = features();
  const [m, k] = a.shape.slice(-2) as [number, number];
  const n = b.shape.at(-1) as number;
  const batch = a.shape.slice(0, -2);
  const plan: MatmulPlan = cache.plan(`matmul ${[...a.shape, n, fma]} ${left.strides} ${right.strides}`, () => {
    const sides = { a: operandOf(left.strides), b: operandOf(right.strides) };
    const spec: MatmulSpec = { m, k, n, batch, ...sides, epilogue: {}, fma };
    return planMatmul(spec);
  });
  const { memory } = cache;
  const at = memory.place({ a: left.size, b: right.size, y: y.length, shared: plan.shared, own: plan.own });
  if (at === null) return false;
  const { a: atA, b: atB, y: atY, shared, own } = at;
  write(cache, atA, left);
  write(cache, atB, right);
  const kernels = cache.get(plan.key, plan.build);
  for (const { name, units } of plan.tasks) {
    const run = kernels[name] as KernelFunction;
    for (let unit = 0; unit < units; unit++) run(atA, atB, atY, 0, shared, own, unit);
  }
  memory.read(atY, y as Float32Array, 0, y.length);
  return true;
}
