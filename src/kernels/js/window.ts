/**
 * How windows over spatial axes meet the input: the borders of convolution and pooling, settled once per call.
 *
 * Along an axis, output position p and tap k touch input position p·stride + k·dilation - before. For each tap the
 * positions that stay inside of the input are one run with constant steps, so padding needs no test per element: it
 * contributes no term at all (0 · Infinity does not arise). The adjoint exchanges the two sides of each run.
 */
import type { WindowGeometry } from '../types.ts';

/** The positions along one axis that a tap joins: output y + i·yStep with input x + i·xStep, for i < count. */
export interface Run {
  readonly count: number;
  readonly y: number;
  readonly x: number;
}

/** All taps along one axis. */
export interface Reach {
  /** By tap. */
  readonly runs: readonly Run[];
  readonly yStep: number;
  readonly xStep: number;
  /** Size of the output along this axis. */
  readonly size: number;
}

/** A tap that joins some output position with input position x. */
export interface Meeting {
  readonly tap: number;
  readonly x: number;
}

/**
 * The reaches of three spatial axes, missing ones being added in front with size 1, from an input of sizes `input`
 * to an output of sizes `output`. In the adjoint, the geometry's windows lie over the output.
 */
// biome-ignore format: operands side by side
export function reaches(
  output: readonly number[], input: readonly number[], kernel: readonly number[], geometry: WindowGeometry, adjoint: boolean,
): [Reach, Reach, Reach] {
  const along = output.map((size, axis): Reach => {
    const stride = geometry.stride[axis]!;
    const windows = adjoint ? input[axis]! : size;
    const covered = adjoint ? size : input[axis]!;
    const runs = Array.from({ length: kernel[axis]! }, (_, tap): Run => {
      const shift = tap * geometry.dilation[axis]! - geometry.before[axis]!;
      const first = Math.max(0, Math.ceil(-shift / stride));
      const last = Math.min(windows - 1, Math.floor((covered - 1 - shift) / stride));
      const count = Math.max(0, last - first + 1);
      return adjoint ? { count, y: first * stride + shift, x: first } : { count, y: first, x: first * stride + shift };
    });
    return { runs, yStep: adjoint ? stride : 1, xStep: adjoint ? 1 : stride, size };
  });
  const unit: Reach = { runs: [{ count: 1, y: 0, x: 0 }], yStep: 1, xStep: 1, size: 1 };
  while (along.length < 3) along.unshift(unit);
  return along as [Reach, Reach, Reach];
}

/** For each output position of an axis, the taps that find input there, in ascending order. */
export function meetings(reach: Reach): Meeting[][] {
  const lists = Array.from({ length: reach.size }, (): Meeting[] => []);
  for (const [tap, run] of reach.runs.entries()) {
    for (let i = 0; i < run.count; i++) lists[run.y + i * reach.yStep]!.push({ tap, x: run.x + i * reach.xStep });
  }
  return lists;
}

/** A list of sizes or strides for three spatial axes: the last ones, missing ones in front being `fill`. */
export function spatial(list: readonly number[], fill: number): [number, number, number] {
  const axes = list.slice(2);
  while (axes.length < 3) axes.unshift(fill);
  return axes as [number, number, number];
}
