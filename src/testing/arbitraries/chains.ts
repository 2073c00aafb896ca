/**
 * Chains of views. A chain is drawn as a list of intentions, each some numbers without meaning, and each is made valid
 * for the shape it meets. So every list of intentions is a valid chain, and dropping any of them (which is how fast-check
 * shrinks a list) leaves one.
 */
import type { Arbitrary } from 'fast-check';
import fc from 'fast-check';
import type { SliceSpec, ViewStep } from '../views.ts';
import { type ShapeConstraints, shape } from './values.ts';

export interface ViewChain {
  /** The shape that the chain starts from. */
  readonly shape: number[];
  readonly steps: ViewStep[];
  /** The shape that it ends with. */
  readonly result: number[];
}

export interface ViewChainConstraints extends ShapeConstraints {
  /** The shape to start from; drawn by default. */
  readonly shape?: readonly number[];
  /** 6 by default. */
  readonly maxSteps?: number;
  /** Which views may occur; all by default. */
  readonly ops?: readonly ViewStep['op'][];
}

/** Numbers that a view makes of them what it needs. */
interface Intent {
  readonly op: ViewStep['op'];
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly back: boolean;
}

interface Step {
  readonly step: ViewStep;
  readonly shape: number[];
}

const MAX_RANK = 6;
const set = (list: readonly number[], axis: number, ...entries: number[]): number[] =>
  list.toSpliced(axis, 1, ...entries);

/** Some rotation of the axes, read backwards if `back`: reaches transposes, cycles and reversals. */
function permutation(rank: number, by: number, back: boolean): number[] {
  const axes = Array.from({ length: rank }, (_, i) => (i + by) % rank);
  return back ? axes.reverse() : axes;
}

/** A Python slice of an axis of n that keeps at least one element, written with positive or negative indices or nulls. */
function sliceOf(n: number, { a, b, c, back }: Intent): { spec: SliceSpec; length: number } {
  const step = (c % 3) + 1;
  const start = a % n;
  const room = back ? start + 1 : n - start;
  const length = Math.max(1, Math.ceil(room / step) - (b % 3));
  const end = back ? start - (length - 1) * step - 1 : start + (length - 1) * step + 1;
  const stop = back ? (end < 0 ? null : end) : end >= n ? null : b % 2 === 0 ? end : end - n;
  return { spec: [c % 2 === 0 ? start : start - n, stop, back ? -step : step], length };
}

type Rule = (shape: readonly number[], intent: Intent, axis: number) => Step | undefined;

/** How each view is fitted to a shape; undefined where the shape has no such view. Only `unsqueeze`, `expand` and `reshape` accept scalars. */
const RULES: Record<ViewStep['op'], Rule> = {
  permute: (s, { a, back }) => {
    const axes = permutation(s.length, a, back);
    return { step: { op: 'permute', axes }, shape: axes.map((axis) => s[axis] as number) };
  },
  transpose: (s, { b }, axis) => {
    const other = b % s.length;
    const swapped = s.with(axis, s[other] as number).with(other, s[axis] as number);
    return { step: { op: 'transpose', a: axis, b: other }, shape: swapped };
  },
  slice: (s, intent, axis) => {
    const { spec, length } = sliceOf(s[axis] as number, intent);
    const specs: SliceSpec[] = [...new Array<null>(axis).fill(null), spec];
    return { step: { op: 'slice', specs }, shape: set(s, axis, length) };
  },
  narrow: (s, { a, b }, axis) => {
    const n = s[axis] as number;
    const start = a % n;
    const length = Math.max(1, n - start - (b % 3));
    return { step: { op: 'narrow', axis, start, length }, shape: set(s, axis, length) };
  },
  select: (s, { b }, axis) => ({ step: { op: 'select', axis, index: b % (s[axis] as number) }, shape: set(s, axis) }),
  flip: (s, { b }, axis) => ({ step: { op: 'flip', axes: [...new Set([axis, b % s.length])] }, shape: [...s] }),
  expand: (s, { a, b }) => {
    const ones = [...s.keys()].filter((axis) => s[axis] === 1);
    if (ones.length === 0) return s.length < MAX_RANK ? expanded([(b % 2) + 1, ...s]) : undefined;
    return expanded(s.with(ones[a % ones.length] as number, (b % 3) + 1));
  },
  squeeze: (s, { a }) => {
    const ones = [...s.keys()].filter((axis) => s[axis] === 1);
    const axis = ones[a % ones.length];
    return axis === undefined ? undefined : { step: { op: 'squeeze', axis }, shape: set(s, axis) };
  },
  unsqueeze: (s, { a }) => {
    const axis = a % (s.length + 1);
    return s.length < MAX_RANK ? { step: { op: 'unsqueeze', axis }, shape: s.toSpliced(axis, 0, 1) } : undefined;
  },
  reshape: (s, { a, back }) => {
    const axis = s.length < 2 ? -1 : a % (s.length - 1);
    if (axis >= 0 && !back) return reshaped(s.toSpliced(axis, 2, (s[axis] as number) * (s[axis + 1] as number)));
    const even = [...s.keys()].filter((i) => (s[i] as number) % 2 === 0)[0];
    if (even === undefined || s.length >= MAX_RANK) return reshaped([s.reduce((product, n) => product * n, 1)]);
    return reshaped(set(s, even, 2, (s[even] as number) / 2));
  },
  unfold: (s, { b, c }, axis) => {
    if (s.length >= MAX_RANK) return undefined;
    const n = s[axis] as number;
    const size = Math.min(n, (b % 3) + 1);
    const step = (c % 2) + 1;
    const places = Math.floor((n - size) / step) + 1;
    return { step: { op: 'unfold', axis, size, step }, shape: [...set(s, axis, places), size] };
  },
};

const expanded = (shape: number[]): Step => ({ step: { op: 'expand', shape }, shape });
const reshaped = (shape: number[]): Step => ({ step: { op: 'reshape', shape }, shape });
const WITHOUT_AXES: readonly ViewStep['op'][] = ['unsqueeze', 'expand', 'reshape'];
const OPS = Object.keys(RULES) as ViewStep['op'][];

function realise(start: readonly number[], intents: readonly Intent[]): ViewChain {
  const steps: ViewStep[] = [];
  let current = [...start];
  for (const intent of intents) {
    if (current.length === 0 && !WITHOUT_AXES.includes(intent.op)) continue;
    const next = RULES[intent.op](current, intent, intent.a % Math.max(1, current.length));
    if (next === undefined) continue;
    steps.push(next.step);
    current = next.shape;
  }
  return { shape: [...start], steps, result: current };
}

/**
 * A chain of views, each valid for the shape that the one before leaves; never empty arrays. Apply it with `applyViews`,
 * and see what it must give with `reference.view`. It shrinks to fewer views of smaller arrays.
 */
export function viewChain(constraints: ViewChainConstraints = {}): Arbitrary<ViewChain> {
  const { shape: given, maxSteps = 6, ops = OPS } = constraints;
  const number = fc.nat({ max: 11 });
  const intent = fc.record<Intent>({
    op: fc.constantFrom(...ops),
    a: number,
    b: number,
    c: number,
    back: fc.boolean(),
  });
  const start = given === undefined ? shape(constraints) : fc.constant([...given]);
  return fc
    .record({ start, intents: fc.array(intent, { maxLength: maxSteps }) })
    .map(({ start: from, intents }) => realise(from, intents));
}
