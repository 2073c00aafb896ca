/** A model as a table: what each layer gives, and how many numbers it learns. */

import { noGrad } from '../autograd/mode.ts';
import { zeros } from '../tensor/creation.ts';
import { checkShape, type Shape, showShape } from '../tensor/shape.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { Layer, Module } from './module.ts';

/** One layer of a summary, in the order of application. */
export interface SummaryRow {
  /** Its name in the model, as in `stateDict`. */
  readonly name: string;
  /** Its class, such as `'Conv2d'`. */
  readonly layer: string;
  /** The shape of its result; null if that is no tensor. */
  readonly outputShape: Shape | null;
  /** The numbers that it learns itself, without those counted in an earlier row. */
  readonly parameters: number;
}

/** What `summary` found; `String(…)` of it is a table. */
export interface Summary {
  readonly inputShape: Shape;
  readonly rows: readonly SummaryRow[];
  /** All numbers that the model learns, shared ones counted once. */
  readonly parameters: number;
  /** Those of parameters that require a gradient. */
  readonly trainable: number;
  /** The numbers in buffers, such as running means. */
  readonly buffers: number;
  toString(): string;
}

/**
 * Runs zeros of `inputShape` (with the batch axis) through the model, in evaluation and without gradients, and notes
 * what every innermost layer gives.
 *
 * @throws ShapeError if the model cannot take this shape.
 * @example
 * ```ts
 * import { Conv1d, Dense, Flatten, Sequential, summary } from 'typedgrad';
 * const model = new Sequential(new Conv1d(1, 1, 3, { padding: 1 }), new Flatten(), new Dense(10, 10));
 * const table = summary(model, [1, 1, 10]);
 * table.rows.map((row) => row.parameters); // → [4, 0, 110]
 * table.parameters; // → 114
 * console.log(String(table));
 * ```
 */
export function summary(model: Layer, inputShape: Shape): Summary {
  const shape = checkShape('summary', inputShape);
  const calls = observe(model, () => noGrad(() => model.forward(zeros(shape, { dtype: dtypeOf(model) }))));
  const counted = new Set<Tensor>();
  const rows = calls.map(({ name, module, result }) => {
    const fresh = module.parameters().filter((parameter) => !counted.has(parameter));
    for (const parameter of fresh) counted.add(parameter);
    const outputShape = result instanceof Tensor ? result.shape : null;
    return { name, layer: module.constructor.name, outputShape, parameters: sizeOfAll(fresh) };
  });
  const parameters = model.parameters();
  const found = {
    inputShape: shape,
    rows,
    parameters: sizeOfAll(parameters),
    trainable: sizeOfAll(parameters.filter((parameter) => parameter.requiresGrad)),
    buffers: sizeOfAll(model.buffers()),
  };
  return { ...found, toString: () => formatSummary(found, sizeOfAll([...counted])) };
}

interface Call {
  readonly name: string;
  readonly module: Module;
  readonly result: unknown;
}

/** Runs `fn` in evaluation, and lists the calls of modules without modules of their own. */
function observe(model: Module, fn: () => void): Call[] {
  const calls: Call[] = [];
  const modules = model.namedModules();
  const modes = modules.map(([, module]) => module.training);
  const leaves = modules.filter(([, module]) => module.children().length === 0);
  for (const [name, module] of leaves) {
    const forward = module.forward;
    // An own property hides the class's method until it is deleted.
    Object.defineProperty(module, 'forward', {
      configurable: true,
      value: (...inputs: never[]): unknown => {
        const result = forward.apply(module, inputs);
        calls.push({ name, module, result });
        return result;
      },
    });
  }
  try {
    model.eval();
    fn();
  } finally {
    for (const [, module] of leaves) Reflect.deleteProperty(module, 'forward');
    for (const [i, [, module]] of modules.entries()) module.training = modes[i]!;
  }
  return calls;
}

function dtypeOf(model: Module): Tensor['dtype'] {
  return model.parameters()[0]?.dtype ?? 'float32';
}

function sizeOfAll(tensors: readonly Tensor[]): number {
  return tensors.reduce((sum, { size }) => sum + size, 0);
}

function formatSummary(
  { inputShape, rows, parameters, trainable, buffers }: Omit<Summary, 'toString'>,
  inRows: number,
): string {
  const count = (n: number): string => n.toLocaleString('en-US');
  const title = ['layer', 'output shape', 'parameters'];
  const cells = rows.map(({ name, layer, outputShape, parameters }) => {
    return [
      name === '' ? layer : `${name} ${layer}`,
      outputShape === null ? '?' : showShape(outputShape),
      count(parameters),
    ];
  });
  const input = ['input', showShape(inputShape), ''];
  const widths = title.map((_, i) => Math.max(...[title, input, ...cells].map((line) => line[i]!.length)));
  const format = ([name, shape, size]: readonly string[]): string =>
    `${name!.padEnd(widths[0]!)}  ${shape!.padEnd(widths[1]!)}  ${size!.padStart(widths[2]!)}`.trimEnd();
  const rule = '─'.repeat(widths[0]! + widths[1]! + widths[2]! + 4);
  const rest = parameters === inRows ? '' : ` (${count(parameters - inRows)} outside of the layers above)`;
  const total = `${count(parameters)} parameters${rest}, ${count(trainable)} of them trained${buffers > 0 ? `; ${count(buffers)} numbers in buffers` : ''}`;
  return [format(title), rule, format(input), ...cells.map(format), rule, total].join('\n');
}
