/**
 * How a matrix product is computed: which algorithm, in which pieces, with which packing. A plan is one module whose
 * functions do one unit of work each, from addresses alone, so that eager calls (on scratch memory) and compiled
 * programs (on tensors where they lie) run the same code, and threads can share the units.
 *
 *   y [...B, M, N] = a [...B, M, K] · b [...B, K, N], y dense, a and b by any strides that are not negative
 *
 *   direct   b's rows are vectors where they lie; a is read by single floats
 *   turned   the same for yᵀ = bᵀ·aᵀ, stored back by columns: where a's columns are the vectors
 *   dots     both are read in vectors along K (dots.ts)
 *   panels   both are packed: where each value is used so often that this pays
 *
 * Units, blocks and the order of sums follow from the shape alone, so the bits do not depend on who computes which unit.
 */
import { FunctionBuilder, type Local } from '../assembler/assembler.ts';
import { emitDirect } from './direct.ts';
import { emitDots } from './dot-units.ts';
import { emitPanels } from './panels.ts';
import type { Lowering, MatmulSpec } from './spec.ts';
import { Functions } from './tile.ts';

/** One function of the module, to be called for each unit; all units of a task come before those of the next. */
export interface MatmulTask {
  /** The exported function: (a, b, y, bias, shared, own, unit), addresses in bytes. */
  readonly name: string;
  readonly units: number;
}

export interface MatmulPlan {
  readonly algorithm: Algorithm;
  readonly key: string;
  readonly tasks: readonly MatmulTask[];
  /** Scratch that all units see, and scratch of each thread: floats. */
  readonly shared: number;
  readonly own: number;
  readonly build: () => readonly FunctionBuilder[];
}

export type Algorithm = 'direct' | 'turned' | 'dots' | 'panels';

/** Fewer rows than this do not repay packing the other side, however long the sum. */
const FEW = 24;
/** Nor do fewer than this, if the sum is so short that parts of the other side's rows stay in the first-level cache. */
const SOME = 96;
const SHORT = 128;
/** Floats of an operand that stays in the first-level cache. */
const RESIDENT = 8192;
/** Sums shorter than this are not worth adding four lanes for. */
const LEAST_DOTS = 32;

/** The share of whole vectors' lanes that a size uses, in tiles of two. */
const use = (size: number): number => size / (8 * Math.ceil(size / 8));

/** Sides whose elements are neighbours along an axis. */
function neighbours({ a, b }: MatmulSpec): { aRows: boolean; aColumns: boolean; bRows: boolean; bColumns: boolean } {
  return { aRows: a.row === 1, aColumns: a.column === 1, bRows: b.row === 1, bColumns: b.column === 1 };
}

export function chooseAlgorithm(spec: MatmulSpec): Algorithm {
  const { m, k, n } = spec;
  const { aRows, aColumns, bRows, bColumns } = neighbours(spec);
  const canDots = aColumns && bRows && k >= LEAST_DOTS;
  const pays = (rows: number): boolean => rows >= (k <= SHORT ? SOME : FEW);
  const direct = bColumns && (!pays(m) || k * n <= RESIDENT);
  const turned = aRows && (!pays(n) || k * m <= RESIDENT);
  if (canDots && (m < SOME || n < SOME)) return 'dots';
  if (direct && turned) return use(m) > 1.2 * use(n) ? 'turned' : 'direct';
  if (direct) return 'direct';
  return turned ? 'turned' : 'panels';
}

/** Strides of axes of length 1 mean nothing: 1, as if the elements were neighbours. Rows of a batch join the rows. */
export function normalized(spec: MatmulSpec): MatmulSpec {
  const { k, n, a, b } = spec;
  const batch = spec.batch.map((size, axis) => ({ size, a: a.batch[axis]!, b: b.batch[axis]! }));
  const kept = batch.filter(({ size }) => size !== 1);
  let { m } = spec;
  let row = a.row;
  for (let last = kept.at(-1); last !== undefined && last.b === 0; last = kept.at(-1)) {
    if (m === 1) row = last.a;
    if (row === 0 || last.a !== m * row) break;
    m *= last.size;
    kept.pop();
  }
  return {
    ...spec,
    m,
    batch: kept.map(({ size }) => size),
    a: { row: m === 1 ? 1 : row, column: k === 1 ? 1 : a.column, batch: kept.map((x) => x.a) },
    b: { row: k === 1 ? 1 : b.row, column: n === 1 ? 1 : b.column, batch: kept.map((x) => x.b) },
  };
}

function lower(algorithm: Algorithm, spec: MatmulSpec): Lowering {
  switch (algorithm) {
    case 'direct':
      return emitDirect(spec, false);
    case 'turned':
      return emitDirect(spec, true);
    case 'dots':
      return emitDots(spec);
    case 'panels':
      return emitPanels(spec);
  }
}

function taskFunction(task: Lowering['tasks'][number], functions: Functions): FunctionBuilder {
  const f = new FunctionBuilder(task.name);
  const [a, b, y, bias, shared, own, unit] = ['a', 'b', 'y', 'bias', 'shared', 'own', 'unit'].map((name) =>
    f.param('i32', name),
  ) as [Local<'i32'>, Local<'i32'>, Local<'i32'>, Local<'i32'>, Local<'i32'>, Local<'i32'>, Local<'i32'>];
  task.emit(f, { a, b, y, bias, shared, own, unit }, functions);
  return f;
}

/** The plan of a product; sizes must be positive. `algorithm` overrides the choice, for tests. */
export function planMatmul(given: MatmulSpec, algorithm?: Algorithm): MatmulPlan {
  const spec = normalized(given);
  const chosen = algorithm ?? chooseAlgorithm(spec);
  const { shared, own, tasks } = lower(chosen, spec);
  const sides = [spec.a, spec.b].map((s) => [s.row, s.column, ...s.batch].join(','));
  const flags = `${spec.epilogue.bias ? 'b' : ''}${spec.epilogue.relu ? 'r' : ''}${spec.fma ? 'f' : ''}`;
  return {
    algorithm: chosen,
    key: `matmul ${chosen} ${[spec.m, spec.k, spec.n].join('x')} ${spec.batch.join('x')} ${sides.join(' ')} ${flags}`,
    shared,
    own,
    tasks: tasks.map(({ name, units }) => ({ name, units })),
    build: () => {
      const functions = new Functions();
      const exported = tasks.map((task) => taskFunction(task, functions));
      return [...functions.list, ...exported];
    },
  };
}
