/** Layers, schedules and whole training runs against PyTorch's, in float64. */

import { describe, expect, test } from 'vitest';
import {
  clipGradNorm,
  clipGradValue,
  crossEntropy,
  type Module,
  manualSeed,
  mseLoss,
  noGrad,
  type Tensor,
} from '../../src/index.ts';
import { difference } from './compare.ts';
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

interface LayerCase {
  readonly layer: LayerSpec;
  readonly initial: Readonly<Record<string, { shape: number[]; bound?: number; value?: number }>>;
  readonly state?: State;
  readonly batches?: readonly Encoded[];
  readonly training?: readonly Encoded[];
  readonly after?: State;
  readonly evaluation?: Encoded;
}

interface ScheduleCase {
  readonly schedule: string;
  readonly options: Options;
  readonly optimizer: OptimizerSpec;
  readonly rows: readonly (readonly Readonly<Record<string, number | number[]>>[])[];
  readonly metrics?: readonly number[];
}

interface RunCase {
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

/** Runs of some tens of steps: rounding grows from step to step, so a little less than one operation's agreement. */
const TOLERANCE = 1e-9;
const read = <T>(name: string): T[] => readLines<T>(new URL(`./data/${name}.jsonl.gz`, import.meta.url));

function expectClose(what: string, actual: Tensor, expected: Encoded): void {
  const { error, message } = difference(actual, expected.s, decode(expected));
  if (!(error <= TOLERANCE)) expect.fail(`${what}: ${message} (relative error ${error.toExponential(1)})`);
}

function expectState(what: string, model: Module, expected: State): void {
  const state = model.stateDict() as Record<string, Tensor>;
  expect(Object.keys(state).sort(), what).toEqual(Object.keys(expected).sort());
  for (const [name, encoded] of Object.entries(expected)) expectClose(`${what} ${name}`, state[name]!, encoded);
}

function expectInitial({ layer, initial }: LayerCase): void {
  manualSeed(1);
  const state = buildLayer(layer).stateDict() as Record<string, Tensor>;
  expect(Object.fromEntries(Object.entries(state).map(([name, t]) => [name, [...t.shape]]))).toEqual(
    Object.fromEntries(Object.entries(initial).map(([name, { shape }]) => [name, shape])),
  );
  for (const [name, { bound, value }] of Object.entries(initial)) {
    const values = [...state[name]!.toTypedArray()];
    if (value !== undefined) expect(new Set(values), name).toEqual(new Set([value]));
    if (bound === undefined) continue;
    const largest = Math.max(...values.map(Math.abs));
    expect(largest, `${name}: largest magnitude`).toBeLessThanOrEqual(bound * (1 + 1e-6));
    if (values.length < 1000) continue;
    const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
    const variance = values.reduce((sum, v) => sum + v * v, 0) / values.length;
    expect(largest / bound, `${name}: the bound is reached`).toBeGreaterThan(0.98);
    expect(Math.abs(mean) / bound, `${name}: mean`).toBeLessThan(0.1);
    // Five standard deviations of the estimate.
    const spread = 5 * Math.sqrt(0.8 / values.length);
    expect(Math.abs(variance / ((bound * bound) / 3) - 1), `${name}: variance, of a uniform one`).toBeLessThan(spread);
  }
}

function expectForward({ layer, state, batches, training, after, evaluation }: LayerCase): void {
  const model = buildLayer(layer).to('float64') as Module & { forward(x: Tensor): Tensor };
  model.loadStateDict(toState(state!));
  model.train();
  batches!.forEach((x, i) => {
    expectClose(`training, batch ${i}`, model.forward(toTensor(x)), training![i]!);
  });
  expectState('afterwards', model, after!);
  model.eval();
  expectClose('evaluation', model.forward(toTensor(batches![0]!)), evaluation!);
}

describe('layers agree with PyTorch', () => {
  for (const c of read<LayerCase>('layers')) {
    test(`${JSON.stringify(c.layer)}: initial state${c.state ? ', training and evaluation' : ''}`, () => {
      expectInitial(c);
      if (c.state) expectForward(c);
    });
  }
});

describe('schedules agree with PyTorch', () => {
  for (const c of read<ScheduleCase>('schedules')) {
    const groups = c.optimizer.groups ? ' in groups' : '';
    test(`${c.schedule} ${JSON.stringify(c.options)} with ${JSON.stringify(c.optimizer.options)}${groups}`, () => {
      const model = buildLayer(['Sequential', [['Dense', [2, 1]]]]).to('float64') as Module;
      const optimizer = buildOptimizer(c.optimizer, model);
      const schedule = buildSchedule({ name: c.schedule, options: c.options }, optimizer);
      c.rows.forEach((row, i) => {
        if (i > 0) schedule.step(c.metrics?.[i - 1]);
        row.forEach((expected, group) => {
          for (const [name, value] of Object.entries(expected)) {
            const actual = optimizer.groups[group]![name];
            expectNumbers(`${name} of group ${group} after ${i} steps`, [actual].flat() as number[], [value].flat());
          }
        });
      });
    });
  }
});

function expectNumbers(what: string, actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length, what).toBe(expected.length);
  expected.forEach((value, i) => {
    const error = Math.abs(actual[i]! - value) / Math.max(Math.abs(value), 1e-6);
    if (!(error <= TOLERANCE)) expect.fail(`${what}: ${i}: ${actual[i]} instead of ${value}`);
  });
}

function replay(c: RunCase): void {
  const model = buildLayer(c.layers).to('float64') as Module & { forward(x: Tensor): Tensor };
  model.loadStateDict(toState(c.state));
  const optimizer = buildOptimizer(c.optimizer, model);
  const schedule = c.schedule && buildSchedule(c.schedule, optimizer);
  const batches = c.batches.map((b) => toTensor(b));
  const targets = c.targets.map((t) => toTensor(t));
  const seen = { losses: [] as number[], rates: [] as number[], totals: [] as number[] };
  model.train();
  for (let i = 0; i < c.steps; i++) {
    optimizer.zeroGrad();
    for (const [name, parameter] of model.namedParameters()) {
      if (c.frozen?.names.includes(name)) parameter.requiresGrad = i >= c.frozen.until;
    }
    const prediction = model.forward(batches[i % 2]!);
    const target = targets[i % 2]!;
    const loss =
      c.loss === 'crossEntropy' ? crossEntropy(prediction, target, c.lossOptions ?? {}) : mseLoss(prediction, target);
    loss.backward();
    clip(c, model, seen.totals);
    seen.rates.push(optimizer.lr);
    optimizer.step();
    seen.losses.push(loss.item());
    schedule?.step(c.schedule!.name === 'ReduceLROnPlateau' ? loss.item() : undefined);
  }
  expectNumbers('learning rate of step', seen.rates, c.rates);
  expectNumbers('loss of step', seen.losses, c.losses);
  expectNumbers('norm of all gradients in step', seen.totals, c.totals ?? []);
  expectState('after training', model, c.final);
  model.eval();
  expectClose(
    'evaluation',
    noGrad(() => model.forward(batches[0]!)),
    c.evaluation,
  );
}

function clip({ clip: limits }: RunCase, model: Module, totals: number[]): void {
  const parameters = [...model.parameters()];
  if (limits?.norm !== undefined) {
    const options = limits.normType === undefined ? {} : { normType: decodeNumber(limits.normType) as number };
    const total = clipGradNorm(parameters, limits.norm, options) as number | Tensor;
    totals.push(typeof total === 'number' ? total : total.item());
  }
  if (limits?.value !== undefined) clipGradValue(parameters, limits.value);
}

describe('training runs agree with PyTorch step by step', () => {
  for (const c of read<RunCase>('trajectories')) {
    const { name, options, groups } = c.optimizer;
    const parts = [
      `${name} ${JSON.stringify(options)}`,
      groups && `groups ${JSON.stringify(groups)}`,
      c.schedule && `${c.schedule.name} ${JSON.stringify(c.schedule.options)}`,
      c.clip && `clipped ${JSON.stringify(c.clip)}`,
      c.frozen && `frozen ${JSON.stringify(c.frozen)}`,
      c.lossOptions && JSON.stringify(c.lossOptions),
    ];
    test(`${c.model}, ${c.steps} steps, ${c.loss}, ${parts.filter(Boolean).join(', ')}`, () => replay(c));
  }
});
