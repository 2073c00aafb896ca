/** Layers, optimizers and schedules of the library, built from the descriptions in the golden files. */

import * as library from '../../src/index.ts';
import { type DType, type Module, type Tensor, tensor } from '../../src/index.ts';
import { decode, decodeNumber, type Encoded } from './load.ts';

export type Options = Readonly<Record<string, unknown>>;
/** `['Conv2d', [1, 4, 3], { padding: 1 }]`, or `['Residual', [spec, …]]`. */
export type LayerSpec = readonly [name: string, args: readonly unknown[], options?: Options];

export interface OptimizerSpec {
  readonly name: string;
  readonly options: Options;
  readonly groups?: readonly (Options & { readonly names: readonly string[] })[];
}

export interface ScheduleSpec {
  readonly name: string;
  readonly options: Options;
}

export interface Optimizer {
  lr: number;
  step(): unknown;
  zeroGrad(): void;
  readonly groups: readonly Readonly<Record<string, unknown>>[];
}

export interface Schedule {
  step(metric?: number): unknown;
}

type Constructor = new (...args: unknown[]) => unknown;

function construct(name: string, ...args: unknown[]): unknown {
  const found = (library as unknown as Record<string, unknown>)[name];
  if (typeof found !== 'function') throw new Error(`typedgrad exports no class ${name}`);
  return new (found as Constructor)(...args);
}

export function buildLayer([name, args, options]: LayerSpec): Module {
  const nested = name === 'Sequential' || name === 'Residual';
  const made = nested ? (args as LayerSpec[]).map(buildLayer) : args;
  return construct(name, ...made, ...(options ? [decodeOptions(options)] : [])) as Module;
}

function decodeOptions(options: Options): Options {
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, decodeNumber(value)]));
}

export function buildOptimizer({ name, options, groups }: OptimizerSpec, model: Module): Optimizer {
  const parameters = new Map(model.namedParameters());
  const pick = (wanted: string): Tensor => {
    const found = parameters.get(wanted);
    if (!found) throw new Error(`no parameter ${wanted} among ${[...parameters.keys()]}`);
    return found;
  };
  const target = groups?.map(({ names, ...rest }) => ({ params: names.map(pick), ...rest })) ?? [
    ...parameters.values(),
  ];
  return construct(name, target, decodeOptions(options)) as Optimizer;
}

export function buildSchedule({ name, options }: ScheduleSpec, optimizer: Optimizer): Schedule {
  return construct(name, optimizer, decodeOptions(options)) as Schedule;
}

export function toTensor(encoded: Encoded, dtype: DType = 'float64'): Tensor {
  return tensor(decode(encoded), [...encoded.s], { dtype });
}

export function toState(state: Readonly<Record<string, Encoded>>, dtype: DType = 'float64'): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(state).map(([name, encoded]) => [name, toTensor(encoded, dtype)]));
}
