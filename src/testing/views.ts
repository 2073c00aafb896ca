/** Views as data: a chain of steps that can be printed, shrunk, and applied to any tensor class with these methods. */

/** One entry of a slice: an index (the axis goes away), null (all), or `[start, stop, step]` as in Python. */
export type SliceSpec = number | null | readonly [start: number | null, stop: number | null, step?: number | null];

/** One view, named and described like the method that makes it. */
export type ViewStep =
  | { readonly op: 'permute'; readonly axes: readonly number[] }
  | { readonly op: 'transpose'; readonly a: number; readonly b: number }
  | { readonly op: 'slice'; readonly specs: readonly SliceSpec[] }
  | { readonly op: 'narrow'; readonly axis: number; readonly start: number; readonly length: number }
  | { readonly op: 'select'; readonly axis: number; readonly index: number }
  | { readonly op: 'flip'; readonly axes: readonly number[] }
  | { readonly op: 'expand'; readonly shape: readonly number[] }
  | { readonly op: 'squeeze'; readonly axis: number }
  | { readonly op: 'unsqueeze'; readonly axis: number }
  | { readonly op: 'reshape'; readonly shape: readonly number[] }
  | { readonly op: 'unfold'; readonly axis: number; readonly size: number; readonly step: number };

/** What an object must offer so that `applyViews` can lead it through a chain: the view methods of a `typedgrad` tensor. */
export interface Viewable<T> {
  permute(axes: number[]): T;
  transpose(a: number, b: number): T;
  slice(...specs: SliceSpec[]): T;
  narrow(axis: number, start: number, length: number): T;
  select(axis: number, index: number): T;
  flip(axes: number[]): T;
  expand(shape: number[]): T;
  squeeze(axis: number): T;
  unsqueeze(axis: number): T;
  reshape(shape: number[]): T;
  unfold(axis: number, size: number, step: number): T;
}

function applyView<T extends Viewable<T>>(tensor: T, step: ViewStep): T {
  switch (step.op) {
    case 'permute':
      return tensor.permute([...step.axes]);
    case 'transpose':
      return tensor.transpose(step.a, step.b);
    case 'slice':
      return tensor.slice(...step.specs);
    case 'narrow':
      return tensor.narrow(step.axis, step.start, step.length);
    case 'select':
      return tensor.select(step.axis, step.index);
    case 'flip':
      return tensor.flip([...step.axes]);
    case 'expand':
      return tensor.expand([...step.shape]);
    case 'squeeze':
      return tensor.squeeze(step.axis);
    case 'unsqueeze':
      return tensor.unsqueeze(step.axis);
    case 'reshape':
      return tensor.reshape([...step.shape]);
    case 'unfold':
      return tensor.unfold(step.axis, step.size, step.step);
    default:
      return step satisfies never;
  }
}

/**
 * Applies a chain of views, in order.
 *
 * @example
 * ```ts
 * import { tensor } from 'typedgrad';
 * import { applyViews } from 'typedgrad/testing';
 * const x = tensor([[1, 2, 3], [4, 5, 6]]);
 * applyViews(x, [{ op: 'transpose', a: 0, b: 1 }, { op: 'select', axis: 0, index: 2 }]).toArray(); // → [3, 6]
 * ```
 */
export function applyViews<T extends Viewable<T>>(tensor: T, steps: readonly ViewStep[]): T {
  return steps.reduce(applyView, tensor);
}
