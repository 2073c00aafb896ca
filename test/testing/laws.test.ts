import { describe, expect, it } from 'vitest';
import { AssertionError, OptionError } from '../../src/errors.ts';
import {
  type ArrayInput,
  allClose,
  type CheckOptions,
  type Implementation,
  laws,
  type NdArray,
  type Pair,
  reference,
  toNd,
  toNested,
  UnsupportedError,
} from '../../src/testing/index.ts';

const messageOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    expect(error).toBeInstanceOf(AssertionError);
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
};

const take = (a: NdArray, axis: number, order: readonly number[]): NdArray => {
  const parts = order.map((i) => toNested(reference.view(a, [{ op: 'narrow', axis, start: i, length: 1 }])));
  return axis === 0
    ? toNd(parts.flat(1) as never)
    : toNd((parts[0] as never[]).map((_, n) => parts.flatMap((p) => (p as never[][])[n] as never)));
};

describe('laws', () => {
  for (const rank of [1, 2, 3]) {
    it(`all hold for the reference in ${rank}-d`, () => {
      const report = laws.check(reference, { rank, runs: rank === 3 ? 10 : 30, seed: 7 });
      expect(String(report)).toContain(`${laws.list.length} laws in ${rank}-d, seed 7: 0 failed`);
      expect(report.results.every(({ status, runs }) => status === 'passed' && runs > 0)).toBe(true);
      report.throwIfFailed();
    });
  }

  it('hold for floats within tolerance, and for empty batches', () => {
    const options: CheckOptions = {
      rank: 1,
      runs: 20,
      seed: 3,
      values: 'floats',
      conv: { minBatch: 0 },
      pool: { minBatch: 0 },
    };
    laws.check(reference, options).throwIfFailed();
  });

  it('have distinct names, a statement, and stand under their names', () => {
    expect(new Set(laws.list.map(({ says }) => says)).size).toBe(laws.list.length);
    for (const law of laws.list) expect((laws as unknown as Record<string, unknown>)[law.lawName]).toBe(law);
    expect(laws.list.length).toBeGreaterThanOrEqual(18);
  });
});

/** A wrong implementation, and the laws that must catch it in the rank given. */
interface Planted {
  readonly bug: string;
  readonly implementation: Implementation;
  readonly caughtBy: readonly string[];
  readonly rank?: number;
}

const { conv, convTranspose, maxPool, avgPool, linear } = reference;
const pairsOf = (padding: unknown, rank: number): Pair[] =>
  Array.isArray(padding)
    ? padding.map((entry) => (typeof entry === 'number' ? [entry, entry] : entry))
    : new Array(rank).fill([padding ?? 0, padding ?? 0]);

const PLANTED: readonly Planted[] = [
  {
    bug: 'padding is off by one: one element more before, one less after',
    implementation: {
      conv: (x, w, options) => {
        const { padding } = options;
        if (padding === undefined || typeof padding === 'string') return conv(x, w, options);
        const moved = pairsOf(padding, w.shape.length - 2).map(([b, a]): Pair => (a > 0 ? [b + 1, a - 1] : [b, a]));
        return conv(x, w, { ...options, padding: moved, paddingMode: 'zeros' });
      },
    },
    caughtBy: ['unitFilter', 'explicitPadding', 'matrixForm', 'convolutionTheorem', 'axisOrder'],
  },
  {
    bug: 'the filter is flipped: a true convolution',
    implementation: {
      conv: (x, w, options) =>
        conv(x, reference.view(w, [{ op: 'flip', axes: w.shape.slice(2).map((_, i) => i + 2) }]), options),
    },
    caughtBy: ['unitFilter', 'matrixForm', 'convolutionTheorem'],
  },
  {
    bug: 'dilation is ignored',
    implementation: { conv: (x, w, { dilation: _, ...options }) => conv(x, w, options) },
    caughtBy: ['dilationUpsamples', 'outputShape', 'unitFilter', 'matrixForm', 'convolutionTheorem'],
  },
  {
    bug: 'the stride of the first axis is used for all',
    implementation: {
      conv: (x, w, options) =>
        conv(x, w, {
          ...options,
          ...(typeof options.stride === 'object' ? { stride: options.stride[0] as number } : {}),
        }),
    },
    caughtBy: ['strideSubsamples', 'outputShape', 'axisOrder'],
  },
  {
    bug: 'groups take every g-th channel instead of neighbours',
    implementation: {
      conv: (x, w, options) => {
        const { groups = 1 } = options;
        const perGroup = (x.shape[1] as number) / groups;
        const order = Array.from(
          { length: x.shape[1] as number },
          (_, i) => (i % perGroup) * groups + Math.floor(i / perGroup),
        );
        return conv(take(x, 1, order), w, options);
      },
    },
    caughtBy: ['groupsAreBlockDiagonal', 'groupsAreSeparate', 'unitFilter', 'matrixForm'],
  },
  {
    bug: "the odd element of 'same' padding lies in front",
    implementation: {
      conv: (x, w, options) => {
        if (options.padding !== 'same') return conv(x, w, options);
        const d = [options.dilation ?? 1].flat();
        const pairs = w.shape.slice(2).map((k, i): Pair => {
          const total = (d[i] ?? (d[0] as number)) * (k - 1);
          return [Math.ceil(total / 2), Math.floor(total / 2)];
        });
        return conv(x, w, { ...options, padding: pairs });
      },
    },
    caughtBy: ['samePadding', 'explicitPadding'],
  },
  {
    bug: 'reflecting repeats the border',
    implementation: {
      conv: (x, w, options) =>
        conv(x, w, options.paddingMode === 'reflect' ? { ...options, paddingMode: 'replicate' } : options),
    },
    caughtBy: ['explicitPadding', 'unitFilter'],
  },
  {
    bug: 'the bias is multiplied by the batch',
    implementation: {
      conv: (x, w, options) => {
        const { bias, ...rest } = options;
        return bias === undefined
          ? conv(x, w, rest)
          : conv(x, w, { ...rest, bias: toNd(bias).data.map((v) => v * (x.shape[0] as number)) });
      },
    },
    caughtBy: ['biasPerChannel', 'batchwise'],
  },
  {
    bug: 'windows read on into the next row instead of padding',
    rank: 1,
    implementation: {
      conv: (x, w, options) => {
        const y = conv(x, w, options);
        const last = y.shape[2] as number;
        return {
          shape: y.shape,
          data: y.data.map((v, i) =>
            i % last === last - 1 && i + 1 < y.data.length ? v + (y.data[i + 1] as number) : v,
          ),
        };
      },
    },
    caughtBy: ['locality', 'batchwise', 'matrixForm'],
  },
  {
    bug: 'the input is overwritten',
    implementation: {
      conv: (x, w, options) => {
        const y = conv(x, w, options);
        x.data.fill(0);
        return y;
      },
    },
    caughtBy: ['pure'],
  },
  {
    bug: 'large sums saturate',
    implementation: {
      conv: (x, w, options) => {
        const y = conv(x, w, options);
        return { shape: y.shape, data: y.data.map((v) => Math.max(-20, Math.min(20, v))) };
      },
    },
    caughtBy: ['linearInInput', 'linearInFilter'],
  },
  {
    bug: 'the output is moved by one',
    rank: 1,
    implementation: {
      conv: (x, w, options) => {
        const y = conv(x, w, options);
        const n = y.shape[2] as number;
        return { shape: y.shape, data: y.data.map((_, i) => y.data[Math.floor(i / n) * n + ((i + 1) % n)] as number) };
      },
    },
    caughtBy: ['shiftEquivariance', 'mirror', 'composition', 'exchange'],
  },
  {
    bug: 'channels weigh differently by their place',
    implementation: {
      conv: (x, w, options) => {
        const size = x.shape.slice(2).reduce((a, b) => a * b, 1);
        return conv(
          { shape: x.shape, data: x.data.map((v, i) => v * (1 + (Math.floor(i / size) % (x.shape[1] as number)))) },
          w,
          options,
        );
      },
    },
    caughtBy: ['channelOrder', 'channelsAdd', 'pointwiseBefore', 'groupsAreSeparate'],
  },
  {
    bug: 'filters weigh differently by their place',
    implementation: {
      conv: (x, w, options) => {
        const size = w.shape.slice(1).reduce((a, b) => a * b, 1);
        return conv(x, { shape: w.shape, data: w.data.map((v, i) => v * (1 + Math.floor(i / size))) }, options);
      },
    },
    caughtBy: ['filterOrder', 'pointwiseAfter'],
  },
  {
    bug: 'a transposed convolution forgets to mirror the padding',
    implementation: {
      conv,
      convTranspose: (x, w, { padding: _, ...options }) => convTranspose(x, w, options),
    },
    caughtBy: ['adjointness', 'transposeMatrixForm', 'zeroStuffing'],
  },
  {
    bug: 'output padding lies in front',
    rank: 1,
    implementation: {
      convTranspose: (x, w, options) => {
        const y = convTranspose(x, w, options);
        const [n, e] = [y.shape[2] as number, [options.outputPadding ?? 0].flat()[0] as number];
        return {
          shape: y.shape,
          data: y.data.map((_, i) => y.data[Math.floor(i / n) * n + (((i % n) - e + n) % n)] as number),
        };
      },
    },
    caughtBy: ['outputPaddingExtends', 'transposeMatrixForm'],
  },
  {
    bug: 'the groups of a transposed convolution are mixed up',
    implementation: {
      convTranspose: (x, w, options) =>
        convTranspose(
          (options.groups ?? 1) > 1 ? take(x, 1, [...new Array(x.shape[1]).keys()].reverse()) : x,
          w,
          options,
        ),
    },
    caughtBy: ['transposeGroupsAreSeparate', 'transposeMatrixForm'],
  },
  {
    bug: 'a transposed convolution squares, and doubles its bias',
    implementation: {
      convTranspose: (x, w, options) => {
        const bias = options.bias === undefined ? {} : { bias: toNd(options.bias).data.map((v) => 2 * v) };
        return convTranspose({ shape: x.shape, data: x.data.map((v) => v * v) }, w, { ...options, ...bias });
      },
    },
    caughtBy: ['transposeLinear', 'transposeBias'],
  },
  {
    bug: 'a maximum starts from 0',
    implementation: {
      maxPool: (x, kernelSize, options) => {
        const y = maxPool(x, kernelSize, options);
        return { shape: y.shape, data: y.data.map((v) => (v < 0 ? 0 : v)) };
      },
    },
    caughtBy: ['maxIsLargest', 'commutesWithIncreasingMaps', 'maxOfOne', 'maxOfConstant', 'maxPaddingIsInfinite'].slice(
      0,
      4,
    ),
  },
  {
    bug: 'padding counts as 0 in a maximum',
    implementation: {
      maxPool: (x, kernelSize, { padding = 0, ...options }) =>
        maxPool(reference.pad(x, pairsOf(padding, x.shape.length - 2)), kernelSize, options),
    },
    caughtBy: ['maxPaddingIsInfinite', 'commutesWithIncreasingMaps', 'maxOfConstant'],
  },
  {
    bug: 'a maximum by > alone loses NaN',
    implementation: {
      maxPool: (x, kernelSize, options) =>
        maxPool({ shape: x.shape, data: x.data.map((v) => (Number.isNaN(v) ? -Infinity : v)) }, kernelSize, options),
    },
    caughtBy: ['maxKeepsNaN'],
  },
  {
    bug: 'ceilMode is ignored',
    implementation: {
      maxPool: (x, kernelSize, { ceilMode: _, ...options }) => maxPool(x, kernelSize, options),
      avgPool: (x, kernelSize, { ceilMode: _, ...options }) => avgPool(x, kernelSize, options),
    },
    caughtBy: ['maxCeilAppends', 'avgIsMean'],
  },
  {
    bug: 'magnitudes are compared and returned',
    implementation: {
      maxPool: (x, kernelSize, options) => maxPool({ shape: x.shape, data: x.data.map(Math.abs) }, kernelSize, options),
    },
    caughtBy: ['maxIsMonotone', 'maxOfMaxima', 'maxIsLargest'],
  },
  {
    bug: 'the window of the first axis is used for all',
    implementation: {
      maxPool: (x, kernelSize, options) => maxPool(x, [kernelSize].flat()[0] as number, { ...options, padding: 0 }),
    },
    caughtBy: ['maxSeparates', 'maxIsLargest'],
  },
  {
    bug: 'pooling steps by the window always',
    implementation: {
      maxPool: (x, kernelSize, { stride: _, ...options }) => maxPool(x, kernelSize, options),
    },
    caughtBy: ['maxStrideSubsamples', 'maxComposes'],
  },
  {
    bug: 'pooling reaches over into the next channel',
    implementation: {
      maxPool: (x, kernelSize, options) =>
        maxPool({ shape: x.shape, data: x.data.map((v, i) => Math.max(v, x.data[i + 1] ?? v)) }, kernelSize, options),
      avgPool: (x, kernelSize, options) =>
        avgPool({ shape: x.shape, data: x.data.map((v, i) => v + (x.data[i + 1] ?? 0)) }, kernelSize, options),
    },
    caughtBy: ['maxChannelwise', 'avgChannelwise'],
  },
  {
    bug: 'padding always counts in an average',
    implementation: { avgPool: (x, kernelSize, { countIncludePad: _, ...options }) => avgPool(x, kernelSize, options) },
    caughtBy: ['avgIsMean', 'avgOfConstant'],
  },
  {
    bug: 'a divisor of one’s own is ignored, and sums come out doubled',
    implementation: {
      avgPool: (x, kernelSize, { divisorOverride: _, ...options }) => {
        const y = avgPool(x, kernelSize, options);
        return { shape: y.shape, data: y.data.map((v) => 2 * v) };
      },
    },
    caughtBy: ['avgDivisor', 'avgIsConvolution', 'avgIsBetween', 'avgOfConstant'],
  },
  {
    bug: 'an average is rounded',
    implementation: {
      avgPool: (x, kernelSize, options) => {
        const y = avgPool(x, kernelSize, options);
        return { shape: y.shape, data: y.data.map(Math.round) };
      },
    },
    caughtBy: ['avgLinear', 'avgIsConvolution'],
  },
  {
    bug: 'ceilMode of an average begins later',
    rank: 1,
    implementation: {
      avgPool: (x, kernelSize, options) => {
        const y = avgPool(x, kernelSize, options);
        return options.ceilMode ? { shape: y.shape, data: y.data.toReversed() } : y;
      },
    },
    caughtBy: ['avgCeilAppends'],
  },
  {
    bug: 'a dense layer uses its weights the wrong way round, and squares',
    implementation: {
      linear: (x, w, options) => linear({ shape: x.shape, data: x.data.map((v) => v * v) }, w, options),
    },
    caughtBy: ['denseIsAffine', 'denseIsPointwise'],
  },
];

describe('a planted bug', () => {
  for (const { bug, implementation, caughtBy, rank = 2 } of PLANTED) {
    it(`is caught by ${caughtBy.join(', ')}: ${bug}`, () => {
      const failed = laws.check(implementation, { rank, runs: 100, seed: 11, only: caughtBy }).failures;
      expect(failed.map(({ law }) => law).sort()).toEqual([...caughtBy].sort());
    });
  }

  it('between them, every law catches one', () => {
    const catching = new Set(PLANTED.flatMap(({ caughtBy }) => caughtBy));
    expect(laws.list.map(({ lawName }) => lawName).filter((name) => !catching.has(name))).toEqual([]);
  });

  it('is shown with the law, the shrunk case and the worst element', () => {
    const report = laws.check(
      { conv: (x, w, { dilation: _, ...options }) => conv(x, w, options) },
      { rank: 1, seed: 2, only: ['outputShape'] },
    );
    expect(report.passed).toBe(false);
    const { failure } = report.failures[0] as (typeof report.failures)[0];
    expect(failure?.message.split('\n')).toEqual([
      'law outputShape: conv(x, w) is [N, O, ...P], P = floor((S + before + after - dilation·(K - 1) - 1) / stride) + 1',
      '  x [1,1,3] = [[[0,0,0]]]',
      '  w [1,1,2] = [[[0,0]]]',
      expect.stringMatching(/^ {2}options \{"dilation":\[?2\]?\}$/),
      '  seed 0',
      'allClose: 1 of 3 elements differ (rtol 0.00001, atol 0.00001)',
      '  worst at [2] of shape [3]',
      '  actual   2',
      '  expected 1',
      '  absolute error 1.000, relative error 1.000',
    ]);
    expect(() => report.throwIfFailed()).toThrow(failure?.message);
  });
});

describe('a law', () => {
  const sample = { x: [[[1, 2, 3]]], w: [[[1, -1]]], options: { padding: 1 } };

  it('takes a bare function where it needs one operation, and any array that toNd reads', () => {
    laws.linearInInput((x, w, options) => toNested(conv(x, w, options)), sample);
    laws.batchwise(
      (x, w, options) => ({ shape: conv(x, w, options).shape, dataSync: () => conv(x, w, options).data }),
      sample,
    );
    laws.adjointness({ conv, convTranspose }, sample);
  });

  it('says what it lacks', () => {
    expect(() => laws.adjointness({ conv }, sample)).toThrow(
      /needs conv and convTranspose; the implementation has no convTranspose/,
    );
  });

  it('fails if the implementation throws, with what it threw', () => {
    const broken = (): ArrayInput => {
      throw new RangeError('out of luck');
    };
    expect(messageOf(() => laws.pure(broken, sample))).toContain('the implementation threw RangeError: out of luck');
  });

  it('holds to the tolerance it is given', () => {
    const rough = (x: ArrayInput, w: ArrayInput, options: object): NdArray => {
      const y = conv(x, w, options);
      return { shape: y.shape, data: y.data.map((v) => v * v * 1e-3 + v) };
    };
    expect(() => laws.linearInInput(rough, sample)).toThrow(AssertionError);
    laws.linearInInput(rough, sample, { rtol: 1, atol: 10 });
  });
});

describe('laws.check', () => {
  it('counts what the implementation declines, and never as a failure', () => {
    const ungrouped: Implementation = {
      conv: (x, w, options) => {
        if (options.groups !== undefined) throw new UnsupportedError('groups');
        return conv(x, w, options);
      },
    };
    const report = laws.check(ungrouped, { rank: 1, runs: 60, seed: 1, only: ['pure', 'batchwise', 'matrixForm'] });
    expect(report.passed).toBe(true);
    for (const { runs, unsupported } of report.results) {
      expect(runs + unsupported).toBe(60);
      expect(Math.min(runs, unsupported)).toBeGreaterThan(0);
    }
    expect(String(report)).toMatch(/\(\d+ unsupported\)/);
    const none = laws.check(
      {
        conv: () => {
          throw new UnsupportedError('all');
        },
      },
      { rank: 1, seed: 1, only: ['pure'] },
    );
    expect(none.results[0]?.status).toBe('unsupported');
  });

  it('replays from a seed', () => {
    const wrong: Implementation = { conv: (x, w, { stride: _, ...options }) => conv(x, w, options) };
    const run = (seed: number): string => String(laws.check(wrong, { rank: 1, seed }));
    expect(run(4)).toBe(run(4));
    expect(laws.check(reference, { rank: 1, runs: 1, only: ['pure'] }).seed).toBeGreaterThanOrEqual(0);
  });

  it('gives a counterexample that fails again', () => {
    const wrong = (x: ArrayInput, w: ArrayInput): NdArray => conv(x, w);
    const { failure } = laws.check({ conv: wrong }, { rank: 1, seed: 1, only: ['unitFilter'] })
      .failures[0] as never as { failure: { counterexample: never } };
    expect(() => laws.unitFilter(wrong, failure.counterexample)).toThrow(AssertionError);
  });

  it('refuses laws that do not exist, and an implementation of nothing', () => {
    expect(() => laws.check(reference, { only: ['linear'] })).toThrow(/there is no law 'linear'/);
    expect(() => laws.check(reference, { skip: ['nope'] })).toThrow(OptionError);
    expect(() => laws.check({})).toThrow(/no law to check/);
    allClose(laws.check(reference, { rank: 1, runs: 1, skip: ['pure'] }).results.length, laws.list.length - 1);
  });
});
