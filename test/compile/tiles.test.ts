/** Convolutions by minimal filtering in compiled programs, with what is fused with them. */

import { afterEach, describe, expect, test } from 'vitest';
import {
  compile,
  conv1d,
  conv2d,
  conv3d,
  grad,
  maxPool1d,
  maxPool2d,
  maxPool3d,
  setThreads,
  sum,
  type Tensor,
} from '../../src/index.ts';
import { expectClose, expectSame, normals } from './helpers.ts';

interface Layer {
  readonly name: string;
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly groups?: number;
  readonly padding?: number | readonly number[];
  readonly pool?: number | readonly number[];
  /** Whether tiles are two planes deep. */
  readonly isDeep?: true;
}

const layers: readonly Layer[] = [
  { name: 'images together, the last of them alone', x: [9, 8, 14, 14], w: [16, 8, 3, 3], pool: 2 },
  { name: 'odd sizes', x: [5, 8, 13, 15], w: [12, 8, 3, 3], pool: 2 },
  { name: 'windows that leave something over', x: [3, 8, 14, 16], w: [12, 8, 3, 3], pool: 3 },
  { name: 'large images, in several pieces', x: [2, 12, 37, 42], w: [16, 12, 3, 3], pool: 2 },
  { name: 'no pooling, no padding', x: [3, 8, 17, 21], w: [14, 8, 3, 3], padding: 0 },
  { name: 'wide images', x: [1, 16, 12, 90], w: [24, 16, 3, 3], pool: 2 },
  { name: 'groups', x: [4, 16, 14, 14], w: [24, 8, 3, 3], groups: 2, pool: 2 },
  { name: 'outputs in blocks', x: [1, 64, 7, 7], w: [140, 64, 3, 3], pool: 2 },
  { name: 'volumes, pooled plane by plane', x: [3, 4, 5, 13, 14], w: [8, 4, 3, 3, 3], pool: [1, 2, 2] },
  { name: 'volumes', x: [2, 4, 7, 14, 14], w: [8, 4, 3, 3, 3], pool: 2 },
  { name: 'signals', x: [9, 32, 50], w: [32, 32, 7], padding: 3, pool: 2 },
  { name: 'signals in groups and pieces', x: [2, 64, 501], w: [84, 32, 4], groups: 2, padding: 0, pool: 3 },
  { name: 'many outputs of short signals', x: [3, 72, 31], w: [140, 72, 9], padding: 4 },
  { name: 'filters along the rows of pictures', x: [3, 32, 6, 30], w: [32, 32, 1, 6], padding: [0, 3], pool: 2 },
  { name: 'deep tiles', x: [2, 16, 4, 16, 16], w: [32, 16, 3, 3, 3], pool: 2, isDeep: true },
  { name: 'deep tiles, odd sizes', x: [1, 32, 7, 11, 15], w: [40, 32, 3, 3, 3], pool: 2, isDeep: true },
  { name: 'deep tiles, several pieces', x: [1, 24, 4, 26, 28], w: [24, 24, 3, 3, 3], pool: [2, 1, 2], isDeep: true },
  { name: 'deep tiles, groups', x: [2, 48, 6, 8, 10], w: [48, 24, 3, 3, 3], groups: 2, padding: 0, isDeep: true },
];

/** The pooled result of a layer, and the gradients by all that it reads. */
function functionOf({ x, groups = 1, padding = 1, pool }: Layer): (x: Tensor, w: Tensor, b: Tensor) => Tensor[] {
  const [conv, maxPool] = [
    [conv1d, maxPool1d],
    [conv2d, maxPool2d],
    [conv3d, maxPool3d],
  ][x.length - 3] as [typeof conv2d, typeof maxPool2d];
  const forward = (x: Tensor, w: Tensor, bias: Tensor): Tensor => {
    const y = conv(x, w, { bias, padding, groups });
    return pool === undefined ? y : maxPool(y, pool);
  };
  return (...args: [Tensor, Tensor, Tensor]) => [
    forward(...args),
    ...grad((x: Tensor, w: Tensor, b: Tensor) => sum(forward(x, w, b).square()), { argnums: [0, 1, 2] })(...args),
  ];
}

function argumentsOf({ x, w }: Layer): [Tensor, Tensor, Tensor] {
  return [normals(1, ...x), normals(2, ...w), normals(3, w[0]!)];
}

afterEach(async () => {
  await setThreads(1);
});

describe.each(layers)('convolutions by tiles: $name', (layer) => {
  const fn = functionOf(layer);
  const args = argumentsOf(layer);

  test('are those of eager execution, and explained', () => {
    const program = compile(fn);
    const [actual, expected] = [program(...args), fn(...args)];
    actual.forEach((y, i) => expectClose(y, expected[i]!, 2e-5, `result ${i}`));
    const flat = layer.w.at(-2) === 3 ? /Winograd F\(2×2,3×3\)/g : /Winograd F\(2,2\)·F\(2,3\)/g;
    const algorithm = layer.isDeep ? /Winograd F\(2×2×2,3×3×3\)/g : flat;
    expect(String(program.explain()).match(algorithm)?.length).toBeGreaterThanOrEqual(3);
  });

  test('give the same bits twice, and on several threads', async () => {
    const program = compile(fn);
    const first = program(...args);
    program(...args).forEach((y, i) => expectSame(y, first[i]!, `again, result ${i}`));
    await setThreads(3);
    program(...args).forEach((y, i) => expectSame(y, first[i]!, `threads, result ${i}`));
  });

  test.each([
    ['x', 0, Number.POSITIVE_INFINITY],
    ['x', 0, Number.NaN],
    ['w', 1, Number.NEGATIVE_INFINITY],
    ['x', 0, 3e38],
  ])('meet numbers that are not finite as the definition does: %s (operand %i) with %f', (_, which, value) => {
    const own = argumentsOf(layer);
    own[which]!.data[7] = value;
    const program = compile(fn);
    const [actual, expected] = [program(...own), fn(...own)];
    actual.forEach((y, i) => {
      const [a, e] = [y.toTypedArray(), expected[i]!.toTypedArray()];
      const wrong = e.findIndex((v, at) => Number.isFinite(v) !== Number.isFinite(a[at]!));
      expect(wrong, `result ${i}`).toBe(-1);
    });
    // And what was not finite is forgotten by the next run.
    program(...args).forEach((y, i) => expectClose(y, fn(...args)[i]!, 2e-5, `after, result ${i}`));
  });
});
