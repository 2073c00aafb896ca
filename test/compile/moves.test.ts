/** Joining, padding and the ways back of parts in programs: what only moves numbers. */

import { describe, expect, test } from 'vitest';
import { cat, compile, grad, type Pads, pad, roll, setThreads, stack, type Tensor, zeros } from '../../src/index.ts';
import { expectClose, expectSame, normals } from './helpers.ts';

type Many = (...xs: Tensor[]) => Tensor;

/** Normal numbers with NaN, infinities and zeros of both signs among them. */
function specials(seed: number, ...shape: number[]): Tensor {
  const x = normals(seed, ...shape);
  const odd = [NaN, Infinity, -Infinity, 0, -0];
  for (let i = 0; i < x.size; i += 5) x.data[i] = odd[(i / 5) % odd.length]!;
  return x;
}

const ring: Pads = [
  [2, 1],
  [1, 3],
];

const s = (...shape: number[]): number[] => shape;
const cases: readonly (readonly [name: string, fn: Many, shapes: readonly number[][]])[] = [
  ['joined along the first axis', (x, y) => cat([x!, y!], 0), [s(3, 5, 7), s(4, 5, 7)]],
  ['joined along channels', (x, y, z) => cat([x!, y!, z!], 1), [s(3, 5, 7), s(3, 1, 7), s(3, 2, 7)]],
  ['joined along the last axis', (x, y) => cat([x!, y!], -1), [s(3, 5, 3), s(3, 5, 6)]],
  ['joined in many units', (x, y) => cat([x!, y!], 1), [s(5, 7, 91, 33), s(5, 4, 91, 33)]],
  ['joined turned, backwards and repeated', turned, [s(4, 3, 5), s(3, 4, 5), s(5)]],
  ['joined with nothing', (x, y) => cat([x!, y!, zeros([2, 3])], 1), [s(2, 0), s(2, 5)]],
  ['joined with itself', (x) => cat([x!, x!.neg(), x!], 0), [s(2, 9)]],
  ['one part alone', (x) => cat([x!], 0), [s(6, 5)]],
  ['stacked', (x, y) => stack([x!, y!], 1), [s(3, 5), s(3, 5)]],
  ['rolled', (x) => roll(x!, [2, -1], [0, 1]), [s(5, 6)]],
  ['single numbers', (x, y) => cat([x!, y!]), [s(1), s(1)]],
  [
    'padded with zeros',
    (x) =>
      pad(x!, [
        [1, 2],
        [2, 1],
      ]),
    [s(3, 4, 6, 5)],
  ],
  ['padded with a number', (x) => pad(x!, [[0, 3]], { value: 1.5 }), [s(3, 5, 7)]],
  ['padded with minus zero', (x) => pad(x!, [[2, 1]], { value: -0 }), [s(33)]],
  ['padded with NaN', (x) => pad(x!, ring, { value: NaN }), [s(4, 5)]],
  [
    'padded along the first axis',
    (x) =>
      pad(x!, [
        [2, 3],
        [0, 0],
      ]),
    [s(4, 5)],
  ],
  [
    'padded in many units',
    (x) =>
      pad(
        x!,
        [
          [1, 1],
          [2, 3],
        ],
        { value: -1 },
      ),
    [s(7, 9, 31, 30)],
  ],
  ['padding around nothing', (x) => pad(x!, [[2, 1]], { value: 3 }), [s(3, 0)]],
  [
    'padded and cropped',
    (x) =>
      pad(x!, [
        [-1, 2],
        [1, -2],
      ]),
    [s(2, 6, 7)],
  ],
  ['padded turned', (x) => pad(x!.transpose(0, 2), [[1, 1]]), [s(5, 3, 4)]],
  ...(['reflect', 'replicate', 'circular'] as const).map(
    (mode) =>
      [`padded by ${mode}`, (x: Tensor) => pad(x, ring, { mode }), [s(2, 3, 5, 6)]] as [string, Many, number[][]],
  ),
];
function turned(x?: Tensor, y?: Tensor, z?: Tensor): Tensor {
  return cat([x!.transpose(0, 1), y!.flip(1), z!.expand([3, 2, 5])], 1);
}

describe.each(cases)('%s', (_, fn, shapes) => {
  test('gives the very bits of eager code', () => {
    const xs = shapes.map((shape, i) => specials(i, ...shape));
    const run = compile(fn);
    expectSame(run(...xs), fn(...xs));
    expectSame(run(...xs), fn(...xs), 'again');
    expect(run.report()[0]!.steps.filter(({ eager }) => eager !== null)).toEqual([]);
  });

  test('goes back without an eager step', () => {
    const xs = shapes.map((shape, i) => normals(i, ...shape));
    const weight = normals(9, ...fn(...xs).shape);
    const argnums = xs.flatMap((x, i) => (x.size > 0 ? [i] : []));
    if (argnums.length === 0) return;
    const loss: Many = (...ys) =>
      fn(...ys)
        .square()
        .mul(weight)
        .sum();
    const back = grad(loss, { argnums });
    const run = compile((...ys: Tensor[]) => back(...ys));
    for (const [i, got] of run(...xs).entries()) expectClose(got, back(...xs)[i]!, 1e-6);
    expect(run.report()[0]!.steps.filter(({ eager }) => eager !== null)).toEqual([]);
  });
});

test('gradients of parts are put into zeros, also of parts with steps and of those that run backwards', () => {
  const x = normals(1, 6, 9, 10);
  const parts: ((y: Tensor) => Tensor)[] = [
    (y) => y.narrow(1, 2, 3),
    (y) => y.slice(null, [8, 1, -3], [null, null, 2]),
    (y) => y.flip([0, 2]),
    (y) => y.select(1, 4),
  ];
  for (const part of parts) {
    const back = grad((y: Tensor) => part(y).square().sum());
    const run = compile((y: Tensor) => back(y));
    expectSame(run(x), back(x));
    expect(run.report()[0]!.steps.filter(({ eager }) => eager !== null)).toEqual([]);
  }
});

test('the bits are the same on 1, 2 and 3 threads', async () => {
  const [x, y] = [specials(1, 5, 7, 91, 33), specials(2, 5, 4, 91, 33)];
  const fn = (a: Tensor, b: Tensor): Tensor[] => [
    cat([a, b], 1),
    pad(a, ring, { value: 2 }),
    pad(b.flatten(), [[3, 2]]),
    grad((c: Tensor) => c.slice(null, [1, null, 2]).square().sum())(a),
  ];
  try {
    for (const threads of [1, 2, 3]) {
      await setThreads(threads);
      for (const [i, got] of compile(fn)(x, y).entries()) expectSame(got, fn(x, y)[i]!, `${threads} threads`);
    }
  } finally {
    await setThreads(1);
  }
});
