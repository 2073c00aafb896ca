/**
 * Which kernels run the operations: those in TypeScript, or WebAssembly's where the engine and the page's policy allow
 * it. Chosen at the first operation and never at import. Kernels come in families, each imported by the operations
 * that call it, so that a bundle holds the families that a program uses.
 */
import { OptionError } from '../errors.ts';
import type { Kernels } from './types.ts';

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

/** What the whole library puts beside the kernels in TypeScript. */
export interface Accelerator {
  /** What can be had here, and why the rest cannot. */
  features(): Omit<Backend, 'name'>;
  /** The faster kernels of families that do not bring their own. */
  readonly kernels: Partial<Kernels>;
  /** Kernels that run two sets side by side and compare. */
  differential<K extends Partial<Kernels>>(tested: K, reference: K): K;
}

let accelerator: Accelerator | undefined;
let choice: Backend | undefined;
/** Counts the choices, so that families notice a new one. */
let generation = 0;

/** Lets the families use WebAssembly; called once, when the library is loaded. */
export function accelerate(by: Accelerator): void {
  accelerator = by;
  resetBackend();
}

/** Forgets the choice, so that the next operation chooses anew (for tests that change features or the environment). */
export function resetBackend(): void {
  choice = undefined;
  generation++;
}

function wanted(): Backend['name'] | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  const value = process?.env?.TYPEDGRAD_BACKEND;
  if (value === undefined || value === '') return undefined;
  if (value === 'js' || value === 'wasm' || value === 'diff') return value;
  throw new OptionError(`TYPEDGRAD_BACKEND is '${value}', which is none of 'js', 'wasm' and 'diff'`);
}

const off = { simd: false, relaxed: false, shared: false };
const missing = { ...off, reasons: { simd: "typedgrad/core has none; import 'typedgrad' for WebAssembly" } };

function choose(): Backend {
  const want = wanted();
  if (want === 'js') return { name: 'js', ...off, reasons: { wasm: 'TYPEDGRAD_BACKEND=js forbids it' } };
  const { simd, relaxed, shared, reasons } = accelerator?.features() ?? missing;
  if (simd) return { name: want ?? 'wasm', simd, relaxed, shared, reasons };
  if (want !== undefined) throw new OptionError(`TYPEDGRAD_BACKEND=${want} cannot be had: ${reasons.simd}`);
  return { name: 'js', ...off, reasons: { wasm: reasons.simd ?? 'missing', ...reasons } };
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
  return choice;
}

/**
 * A group of kernels that the same operations call; the result gives those in use.
 *
 * @param js the kernels in TypeScript, which do whatever others leave.
 * @param wasm those of WebAssembly; without them, the accelerator's of the same names.
 */
export function family<K extends Partial<Kernels>>(js: K, wasm?: Partial<K>): () => K {
  let [chosen, made] = [js, -1];
  return () => {
    if (made !== generation) {
      chosen = kernelsOf(js, wasm);
      made = generation;
    }
    return chosen;
  };
}

function kernelsOf<K extends Partial<Kernels>>(js: K, wasm?: Partial<K>): K {
  const { name } = backend();
  if (name === 'js' || accelerator === undefined) return js;
  const faster = wasm ?? only(accelerator.kernels, js);
  const tested = { ...js, ...faster };
  return name === 'diff' ? accelerator.differential(tested, js) : tested;
}

/** The entries of `all` whose names `some` has. */
function only<K extends object>(all: object, some: K): Partial<K> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => name in some)) as Partial<K>;
}
