/** Planted bugs that no test can notice, and why. */

import type { Operator } from './operators.ts';

/** Holds for the bugs in `file` whose original text is `before`, all of them or those of one operator or new text. */
export interface Explanation {
  readonly file: string;
  readonly before: string;
  readonly after?: string;
  readonly operator?: Operator;
  readonly why: string;
}

const way = 'both ways give the same result; one is quicker';
const unused = 'only places that are not read, or are written again, change';
const same = 'the same by definition';
const order = 'the checks that follow answer with the same error';
const absent = 'the step along an axis that a tensor of lower rank lacks, where the only position is 0';

/** Of each file: original text, new text ('' for a statement removed, * for any), reason. */
const table: Readonly<Record<string, readonly (readonly [before: string, after: string, why: string])[]>> = {
  'autograd/backward.ts': [
    ['input.requiresGrad', 'true', 'visits more than it needs'],
    ['wanted === null', 'true', 'goes ways that are not asked for'],
    ['wanted === null || !wanted.has(node)', 'false', 'gradients of operations are passed over at the end'],
    ['gradients.delete(node);', '', 'gradients of operations are passed over at the end'],
    ['leaf instanceof Node', 'false', 'those of operations are gone by then'],
    ['continue;', '', 'those of operations are gone by then, or no gradient arrives'],
    ['0', '1', 'every variable of a checkpoint has a gradient'],
    ['fullLike(input, 0)', 'fullLike(0, input)', 'every variable of a checkpoint has a gradient'],
    [
      'found.get(keyOf(input)) ?? fullLike(input, 0)',
      'found.get(keyOf(input))',
      'every variable of a checkpoint has one',
    ],
    ['g === undefined', 'false', 'operations that no gradient reaches have no vjp that is asked'],
    ['isDense(g) && !taken.has(g.storage) && !isShared(g, leaf)', 'false', 'a copy more'],
    ['resolved.createGraph', 'true', 'nothing was recorded'],
    ['detach(total)', 'total', 'nothing was recorded'],
    ['g.offset !== 0', '*', 'a dense part that does not begin at 0 is not the whole either'],
    ['node.inputs.some((input) => leading.has(keyOf(input)))', 'true', way],
    ['!seen.has(x.node as Node)', 'true', way],
    ['seen.add(x.node as Node);', '', way],
  ],
  'autograd/checkpoint.ts': [
    ['output.requiresGrad', 'true', way],
    ['!isGradEnabled() || currentInterpreter() !== eager', '*', 'values are the same; compile has tests of its own'],
  ],
  'autograd/define-op.ts': [
    ['args.length > 0', 'args.length >= 0', 'no arguments are no tensors either'],
    ['x instanceof Tensor', '*', 'the same values; compile has tests of its own'],
    ['true', 'false', 'inputs are read by their index'],
  ],
  'autograd/check-grads.ts': [
    ['mul(g, directions[i]!)', 'g', 'any weights will do'],
    ['false', 'true', 'a graph that is not used'],
    ['0', '1', 'a constant that differences cancel'],
    ['4', '5', 'digits in a message'],
    ['1e-6', '*', 'right gradients are far better, and wrong ones far worse'],
    ['1e-5', '*', 'a step nearly as long finds the same slope'],
    ['(16 * Number.EPSILON * total(values, Math.abs)) / eps', '*', 'an allowance for rounding, of no exact size'],
    ['16 * Number.EPSILON * total(values, Math.abs)', '*', 'an allowance for rounding, of no exact size'],
    ['16', '*', 'an allowance for rounding, of no exact size'],
    ['Math.max(Math.abs(actual), Math.abs(expected))', '*', 'either is the size of the slope where they agree'],
    ['Math.abs(actual)', 'actual', 'either is the size of the slope where they agree'],
    ['Math.abs(expected)', 'expected', 'either is the size of the slope where they agree'],
    ['detach(x)', 'x', 'the points are variables of their own'],
    ['x.size === 0', 'false', 'no numbers divided are no numbers'],
  ],
  'autograd/node.ts': [
    ['this.#output = null;', '', 'memory is free later'],
    ['0', '1', 'only the order of numbers matters'],
  ],
  'ops/apply.ts': [['return;', '', 'an empty tensor has nothing to overwrite']],
  'kernels/js/conv.ts': [
    ['0', '1', `${unused}, or ${absent}`],
    ['group < bank.groups', 'group <= bank.groups', 'a group more has no filters'],
    ['m < bank.outputs', 'm <= bank.outputs', 'a tile more has no channels'],
    ['k < TILE', 'k <= TILE', unused],
    ['m + k < bank.outputs', '*', unused],
    ['m + k', 'm - k', unused],
    ['bank.outputs - m === 1', '*', way],
    ['bank.outputs - m', 'bank.outputs + m', `${way}; ${unused}`],
    ['1', '0', way],
    ['Math.min(TILE, bank.outputs - m)', '*', unused],
    ['lane < used', 'lane <= used', unused],
  ],
  'kernels/js/walk.ts': [['last >= 0', 'last < 0', 'neighbouring axes stay apart, which only takes longer']],
  'kernels/js/window.ts': [['1', '0', 'the step along an axis with a single position']],
  'kernels/js/special.ts': [
    ['size < 2 ** 52', 'size <= 2 ** 52', 'adding 2^52 to itself is exact'],
    ['Object.is(v, -0)', 'Object.is(-0, v)', same],
    ['size <= 0.46875', 'size < 0.46875', 'both approximations hold at their border, to the last bit'],
    ['0.46875', '*', 'both approximations hold around their border, to the last bit'],
    ['size < 4', 'size <= 4', 'both approximations hold at their border, to the last bit'],
    ['4', '5', 'erfc is below 2e-8 here, so both approximations round alike'],
    ['size < 6', '*', '1 - erfc is 1 from here on in either branch'],
    ['6', '7', '1 - erfc is 1 from here on in either branch'],
    ['x < 0', 'x <= 0', 'zero has returned before'],
    ['1.63153871373020978e-2', '*', 'times erfc(4) this is less than half a unit in the last place of 1'],
    ['0.305326634961232344', '*', 'times erfc(4) this is less than half a unit in the last place of 1'],
  ],
  'kernels/js/elementwise.ts': [
    ['n > 32 && step[0] === 1 && step[1] === 1', '*', way],
    ['n > 32', '*', way],
    ['1', '0', way],
    ['32', '33', way],
  ],
  'kernels/js/matmul.ts': [
    ['narrow', '*', way],
    ['n < m', '*', way],
    ['n < 32', '*', way],
    ['n < m && n < 32', '*', way],
    ['32', '33', way],
    ['128', '129', way],
    ['j < n', 'j <= n', 'a block more has no columns'],
    ['i < m', 'i <= m', 'a tile more has no rows'],
    ['used === 1', '*', way],
    ['b.column === 1', 'false', way],
    ['i < width', 'i <= width', unused],
    ['lane < used', 'lane <= used', unused],
  ],
  'kernels/js/pool.ts': [
    ['0', '1', absent],
    ['1', '0', absent],
  ],
  'kernels/js/reduce.ts': [
    ['sums !== y', 'true', 'an array set to itself'],
    ['step[0] === 0', 'false', way],
  ],
  'kernels/js/rows.ts': [
    ['t + 4 <= count', '*', way],
    ['t + 3 <= count', '*', way],
  ],
  'ops/activations.ts': [['exp(x)', 'x', 'x is empty here']],
  'ops/adaptive.ts': [
    ['size === y.shape[axis]', 'false', way],
    ['continue;', '', way],
    ['kernel === null', 'true', way],
    ['sizes.every((size) => size === 1)', 'false', way],
  ],
  'ops/classification.ts': [
    ['weight === null', 'false', 'a factor of 1 for the samples that count'],
    ['smoothing === 0', 'false', way],
  ],
  'ops/dropout.ts': [
    ['1', '0', 'for p = 1 no element is kept'],
    ['detach(x)', 'x', 'a mask has no gradient anyway'],

    ['0', '1', 'for p = 1 no element is kept'],
    ['p === 1', 'false', 'for p = 1 no element is kept'],
    ['source.uniform() < p', 'source.uniform() <= p', 'one draw in 2^53 or fewer is p itself'],
  ],
  'ops/elementwise.ts': [
    ['vjpA || vjpB', 'true', 'two rules that are null count as none'],
    ["operands.find((operand) => operand instanceof Tensor)?.dtype ?? 'float32'", '*', 'float32 is the default anyway'],
    ['1', '0', 'a harmless number in a branch that is not taken'],

    ['tensors.every((x) => sameShape(x.shape, first))', 'false', way],
    ['1', '2', 'a harmless number in a branch that is not taken'],
  ],
  'ops/indexing.ts': [
    ['index.shape.every((length, a) => a === axis || length === x.shape[a])', '*', way],
    ['a === axis || length === x.shape[a]', '*', way],
    ['slice(x, ...index.shape.map((length, a) => (a === axis ? null : ([0, length] as const))))', 'x', way],
    ['a === axis', '*', way],
    ['sameShape(target, x.shape)', '*', way],
  ],
  'ops/join.ts': [["checkAxes('roll', [...new Set(list)], x.rank);", '', order]],
  'ops/labels.ts': [
    ['labels instanceof Tensor', 'true', 'lists have no dtype, for which float32 is the default'],
    ['Math.floor(label)', 'Math.ceil(label)', 'either is the number itself only if it is whole'],
  ],
  'ops/matmul.ts': [
    ['options.bias ?? null', 'options.bias', same],

    ['a.rank > 2', '*', way],
    ['b.rank === 2 && a.rank > 2', '*', way],
  ],
  'ops/pad.ts': [
    ['start + end === 0', 'false', way],
    ['before + after === 0', 'false', way],
    ['0', '1', '-0 is the index 0'],

    ['after <= 0', 'after < 0', way],
    ['before <= 0', 'before < 0', way],
    ['value !== 0', 'true', way],
  ],
  'ops/pool.ts': [
    ['0', '1', 'what is too far is cut off in the next line'],

    ['detach(x)', 'x', 'positions have no gradient anyway'],
    ['geometry.before.every((count) => count === 0) && !options.ceilMode', 'false', way],
    ['countIncludePad', 'true', 'what is too far is cut off in the next line'],
    ['Math.min(stop, size[axis]!)', 'stop', 'cut off in the line before'],
  ],
  'ops/reduce.ts': [
    ['sub(x, mean(x, chosen, true))', 'sub(mean(x, chosen, true), x)', 'the square is the same'],
    ['1', '*', 'a harmless number in a branch that is not taken, or another way to the same'],

    ['half === 1', 'false', way],
    ['p === 1', 'false', way],
    ['p === 2', 'false', way],
  ],
  'ops/regression.ts': [
    ['sub(prediction, target)', 'sub(target, prediction)', 'the loss is even'],
    ['value ?? false', 'value', 'undefined counts as false'],
    ['1', '0', 'a harmless number in a branch that is not taken'],
    ['1', '2', 'a harmless number in a branch that is not taken'],
  ],
  'ops/triangle.ts': [['1', '2', 'anything but 0 keeps']],
  'ops/views.ts': [
    ['count > 0', 'count >= 0', 'where an empty view begins does not matter'],
    ['1', '2', 'axes behind are taken whole either way'],

    ['count > 0', 'true', 'where an empty view begins does not matter'],
    ['step > 0', 'step >= 0', 'step is not 0'],
    ['x.shape.slice(0, at + 1)', 'x.shape', 'axes behind are taken whole either way'],
  ],
};

export const explanations: readonly Explanation[] = Object.entries(table).flatMap(([file, rows]) =>
  rows.map(([before, after, why]) => ({ file, before, ...(after !== '*' && { after }), why })),
);
