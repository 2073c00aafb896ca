/** Groups of operations that run as one step. */

import type { GraphNode } from './graph.ts';

/** Operations that run together. */
export interface Group {
  /**
   * One loop; a convolution, perhaps with bias, a loop over its results and max pooling behind it; a max pooling; a matrix product, perhaps with
   * bias and ReLU behind it; softmax or a cross entropy, perhaps with its gradient; loops of one kernel over different
   * arrays; arithmetic of single numbers; or one operation alone.
   */
  readonly kind: 'loop' | 'conv' | 'pool' | 'matmul' | 'softmax' | 'sweep' | 'scalar' | 'single';
  readonly nodes: GraphNode[];
  /** The groups that must have run before. */
  readonly after: Set<Group>;
  /** Of a convolution's operations, those of a loop over its results (see passes/epilogue.ts). */
  epilogue?: Group;
  /** The loops of a sweep. */
  readonly parts?: readonly Group[];
}
