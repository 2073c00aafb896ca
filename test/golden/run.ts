/** Runs one golden case through the library, in a dtype and a memory layout, and measures every part of the answer. */

import * as library from '../../src/index.ts';
import { type DType, Tensor, tensor } from '../../src/index.ts';
import { type Difference, difference } from './compare.ts';
import { type Input, makeInput, makeLabels, type Variant } from './inputs.ts';
import { type Case, decode, decodeNumber, type Encoded, isEncoded } from './load.ts';

export type { Variant } from './inputs.ts';
export type Part = 'forward' | 'gradient' | 'second gradient' | 'third gradient';

export interface Finding extends Difference {
  readonly part: Part;
  readonly tolerance: number;
  readonly what: string;
}

/** Largest relative errors allowed; single precision is held to the rounding of its inputs and results. */
export const TOLERANCE: Readonly<Record<DType, Readonly<Record<Part, number>>>> = {
  float64: { forward: 1e-10, gradient: 1e-9, 'second gradient': 1e-8, 'third gradient': 1e-8 },
  float32: { forward: 1e-5, gradient: 1e-4, 'second gradient': 1e-3, 'third gradient': 1e-3 },
};

export const VARIANTS: readonly Variant[] = ['float64', 'views', 'float32'];

export function applies(c: Case, variant: Variant): boolean {
  return !(variant === 'float32' && c.only64) && !(variant === 'views' && c.dense);
}

type Callable = (...args: unknown[]) => unknown;

export class Call {
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

  /** Calls the function, with other tensors in the place of inputs where `others` has some. */
  run(others: ReadonlyMap<Tensor, Tensor> = new Map()): Tensor[] {
    const { fn, method } = this.c;
    const swap = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(swap);
      return value instanceof Tensor ? (others.get(value) ?? value) : value;
    };
    const args = this.args.map(swap);
    if (this.c.options !== undefined) {
      args.push(Object.fromEntries(Object.entries(this.options).map(([name, value]) => [name, swap(value)])));
    }
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
export function inner(
  tensors: readonly (Tensor | null)[],
  weights: readonly (Encoded | null)[],
  dtype: DType,
): Tensor | null {
  let total: Tensor | null = null;
  tensors.forEach((t, i) => {
    const weight = weights[i];
    if (!t || !weight) return;
    const term = t.mul(tensor(decode(weight), [...weight.s], { dtype })).sum();
    total = total ? (total as Tensor).add(term) : term;
  });
  return total;
}

/** All findings of one case: its outputs, what it changed in place, and its gradients, on views only the first. */
export function runCase(c: Case, variant: Variant): Finding[] {
  const dtype: DType = variant === 'float32' ? 'float32' : 'float64';
  const findings: Finding[] = [];
  const measure = measureInto(findings, c, dtype);
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
  const higher = variant === 'views' ? [] : higherOrders(c);
  const first = c.v[0];
  const keep = { createGraph: higher.length > 0 };
  if (outs.length === 1 && first && outs[0]!.requiresGrad) {
    outs[0]!.backward(tensor(decode(first), [...first.s], { dtype }), keep);
  } else {
    const total = inner(outs, c.v, dtype);
    if (total?.requiresGrad) total.backward(undefined, keep);
  }
  measureGradients(call, 'gradient', c.grads, measure);
  higher.forEach(({ part, weights, expected }, i) => {
    const paths = Object.keys(expected);
    const grads = paths.map((path) => call.gradient(path));
    for (const path of paths) call.inputs.get(path)!.leaf.grad = null;
    const total = inner(
      grads,
      paths.map((path) => weights[path]!),
      dtype,
    );
    if (total?.requiresGrad) total.backward(undefined, { createGraph: i < higher.length - 1 });
    measureGradients(call, part, expected, measure);
  });
  return findings;
}

/** Adds what is measured to the findings, with the tolerance that the case has for it. */
export function measureInto(findings: Finding[], c: Case, dtype: DType): Measure {
  const floor = c.scale === 'element' ? 1e-5 : 1;
  return (part, what, actual, expected) => {
    const own = dtype === 'float32' ? ownTolerance(c, part) : undefined;
    const found = difference(actual, expected.s, decode(expected), floor);
    findings.push({ part, what, tolerance: own ?? TOLERANCE[dtype][part], ...found });
  };
}

function ownTolerance(c: Case, part: Part): number | undefined {
  if (part === 'forward') return c.tol32;
  return part === 'gradient' ? c.tol32grad : c.tol32second;
}

export type Tensors = Readonly<Record<string, Encoded>>;
type Measure = (part: Part, what: string, actual: Tensor | null, expected: Encoded) => void;

function measureGradients(call: Call, part: Part, all: Tensors, measure: Measure): void {
  for (const [path, expected] of Object.entries(all)) measure(part, `input ${path}`, call.gradient(path), expected);
}

function higherOrders({ u, second, w, third }: Case): { part: Part; weights: Tensors; expected: Tensors }[] {
  const orders: { part: Part; weights: Tensors; expected: Tensors }[] = [];
  if (u && second) orders.push({ part: 'second gradient', weights: u, expected: second });
  if (w && third) orders.push({ part: 'third gradient', weights: w, expected: third });
  return orders;
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
