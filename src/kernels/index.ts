/**
 * The kernels in use, chosen at the first operation and never at import: WebAssembly where the engine and the page's
 * policy allow it, else TypeScript. The environment variable TYPEDGRAD_BACKEND forces `js` or `wasm`, or compares both
 * at every operation (`diff`).
 */
import { OptionError } from '../errors.ts';
import { jsKernels } from './js/index.ts';
import type { Kernels } from './types.ts';
import { differential } from './wasm/differential.ts';
import { features } from './wasm/features.ts';
import { wasmKernels } from './wasm/index.ts';

/** What runs the operations. */
export interface Backend {
  /** `wasm`: generated WebAssembly for float32, TypeScript for the rest; `js`: TypeScript for all; `diff`: both, compared. */
  readonly name: 'js' | 'wasm' | 'diff';
  /** 128-bit vectors are in use. */
  readonly simd: boolean;
  /** Fused multiply-adds are in use (`relaxed_madd`). */
  readonly relaxed: boolean;
  /** Memory can be shared with threads. */
  readonly shared: boolean;
  /** Why something is not in use, by its name; empty if all is. */
  readonly reasons: Readonly<Record<string, string>>;
}

interface Choice {
  readonly kernels: Kernels;
  readonly backend: Backend;
}

let choice: Choice | undefined;

function wanted(): 'js' | 'wasm' | 'diff' | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  const value = process?.env?.TYPEDGRAD_BACKEND;
  if (value === undefined || value === '') return undefined;
  if (value === 'js' || value === 'wasm' || value === 'diff') return value;
  throw new OptionError(`TYPEDGRAD_BACKEND is '${value}', which is none of 'js', 'wasm' and 'diff'`);
}

function choose(): Choice {
  const want = wanted();
  const off = { simd: false, relaxed: false, shared: false };
  if (want === 'js') {
    return {
      kernels: jsKernels,
      backend: { name: 'js', ...off, reasons: { wasm: 'TYPEDGRAD_BACKEND=js forbids it' } },
    };
  }
  const { simd, relaxed, shared, reasons } = features();
  if (!simd) {
    if (want !== undefined) throw new OptionError(`TYPEDGRAD_BACKEND=${want} cannot be had: ${reasons.simd}`);
    return {
      kernels: jsKernels,
      backend: { name: 'js', ...off, reasons: { wasm: reasons.simd ?? 'missing', ...reasons } },
    };
  }
  const kernels = want === 'diff' ? differential(wasmKernels, jsKernels) : wasmKernels;
  return { kernels, backend: { name: want ?? 'wasm', simd, relaxed, shared, reasons } };
}

/** The set of kernels that operations call. */
export function kernels(): Kernels {
  choice ??= choose();
  return choice.kernels;
}

/**
 * What runs the operations here, and why something better does not.
 *
 * @example
 * ```ts
 * import { backend } from 'typedgrad';
 *
 * const { name, reasons } = backend();
 * console.log(name, reasons);
 * ```
 */
export function backend(): Backend {
  choice ??= choose();
  return choice.backend;
}

/** Forgets the choice, so that the next operation chooses anew (for tests that change features or the environment). */
export function resetBackend(): void {
  choice = undefined;
}
