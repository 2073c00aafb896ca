/** Steps along lines and by places give the same bits on any number of threads. */

import { expect, it } from 'vitest';
import {
  compile,
  crossEntropy,
  grad,
  indexSelect,
  logSoftmax,
  scatterAdd,
  setThreads,
  type Tensor,
  tensor,
  zeros,
} from '../../src/index.ts';
import { normals } from './helpers.ts';

it('softmax, cross entropy, extremes, gather and scatterAdd, on 1, 2 and 3 threads', async () => {
  const all = (rows: Tensor, picture: Tensor, labels: Int32Array, at: Tensor): Tensor[] => [
    crossEntropy(rows, labels),
    grad((x: Tensor) => crossEntropy(x, labels))(rows),
    logSoftmax(picture, 1),
    picture.argMax(1),
    rows.argMin(1),
    indexSelect(rows, 0, labels),
    scatterAdd(zeros([501, 7]), 1, at, at),
    scatterAdd(rows, 1, at, at),
  ];
  const labels = Int32Array.from({ length: 501 }, (_, i) => (i * 7) % 9);
  const at = tensor(
    Float32Array.from({ length: 501 * 12 }, (_, i) => (i * 5) % 7),
    [501, 12],
  );
  const args = [normals(1, 501, 33), normals(2, 3, 5, 4000), labels, at] as const;
  const bits: string[][] = [];
  try {
    for (const threads of [1, 2, 3]) {
      await setThreads(threads);
      const results = compile(all)(...args);
      bits.push(results.map((y) => new Uint32Array(y.toTypedArray().buffer).join()));
    }
  } finally {
    await setThreads(1);
  }
  for (const list of bits.slice(1)) expect(list.map((own, i) => own === bits[0]![i])).toEqual(list.map(() => true));
});
