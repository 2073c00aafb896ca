import { describe, expect, it } from 'vitest';
import {
  Adagrad,
  ConstantLR,
  CosineAnnealingLR,
  CosineAnnealingWarmRestarts,
  ExponentialLR,
  LambdaLR,
  LinearLR,
  MultiStepLR,
  OneCycleLR,
  OptionError,
  Parameter,
  ReduceLROnPlateau,
  RMSprop,
  type Schedule,
  SequentialLR,
  SGD,
  StateDictError,
  StepLR,
  zeros,
} from '../../src/index.ts';

const sgd = (lr = 1): SGD => new SGD([new Parameter(zeros([1]))], { lr });

/** The rates before the first step and after each. */
function rates(schedule: Schedule, optimizer: SGD, steps: number): number[] {
  return Array.from({ length: steps + 1 }, (_, i) => {
    if (i > 0) schedule.step();
    return optimizer.lr;
  });
}

const round = (list: number[]): number[] => list.map((value) => Number(value.toFixed(6)));

describe('schedules', () => {
  it.each<[string, (o: SGD) => Schedule, number[]]>([
    ['StepLR', (o) => new StepLR(o, { stepSize: 2, gamma: 0.5 }), [1, 1, 0.5, 0.5, 0.25]],
    ['MultiStepLR', (o) => new MultiStepLR(o, { milestones: [1, 3, 3] }), [1, 0.1, 0.1, 0.001, 0.001]],
    ['ExponentialLR', (o) => new ExponentialLR(o, { gamma: 0.5 }), [1, 0.5, 0.25, 0.125, 0.0625]],
    ['ConstantLR', (o) => new ConstantLR(o, { factor: 0.5, totalIters: 2 }), [0.5, 0.5, 1, 1, 1]],
    ['LinearLR', (o) => new LinearLR(o, { startFactor: 0.25, totalIters: 3 }), [0.25, 0.5, 0.75, 1, 1]],
    ['LambdaLR', (o) => new LambdaLR(o, { factor: (count) => 1 / (1 + count) }), [1, 0.5, 0.333333, 0.25, 0.2]],
    ['CosineAnnealingLR', (o) => new CosineAnnealingLR(o, { tMax: 2 }), [1, 0.5, 0, 0.5, 1]],
    [
      'CosineAnnealingWarmRestarts',
      (o) => new CosineAnnealingWarmRestarts(o, { t0: 1, tMult: 2 }),
      [1, 1, 0.5, 1, 0.853553],
    ],
    [
      'OneCycleLR',
      (o) =>
        new OneCycleLR(o, {
          maxLr: 2,
          totalSteps: 5,
          pctStart: 0.6,
          annealStrategy: 'linear',
          divFactor: 4,
          finalDivFactor: 5,
          cycleMomentum: false,
        }),
      [0.5, 1.25, 2, 1.05, 0.1],
    ],
  ])('%s', (_, make, expected) => {
    const optimizer = sgd();
    expect(round(rates(make(optimizer), optimizer, 4))).toEqual(expected);
  });

  it('follow one another, the first made not spoiling the base of the second', () => {
    const optimizer = sgd(2);
    const warm = new LinearLR(optimizer, { startFactor: 0.5, totalIters: 2 });
    const cool = new ExponentialLR(optimizer, { gamma: 0.5 });
    const schedule = new SequentialLR(optimizer, { schedules: [warm, cool], milestones: [2] });
    expect(rates(schedule, optimizer, 4)).toEqual([1, 1.5, 2, 1, 0.5]);
    expect(() => new SequentialLR(optimizer, { schedules: [warm], milestones: [1] })).toThrow(
      /1 schedules need 0 milestones/,
    );
  });

  it('continue from a saved state', () => {
    const [a, b] = [sgd(), sgd(5)];
    const first = new StepLR(a, { stepSize: 2, gamma: 0.5 });
    rates(first, a, 3);
    const second = new StepLR(b, { stepSize: 2, gamma: 0.5 });
    second.loadStateDict(JSON.parse(JSON.stringify(first.stateDict())));
    expect(second.count).toBe(3);
    second.step();
    expect(b.lr).toBe(0.25);
    expect(second.rates).toEqual([0.25]);
    expect(() => second.loadStateDict({ count: 1, base: [1, 2] })).toThrow(StateDictError);
  });

  it('move the momentum of SGD and the first beta of Adam against the rate', () => {
    const optimizer = new SGD([new Parameter(zeros([1]))], { momentum: 0.5 });
    const schedule = new OneCycleLR(optimizer, { maxLr: 1, totalSteps: 11, pctStart: 6 / 11 });
    expect(optimizer.groups[0]!.momentum).toBe(0.95);
    for (let i = 0; i < 5; i++) schedule.step();
    expect(optimizer.groups[0]!.momentum).toBeCloseTo(0.85, 12);
    expect(optimizer.lr).toBeCloseTo(1, 12);
    for (let i = 0; i < 6; i++) schedule.step();
    expect(() => schedule.step()).toThrow(/step 12 lies beyond the 11 steps/);
  });

  it.each<[string, () => unknown, RegExp]>([
    ['no optimizer', () => new StepLR({ groups: [] }, { stepSize: 1 }), /StepLR: expected an optimizer/],
    ['a step of 0', () => new StepLR(sgd(), { stepSize: 0 }), /stepSize must be a whole number of at least 1/],
    ['unknown options', () => new StepLR(sgd(), { stepSize: 1, tMax: 2 } as never), /unknown option 'tMax'/],
    ['no milestones', () => new MultiStepLR(sgd(), {} as never), /milestones must be a list/],
    ['no gamma', () => new ExponentialLR(sgd(), {} as never), /gamma must be a number/],
    ['no function', () => new LambdaLR(sgd(), { factor: 2 as never }), /factor must be a function/],
    ['a start of 0', () => new LinearLR(sgd(), { startFactor: 0 }), /startFactor/],
    ['no length', () => new OneCycleLR(sgd(), { maxLr: 1 }), /give totalSteps, or both/],
    [
      'rates for other groups',
      () => new OneCycleLR(sgd(), { maxLr: [1, 2], totalSteps: 3 }),
      /a list with one for each of 1 groups/,
    ],
    [
      'no momentum to cycle',
      () => new OneCycleLR(new Adagrad([new Parameter(zeros([1]))]), { maxLr: 1, totalSteps: 3 }),
      /no momentum to cycle/,
    ],
    ['a factor of 1', () => new ReduceLROnPlateau(sgd(), { factor: 1 }), /factor must be less than 1/],
    ['no metric', () => new ReduceLROnPlateau(sgd()).step(undefined as never), /step needs the number to watch/],
  ])('reject %s', (_, make, message) => {
    expect(make).toThrow(OptionError);
    expect(make).toThrow(message);
  });

  it('cycle the momentum of RMSprop too', () => {
    const optimizer = new RMSprop([new Parameter(zeros([1]))]);
    new OneCycleLR(optimizer, { maxLr: 1, totalSteps: 10 });
    expect(optimizer.groups[0]!.momentum).toBe(0.95);
  });
});

describe('ReduceLROnPlateau', () => {
  it('reduces after more than `patience` steps without improvement, then cools down', () => {
    const optimizer = sgd();
    const schedule = new ReduceLROnPlateau(optimizer, { factor: 0.5, patience: 1, cooldown: 1 });
    const seen = [5, 4, 4, 4, 4, 4, 4, Number.NaN, 3].map((metric) => {
      schedule.step(metric);
      return optimizer.lr;
    });
    expect(seen).toEqual([1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]);
    expect(schedule.stateDict()).toEqual({ best: 3, badSteps: 0, cooldownLeft: 0 });
  });

  it('continues from a saved state', () => {
    const optimizer = sgd();
    const schedule = new ReduceLROnPlateau(optimizer, { patience: 1 });
    schedule.loadStateDict({ best: 1, badSteps: 1, cooldownLeft: 0 });
    schedule.step(2);
    expect(schedule.rates).toEqual([0.1]);
  });
});
