import { OptionError, ShapeError } from '../../errors.ts';
import { type ArrayInput, at, build, type NdArray, toNd } from '../nd.ts';
import { checkKeys, type PaddingMode, type Pair } from './options.ts';

/** The modes of `pad`; `'zeros'` is `'constant'` with value 0. */
export type PadMode = PaddingMode | 'constant';

export interface PadOptions {
  readonly mode?: PadMode;
  readonly value?: number;
}

/** How much padding each mode can fill from an axis of n elements. */
const ROOM: Record<PadMode, (n: number) => number> = {
  zeros: () => Infinity,
  constant: () => Infinity,
  reflect: (n) => n - 1,
  replicate: (n) => (n > 0 ? Infinity : 0),
  circular: (n) => n,
};

/** Which element of an axis of n fills place i (which may be negative, or n and more); -1 for the constant. */
const SOURCE: Record<PadMode, (i: number, n: number) => number> = {
  zeros: (i, n) => (i >= 0 && i < n ? i : -1),
  constant: (i, n) => (i >= 0 && i < n ? i : -1),
  reflect: (i, n) => (i < 0 ? -i : i >= n ? 2 * (n - 1) - i : i),
  replicate: (i, n) => Math.min(Math.max(i, 0), n - 1),
  circular: (i, n) => (i + n) % n,
};

/**
 * Pads the last axes: `pads` holds `[before, after]` for each of them. Negative amounts crop.
 *
 * | mode | `1 2 3` with 2 on both sides |
 * | --- | --- |
 * | `constant`, value 0 (`zeros`) | `0 0 1 2 3 0 0` |
 * | `reflect` | `3 2 1 2 3 2 1` |
 * | `replicate` | `1 1 1 2 3 3 3` |
 * | `circular` | `2 3 1 2 3 1 2` |
 *
 * @throws ShapeError if the mode cannot fill that much (reflect: less than the axis; circular: up to the axis).
 */
export function pad(input: ArrayInput, pads: readonly Pair[], options: PadOptions = {}): NdArray {
  checkKeys('reference.pad', options, ['mode', 'value']);
  const { mode = 'constant', value = 0 } = options;
  if (!(mode in SOURCE))
    throw new OptionError(`reference.pad: mode '${mode}' is none of ${Object.keys(SOURCE).join(', ')}`);
  const x = toNd(input);
  const kept = x.shape.length - pads.length;
  if (kept < 0) throw new ShapeError(`reference.pad: ${pads.length} pairs for shape [${x.shape}]`);
  const all: Pair[] = [...new Array<Pair>(kept).fill([0, 0]), ...pads];
  const shape = x.shape.map((n, axis) => {
    const [before, after] = all[axis] as Pair;
    if (Math.max(before, after) > Math.max(0, ROOM[mode](n))) {
      throw new ShapeError(
        `reference.pad: ${mode} cannot pad an axis of ${n} by [${before}, ${after}]; shape [${x.shape}]`,
      );
    }
    if (n + before + after < 0)
      throw new ShapeError(`reference.pad: [${before}, ${after}] crops more than the ${n} elements of axis ${axis}`);
    return n + before + after;
  });
  const source = SOURCE[mode];
  return build(shape, (index) =>
    at(
      x,
      index.map((i, axis) => source(i - (all[axis] as Pair)[0], x.shape[axis] as number)),
      value,
    ),
  );
}
