/** What a law is: a statement, an assertion about any implementation, and the kind of cases it is about. No fast-check here. */
import { AssertionError, TypedgradError } from '../../errors.ts';
import { allClose, type Tolerance } from '../all-close.ts';
import { type ArrayInput, type NdArray, toNd, toNested } from '../nd.ts';
import type {
  AvgPoolOptions,
  ConvOptions,
  ConvTransposeOptions,
  MaxPoolOptions,
  PerAxis,
} from '../reference/options.ts';
import { Material } from './material.ts';

/** The operations that laws are about, as functions of plain arrays; results may be anything that `toNd` reads. */
export interface Operations {
  /** x [N, C, ...S], w [O, C/groups, ...K]; the number of spatial axes is `x.shape.length - 2`. */
  conv: (x: NdArray, w: NdArray, options: ConvOptions) => ArrayInput;
  /** x [N, C, ...S], w [C, O/groups, ...K]. */
  convTranspose: (x: NdArray, w: NdArray, options: ConvTransposeOptions) => ArrayInput;
  /** x [N, C, ...S]; a kernel size for all axes, or one for each. */
  maxPool: (x: NdArray, kernelSize: PerAxis, options: MaxPoolOptions) => ArrayInput;
  avgPool: (x: NdArray, kernelSize: PerAxis, options: AvgPoolOptions) => ArrayInput;
  /** x [N, I], w [O, I]. */
  linear: (x: NdArray, w: NdArray, options: { readonly bias?: ArrayInput }) => ArrayInput;
}

/** What is tested: any of the operations; laws about the others are left out. */
export type Implementation = Partial<Operations>;

/** What laws of each kind are told: the arguments of a call, and a seed for whatever else the law needs. */
export interface LawCases {
  conv: { readonly x: ArrayInput; readonly w: ArrayInput; readonly options?: ConvOptions; readonly seed?: number };
  convTranspose: {
    readonly x: ArrayInput;
    readonly w: ArrayInput;
    readonly options?: ConvTransposeOptions;
    readonly seed?: number;
  };
  maxPool: {
    readonly x: ArrayInput;
    readonly kernelSize: PerAxis;
    readonly options?: MaxPoolOptions;
    readonly seed?: number;
  };
  avgPool: {
    readonly x: ArrayInput;
    readonly kernelSize: PerAxis;
    readonly options?: AvgPoolOptions;
    readonly seed?: number;
  };
  linear: {
    readonly x: ArrayInput;
    readonly w: ArrayInput;
    readonly options?: { readonly bias?: ArrayInput };
    readonly seed?: number;
  };
}

export type LawKind = keyof LawCases;

/** A case with everything filled in and read into plain arrays. */
export type Sample<K extends LawKind> = {
  [Key in keyof LawCases[K]]-?: Key extends 'x' | 'w' ? NdArray : NonNullable<LawCases[K][Key]>;
};

/**
 * A law: call it with an implementation and a case; it throws an AssertionError if the law does not hold.
 * Where the law needs a single operation, the function itself will do instead of `{ conv }`.
 */
export interface Law<K extends LawKind = LawKind> {
  (implementation: Implementation | Operations[K], sample: LawCases[K], tolerance?: Tolerance): void;
  readonly lawName: string;
  /** The statement, as a formula. */
  readonly says: string;
  readonly kind: K;
  /** The operations that the law calls. */
  readonly needs: readonly (keyof Operations)[];
}

/**
 * To be thrown by an implementation for an option that its library does not have: the case then counts as unsupported,
 * not as a failure.
 */
export class UnsupportedError extends TypedgradError {
  override readonly name: string = 'UnsupportedError';
}

/** Operations whose results have been read into plain arrays. */
type Called = { [Name in keyof Operations]: (...args: Parameters<Operations[Name]>) => NdArray };

/** What the body of a law works with. */
export interface Bench {
  readonly run: Called;
  readonly close: (actual: ArrayInput, expected: ArrayInput) => void;
  readonly material: Material;
}

/** Sums in float32 of the small integers that cases hold are exact; the tolerance is for averages and for other values. */
export const LAW_TOLERANCE: Tolerance = { rtol: 1e-5, atol: 1e-5 };

const SHOWN = 32;

function describe(sample: { readonly x: NdArray; readonly w?: NdArray; readonly options: object }): string {
  const show = (a: NdArray): string => (a.data.length <= SHOWN ? ` = ${JSON.stringify(toNested(a))}` : '');
  const plain = (_: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && 'data' in value ? toNested(value as NdArray) : value;
  return Object.entries(sample)
    .map(([key, value]) =>
      key === 'x' || key === 'w'
        ? `${key} [${(value as NdArray).shape}]${show(value as NdArray)}`
        : `${key} ${JSON.stringify(value, plain)}`,
    )
    .join('\n  ');
}

function operationsOf(
  name: string,
  needs: readonly (keyof Operations)[],
  given: Implementation | Operations[LawKind],
): Called {
  const implementation: Implementation = typeof given === 'function' ? { [needs[0] as string]: given } : given;
  const called: Partial<Record<keyof Operations, unknown>> = {};
  for (const operation of needs) {
    const f = implementation[operation] as ((...args: unknown[]) => ArrayInput) | undefined;
    if (f === undefined)
      throw new AssertionError(`law ${name}: it needs ${needs.join(' and ')}; the implementation has no ${operation}`);
    called[operation] = (...args: unknown[]) => toNd(f(...args));
  }
  return called as Called;
}

/** Makes a law out of its name, its statement and its assertion. */
export function defineLaw<K extends LawKind>(
  kind: K,
  needs: readonly (keyof Operations)[],
  lawName: string,
  says: string,
  body: (bench: Bench, sample: Sample<K>) => void,
): Law<K> {
  const law = (
    implementation: Implementation | Operations[K],
    given: LawCases[K],
    tolerance: Tolerance = LAW_TOLERANCE,
  ): void => {
    const { seed = 0, options = {} } = given;
    const sample = { ...given, x: toNd(given.x), options, seed } as unknown as Sample<K> & Sample<'conv'>;
    if ('w' in given) Object.assign(sample, { w: toNd(given.w) });
    const close = (actual: ArrayInput, expected: ArrayInput): void => {
      allClose(actual, expected, tolerance);
    };
    try {
      body({ run: operationsOf(lawName, needs, implementation), close, material: new Material(seed) }, sample);
    } catch (error) {
      if (error instanceof UnsupportedError) throw error;
      const what = error instanceof AssertionError ? error.message : `the implementation threw ${error}`;
      throw new AssertionError(`law ${lawName}: ${says}\n  ${describe(sample)}\n${what}`, { cause: error });
    }
  };
  return Object.assign(law, { lawName, says, kind, needs });
}
