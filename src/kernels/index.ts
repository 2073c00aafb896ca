/**
 * All kernels, and WebAssembly for those that leave it to the whole library. The environment variable TYPEDGRAD_BACKEND
 * forces `js` or `wasm`, or compares both at every operation (`diff`).
 */
import { accelerate, family } from './backend.ts';
import { jsKernels } from './js/index.ts';
import type { Kernels } from './types.ts';
import { differential } from './wasm/differential/index.ts';
import { features } from './wasm/features.ts';
import { draws, elementwiseKernels, sums, wasmKernels } from './wasm/index.ts';

accelerate({ features, kernels: { ...draws(), ...elementwiseKernels(), ...sums() }, differential });

export { type Backend, backend, resetBackend } from './backend.ts';

/** Every kernel in use, for those who compare and measure them; operations import the families that they call. */
export const kernels: () => Kernels = family(jsKernels, wasmKernels);
