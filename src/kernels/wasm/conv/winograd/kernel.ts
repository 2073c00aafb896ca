/** What kernels of convolutions by tiles are made from, and how they become units of work. */
import type { Chain } from '../chain.ts';
import type { Chunk, TiledSizes } from './geometry.ts';
import type { TilePool } from './output.ts';
import type { FilterGradient, Filters } from './weights.ts';

export interface LinearKernel {
  readonly sizes: TiledSizes;
  readonly chunk: Chunk;
  /** Outputs of one call, of those that `sizes` counts. */
  readonly outputs: number;
  readonly bias: boolean;
  /** Stores the positive part of the results; absent: all of them. */
  readonly relu?: boolean;
  /** Elementwise functions behind that, and before a pooling. */
  readonly chain?: Chain;
  readonly fma: boolean;
  /** Pools the results instead of storing them. */
  readonly pool?: TilePool;
}

export interface GradientKernel {
  readonly sizes: TiledSizes;
  readonly chunk: Chunk;
  /** Floats from position to position of the sums. */
  readonly position: number;
  readonly fma: boolean;
}

export interface LinearPlan {
  readonly kernel: LinearKernel;
  /** Blocks of outputs, each with all of the channels: `kernel.outputs` of them, the last one perhaps fewer. */
  readonly blocks: number;
  readonly filters: Filters;
}

export interface GradientPlan {
  readonly kernel: GradientKernel;
  /** Series of chunks with sums of their own, or else the rows of positions apart: 4 bands. */
  readonly parts: number;
  readonly bands: 1 | 4;
  readonly back: FilterGradient;
}
