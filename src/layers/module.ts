/** What all layers and models have in common: parameters, state, and the switch between training and evaluation. */

import { noGrad } from '../autograd/mode.ts';
import { OptionError, StateDictError } from '../errors.ts';
import { assign, forgetTraces, guarded } from '../ops/apply.ts';
import { to } from '../ops/elementwise.ts';
import { detach } from '../ops/views.ts';
import { checkDType, type DType } from '../tensor/dtype.ts';
import { checkKeys } from '../tensor/options.ts';
import { sameShape, showShape } from '../tensor/shape.ts';
import { Tensor } from '../tensor/tensor.ts';
import { ModuleBuffer, Parameter } from './parameter.ts';

/** Tensors by name, as `stateDict` gives them and files hold them. */
export type StateDict = Record<string, Tensor>;

/** A module from one tensor to one tensor, as `Sequential` strings them together. */
export type Layer = Module & { forward(x: Tensor): Tensor };

/** What did not match in a `loadStateDict` that was not strict. */
export interface LoadResult {
  /** Names that the module has and the state lacks; their values stay. */
  readonly missing: readonly string[];
  /** Names that the state has and the module lacks; they were ignored. */
  readonly unexpected: readonly string[];
}

type Member = Module | Parameter | ModuleBuffer;

/** Where a member is kept: `holder[key]`, reachable from a module under `name`. */
interface Slot {
  readonly name: string;
  readonly holder: Record<string, unknown>;
  readonly key: string;
  readonly value: Member;
}

/**
 * The base of layers and models. A subclass keeps parameters, buffers, other modules, and arrays of these, in ordinary
 * properties, and computes in `forward`; their names in `stateDict` are those of the properties, joined by dots.
 * (Private `#fields` are not looked at.)
 *
 * @example
 * ```ts
 * import { Dense, Module, ones, relu, type Tensor } from 'typedgrad';
 * class Net extends Module {
 *   hidden: Dense = new Dense(4, 8);
 *   out: Dense = new Dense(8, 2);
 *   override forward(x: Tensor): Tensor {
 *     return this.out.forward(relu(this.hidden.forward(x)));
 *   }
 * }
 * const net = new Net();
 * net.forward(ones([3, 4])).shape; // → [3, 2]
 * Object.keys(net.stateDict()); // → ['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias']
 * ```
 */
export abstract class Module {
  #training = true;

  /** Whether the module is being trained, which dropout and batch normalisation ask; set it by `train` and `eval`. */
  get training(): boolean {
    return guarded(() => this.#training);
  }

  set training(mode: boolean) {
    this.#training = mode;
  }

  /** Computes the result; called as `module.forward(x)`. */
  abstract forward(...inputs: never[]): unknown;

  /** The name of a property in `stateDict`; an empty one adds no level of its own. */
  protected stateName(property: string): string {
    return property;
  }

  /** What a line about this module says in brackets after its name. */
  protected describe(): string {
    return '';
  }

  /** The modules kept directly in this one, by name. */
  children(): [name: string, module: Module][] {
    return slotsOf(this, Module.#nameOf).flatMap(({ name, value }) => (value instanceof Module ? [[name, value]] : []));
  }

  /** This module (under the name '') and all within it, each once. */
  namedModules(): [name: string, module: Module][] {
    const found = new Map<Module, string>();
    const visit = (module: Module, name: string): void => {
      if (found.has(module)) return;
      found.set(module, name);
      for (const [child, inner] of module.children()) visit(inner, join(name, child));
    };
    visit(this, '');
    return [...found].map(([module, name]) => [name, module]);
  }

  /** This module and all within it, each once. */
  modules(): Module[] {
    return this.namedModules().map(([, module]) => module);
  }

  /** All parameters with their names, each once, even if two modules share it. */
  namedParameters(): [name: string, parameter: Parameter][] {
    return this.#named(Parameter);
  }

  /** All parameters, each once: what an optimizer takes. */
  parameters(): Parameter[] {
    return this.namedParameters().map(([, parameter]) => parameter);
  }

  /** All buffers with their names, each once. */
  namedBuffers(): [name: string, buffer: ModuleBuffer][] {
    return this.#named(ModuleBuffer);
  }

  /** All buffers, each once. */
  buffers(): ModuleBuffer[] {
    return this.namedBuffers().map(([, buffer]) => buffer);
  }

  #named<T extends Parameter | ModuleBuffer>(kind: new (values: Tensor) => T): [name: string, value: T][] {
    const found = new Map<T, string>();
    for (const { name, value } of tensorSlots(this, Module.#nameOf)) {
      if (value instanceof kind && !found.has(value)) found.set(value, name);
    }
    return [...found].map(([value, name]) => [name, value]);
  }

  /**
   * Parameters and buffers by name. The tensors share memory with the module's, so that further training changes them;
   * `clone()` what shall be kept, or write it to a file.
   */
  stateDict(): StateDict {
    return Object.fromEntries(
      tensorSlots(this, Module.#nameOf).map(({ name, value }) => [name, detach(value as Tensor)]),
    );
  }

  /**
   * Copies a state into the parameters and buffers, converting its dtype to theirs.
   *
   * @param options `strict` (default true): whether names that either side lacks are an error.
   * @throws StateDictError listing missing and unexpected names and wrong shapes; then nothing was changed.
   */
  loadStateDict(state: Readonly<StateDict>, options: { strict?: boolean } = {}): LoadResult {
    checkKeys('loadStateDict', options, ['strict']);
    const own = tensorSlots(this, Module.#nameOf).map(({ name, value }) => [name, value as Tensor] as const);
    const missing = own.map(([name]) => name).filter((name) => !Object.hasOwn(state, name));
    const names = new Set(own.map(([name]) => name));
    const unexpected = Object.keys(state).filter((name) => !names.has(name));
    const known = own.filter(([name]) => Object.hasOwn(state, name));
    const wrong = known.flatMap(([name, tensor]) => misfit(name, tensor, state[name]));
    const problems =
      (options.strict ?? true) ? [listed('missing', missing), listed('unexpected', unexpected), ...wrong] : wrong;
    const told = problems.filter((problem) => problem !== '');
    if (told.length > 0)
      throw new StateDictError(`loadStateDict: the state does not fit ${this.constructor.name}: ${told.join('; ')}`);
    noGrad(() => {
      for (const [name, tensor] of known) assign(tensor, to(state[name]!, tensor.dtype));
    });
    return { missing, unexpected };
  }

  /** Switches this module and all within it to training (or, with false, to evaluation). Returns the module. */
  train(mode = true): this {
    for (const module of this.modules()) module.training = mode;
    return this;
  }

  /** Switches this module and all within it to evaluation. Returns the module. */
  eval(): this {
    return this.train(false);
  }

  /** Forgets all gradients. */
  zeroGrad(): void {
    for (const parameter of this.parameters()) parameter.grad = null;
  }

  /**
   * Converts parameters and buffers to another dtype. They become new tensors, so make an optimizer afterwards.
   * Returns the module.
   */
  to(dtype: DType): this {
    checkDType('to', dtype);
    const converted = new Map<Member, Parameter | ModuleBuffer>();
    for (const { holder, key, value } of tensorSlots(this, Module.#nameOf)) {
      const tensor = value as Parameter | ModuleBuffer;
      if (tensor.dtype === dtype) continue;
      const other = converted.get(tensor) ?? convert(tensor, dtype);
      converted.set(tensor, other);
      holder[key] = other;
    }
    // Compiled functions hold on to the tensors that were there when they were traced.
    if (converted.size > 0) forgetTraces();
    return this;
  }

  /** The module and all within it, one line each. */
  toString(): string {
    const head = `${this.constructor.name}(${this.describe()}`;
    const lines = this.children().map(([name, child]) => `  (${name}): ${String(child).replaceAll('\n', '\n  ')}`);
    return lines.length === 0 ? `${head})` : `${[head, ...lines].join('\n')}\n)`;
  }

  static readonly #nameOf = (module: Module, property: string): string => module.stateName(property);
}

type NameOf = (module: Module, property: string) => string;

function join(prefix: string, name: string): string {
  return prefix === '' || name === '' ? prefix + name : `${prefix}.${name}`;
}

/** What a module keeps directly, or in arrays. */
function slotsOf(module: Module, nameOf: NameOf): Slot[] {
  const found: Slot[] = [];
  const visit = (holder: Record<string, unknown>, key: string, name: string): void => {
    const value = holder[key];
    if (value instanceof Module || value instanceof Parameter || value instanceof ModuleBuffer) {
      found.push({ name, holder, key, value });
    } else if (Array.isArray(value)) {
      for (const index of value.keys())
        visit(value as unknown as Record<string, unknown>, String(index), join(name, String(index)));
    }
  };
  const properties = module as unknown as Record<string, unknown>;
  for (const key of Object.keys(module)) visit(properties, key, nameOf(module, key));
  return found;
}

/** All parameters and buffers within a module; one that is kept in two places appears twice. */
function tensorSlots(root: Module, nameOf: NameOf): Slot[] {
  const found: Slot[] = [];
  const path = new Set<Module>();
  const visit = (module: Module, prefix: string): void => {
    if (path.has(module)) {
      throw new OptionError(
        `${root.constructor.name}: the module at '${prefix}' contains itself; keep a reference back in a private #field`,
      );
    }
    path.add(module);
    for (const slot of slotsOf(module, nameOf)) {
      const name = join(prefix, slot.name);
      if (slot.value instanceof Module) visit(slot.value, name);
      else found.push({ ...slot, name });
    }
    path.delete(module);
  };
  visit(root, '');
  return found;
}

function convert(tensor: Parameter | ModuleBuffer, dtype: DType): Parameter | ModuleBuffer {
  const values = noGrad(() => to(tensor, dtype));
  if (tensor instanceof ModuleBuffer) return new ModuleBuffer(values);
  const parameter = new Parameter(values);
  parameter.requiresGrad = tensor.requiresGrad;
  parameter.grad = tensor.grad && noGrad(() => to(tensor.grad!, dtype));
  return parameter;
}

function misfit(name: string, own: Tensor, given: unknown): string[] {
  if (!(given instanceof Tensor)) return [`'${name}' is no tensor`];
  if (sameShape(own.shape, given.shape)) return [];
  return [`'${name}' is ${showShape(given.shape)} but must be ${showShape(own.shape)}`];
}

function listed(what: string, names: readonly string[]): string {
  return names.length === 0 ? '' : `${what} ${names.map((name) => `'${name}'`).join(', ')}`;
}
