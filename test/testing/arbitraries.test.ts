import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ArrayInput,
  allClose,
  applyViews,
  arbitraries,
  type ConvCase,
  type ConvOptions,
  type NdArray,
  type PoolCase,
  reference,
  strided,
  toNd,
  type ValueSet,
  type Viewable,
} from '../../src/testing/index.ts';

const zeros = (shape: readonly number[]): NdArray => ({
  shape,
  data: new Float64Array(shape.reduce((a, b) => a * b, 1)),
});
const RANKS = [1, 2, 3] as const;
const RUNS = { numRuns: 200, seed: 1 };

/** The smallest case that fast-check finds to fail `property`, over several seeds; every seed must find one. */
function shrunk<T>(arbitrary: fc.Arbitrary<T>, holds: (value: T) => unknown): T[] {
  return [1, 2, 3, 4, 5].map((seed) => {
    const result = fc.check(
      fc.property(arbitrary, (value) => {
        holds(value);
      }),
      { seed, numRuns: 300 },
    );
    expect(result.failed, `seed ${seed} found no counterexample`).toBe(true);
    return (result.counterexample as [T])[0];
  });
}

describe('arbitraries.convConfig', () => {
  for (const rank of RANKS) {
    it(`yields configurations in ${rank}-d that the reference accepts, with the output it says`, () => {
      fc.assert(
        fc.property(arbitraries.convConfig({ rank, minBatch: 0 }), ({ input, weight, output, options }) => {
          expect(input).toHaveLength(rank + 2);
          allClose(reference.conv(zeros(input), zeros(weight), options), zeros(output));
        }),
        RUNS,
      );
    });
  }

  it('reaches every option, in every form, and windows as large as the padded input', () => {
    const seen = new Set<string>();
    for (const { input, output, bias, options } of fc.sample(arbitraries.convConfig({ rank: 2, minBatch: 0 }), {
      numRuns: 800,
      seed: 3,
    })) {
      const { padding = 0, paddingMode = 'zeros', groups = 1, stride = 1, dilation = 1 } = options;
      seen.add(
        typeof padding === 'object'
          ? `padding ${typeof padding[0] === 'object' ? 'pairs' : 'list'}`
          : `padding ${typeof padding === 'string' ? padding : 'number'}`,
      );
      seen.add(`mode ${paddingMode}`).add(`groups ${groups}`).add(`bias ${bias}`).add(`batch ${input[0]}`);
      seen.add(`stride ${typeof stride}`).add(`dilation ${typeof dilation}`);
      if (output.slice(2).every((n) => n === 1)) seen.add('window as large as the input');
      if (groups > 1 && stride !== 1 && dilation !== 1 && paddingMode !== 'zeros') seen.add('all at once');
    }
    const every = ['number', 'list', 'pairs', 'same', 'valid'].map((form) => `padding ${form}`);
    every.push(...['zeros', 'reflect', 'replicate', 'circular'].map((mode) => `mode ${mode}`));
    every.push('groups 1', 'groups 2', 'bias true', 'bias false', 'batch 0', 'batch 1', 'batch 2');
    every.push(
      'stride number',
      'stride object',
      'dilation number',
      'dilation object',
      'window as large as the input',
      'all at once',
    );
    expect([...seen].sort()).toEqual(every.sort());
  });

  it('keeps to its constraints', () => {
    const constraints = {
      rank: 1,
      maxGroups: 1,
      maxDilation: 1,
      maxKernel: 5,
      paddingModes: ['zeros'],
      paddingForms: ['valid'],
      bias: false,
    } as const;
    for (const { weight, bias, options } of fc.sample(arbitraries.convConfig(constraints), { numRuns: 200, seed: 1 })) {
      expect(Object.keys(options).filter((key) => key !== 'stride' && key !== 'padding')).toEqual([]);
      expect([bias, options.padding]).toEqual([false, 'valid']);
      expect(weight[2]).toBeLessThanOrEqual(5);
    }
  });
});

describe('shrinking', () => {
  const conv = (x: ArrayInput, w: ArrayInput, options: ConvOptions): NdArray => reference.conv(x, w, options);
  const agrees = (planted: typeof conv) => (c: ConvCase) =>
    allClose(planted(c.x, c.w, c.options), conv(c.x, c.w, c.options));
  const shapes = (cases: ConvCase[]): unknown[] =>
    cases.map(({ x, w, options }) => ({ x: x.shape, w: w.shape, options }));

  it('ends with one tap more than one for an ignored dilation', () => {
    const found = shrunk(
      arbitraries.convCase({ rank: 2 }),
      agrees((x, w, options) => conv(x, w, { ...options, dilation: 1 })),
    );
    for (const { x, w, options } of found) {
      expect(x.shape.slice(0, 2)).toEqual([1, 1]);
      expect(w.shape.slice(0, 2)).toEqual([1, 1]);
      // A kernel of two taps along one axis, with dilation 2 along it, and nothing else.
      expect([...w.shape.slice(2)].sort()).toEqual([1, 2]);
      expect(Math.max(...[options.dilation ?? 1].flat())).toBe(2);
      expect(Object.keys(options).filter((key) => key !== 'dilation')).toEqual([]);
      expect([...x.shape.slice(2)].sort()).toEqual([1, 3]);
    }
  });

  it('ends with the smallest values: a single 1 that a flipped filter misplaces', () => {
    const flip = (w: ArrayInput): NdArray => reference.view(w, [{ op: 'flip', axes: [2] }]);
    const found = shrunk(
      arbitraries.convCase({ rank: 1 }),
      agrees((x, w, options) => conv(x, flip(w), options)),
    );
    for (const { x, w, options } of found) {
      expect([x.shape, w.shape.slice(0, 2)]).toEqual([
        [1, 1, x.shape[2] as number],
        [1, 1],
      ]);
      expect(w.shape[2]).toBe(2);
      expect([...x.data, ...w.data].filter((value) => value !== 0).length).toBeLessThanOrEqual(3);
      expect(options.bias === undefined && options.groups === undefined && options.paddingMode === undefined).toBe(
        true,
      );
    }
  });

  it('ends with two groups of one channel for groups that are mixed up', () => {
    const mixed: typeof conv = (x, w, options) => {
      const y = conv(x, w, options);
      if ((options.groups ?? 1) === 1) return y;
      return { shape: y.shape, data: y.data.map((_, i) => y.data[y.data.length - 1 - i] as number) };
    };
    const found = shrunk(arbitraries.convCase({ rank: 1, maxGroups: 3 }), agrees(mixed));
    expect(shapes(found)).toEqual(found.map(() => ({ x: [1, 2, 1], w: [2, 1, 1], options: { groups: 2 } })));
  });

  it('ends with stride 2 over two elements for a stride that is ignored', () => {
    const found = shrunk(
      arbitraries.convCase({ rank: 1 }),
      agrees((x, w, { stride: _, ...options }) => conv(x, w, options)),
    );
    for (const { x, w, options } of found) {
      expect([x.shape.slice(0, 2), w.shape]).toEqual([
        [1, 1],
        [1, 1, 1],
      ]);
      expect([options.stride].flat()).toEqual([2]);
      expect(x.shape[2]).toBe(2);
      expect(Object.keys(options)).toEqual(['stride']);
    }
  });

  it('ends with one negative number for a max pooling that starts from 0', () => {
    const fromZero = ({ x, kernelSize, options }: PoolCase): NdArray => {
      const y = reference.maxPool(x, kernelSize, options);
      return { shape: y.shape, data: y.data.map((value) => Math.max(0, value)) };
    };
    const found = shrunk(arbitraries.poolCase({ rank: 2 }), (c) =>
      allClose(fromZero(c), reference.maxPool(c.x, c.kernelSize, c.options)),
    );
    for (const { x, kernelSize, options } of found) {
      expect(toNd(x)).toEqual({ shape: [1, 1, 1, 1], data: Float64Array.of(-1) });
      expect([kernelSize].flat()).toEqual([kernelSize].flat().map(() => 1));
      expect(options).toEqual({});
    }
  });

  it('ends with one flip of two elements for views that forget to flip', () => {
    const found = shrunk(arbitraries.viewChain({ minRank: 1 }), ({ shape, steps }) => {
      const x = { shape, data: Float64Array.from(zeros(shape).data.keys()) };
      return allClose(
        reference.view(
          x,
          steps.filter((step) => step.op !== 'flip'),
        ),
        reference.view(x, steps),
      );
    });
    expect(found.map(({ shape, steps }) => [shape, steps])).toEqual(
      found.map(() => [[2], [{ op: 'flip', axes: [0] }]]),
    );
  });
});

describe('arbitraries.convTransposeConfig', () => {
  for (const rank of RANKS) {
    it(`yields configurations in ${rank}-d that the reference accepts, with the output it says`, () => {
      fc.assert(
        fc.property(arbitraries.convTransposeConfig({ rank }), ({ input, weight, output, options }) => {
          expect(Math.min(...output)).toBeGreaterThan(0);
          allClose(reference.convTranspose(zeros(input), zeros(weight), options), zeros(output));
        }),
        RUNS,
      );
    });
  }
});

describe('arbitraries.poolConfig', () => {
  for (const rank of RANKS) {
    it(`yields configurations in ${rank}-d that the reference accepts, with the output it says`, () => {
      fc.assert(
        fc.property(arbitraries.poolConfig({ rank, minBatch: 0 }), ({ input, output, kernelSize, options }) => {
          expect(reference.maxPool(zeros(input), kernelSize, options).shape).toEqual(output);
        }),
        RUNS,
      );
      fc.assert(
        fc.property(arbitraries.poolConfig({ rank, kind: 'avg' }), ({ input, output, kernelSize, options }) => {
          allClose(reference.avgPool(zeros(input), kernelSize, options), zeros(output));
        }),
        RUNS,
      );
    });
  }
});

describe('arbitraries of arrays', () => {
  it('hold what their value set says', () => {
    const drawn = (values: ValueSet): number[] =>
      fc.sample(arbitraries.array({ shape: [20], values }), { numRuns: 50, seed: 1 }).flatMap(({ data }) => [...data]);
    expect(drawn('integers').every((v) => Number.isInteger(v) && Math.abs(v) <= 4)).toBe(true);
    expect(drawn('floats').every((v) => Math.fround(v) === v && Math.abs(v) <= 10)).toBe(true);
    expect(drawn('negative').every((v) => v < 0)).toBe(true);
    expect(new Set(drawn('ties'))).toEqual(new Set([0, 1]));
    expect(drawn('signedZeros').some((v) => Object.is(v, -0))).toBe(true);
    const special = drawn('special');
    for (const v of [Number.NaN, Infinity, -Infinity, -0])
      expect(special.some((other) => Object.is(other, v))).toBe(true);
  });

  it('have the shape they are asked for, or one within bounds', () => {
    for (const { shape, data } of fc.sample(
      arbitraries.array({ shape: arbitraries.shape({ minRank: 1, maxRank: 2, minSize: 0, maxSize: 3 }) }),
      100,
    )) {
      expect(shape.length === 1 || shape.length === 2).toBe(true);
      expect(data).toHaveLength(shape.reduce((a, b) => a * b, 1));
    }
  });

  it('broadcast in pairs to the shape that they say', () => {
    const broadcast = (a: readonly number[], b: readonly number[]): number[] =>
      Array.from({ length: Math.max(a.length, b.length) }, (_, i) => {
        const [m, n] = [a.toReversed()[i] ?? 1, b.toReversed()[i] ?? 1];
        expect(m === n || m === 1 || n === 1).toBe(true);
        return m === 1 ? n : m;
      }).reverse();
    fc.assert(
      fc.property(arbitraries.broadcastPair({ minSize: 0 }), ({ a, b, result }) => {
        expect(broadcast(a, b)).toEqual(result);
      }),
      RUNS,
    );
  });
});

describe('memory layouts', () => {
  it('show the same values through data, strides and offset, and through their chain of views', () => {
    fc.assert(
      fc.property(
        arbitraries.stridedArray({ shape: arbitraries.shape({ minSize: 0 }) }),
        ({ data, shape, strides, offset, array, views }) => {
          allClose({ data, shape, strides, offset }, array, { equalNaN: false });
          allClose(reference.view(data, views), array, { equalNaN: false });
        },
      ),
      { numRuns: 500, seed: 1 },
    );
  });

  it('reach negative and zero strides, gaps and permuted axes, and none of them on request', () => {
    const seen = { negative: 0, zero: 0, gap: 0, permuted: 0 };
    for (const { strides, data, array } of fc.sample(arbitraries.stridedArray({ shape: [2, 3] }), {
      numRuns: 200,
      seed: 1,
    })) {
      if (strides.some((s) => s < 0)) seen.negative++;
      if (strides.some((s) => s === 0)) seen.zero++;
      if (data.some(Number.isNaN)) seen.gap++;
      if (Math.abs(strides[0] as number) < Math.abs(strides[1] as number)) seen.permuted++;
      expect(array.shape).toEqual([2, 3]);
    }
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(20);
    for (const { strides, offset } of fc.sample(arbitraries.stridedArray({ shape: [2, 3], kinds: [] }), 50)) {
      expect([strides, offset]).toEqual([[3, 1], 0]);
    }
  });

  it('shrink to row-major', () => {
    const found = shrunk(arbitraries.stridedArray({ shape: [2, 2] }), ({ strides }) =>
      expect(Math.min(...strides)).toBeGreaterThanOrEqual(0),
    );
    for (const { data, strides } of found) {
      expect(data).toHaveLength(4);
      expect([...strides].map(Math.abs)).toEqual([2, 1]);
    }
  });

  it('refuse a layout of another rank', () => {
    expect(() => strided([1], { order: [], steps: [], reversed: [], repeated: [], offset: 0 })).toThrow(
      /layout is for 0 axes/,
    );
  });
});

describe('arbitraries.viewChain', () => {
  it('yields chains that fit, end in the shape they say, and use every view', () => {
    const ops = new Set<string>();
    fc.assert(
      fc.property(arbitraries.viewChain(), ({ shape, steps, result }) => {
        for (const { op } of steps) ops.add(op);
        const y = reference.view({ shape, data: Float64Array.from(zeros(shape).data.keys()) }, steps);
        expect(y.shape).toEqual(result);
        expect(y.data.every((value) => !Number.isNaN(value))).toBe(true);
        expect(y.data.length).toBeGreaterThan(0);
      }),
      { numRuns: 1000, seed: 1 },
    );
    expect(ops.size).toBe(11);
  });

  it('agrees with NumPy on slices', () => {
    const x = [0, 1, 2, 3, 4];
    const slice = (start: number | null, stop: number | null, step: number | null): number[] => [
      ...reference.view(x, [{ op: 'slice', specs: [[start, stop, step]] }]).data,
    ];
    expect(slice(-3, null, null)).toEqual([2, 3, 4]);
    expect(slice(null, null, -2)).toEqual([4, 2, 0]);
    expect(slice(10, -10, -3)).toEqual([4, 1]);
    expect(slice(3, 1, 1)).toEqual([]);
    expect(slice(-100, 2, 1)).toEqual([0, 1]);
  });

  it('applies views to any object with the methods', () => {
    const y = applyViews(recorder([]), [
      { op: 'select', axis: 1, index: 0 },
      { op: 'reshape', shape: [4] },
    ]);
    expect(y.log).toEqual(['select(1,0)', 'reshape([4])']);
  });
});

interface Recorder extends Viewable<Recorder> {
  readonly log: string[];
}

/** An object that answers every method by writing it down. */
function recorder(log: string[]): Recorder {
  return new Proxy({ log } as Recorder, {
    get: (target, name) =>
      name === 'log'
        ? target.log
        : (...args: unknown[]) =>
            recorder([...target.log, `${String(name)}(${args.map((a) => JSON.stringify(a)).join()})`]),
  });
}
