/** What all optimizers have in common. */

import { noGrad } from '../autograd/mode.ts';
import { StateDictError } from '../errors.ts';
import { assign } from '../ops/apply.ts';
import { fullLike, to } from '../ops/elementwise.ts';
import { clone, detach } from '../ops/views.ts';
import type { DType } from '../tensor/dtype.ts';
import { checkKeys } from '../tensor/options.ts';
import { sameShape, showShape } from '../tensor/shape.ts';
import { Tensor } from '../tensor/tensor.ts';
import { Clocks } from './clock.ts';
import { GroupSettings, type ParameterGroup, type Parameters, readGroups, type Settings } from './group.ts';

/** What a parameter needs besides itself, such as a momentum: its name in `stateDict`, and its first value. */
export interface Slot {
  readonly name: string;
  readonly start: number;
}

/** The state of an optimizer: tensors by `<index of the parameter>.<name>`, and the settings of each group. */
export interface OptimizerState {
  readonly state: Record<string, Tensor>;
  readonly groups: readonly ({ readonly params: readonly number[] } & Record<string, unknown>)[];
}

/** Numbers of one step, of the dtype of the parameters they are used with. */
export type Factors = Readonly<Record<string, Tensor>>;

/** One parameter's update: its gradient, and its slots by name. */
export interface Update {
  readonly parameter: Tensor;
  readonly gradient: Tensor;
  readonly slots: Readonly<Record<string, Tensor>>;
}

/** An optimizer of whatever kind. */
export interface AnyOptimizer {
  lr: number;
  step(): void;
  zeroGrad(): void;
  stateDict(): OptimizerState;
  loadStateDict(state: OptimizerState): void;
}

/**
 * Updates parameters by their gradients. All that changes from step to step is kept in tensors and changed in place by
 * operations, so that a step can be compiled. Parameters without a gradient are left alone.
 */
export abstract class Optimizer<S extends Settings = Settings> implements AnyOptimizer {
  readonly #settings: GroupSettings<S>[] = [];
  readonly #parameters: Tensor[] = [];
  readonly #slots = new Map<Tensor, Record<string, Tensor>>();
  readonly #clocks: Clocks;

  constructor(parameters: Parameters<S>, options: Partial<S>, defaults: S) {
    const name = new.target.name;
    const known = Object.keys(defaults);
    checkKeys(name, options, known);
    const groups = readGroups(name, parameters);
    for (const { params, settings } of groups) {
      checkKeys(name, settings, ['params', ...known]);
      const all = { ...defaults, ...defined(options), ...defined(settings) };
      this.check(all);
      const group = new GroupSettings<S>(
        params,
        all,
        (other) => this.check(other),
        () => this.#addSlots(),
      );
      this.#settings.push(group);
      this.#parameters.push(...params);
    }
    this.#addSlots();
    this.#clocks = new Clocks(this.#parameters);
  }

  /** @throws OptionError for a setting out of range. */
  protected abstract check(settings: S): void;

  /** What each parameter of a group needs besides itself. */
  protected abstract slots(group: GroupSettings<S>): readonly Slot[];

  /** Numbers that follow from the settings and from the count of this step (1 for the first), all 0-d float64. */
  protected abstract factors(group: GroupSettings<S>, count: Tensor): Factors;

  /** Updates one parameter and its slots in place. */
  protected abstract update(group: GroupSettings<S>, update: Update, factors: Factors): void;

  /** The groups: their parameters, and their settings as properties that can be set. */
  get groups(): readonly ParameterGroup<S>[] {
    return this.#settings.map((group) => group.view);
  }

  /** The learning rate of the first group; setting it sets that of all groups. */
  get lr(): number {
    return this.groups[0]!.lr as number;
  }

  set lr(value: number) {
    for (const group of this.groups) group.lr = value as (typeof group)['lr'];
  }

  /** Updates all parameters that have a gradient. */
  step(): void {
    noGrad(() => {
      const ready = this.#parameters.filter((parameter) => parameter.grad !== null);
      for (const [count, members] of this.#clocks.advance(ready)) {
        for (const group of this.#settings)
          this.#updateGroup(
            group,
            count,
            members.filter((x) => group.params.includes(x)),
          );
      }
    });
  }

  #updateGroup(group: GroupSettings<S>, count: Tensor, members: readonly Tensor[]): void {
    if (members.length === 0) return;
    const exact = this.factors(group, count);
    const byDType = new Map<DType, Factors>();
    for (const parameter of members) {
      const { dtype } = parameter;
      const factors =
        byDType.get(dtype) ?? Object.fromEntries(Object.entries(exact).map(([name, x]) => [name, to(x, dtype)]));
      byDType.set(dtype, factors);
      this.update(group, { parameter, gradient: parameter.grad!, slots: this.#slots.get(parameter)! }, factors);
    }
  }

  /** Forgets the gradients of all parameters. */
  zeroGrad(): void {
    for (const parameter of this.#parameters) parameter.grad = null;
  }

  /**
   * Everything a later run needs to continue. The tensors share memory with the optimizer's: `clone()` what shall be
   * kept while training goes on.
   */
  stateDict(): OptimizerState {
    const state: Record<string, Tensor> = {};
    for (const [index, parameter] of this.#parameters.entries()) {
      state[`${index}.step`] = detach(this.#clocks.count(parameter));
      for (const [name, slot] of Object.entries(this.#slots.get(parameter)!)) state[`${index}.${name}`] = detach(slot);
    }
    const indices = new Map(this.#parameters.map((parameter, index) => [parameter, index]));
    const groups = this.#settings.map((group) => ({
      ...group.numbers(),
      params: group.params.map((x) => indices.get(x)!),
    }));
    return { state, groups };
  }

  /**
   * Takes over what `stateDict` gave, of an optimizer of the same kind with as many parameters of the same shapes.
   *
   * @throws StateDictError listing what does not fit; then nothing was changed.
   */
  loadStateDict({ state, groups }: OptimizerState): void {
    const problems = this.#wrongGroups(groups);
    if (problems.length === 0) problems.push(...this.#wrongState(state, groups));
    if (problems.length > 0) {
      throw new StateDictError(
        `loadStateDict: the state does not fit ${this.constructor.name}: ${problems.join('; ')}`,
      );
    }
    for (const [g, group] of this.#settings.entries()) Object.assign(group.view, settingsOf(groups[g]!));
    noGrad(() => {
      for (const [index, parameter] of this.#parameters.entries()) {
        for (const [name, slot] of Object.entries(this.#slots.get(parameter)!)) {
          const given = state[`${index}.${name}`];
          if (given !== undefined) assign(slot, to(given, slot.dtype));
        }
      }
      this.#clocks.load(
        new Map(this.#parameters.map((parameter, index) => [parameter, state[`${index}.step`]!.item()])),
      );
    });
  }

  #wrongGroups(groups: OptimizerState['groups']): string[] {
    if (groups.length !== this.#settings.length) return [`${groups.length} groups instead of ${this.#settings.length}`];
    return this.#settings.flatMap((group, g) => {
      const { params, ...settings } = groups[g]!;
      const known = Object.keys(group.numbers());
      const problems =
        params.length === group.params.length
          ? []
          : [`group ${g} has ${params.length} parameters instead of ${group.params.length}`];
      if (Object.keys(settings).sort().join() !== known.toSorted().join()) {
        problems.push(`group ${g} has settings ${Object.keys(settings).join(', ')} instead of ${known.join(', ')}`);
      } else this.check(settings as unknown as S);
      return problems;
    });
  }

  #wrongState(state: Readonly<Record<string, Tensor>>, groups: OptimizerState['groups']): string[] {
    const expected = new Map<string, readonly number[]>();
    for (const [g, { params }] of this.#settings.entries()) {
      const other = new GroupSettings<S>(
        params,
        settingsOf(groups[g]!) as S,
        () => {},
        () => {},
      );
      for (const parameter of params) {
        const index = this.#parameters.indexOf(parameter);
        expected.set(`${index}.step`, []);
        for (const { name } of this.slots(other)) expected.set(`${index}.${name}`, parameter.shape);
      }
    }
    const missing = [...expected.keys()]
      .filter((name) => !Object.hasOwn(state, name))
      .map((name) => `missing '${name}'`);
    const others = Object.entries(state).flatMap(([name, given]) => {
      const shape = expected.get(name);
      if (shape === undefined) return [`unexpected '${name}'`];
      if (!(given instanceof Tensor)) return [`'${name}' is no tensor`];
      return sameShape(given.shape, shape)
        ? []
        : [`'${name}' is ${showShape(given.shape)} but must be ${showShape(shape)}`];
    });
    return [...missing, ...others];
  }

  /** Makes what the settings of each group ask for and is not there yet. */
  #addSlots(): void {
    for (const group of this.#settings) {
      for (const parameter of group.params) {
        const slots = this.#slots.get(parameter) ?? {};
        this.#slots.set(parameter, slots);
        for (const { name, start } of this.slots(group)) slots[name] ??= clone(fullLike(parameter, start));
      }
    }
  }
}

function settingsOf({ params: _, ...settings }: OptimizerState['groups'][number]): Record<string, unknown> {
  return settings;
}

/** Without keys that are undefined, so that they do not hide defaults. */
function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
