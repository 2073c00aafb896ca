/** A group of parameters and the numbers that rule its updates. */

import { noGrad } from '../autograd/mode.ts';
import { OptionError } from '../errors.ts';
import { currentInterpreter, eager, guarded } from '../ops/apply.ts';
import { assign } from '../ops/core-methods.ts';
import { fromStorage } from '../tensor/creation.ts';
import { show } from '../tensor/options.ts';
import { Tensor } from '../tensor/tensor.ts';

/** Numbers by name (`lr`, `betas`, …) and switches (`nesterov`, …). */
export type Settings = { lr: number } & Record<string, number | readonly number[] | boolean>;

/** The parameters of one group, and, as properties, its settings: `group.lr = 0.1`. */
export type ParameterGroup<S> = { readonly params: readonly Tensor[] } & { -readonly [K in keyof S]: S[K] };

/**
 * Settings kept as tensors: whatever may change between steps must be state, not a number, so that a step compiled once
 * sees the change. They are float64 scalars, since PyTorch computes with such numbers too.
 */
export class GroupSettings<S extends Settings> {
  readonly params: readonly Tensor[];
  /** What users see. */
  readonly view: ParameterGroup<S>;
  readonly #scalars = new Map<string, readonly Tensor[]>();
  readonly #used = new Set<string>();
  readonly #onChange: () => void;

  constructor(params: readonly Tensor[], settings: S, check: (settings: S) => void, onChange: () => void) {
    this.params = params;
    this.#onChange = onChange;
    const view = { params };
    for (const [name, value] of Object.entries(settings)) {
      this.#scalars.set(
        name,
        [value].flat().map(() => fromStorage(new Float64Array(1), [])),
      );
      Object.defineProperty(view, name, {
        enumerable: true,
        get: () => this.#read(name, value),
        set: (other: unknown) => {
          checkOutside(name, other);
          check({ ...settings, ...this.numbers(), [name]: other });
          this.#write(name, other as number);
        },
      });
      this.#write(name, value);
    }
    this.view = view as unknown as ParameterGroup<S>;
  }

  /** The setting as a 0-d float64 tensor; of a list, its i-th number. */
  tensor(name: keyof S & string, i = 0): Tensor {
    return this.#scalars.get(name)![i]!;
  }

  /** Whether a setting was ever anything but 0 or false. */
  uses(name: keyof S & string): boolean {
    return guarded(() => this.#used.has(name));
  }

  /** All settings as plain values. */
  numbers(): S {
    const { params: _, ...rest } = this.view;
    return rest as unknown as S;
  }

  #read(name: string, example: number | readonly number[] | boolean): number | readonly number[] | boolean {
    const values = this.#scalars.get(name)!.map((scalar) => scalar.item());
    if (Array.isArray(example)) return values;
    return typeof example === 'boolean' ? values[0] !== 0 : values[0]!;
  }

  #write(name: string, value: number | readonly number[] | boolean): void {
    const scalars = this.#scalars.get(name)!;
    noGrad(() => {
      for (const [i, entry] of [value].flat().entries()) {
        assign(scalars[i]!, Number(entry));
        if (Number(entry) !== 0) this.#used.add(name);
      }
    });
    this.#onChange();
  }
}

function checkOutside(name: string, value: unknown): void {
  if (currentInterpreter() === eager) return;
  throw new OptionError(
    `optimizer: ${name} was set to ${show(value)} inside of a compiled function, which would repeat that at every call; set it outside`,
  );
}

/** Parameters, or groups of them with settings of their own. */
export type Parameters<S> = Iterable<Tensor> | Iterable<{ params: Iterable<Tensor> } & Partial<S>>;

/** The parameters of each group, checked: leaves that require gradients, none twice. */
export function readGroups<S>(
  operation: string,
  parameters: Parameters<S>,
): { params: Tensor[]; settings: Partial<S> }[] {
  if (parameters === null || typeof parameters !== 'object' || !(Symbol.iterator in parameters)) {
    throw new OptionError(
      `${operation}: expected a list of parameters or of groups { params: […] }, but got ${show(parameters)}`,
    );
  }
  const list = [...(parameters as Iterable<Tensor | ({ params: Iterable<Tensor> } & Partial<S>)>)];
  if (list.length === 0) throw new OptionError(`${operation}: the list of parameters is empty`);
  const grouped = list.every((entry) => entry instanceof Tensor) ? [{ params: list }] : list;
  const seen = new Set<Tensor>();
  return grouped.map((group, g) => {
    if (group instanceof Tensor || group === null || typeof group !== 'object' || !('params' in group)) {
      throw new OptionError(
        `${operation}: entry ${g} must be a group { params: […] } like the others, but is ${show(group)}`,
      );
    }
    const { params, ...settings } = group;
    const tensors = params instanceof Tensor ? [params] : [...(params as Iterable<Tensor>)];
    for (const [i, x] of tensors.entries()) checkParameter(operation, `parameter ${i} of group ${g}`, x, seen);
    return { params: tensors, settings: settings as Partial<S> };
  });
}

function checkParameter(operation: string, what: string, x: unknown, seen: Set<Tensor>): void {
  if (!(x instanceof Tensor)) throw new OptionError(`${operation}: ${what} must be a tensor, but is ${show(x)}`);
  if (!x.isLeaf)
    throw new OptionError(
      `${operation}: ${what} is a result of an operation; optimize the tensors it was computed from`,
    );
  if (seen.has(x)) throw new OptionError(`${operation}: ${what}, shape [${x.shape.join(', ')}], appears twice`);
  seen.add(x);
}
