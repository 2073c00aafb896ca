/** ONNX's operators on shapes and positions as calls of the library. */

import type { SliceSpec, Tensor } from '../../src/index.ts';
import * as tg from '../../src/index.ts';
import { type Mapping, NotApplicable } from './onnx-node.ts';

const wrap = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

const slice: Mapping = (node) => {
  const x = node.input(0);
  const [starts, ends] = [node.list(1)!, node.list(2)!];
  const axes = node.list(3) ?? starts.map((_, i) => i);
  const steps = node.list(4) ?? starts.map(() => 1);
  const specs = x.shape.map((): SliceSpec => null);
  axes.forEach((axis, i) => {
    // Python's rule too: an end below -size, with a negative step, means through the first element.
    specs[wrap(axis, x.rank)] = [starts[i]!, ends[i]!, steps[i]!];
  });
  return x.slice(...specs);
};

const reshape: Mapping = (node) => {
  const x = node.input(0);
  const copyZero = node.number('allowzero', 0) === 0;
  return x.reshape(node.list(1)!.map((size, i) => (size === 0 && copyZero ? x.shape[i]! : size)));
};

const pad: Mapping = (node) => {
  const x = node.input(0);
  const flat = node.list(1)!;
  const pads = x.shape.map((_, i): [number, number] => [flat[i]!, flat[i + x.rank]!]);
  const mode = ({ constant: 'constant', reflect: 'reflect', edge: 'replicate' } as const)[
    node.text('mode', 'constant')
  ]!;
  return tg.pad(x, pads, mode === 'constant' ? { mode, value: node.list(2)?.[0] ?? 0 } : { mode });
};

const split: Mapping = (node) => {
  const x = node.input(0);
  const axis = node.number('axis', 0);
  const equal = x.shape.at(axis)! / node.outputs;
  return tg.split(x, node.list(1) ?? Array.from({ length: node.outputs }, () => equal), axis);
};

const expand: Mapping = (node) => {
  const x = node.input(0);
  const wanted = node.list(1)!;
  const rank = Math.max(x.rank, wanted.length);
  const shape = Array.from({ length: rank }, (_, i) => {
    const [own, other] = [x.shape[i - rank + x.rank] ?? 1, wanted[i - rank + wanted.length] ?? 1];
    return own === 1 ? other : own;
  });
  return x.expand(shape);
};

/** Positions counted from the end are the mapping's business: the library's indices start at 0. */
function positions(index: Tensor, size: number): Tensor {
  return tg.where(index.lt(0), index.add(size), index);
}

const gather: Mapping = (node) => {
  const [x, index] = [node.input(0), node.input(1)];
  const axis = wrap(node.number('axis', 0), x.rank);
  const rows = tg.indexSelect(x, axis, positions(index, x.shape[axis]!).reshape([-1]));
  return rows.reshape([...x.shape.slice(0, axis), ...index.shape, ...x.shape.slice(axis + 1)]);
};

const gatherElements: Mapping = (node) => {
  const [x, index] = [node.input(0), node.input(1)];
  const axis = wrap(node.number('axis', 0), x.rank);
  return tg.gather(x, axis, positions(index, x.shape[axis]!));
};

const scatterElements: Mapping = (node) => {
  const [x, index, updates] = [node.input(0), node.input(1), node.input(2)];
  if (node.text('reduction', 'none') !== 'add') throw new NotApplicable('scatter that overwrites: the library adds');
  const axis = wrap(node.number('axis', 0), x.rank);
  return tg.scatterAdd(x, axis, positions(index, x.shape[axis]!), updates);
};

const cumSum: Mapping = (node) => {
  const axis = node.list(1)![0]!;
  const reverse = node.number('reverse', 0) === 1;
  const x = reverse ? node.input(0).flip([axis]) : node.input(0);
  const sums = tg.cumsum(x, axis);
  const y = node.number('exclusive', 0) === 1 ? sums.sub(x) : sums;
  return reverse ? y.flip([axis]) : y;
};

const oneHot: Mapping = (node) => {
  const depth = node.list(1)![0]!;
  const [off, on] = node.list(2) as [number, number];
  const index = node.input(0);
  const hot = tg
    .oneHot(positions(index, depth), depth)
    .mul(on - off)
    .add(off);
  const axis = wrap(node.number('axis', -1), hot.rank);
  const axes = Array.from({ length: hot.rank - 1 }, (_, i) => i);
  axes.splice(axis, 0, hot.rank - 1);
  return hot.permute(axes);
};

const trilu: Mapping = (node) => {
  const diagonal = node.list(1)?.[0] ?? 0;
  return node.number('upper', 1) ? tg.triu(node.input(0), diagonal) : tg.tril(node.input(0), diagonal);
};

const flatten: Mapping = (node) => {
  const x = node.input(0);
  const before = x.shape.slice(0, node.number('axis', 1)).reduce((a, b) => a * b, 1);
  return x.reshape([before, x.size / before]);
};

/** Repeated along each axis: a broadcast against new axes of the repeats. */
const tile: Mapping = (node) => {
  const x = node.input(0);
  const repeats = node.list(1)!;
  const spaced = x.reshape(x.shape.flatMap((size) => [1, size]));
  return spaced
    .expand(x.shape.flatMap((size, i) => [repeats[i]!, size]))
    .reshape(x.shape.map((size, i) => size * repeats[i]!));
};

export const SHAPES: Readonly<Record<string, Mapping>> = {
  Slice: slice,
  Reshape: reshape,
  Pad: pad,
  Split: split,
  Expand: expand,
  Gather: gather,
  GatherElements: gatherElements,
  Scatter: scatterElements,
  ScatterElements: scatterElements,
  CumSum: cumSum,
  OneHot: oneHot,
  Trilu: trilu,
  Flatten: flatten,
  Tile: tile,
  Concat: (node) => tg.cat(node.inputs(), node.number('axis', 0)),
  Transpose: (node) =>
    node.input(0).permute(node.numbers('perm') ?? node.input(0).shape.map((_, i) => node.input(0).rank - 1 - i)),
  Squeeze: (node) => node.input(0).squeeze(node.list(1)),
  Unsqueeze: (node) => {
    const x = node.input(0);
    const axes = node.list(1)!;
    return axes
      .map((axis) => wrap(axis, x.rank + axes.length))
      .sort((a, b) => a - b)
      .reduce((y, axis) => y.unsqueeze(axis), x);
  },
  Identity: (node) => node.input(0).clone(),
  Range: (node) => tg.arange(...(node.inputs().map((t) => t.item()) as [number, number, number])),
  EyeLike: (node) => {
    const [rows, columns] = node.input(0).shape as [number, number];
    const k = node.number('k', 0);
    const wide = tg.eye(rows + columns + Math.abs(k));
    const [down, right] = [Math.max(k, 0), Math.max(-k, 0)];
    return wide.slice([down, down + rows], [right, right + columns]);
  },
};
