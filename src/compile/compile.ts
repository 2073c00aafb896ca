/** `compile`: a function with the signature of the one it was given, which runs as a planned program. */

import { isDifferentiating, isGradEnabled, withGrad } from '../autograd/mode.ts';
import { TraceError } from '../errors.ts';
import { assign, currentInterpreter, eager, traceGeneration } from '../ops/apply.ts';
import { checkChoice, checkKeys, show } from '../tensor/options.ts';
import { type NumberArray, Tensor } from '../tensor/tensor.ts';
import { debug } from './debug.ts';
import { type ExplainOptions, type ProgramReport, printReport, reportOf } from './explain.ts';
import { dotGraph, printGraph } from './graph.ts';
import { endGraph } from './graph-end.ts';
import { Program } from './program.ts';
import { describe, Identities, likeNumbers, mapLeaves, tensorsIn } from './structure.ts';
import { type InputSpec, type Trace, trace } from './trace.ts';

/** A compiled function: called like the function it was made of. */
export interface Compiled<A extends unknown[], R> {
  (...args: A): R;
  /**
   * What its programs do, step by step, one table for each kind of call so far, the last one first: what was fused,
   * shapes, operations, bytes and, with `{ time: true }`, how long each step takes.
   */
  explain(options?: ExplainOptions): string;
  /** The same as data. */
  report(options?: ExplainOptions): ProgramReport[];
  /** The optimised graphs as text, one operation a line; as `'dot'` for Graphviz. */
  graph(format?: 'text' | 'dot'): string;
  /** Forgets all traced variants and their memory. */
  dispose(): void;
}

/** So many traced variants are kept at a time: a function called with ever new numbers is traced ever anew, but does not fill memory. */
const mostVariants = 64;

interface Variant<R> {
  readonly key: string;
  readonly traced: Trace<R>;
  readonly program: Program;
}

/**
 * A function that does what `fn` does, but traced: its operations are written down once for each combination of
 * argument shapes, module modes and other arguments, optimised as a whole, and run in memory planned ahead. A whole
 * training step can be compiled: forward, backward and the optimizer's update.
 *
 * `fn` runs only when it is traced. What it captures, such as parameters, is read anew at each call; numbers and
 * branches are fixed. Results are tensors of their own, through which no gradient flows: `backward` belongs within.
 *
 * @throws TraceError if `fn` reads the value of a tensor that depends on its arguments, or overwrites an argument.
 * @example
 * ```ts
 * import { compile, tensor, type Tensor } from 'typedgrad';
 * const step = compile((x: Tensor) => x.mul(2).add(1));
 * step(tensor([1, 2, 3])).toArray(); // → [3, 5, 7]
 * ```
 */
export function compile<A extends unknown[], R>(fn: (...args: A) => R): Compiled<A, R> {
  if (typeof fn !== 'function') throw new TraceError(`compile: expected a function, but got ${show(fn)}`);
  const variants: Variant<R>[] = [];
  const identities = new Identities();

  const compiled = (...args: A): R => {
    // Within another traced function, or a differentiated one, this one is part of it.
    if (currentInterpreter() !== eager || (isDifferentiating() && isGradEnabled())) return fn(...args);
    const inputs: Leaf[] = [];
    const structure = describe(args, (leaf) => enter(leaf, inputs), identities);
    const key = `${structure} ${isGradEnabled() ? 'recorded' : 'unrecorded'} ${traceGeneration()}`;
    const found = variants.findIndex(
      (variant) => variant.key === key && variant.traced.guards.every(({ read, value }) => read() === value),
    );
    const variant = found < 0 ? traceVariant(key, args, inputs) : variants[found]!;
    // The most recently used comes first; where there are many, the least recently used goes.
    if (found !== 0) {
      if (found > 0) variants.splice(found, 1);
      variants.unshift(variant);
      for (const old of variants.splice(mostVariants)) old.program.dispose();
    }
    checkApart(variant, inputs);
    return finish(variant, inputs, variant.program.run(inputs));
  };

  function traceVariant(key: string, args: A, inputs: readonly Leaf[]): Variant<R> {
    const start = performance.now();
    // The name tells `whereabouts` where the traced function begins.
    const tracedFunction = (tensors: readonly Tensor[]): R => {
      const standIns = new Map(
        inputs.map((leaf, i) => [leaf, leaf instanceof Tensor ? tensors[i]! : likeNumbers(tensors[i]!)]),
      );
      return fn(...mapLeaves(args, (leaf) => standIns.get(leaf)));
    };
    const specs = inputs.map((leaf, i) => ({ ...specOf(leaf, inputs), name: nameOf(i, inputs) }));
    const traced = trace(specs, tracedFunction, tensorsIn);
    const begin = performance.now();
    const variant = { key, traced, program: new Program(traced.graph) };
    debug(
      1,
      () =>
        `compile: traced ${fn.name || 'a function'} of ${titleOf(key)} in ${(begin - start).toFixed(1)} ms, made ready in ${(performance.now() - begin).toFixed(1)} ms; trace ${variants.length + 1} of it`,
    );
    debug(4, () => printReport(titleOf(key), reportOf(variant.program)));
    return variant;
  }

  return Object.assign(compiled, {
    explain: (options: ExplainOptions = {}) => {
      checkKeys('explain', options, ['time']);
      return variants.map(({ key, program }) => printReport(titleOf(key), reportOf(program, options))).join('\n\n');
    },
    report: (options: ExplainOptions = {}) => {
      checkKeys('report', options, ['time']);
      return variants.map(({ program }) => reportOf(program, options));
    },
    graph: (format: 'text' | 'dot' = 'text') => {
      checkChoice('graph', 'format', format, ['text', 'dot']);
      return variants.map(({ program }) => (format === 'dot' ? dotGraph : printGraph)(program.graph)).join('\n\n');
    },
    dispose: () => {
      for (const { program } of variants.splice(0)) program.dispose();
    },
  });
}

/** A key for people: the arguments' dtypes and shapes, and whether gradients are recorded. */
function titleOf(key: string): string {
  return key
    .replaceAll(/\b\d+:(float\d+\[[\d,]*\])/g, '$1')
    .replace(
      /^\[(.*)\] (recorded|unrecorded) \d+$/,
      (_, args, mode) => `(${args})${mode === 'recorded' ? '' : ' without gradients'}`,
    );
}

/** What a call is given: tensors and labels among its arguments, each once, and gradients in them. */
type Leaf = Tensor | NumberArray;

/** Puts a leaf among the inputs, with the gradient that it has, and gives what a trace depends on of it. */
function enter(leaf: Leaf, inputs: Leaf[]): string {
  const known = inputs.indexOf(leaf);
  if (known >= 0) return `=${known}`;
  const index = inputs.push(leaf) - 1;
  const { shape, dtype, requiresGrad, isResult } = specOf(leaf, inputs);
  const text = `${index}:${dtype}[${shape.join()}]${isResult ? 'r' : requiresGrad ? 'g' : ''}`;
  const grad = gradOf(leaf);
  return grad === null ? text : `${text} with gradient ${enter(grad, inputs)}`;
}

function gradOf(leaf: Leaf): Tensor | null {
  return leaf instanceof Tensor ? leaf.grad : null;
}

function specOf(leaf: Leaf, inputs: readonly Leaf[]): InputSpec {
  if (leaf instanceof Tensor) {
    const { shape, dtype, requiresGrad, isLeaf, grad } = leaf;
    return { shape, dtype, requiresGrad, isResult: !isLeaf, ...(grad && { grad: inputs.indexOf(grad) }) };
  }
  return { shape: [leaf.length], dtype: leaf instanceof Float64Array ? 'float64' : 'float32', requiresGrad: false };
}

/** What messages call an input. */
function nameOf(index: number, inputs: readonly Leaf[]): string {
  const isGradient = (leaf: Leaf): boolean => inputs.some((owner) => gradOf(owner) === leaf);
  const owner = inputs.findIndex((leaf) => gradOf(leaf) === inputs[index]);
  const before = inputs.slice(0, owner < 0 ? index : owner).filter((leaf) => !isGradient(leaf));
  return `${owner < 0 ? '' : 'the gradient of '}argument ${before.length}`;
}

/** @throws TraceError if an argument is also captured and changed, which a program that copies its arguments would not show. */
function checkApart<R>({ traced }: Variant<R>, inputs: readonly Leaf[]): void {
  if (traced.captured.size === 0) return;
  for (const [i, x] of inputs.entries()) {
    if (!(x instanceof Tensor) || !traced.captured.has(x.storage)) continue;
    throw new TraceError(
      `compile: ${nameOf(i, inputs)}, shape [${x.shape.join(', ')}], is also captured by the function, which changes it or looks at its gradient; ` +
        'close over it and leave it out of the arguments, or pass a clone()',
    );
  }
}

/** The function's result with the program's outputs in place, and the gradients left in the arguments. */
function finish<R>({ traced }: Variant<R>, inputs: readonly Leaf[], outputs: readonly Tensor[]): R {
  for (const { index, output, isInPlace } of traced.inputGrads) {
    const leaf = inputs[index] as Tensor;
    const gradient = output === null ? null : outputs[output]!;
    if (isInPlace) withGrad(false, () => assign(leaf.grad!, gradient!));
    else leaf.grad = gradient;
  }
  return mapLeaves(traced.result, (leaf) => {
    const returned = leaf instanceof Tensor ? traced.outputOf(leaf) : undefined;
    if (returned === undefined) return leaf;
    const output = outputs[returned.number]!;
    endGraph(output, returned.end);
    return output;
  });
}
