/** Random functions of tensors: instructions that pick an operation and operands by number, so that any list is a program. */

import fc from 'fast-check';
import * as tg from '../../src/index.ts';
import { type DType, type Tensor, tensor } from '../../src/index.ts';
import { normals } from './helpers.ts';

/** One operation on values that are there. */
export interface Instruction {
  readonly op: number;
  readonly a: number;
  readonly b: number;
  readonly k: number;
}

/** What a program computes with. */
export interface Room {
  /** All values so far. */
  readonly values: Tensor[];
  /** Captured tensors that it may change in place. */
  readonly states: readonly Tensor[];
}

type Make = (x: Tensor, y: Tensor, k: number, room: Room) => Tensor | null;

const axisOf = (x: Tensor, k: number): number | null => (x.rank === 0 ? null : k % x.rank);
const fits = (x: Tensor, y: Tensor): boolean => {
  for (let i = 1; i <= Math.min(x.rank, y.rank); i++) {
    const [a, b] = [x.shape.at(-i)!, y.shape.at(-i)!];
    if (a !== b && a !== 1 && b !== 1) return false;
  }
  return true;
};
const pair =
  (fn: (x: Tensor, y: Tensor) => Tensor): Make =>
  (x, y) =>
    fits(x, y) ? fn(x, y) : null;
const along =
  (fn: (x: Tensor, axis: number, k: number) => Tensor): Make =>
  (x, _, k) => {
    const axis = axisOf(x, k);
    return axis === null ? null : fn(x, axis, k);
  };
const every = (x: Tensor, k: number): [number | null, number | null, number] => {
  const step = [1, 2, -1, -2][k % 4]!;
  return k % 3 === 0 && x.rank > 0 ? [null, null, step] : [k % 2 === 0 ? null : 0, null, step];
};
const number =
  (values: readonly number[], fn: (x: Tensor, value: number) => Tensor): Make =>
  (x, _, k) =>
    fn(x, values[k % values.length]!);

/** Views, copies and moves of elements: no arithmetic at all. */
const moves: Record<string, Make> = {
  transpose: (x) => (x.rank < 2 ? null : x.transpose()),
  permute: (x, _, k) => x.permute(x.shape.map((_, i) => (i + k) % x.rank)),
  flip: along((x, axis) => x.flip(axis)),
  slice: (x, _, k) => (x.rank === 0 ? null : x.slice(...x.shape.map((_, i) => every(x, k + i)))),
  select: along((x, axis, k) => x.select(axis, k % x.shape[axis]!)),
  narrow: along((x, axis) => x.narrow(axis, x.shape[axis]! >> 1, x.shape[axis]! - (x.shape[axis]! >> 1))),
  unsqueeze: (x, _, k) => (x.rank > 3 ? null : x.unsqueeze(k % (x.rank + 1))),
  flatten: (x) => x.flatten(),
  reshape: (x, _, k) => (x.size % 2 === 0 ? x.reshape(k % 2 ? [2, -1] : [-1, 2]) : null),
  expand: (x) => (x.rank > 3 || x.size > 100 ? null : x.expand([2, ...x.shape])),
  unfold: along((x, axis) => x.unfold(axis, Math.min(2, x.shape[axis]!), 1)),
  clone: (x) => x.clone(),
  contiguous: (x) => x.contiguous(),
  detach: (x) => x.detach(),
  roll: along((x, axis, k) => x.roll(k, axis)),
  pad: (x, _, k) =>
    x.rank === 0
      ? null
      : x.pad([[k % 3, (k >> 1) % 2]], { mode: k % 2 ? 'constant' : 'replicate', ...(k % 2 && { value: k }) }),
  tril: (x, _, k) => (x.rank < 2 ? null : x.tril((k % 3) - 1)),
  cat: (x, y, k) =>
    x.rank > 0 && tg.cat !== undefined && String(x.shape) === String(y.shape) ? tg.cat([x, y], k % x.rank) : null,
  stack: (x, y) => (x.rank < 4 && String(x.shape) === String(y.shape) ? tg.stack([x, y], 0) : null),
  indexSelect: along((x, axis, k) => x.indexSelect(axis, [k % x.shape[axis]!, 0, 0])),
  gather: along((x, axis, k) => x.gather(axis, indicesFor(x, axis, k))),
  split: along((x, axis) => x.split(Math.max(1, x.shape[axis]! - 1), axis).at(-1)!),
  max: along((x, axis) => x.max(axis)),
  min: along((x, axis) => x.min(axis, true)),
  argMax: along((x, axis) => x.argMax(axis)),
  any: along((x, axis) => x.any(axis)),
  all: along((x, axis) => x.all(axis)),
};

const isPicture = (x: Tensor): boolean => x.rank === 4 && Math.min(x.shape[2]!, x.shape[3]!) >= 2;

/** Maxima; of 0 and -0, kernels may choose either. */
const pooling: Record<string, Make> = {
  maxPool1d: (x) => (x.rank === 3 && x.shape[2]! >= 2 ? tg.maxPool1d(x, 2, { padding: 1 }) : null),
  maxPool2d: (x) => (isPicture(x) ? tg.maxPool2d(x, 2) : null),
  poolOfRelu: (x) => (isPicture(x) ? tg.maxPool2d(x.relu(), 2) : null),
  slopeOfPool: (x) =>
    isPicture(x) ? tg.grad((y: Tensor) => tg.maxPool2d(y.relu(), 2).tanh().square().sum())(x.detach()) : null,
  padAround: (x, _, k) => {
    const modes = ['replicate', 'circular'] as const;
    return isPicture(x)
      ? x.pad(
          [
            [1, 0],
            [0, 1],
          ],
          { mode: modes[k % 2]! },
        )
      : null;
  },
};

/** Values of index tensors: whole numbers within an axis, of any shape that fits. */
function indicesFor(x: Tensor, axis: number, k: number): Tensor {
  const data = Float32Array.from({ length: x.size }, (_, i) => (i * 7 + k) % x.shape[axis]!);
  return tensor(data, [...x.shape]);
}

/** One rounding per element, the same in every form of the loop. */
const exactly: Record<string, Make> = {
  add: pair(tg.add),
  sub: pair(tg.sub),
  mul: pair(tg.mul),
  div: pair(tg.div),
  maximum: pair(tg.maximum),
  minimum: pair(tg.minimum),
  eq: pair(tg.eq),
  ne: pair(tg.ne),
  lt: pair(tg.lt),
  le: pair(tg.le),
  gt: pair(tg.gt),
  ge: pair(tg.ge),
  where: (x, y) => (fits(x, y) ? tg.where(x.gt(0), x, y) : null),
  addNumber: number([0, -0, 1, -3.5, Infinity], (x, value) => x.add(value)),
  subNumber: number([0, -0, 2], (x, value) => x.sub(value)),
  mulNumber: number([1, 0, -1, 0.5, 3], (x, value) => x.mul(value)),
  divNumber: number([1, 0, 4, -3], (x, value) => x.div(value)),
  numberSub: number([0, 1], (x, value) => tg.sub(value, x)),
  pow: number([0, 1, 2, 3, -1, 0.5], (x, value) => (value === 2 || value === 1 ? x.pow(value) : x.pow(2))),
  clamp: number([0.5, 1], (x, value) => x.clamp(-value, value)),
  neg: (x) => x.neg(),
  abs: (x) => x.abs(),
  sqrt: (x) => x.sqrt(),
  square: (x) => x.square(),
  reciprocal: (x) => x.reciprocal(),
  sign: (x) => x.sign(),
  floor: (x) => x.floor(),
  ceil: (x) => x.ceil(),
  round: (x) => x.round(),
  relu: (x) => x.relu(),
  leakyRelu: (x) => x.leakyRelu({ negativeSlope: 0.25 }),
  hardswish: (x) => x.hardswish(),
  isNaN: (x) => x.isNaN(),
};

/** Changes of captured state, which later instructions read. */
const updates: Record<string, Make> = {
  read: (_, __, k, { states }) => states[k % states.length]!,
  assign: (x, _, k, { states }) => {
    const state = states[k % states.length]!;
    if (!fits(x, state) || x.rank > state.rank || x.shape.some((n, i) => n > state.shape[state.rank - x.rank + i]!))
      return null;
    state.assign(x.detach());
    return state.mul(2);
  },
  accumulate: (x, _, k, { states }) => {
    const state = states[k % states.length]!;
    const before = state.add(0);
    state.assign(state.mul(0.5));
    return fits(before, x) ? before.add(x) : before;
  },
  assignPart: (x, _, k, { states }) => {
    const state = states[k % states.length]!;
    const part = state.slice([null, null, k % 2 ? 1 : -1], [0, 2]);
    part.assign(part.flip(1).add(x.detach().max()));
    return state.select(0, 1);
  },
};

/** Functions that are smooth, of bounded values and slopes, and sums; rounding differs with their order. */
const smooth: Record<string, Make> = {
  add: pair((x, y) => x.add(y).mul(0.5)),
  mul: pair((x, y) => x.tanh().mul(y.tanh())),
  square: (x) => x.tanh().square(),
  exp: (x) => x.tanh().exp(),
  log: (x) => x.abs().add(1).log(),
  log1p: (x) => x.abs().log1p(),
  expm1: (x) => x.tanh().expm1(),
  sqrt: (x) => x.square().add(1).sqrt(),
  rsqrt: (x) => x.square().add(1).rsqrt(),
  reciprocal: (x) => x.square().add(1).reciprocal(),
  sin: (x) => x.sin(),
  cos: (x) => x.cos(),
  tanh: (x) => x.tanh(),
  sigmoid: (x) => x.sigmoid(),
  softplus: (x) => x.softplus(),
  erf: (x) => x.erf(),
  gelu: (x) => x.gelu(),
  silu: (x) => x.silu(),
  elu: (x) => x.elu(),
  pow: (x) => x.abs().add(0.5).pow(1.5).tanh(),
  powers: (x, y) => (fits(x, y) ? x.sigmoid().add(0.5).pow(y.tanh()) : null),
  sum: along((x, axis) => x.sum(axis).tanh()),
  sumAll: (x) => x.sum().tanh(),
  sums: (x, _, k) => (x.rank < 2 ? null : x.sum([0, -1], k % 2 === 0).tanh()),
  mean: along((x, axis) => x.mean(axis, true)),
  variance: along((x, axis) => x.tanh().variance(axis, false, { correction: 0 })),
  prod: along((x, axis) => x.tanh().prod(axis)),
  logSumExp: along((x, axis) => x.logSumExp(axis)),
  norm: along((x, axis) => x.square().add(1).norm(axis).tanh()),
  cumsum: along((x, axis) => x.cumsum(axis).tanh()),
  softmax: along((x, axis) => x.softmax(axis)),
  logSoftmax: along((x, axis) => x.logSoftmax(axis).tanh()),
  layerNorm: (x) => (x.rank === 0 || x.shape.at(-1)! < 2 ? null : tg.layerNorm(x, [x.shape.at(-1)!], { eps: 0.1 })),
  matmul: (x, y) =>
    x.rank >= 2 && y.rank === 2 && x.shape.at(-1) === y.shape[0] ? x.tanh().matmul(y.tanh()).tanh() : null,
  square2: (x) => (x.rank >= 2 ? x.tanh().matmul(x.tanh().transpose(-1, -2)).tanh() : null),
  scatterAdd: along((x, axis, k) => x.scatterAdd(axis, indicesFor(x, axis, k), x.tanh()).tanh()),
  conv1d: (x, _, k) => {
    if (x.rank !== 3 || x.shape[2]! < 2) return null;
    const c = x.shape[1]!;
    return tg.conv1d(x, weights(x.dtype, 3, c, 2), { padding: 1, stride: 1 + (k % 2), bias: weights(x.dtype, 3) });
  },
  conv2d: (x, _, k) => {
    if (x.rank !== 4 || Math.min(x.shape[2]!, x.shape[3]!) < 2) return null;
    return tg.conv2d(x, weights(x.dtype, 2, x.shape[1]!, 2, 2), { padding: k % 2, dilation: 1 });
  },
  depthwise: (x) => {
    if (x.rank !== 3) return null;
    return tg.conv1d(x, weights(x.dtype, x.shape[1]!, 1, 3), { padding: 'same', groups: x.shape[1]! });
  },
  avgPool1d: (x) => (x.rank === 3 && x.shape[2]! >= 2 ? tg.avgPool1d(x, 2, { stride: 1 }) : null),
};

/** Fixed numbers in [-1, 1]. */
function weights(dtype: DType, ...shape: number[]): Tensor {
  return normals(shape.length, ...shape)
    .tanh()
    .to(dtype);
}

export type Family = 'exact' | 'smooth' | 'all';

const tables: Record<Family, readonly (readonly [string, Make])[]> = {
  exact: Object.entries({ ...moves, ...exactly, ...updates }),
  smooth: Object.entries({ ...withoutJumps(moves), ...pooling, ...smooth, ...updates }),
  all: [
    ...Object.entries({ ...moves, ...pooling }),
    ...Object.entries(exactly),
    ...Object.entries(smooth),
    ...Object.entries(updates),
  ],
};

/** A choice between elements, or positions, may differ where values differ by rounding. */
function withoutJumps(table: Record<string, Make>): Record<string, Make> {
  return Object.fromEntries(
    Object.entries(table).filter(([name]) => !['argMax', 'any', 'all', 'max', 'min'].includes(name)),
  );
}

/** Carries out a program; what cannot be done with the values picked is left out. Gives the values of the last instructions. */
export function interpret(
  family: Family,
  program: readonly Instruction[],
  inputs: readonly Tensor[],
  states: readonly Tensor[],
): Tensor[] {
  const room: Room = { values: [...inputs, ...states], states };
  const table = tables[family];
  for (const { op, a, b, k } of program) {
    const pick = (i: number): Tensor => room.values.at(-1 - (i % Math.min(room.values.length, 8)))!;
    const y = table[op % table.length]![1](pick(a), pick(b), k, room);
    if (y !== null && y.size > 0 && y.size <= 600 && y.rank <= 5) room.values.push(y);
  }
  return room.values.slice(-4);
}

/** The names of a program's operations, for messages. */
export function describeProgram(family: Family, program: readonly Instruction[]): string {
  const table = tables[family];
  return program.map(({ op, a, b, k }) => `${table[op % table.length]![0]}(${a}, ${b}; ${k})`).join(' ');
}

/** Any list of instructions is a program. */
export function programs(maxLength: number): fc.Arbitrary<Instruction[]> {
  const instruction = fc.record({ op: fc.nat(9999), a: fc.nat(7), b: fc.nat(7), k: fc.nat(12) });
  return fc.array(instruction, { minLength: 1, maxLength });
}

/** Inputs and states that programs begin with; some of the inputs are views. */
export function material(dtype: DType, seed: number): { inputs: Tensor[]; states: Tensor[] } {
  const make = (i: number, ...shape: number[]): Tensor => normals(10 * seed + i, ...shape).to(dtype);
  return {
    inputs: [make(0, 2, 3, 4), make(1, 4, 3).transpose(), make(2, 5), make(3, 2, 2, 5, 4).flip([2])],
    states: [make(5, 3, 4), make(6, 4, 6)],
  };
}
