/**
 * Arithmetic of single numbers in double precision, such as the settings and bias corrections of an optimizer: a few
 * numbers computed in TypeScript, one after the other, by what the reference kernels compute.
 */

import { power } from '../../kernels/js/special.ts';
import type { Strided } from '../../kernels/types.ts';
import { sizeOf } from '../../tensor/shape.ts';
import { type GraphNode, nameOf, type Value } from '../graph.ts';
import type { Step, StepContext } from './step.ts';

type Scalar = (a: number, b: number, c: number) => number;

const functions: Readonly<Record<string, Scalar>> = {
  assign: (a) => a,
  clone: (a) => a,
  copy: (a) => a,
  to: (a) => a,
  neg: (a) => -a,
  abs: (a) => Math.abs(a),
  exp: (a) => Math.exp(a),
  log: (a) => Math.log(a),
  sqrt: (a) => Math.sqrt(a),
  rsqrt: (a) => 1 / Math.sqrt(a),
  square: (a) => a * a,
  reciprocal: (a) => 1 / a,
  tanh: (a) => Math.tanh(a),
  cos: (a) => Math.cos(a),
  sin: (a) => Math.sin(a),
  floor: (a) => Math.floor(a),
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  pow: (a, b) => power(a, b),
  maximum: (a, b) => Math.max(a, b),
  minimum: (a, b) => Math.min(a, b),
  eq: (a, b) => (a === b ? 1 : 0),
  ne: (a, b) => (a !== b ? 1 : 0),
  lt: (a, b) => (a < b ? 1 : 0),
  le: (a, b) => (a <= b ? 1 : 0),
  gt: (a, b) => (a > b ? 1 : 0),
  ge: (a, b) => (a >= b ? 1 : 0),
  where: (a, b, c) => (a !== 0 ? b : c),
};

/** Whether an operation is one of single numbers, of which not all are of float32. */
export function isScalar(node: GraphNode): boolean {
  const views = [...node.reads, node.target];
  return (
    Object.hasOwn(functions, nameOf(node)) &&
    views.every(({ shape }) => sizeOf(shape) === 1) &&
    views.some(({ value }) => value.dtype === 'float64') &&
    (node.op === null || node.target.value.size === 1)
  );
}

/** Where a number is: computed before in the same step, or in memory. */
type Place = { readonly slot: number } | Strided;

/** One operation ready to be carried out. */
interface Line {
  readonly compute: Scalar;
  readonly from: readonly Place[];
  /** The number of the result within the step. */
  readonly slot: number;
  /** Where else it goes. */
  readonly to: Strided | null;
  readonly single: boolean;
}

/** The step of several such operations. */
export function scalarStep(nodes: readonly GraphNode[], context: StepContext): Step {
  const slots = new Map<Value, number>();
  const lines = nodes.map((node, slot): Line => {
    const from = node.reads.map((view): Place => {
      const made = slots.get(view.value);
      return made === undefined ? context.operand(view) : { slot: made };
    });
    const { value } = node.target;
    slots.set(value, slot);
    const isStored = value.source.kind !== 'temporary' || nodes.length === 1 || context.isNeeded(value);
    const to = isStored ? context.operand(node.target) : null;
    return { compute: functions[nameOf(node)]!, from, slot, to, single: value.dtype === 'float32' };
  });
  const numbers = new Float64Array(nodes.length);
  const read = (place: Place | undefined): number =>
    place === undefined ? 0 : 'slot' in place ? numbers[place.slot]! : place.data[place.offset]!;
  return {
    name: `numbers: ${nodes.map(nameOf).join(', ')}`,
    tasks: [],
    finish() {
      for (const { compute, from, slot, to, single } of lines) {
        const result = compute(read(from[0]), read(from[1]), read(from[2]));
        numbers[slot] = single ? Math.fround(result) : result;
        if (to !== null) to.data[to.offset] = result;
      }
    },
  };
}
