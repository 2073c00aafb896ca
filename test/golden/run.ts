/** Runs one golden case through the library, in a dtype and a memory layout, and measures every part of the answer. */

import * as library from '../../src/index.ts';
import { type DType, Tensor, tensor } from '../../src/index.ts';
import { type Difference, difference } from './compare.ts';
import { type Case, decode, decodeNumber, type Encoded, isEncoded } from './load.ts';

/** `views`: float64, with every input a non-contiguous view of padded or permuted memory. */
export type Variant = 'float64' | 'views' | 'float32';
export type Part = 'forward' | 'gradient' | 'second gradient';

export interface Finding extends Difference {
  readonly part: Part;
  readonly tolerance: number;
  readonly what: string;
}

/** Largest relative errors allowed; single precision is held to the rounding of its inputs and results. */
export const TOLERANCE: Readonly<Record<DType, Readonly<Record<Part, number>>>> = {
  float64: { forward: 1e-10, gradient: 1e-9, 'second gradient': 1e-8 },
  float32: { forward: 1e-5, gradient: 1e-4, 'second gradient': Number.POSITIVE_INFINITY },
};

export const VARIANTS: readonly Variant[] = ['float64', 'views', 'float32'];

export function applies(c: Case, variant: Variant): boolean {
  return !(variant === 'float32' && c.only64) && !(variant === 'views' && c.dense);
}

type Callable = (...args: unknown[]) => unknown;

/** An input as the library sees it (`x`), the leaf that it is a view of, and a leaf's gradient in the input's own shape. */
interface Input {
  readonly x: Tensor;
  readonly leaf: Tensor;
  readonly see: (t: Tensor) => Tensor;
}

function makeInput(encoded: Encoded, variant: Variant, requiresGrad: boolean): Input {
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
function makeLabels(encoded: Encoded, variant: Variant): unknown {
  const values = decode(encoded);
  if (encoded.s.length !== 1 || variant === 'float32') {
    return tensor(variant === 'float32' ? Float32Array.from(values) : values, [...encoded.s]);
  }
  return variant === 'float64' ? [...values] : Int32Array.from(values);
}

class Call {
  readonly inputs = new Map<string, Input>();
  readonly args: unknown[];
  readonly options: Record<string, unknown>;
  readonly c: Case;
  readonly variant: Variant;

  constructor(c: Case, variant: Variant) {
    this.c = c;
    this.variant = variant;
    const make = (value: unknown, path: string): unknown => {
      if (Array.isArray(value) && value.some(isEncoded)) return value.map((item, i) => make(item, `${path}/${i}`));
      if (Array.isArray(value)) return value.map((item) => (Array.isArray(item) ? item : decodeNumber(item)));
      if (!isEncoded(value)) return decodeNumber(value);
      if (value.i) return makeLabels(value, variant);
      const input = makeInput(value, variant, c.grads !== undefined && path in c.grads);
      this.inputs.set(path, input);
      return input.x;
    };
    this.args = c.args.map((arg, i) => make(arg, String(i)));
    this.options = Object.fromEntries(
      Object.entries(c.options ?? {}).map(([name, value]) => [name, make(value, name)]),
    );
  }

  run(): Tensor[] {
    const { fn, method, options } = this.c;
    const args = options === undefined ? this.args : [...this.args, this.options];
    const result = method || this.prefersMethod(args[0]) ? callMethod(fn, args) : lookUp(fn)(...args);
    return (Array.isArray(result) ? result : [result]) as Tensor[];
  }

  /** On views, functions of one tensor are called as its methods. */
  private prefersMethod(first: unknown): boolean {
    return this.variant === 'views' && first instanceof Tensor && this.c.fn in Tensor.prototype;
  }

  /** The gradient that `backward` left in an input's leaf, as the input lies; null where none arrived. */
  gradient(path: string): Tensor | null {
    const { leaf, see } = this.inputs.get(path)!;
    return leaf.grad && see(leaf.grad);
  }
}

export function lookUp(name: string): Callable {
  const found = (library as unknown as Record<string, unknown>)[name];
  if (typeof found !== 'function') throw new Error(`typedgrad exports no function ${name}`);
  return found as Callable;
}

function callMethod(name: string, [self, ...rest]: unknown[]): unknown {
  const found = (self as Record<string, unknown>)[name];
  if (typeof found !== 'function') throw new Error(`Tensor has no method ${name}`);
  return (found as Callable).apply(self, rest);
}

/** ⟨weights, tensors⟩ over the pairs that have both. */
function inner(tensors: readonly (Tensor | null)[], weights: readonly (Encoded | null)[], dtype: DType): Tensor | null {
  let total: Tensor | null = null;
  tensors.forEach((t, i) => {
    const weight = weights[i];
    if (!t || !weight) return;
    const term = t.mul(tensor(decode(weight), [...weight.s], { dtype })).sum();
    total = total ? (total as Tensor).add(term) : term;
  });
  return total;
}

/** All findings of one case: its outputs, what it changed in place, its gradients and (in plain float64) second gradients. */
export function runCase(c: Case, variant: Variant): Finding[] {
  const dtype: DType = variant === 'float32' ? 'float32' : 'float64';
  const floor = c.scale === 'element' ? 1e-5 : 1;
  const findings: Finding[] = [];
  const measure = (part: Part, what: string, actual: Tensor | null, expected: Encoded): void => {
    const own = dtype === 'float32' ? (part === 'forward' ? c.tol32 : c.tol32grad) : undefined;
    const found = difference(actual, expected.s, decode(expected), floor);
    findings.push({ part, what, tolerance: own ?? TOLERANCE[dtype][part], ...found });
  };
  const call = new Call(c, variant);
  const outs = call.run();
  if (outs.length !== c.out.length) throw new Error(`${outs.length} results instead of ${c.out.length}`);
  c.out.forEach((expected, i) => {
    measure('forward', `result ${i}`, outs[i]!, expected);
  });
  for (const [name, expected] of Object.entries(c.after ?? {})) {
    measure('forward', `${name} afterwards`, call.inputs.get(name)!.x, expected);
  }
  if (!c.grads || !c.v) return findings;
  const withSecond = variant === 'float64' && c.second !== undefined;
  const first = c.v[0];
  if (outs.length === 1 && first && outs[0]!.requiresGrad) {
    outs[0]!.backward(tensor(decode(first), [...first.s], { dtype }), { createGraph: withSecond });
  } else {
    const total = inner(outs, c.v, dtype);
    if (total?.requiresGrad) total.backward(undefined, { createGraph: withSecond });
  }
  for (const [path, expected] of Object.entries(c.grads))
    measure('gradient', `input ${path}`, call.gradient(path), expected);
  if (withSecond) measureSecond(c, call, measure);
  return findings;
}

function measureSecond(
  c: Case,
  call: Call,
  measure: (part: Part, what: string, actual: Tensor | null, expected: Encoded) => void,
): void {
  const paths = Object.keys(c.second!);
  const grads = paths.map((path) => call.gradient(path));
  for (const path of paths) call.inputs.get(path)!.leaf.grad = null;
  const total = inner(
    grads,
    paths.map((path) => c.u![path]!),
    'float64',
  );
  if (total?.requiresGrad) total.backward();
  for (const path of paths) measure('second gradient', `input ${path}`, call.gradient(path), c.second![path]!);
}

/** The call in one line: shapes for tensors, values for everything else. */
export function describeCase(c: Case): string {
  const show = (value: unknown): string => {
    if (isEncoded(value)) return value.i ? `labels[${value.s}]` : `[${value.s}]`;
    if (Array.isArray(value)) return `[${value.map(show).join(', ')}]`;
    return JSON.stringify(value);
  };
  const options = Object.entries(c.options ?? {}).map(([name, value]) => `${name}: ${show(value)}`);
  return `${c.fn}(${[...c.args.map(show), ...(options.length ? [`{ ${options.join(', ')} }`] : [])].join(', ')})`;
}
