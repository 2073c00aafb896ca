/** Views by definition: each makes a new dense array and says for each of its elements where it comes from. */
import { ShapeError } from '../../errors.ts';
import { type ArrayInput, at, build, type NdArray, sizeOf, toNd } from '../nd.ts';
import { applyViews, type SliceSpec, type Viewable, type ViewStep } from '../views.ts';

/** The indices that Python's `slice(start, stop, step)` takes from n elements. */
function sliceIndices(n: number, [start, stop, step]: Exclude<SliceSpec, number | null>): number[] {
  const by = step ?? 1;
  if (by === 0) throw new ShapeError('reference.view: a slice step must not be 0');
  const [lowest, highest] = by > 0 ? [0, n] : [-1, n - 1];
  const place = (i: number): number => Math.min(Math.max(i < 0 ? i + n : i, lowest), highest);
  const first = start === null ? (by > 0 ? 0 : n - 1) : place(start);
  const end = stop === null ? (by > 0 ? n : -1) : place(stop);
  const indices: number[] = [];
  for (let i = first; by > 0 ? i < end : i > end; i += by) indices.push(i);
  return indices;
}

const replaced = (list: readonly number[], axis: number, ...entries: number[]): number[] =>
  list.toSpliced(axis, 1, ...entries);

class DenseViews implements Viewable<DenseViews> {
  readonly array: NdArray;

  constructor(array: NdArray) {
    this.array = array;
  }

  /** The array of `shape` whose element at i is this one's at `source(i)`. */
  private from(shape: readonly number[], source: (index: number[]) => readonly number[]): DenseViews {
    return new DenseViews(build(shape, (index) => at(this.array, source([...index]), Number.NaN)));
  }

  private size(axis: number): number {
    const n = this.array.shape[axis];
    if (n === undefined) throw new ShapeError(`reference.view: shape [${this.array.shape}] has no axis ${axis}`);
    return n;
  }

  permute(axes: number[]): DenseViews {
    return this.from(
      axes.map((axis) => this.size(axis)),
      (index) => {
        const source = new Array<number>(index.length);
        axes.forEach((axis, i) => {
          source[axis] = index[i] as number;
        });
        return source;
      },
    );
  }

  transpose(a: number, b: number): DenseViews {
    const axes = [...this.array.shape.keys()];
    return this.permute(axes.map((axis) => (axis === a ? b : axis === b ? a : axis)));
  }

  /** The elements of one axis at `indices`. */
  private take(axis: number, indices: readonly number[]): DenseViews {
    this.size(axis);
    return this.from(replaced(this.array.shape, axis, indices.length), (index) =>
      replaced(index, axis, indices[index[axis] as number] as number),
    );
  }

  slice(...specs: SliceSpec[]): DenseViews {
    return specs.reduceRight<DenseViews>((view, spec, axis) => {
      if (spec === null) return view;
      if (typeof spec === 'number') return view.select(axis, spec);
      return view.take(axis, sliceIndices(view.size(axis), spec));
    }, this);
  }

  narrow(axis: number, start: number, length: number): DenseViews {
    return this.take(
      axis,
      Array.from({ length }, (_, i) => start + i),
    );
  }

  select(axis: number, index: number): DenseViews {
    const i = index < 0 ? index + this.size(axis) : index;
    return this.take(axis, [i]).squeeze(axis);
  }

  flip(axes: number[]): DenseViews {
    return this.from(this.array.shape, (index) =>
      index.map((i, axis) => (axes.includes(axis) ? this.size(axis) - 1 - i : i)),
    );
  }

  expand(shape: number[]): DenseViews {
    const added = shape.length - this.array.shape.length;
    return this.from(shape, (index) => index.slice(added).map((i, axis) => (this.size(axis) === 1 ? 0 : i)));
  }

  squeeze(axis: number): DenseViews {
    if (this.size(axis) !== 1) throw new ShapeError(`reference.view: axis ${axis} of [${this.array.shape}] is not 1`);
    return this.reshape(this.array.shape.toSpliced(axis, 1));
  }

  unsqueeze(axis: number): DenseViews {
    return this.reshape(this.array.shape.toSpliced(axis, 0, 1));
  }

  reshape(shape: number[]): DenseViews {
    if (sizeOf(shape) !== this.array.data.length) {
      throw new ShapeError(`reference.view: cannot reshape [${this.array.shape}] to [${shape}]`);
    }
    return new DenseViews({ shape, data: this.array.data });
  }

  unfold(axis: number, size: number, step: number): DenseViews {
    const places = Math.floor((this.size(axis) - size) / step) + 1;
    return this.from([...replaced(this.array.shape, axis, places), size], (index) => {
      const within = index.at(-1) as number;
      return replaced(index.slice(0, -1), axis, (index[axis] as number) * step + within);
    });
  }
}

/**
 * What a chain of views makes of an array, as a dense array.
 *
 * @throws ShapeError for a step that does not fit the shape it is applied to.
 * @example
 * ```ts
 * import { reference, toNested } from 'typedgrad/testing';
 * toNested(reference.view([1, 2, 3, 4, 5], [{ op: 'slice', specs: [[null, null, -2]] }])); // → [5, 3, 1]
 * ```
 */
export function view(input: ArrayInput, steps: readonly ViewStep[]): NdArray {
  return applyViews(new DenseViews(toNd(input)), steps).array;
}
