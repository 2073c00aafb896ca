/** Layers, schedules and training runs of PyTorch, replayed; every number that differs is a finding. */

import {
  clipGradNorm,
  clipGradValue,
  compile,
  crossEntropy,
  type DType,
  type Module,
  mseLoss,
  noGrad,
  type Tensor,
} from '../../src/index.ts';
import { type Difference, difference } from './compare.ts';
import { decode, decodeNumber, type Encoded, readLines } from './load.ts';
import {
  buildLayer,
  buildOptimizer,
  buildSchedule,
  type LayerSpec,
  type OptimizerSpec,
  type Options,
  type ScheduleSpec,
  toState,
  toTensor,
} from './models.ts';

type State = Readonly<Record<string, Encoded>>;

export interface LayerCase {
  readonly layer: LayerSpec;
  readonly initial: Readonly<Record<string, { shape: number[]; bound?: number; value?: number }>>;
  readonly state?: State;
  readonly batches?: readonly Encoded[];
  readonly training?: readonly Encoded[];
  readonly after?: State;
  readonly evaluation?: Encoded;
}

export interface ScheduleCase {
  readonly schedule: string;
  readonly options: Options;
  readonly optimizer: OptimizerSpec;
  readonly rows: readonly (readonly Readonly<Record<string, number | number[]>>[])[];
  readonly metrics?: readonly number[];
}

export interface RunCase {
  readonly model: string;
  readonly layers: LayerSpec;
  readonly optimizer: OptimizerSpec;
  readonly steps: number;
  readonly state: State;
  readonly loss: 'crossEntropy' | 'mseLoss';
  readonly lossOptions?: { readonly labelSmoothing?: number };
  readonly schedule?: ScheduleSpec;
  readonly clip?: { readonly norm?: number; readonly normType?: number | string; readonly value?: number };
  readonly frozen?: { readonly names: readonly string[]; readonly until: number };
  readonly batches: readonly Encoded[];
  readonly targets: readonly Encoded[];
  readonly losses: readonly number[];
  readonly rates: readonly number[];
  readonly totals?: readonly number[];
  readonly final: State;
  readonly evaluation: Encoded;
}

/** What was compared, and how far it is off. */
export interface Step extends Difference {
  readonly what: string;
}

type Model = Module & { forward(x: Tensor): Tensor };

export function readCases<T>(name: 'layers' | 'schedules' | 'trajectories'): T[] {
  return readLines<T>(new URL(`./data/${name}.jsonl.gz`, import.meta.url));
}

function compare(what: string, actual: Tensor, expected: Encoded): Step {
  return { what, ...difference(actual, expected.s, decode(expected)) };
}

function compareNumbers(what: string, actual: readonly number[], expected: readonly number[]): Step {
  const list = { shape: [actual.length], toTypedArray: () => actual };
  return { what, ...difference(list, [expected.length], expected, 0) };
}

function compareState(what: string, model: Module, expected: State): Step[] {
  const state: Record<string, Tensor> = model.stateDict();
  const extra = Object.keys(state).filter((name) => !(name in expected));
  const steps = Object.entries(expected).map(([name, encoded]): Step => {
    const own = state[name];
    return own ? compare(`${what} ${name}`, own, encoded) : { what: `${what} ${name}`, error: 1, message: 'missing' };
  });
  return [...steps, ...extra.map((name) => ({ what: `${what} ${name}`, error: 1, message: 'PyTorch has none' }))];
}

function loaded(spec: LayerSpec, state: State, dtype: DType): Model {
  const model = buildLayer(spec).to(dtype) as Model;
  model.loadStateDict(toState(state, dtype));
  return model;
}

/** Two batches forward in training, what that leaves in the buffers, and one forward in evaluation. */
export function replayLayer({ layer, state, batches, training, after, evaluation }: LayerCase, dtype: DType): Step[] {
  const model = loaded(layer, state!, dtype);
  model.train();
  const outs = batches!.map((x, i) =>
    compare(`training, batch ${i}`, model.forward(toTensor(x, dtype)), training![i]!),
  );
  const left = compareState('afterwards', model, after!);
  model.eval();
  return [...outs, ...left, compare('evaluation', model.forward(toTensor(batches![0]!, dtype)), evaluation!)];
}

/** The learning rate (and what else a schedule moves) of each group, before the first and after each step. */
export function replaySchedule(c: ScheduleCase): Step[] {
  const model = buildLayer(['Sequential', [['Dense', [2, 1]]]]);
  const optimizer = buildOptimizer(c.optimizer, model);
  const schedule = buildSchedule({ name: c.schedule, options: c.options }, optimizer);
  return c.rows.flatMap((row, i) => {
    if (i > 0) schedule.step(c.metrics?.[i - 1]);
    return row.flatMap((expected, g) =>
      Object.entries(expected).map(([name, value]) => {
        const actual = [optimizer.groups[g]![name]].flat() as number[];
        return compareNumbers(`${name} of group ${g} after ${i} steps`, actual, [value].flat());
      }),
    );
  });
}

/**
 * A whole training run: losses, learning rates, clipped norms, final state, and a forward in evaluation; eager, or with
 * forward, backward, clipping and update of each step compiled into one program.
 */
export function replayRun(c: RunCase, dtype: DType, how: 'eager' | 'compiled' = 'eager'): Step[] {
  const model = loaded(c.layers, c.state, dtype);
  const optimizer = buildOptimizer(c.optimizer, model);
  const schedule = c.schedule && buildSchedule(c.schedule, optimizer);
  const batches = c.batches.map((b) => toTensor(b, dtype));
  const targets = c.targets.map((t) => toTensor(t, dtype));
  const seen = { losses: [] as number[], rates: [] as number[], totals: [] as number[] };
  const step = (x: Tensor, target: Tensor): Tensor[] => {
    const prediction = model.forward(x);
    const loss =
      c.loss === 'mseLoss' ? mseLoss(prediction, target) : crossEntropy(prediction, target, c.lossOptions ?? {});
    loss.backward();
    const total = clip(c, model);
    optimizer.step();
    optimizer.zeroGrad();
    return total ? [loss, total] : [loss];
  };
  const take = how === 'compiled' ? compile(step) : step;
  model.train();
  for (let i = 0; i < c.steps; i++) {
    for (const [name, parameter] of model.namedParameters()) {
      if (c.frozen?.names.includes(name)) parameter.requiresGrad = i >= c.frozen.until;
    }
    seen.rates.push(optimizer.lr);
    const [loss, total] = take(batches[i % 2]!, targets[i % 2]!);
    seen.losses.push(loss!.item());
    if (total) seen.totals.push(total.item());
    schedule?.step(c.schedule!.name === 'ReduceLROnPlateau' ? loss!.item() : undefined);
  }
  model.eval();
  return [
    compareNumbers('learning rates', seen.rates, c.rates),
    compareNumbers('losses', seen.losses, c.losses),
    compareNumbers('norms of all gradients', seen.totals, c.totals ?? []),
    ...compareState('after training', model, c.final),
    compare(
      'evaluation',
      noGrad(() => model.forward(batches[0]!)),
      c.evaluation,
    ),
  ];
}

function clip({ clip: limits }: RunCase, model: Module): Tensor | null {
  const parameters = [...model.parameters()];
  if (limits?.value !== undefined) clipGradValue(parameters, limits.value);
  if (limits?.norm === undefined) return null;
  const options = limits.normType === undefined ? {} : { normType: decodeNumber(limits.normType) as number };
  return clipGradNorm(parameters, limits.norm, options);
}
