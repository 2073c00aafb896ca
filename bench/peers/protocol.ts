/**
 * What the measuring process and the processes of the libraries say to each other: one JSON object per line.
 *
 * Every library lives in a process of its own, so that one's heap, threads and compiler do not weigh on another's, and
 * so that PyTorch is measured by the same rules: `pytorch.py` speaks the same lines.
 */
import type { Layer } from '../models.ts';

/** Numbers in row-major order (N, C, ...S) in a file: float32, or int32 for labels. */
export interface TensorFile {
  readonly shape: readonly number[];
  readonly file: string;
}

export type Direction = 'forward' | 'input gradient' | 'weight gradient';

export type Task =
  | {
      readonly kind: 'conv';
      readonly direction: Direction;
      readonly x: TensorFile;
      readonly w: TensorFile;
      /** Gradient of the result. */
      readonly g: TensorFile;
      readonly stride: number;
      readonly padding: number;
      readonly groups: number;
    }
  | {
      readonly kind: 'matmul';
      readonly a: TensorFile;
      readonly b: TensorFile;
      readonly transposeA: boolean;
      readonly transposeB: boolean;
    }
  | { readonly kind: 'maxPool'; readonly x: TensorFile; readonly kernel: readonly number[]; readonly stride: number }
  | {
      readonly kind: 'forward';
      readonly layers: readonly Layer[];
      readonly x: TensorFile;
      readonly weights: readonly TensorFile[];
    }
  | {
      readonly kind: 'train';
      readonly layers: readonly Layer[];
      readonly x: TensorFile;
      readonly labels: TensorFile;
      readonly weights: readonly TensorFile[];
      readonly lr: number;
      readonly momentum: number;
    };

export type Request =
  | { readonly op: 'info' }
  /** Build what the task needs. */
  | { readonly op: 'prepare'; readonly task: Task }
  /** Call it so many times in a row, after so many calls that do not count. */
  | { readonly op: 'run'; readonly calls: number; readonly warm: number }
  /** Write the last call's results into files whose names begin so; for training: the loss, then each trained weight. */
  | { readonly op: 'outputs'; readonly prefix: string }
  | { readonly op: 'drop' };

export interface Info {
  readonly name: string;
  readonly detail: string;
}

/** Milliseconds per call: of the clock on the wall, and of processor time of the whole process. */
export interface Times {
  readonly wall: number;
  readonly cpu: number;
}

export type Reply =
  | { readonly ok: true; readonly info?: Info; readonly times?: Times; readonly files?: readonly string[] }
  | { readonly ok: false; readonly error: string };
