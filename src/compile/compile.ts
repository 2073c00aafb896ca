/** `compile`: a function with the signature of the one it was given, which runs as a planned program. */

import { isGradEnabled, withGrad } from '../autograd/mode.ts';
import { TraceError } from '../errors.ts';
import { currentInterpreter, eager, traceGeneration } from '../ops/apply.ts';
import { add } from '../ops/elementwise.ts';
import { checkChoice, checkKeys, show } from '../tensor/options.ts';
import { type NumberArray, Tensor } from '../tensor/tensor.ts';
import { debug } from './debug.ts';
import { type ExplainOptions, type ProgramReport, printReport, reportOf } from './explain.ts';
import { dotGraph, printGraph } from './graph.ts';
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
 * branches are fixed. Results are tensors of their own, without a graph.
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
    if (currentInterpreter() !== eager) return fn(...args);
    const inputs: (Tensor | NumberArray)[] = [];
    const structure = describe(args, (leaf) => leafKey(inputs.push(leaf) - 1, leaf), identities);
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

  function traceVariant(key: string, args: A, inputs: readonly (Tensor | NumberArray)[]): Variant<R> {
    const start = performance.now();
    // The name tells `whereabouts` where the traced function begins.
    const tracedFunction = (tensors: readonly Tensor[]): R => {
      let next = 0;
      return fn(
        ...mapLeaves(args, (leaf) => (leaf instanceof Tensor ? tensors[next++]! : likeNumbers(tensors[next++]!))),
      );
    };
    const traced = trace(inputs.map(specOf), tracedFunction, tensorsIn);
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

function leafKey(index: number, leaf: Tensor | NumberArray): string {
  const { shape, dtype, requiresGrad } = specOf(leaf);
  return `${index}:${dtype}[${shape.join()}]${requiresGrad ? 'g' : ''}`;
}

function specOf(leaf: Tensor | NumberArray): InputSpec {
  if (leaf instanceof Tensor) return { shape: leaf.shape, dtype: leaf.dtype, requiresGrad: leaf.requiresGrad };
  return { shape: [leaf.length], dtype: leaf instanceof Float64Array ? 'float64' : 'float32', requiresGrad: false };
}

/** @throws TraceError if an argument is also captured and changed, which a program that copies its arguments would not show. */
function checkApart<R>({ traced }: Variant<R>, inputs: readonly (Tensor | NumberArray)[]): void {
  if (traced.captured.size === 0) return;
  for (const [i, x] of inputs.entries()) {
    if (!(x instanceof Tensor) || !traced.captured.has(x.storage)) continue;
    throw new TraceError(
      `compile: argument ${i}, shape [${x.shape.join(', ')}], is also captured by the function, which changes it or looks at its gradient; ` +
        'close over it and leave it out of the arguments, or pass a clone()',
    );
  }
}

/** The function's result with the program's outputs in place, and the gradients left in the arguments. */
function finish<R>({ traced }: Variant<R>, inputs: readonly (Tensor | NumberArray)[], outputs: readonly Tensor[]): R {
  for (const { index, output } of traced.inputGrads) {
    const leaf = inputs[index] as Tensor;
    leaf.grad = leaf.grad === null ? outputs[output]! : withGrad(false, () => add(leaf.grad!, outputs[output]!));
  }
  return mapLeaves(traced.result, (leaf) => {
    const output = leaf instanceof Tensor ? traced.outputOf(leaf) : undefined;
    return output === undefined ? leaf : outputs[output];
  });
}
