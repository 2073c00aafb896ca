/**
 * What this engine's WebAssembly can do. Asked at first use, never at import: a page's policy may forbid WebAssembly,
 * and importing the library must have no effect.
 */
import { FunctionBuilder, f32x4, i32, load, op } from './assembler/assembler.ts';
import { encodeModule, type MemoryImport } from './assembler/encode.ts';

export interface Features {
  /** 128-bit vectors; without them there are no WebAssembly kernels at all. */
  readonly simd: boolean;
  /** `f32x4.relaxed_madd`, a fused multiply-add where the processor has one. */
  readonly relaxed: boolean;
  /** Memory that several threads can share. */
  readonly shared: boolean;
  /** Why something is missing, by feature; empty when all are there. */
  readonly reasons: Readonly<Record<string, string>>;
}

const PRIVATE: MemoryImport = { shared: false, maximum: 1 };

function probe(build: (f: FunctionBuilder) => void, memory: MemoryImport): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder('run');
  build(f);
  return encodeModule([f], memory);
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function detectSimd(reasons: Record<string, string>): boolean {
  if (typeof WebAssembly !== 'object') {
    reasons.simd = 'this JavaScript engine has no WebAssembly';
    return false;
  }
  const bytes = probe(
    (f) => f.store('v128.store', i32(0), op('f32x4.add', f32x4(1), load('v128.load', i32(0)))),
    PRIVATE,
  );
  if (!WebAssembly.validate(bytes)) {
    reasons.simd = 'this WebAssembly engine has no 128-bit SIMD';
    return false;
  }
  try {
    // Compiling, not only validating: a Content-Security-Policy without 'wasm-unsafe-eval' refuses here.
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
    new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
    return true;
  } catch (error) {
    reasons.simd = `compiling WebAssembly is refused here: ${message(error)}`;
    return false;
  }
}

function detectRelaxed(reasons: Record<string, string>): boolean {
  const bytes = probe(
    (f) => f.store('v128.store', i32(0), op('f32x4.relaxed_madd', f32x4(1), f32x4(2), f32x4(3))),
    PRIVATE,
  );
  if (WebAssembly.validate(bytes)) return true;
  reasons.relaxed = 'this WebAssembly engine has no relaxed SIMD (Node 22 and later have it)';
  return false;
}

function detectShared(reasons: Record<string, string>): boolean {
  if (typeof SharedArrayBuffer !== 'function') {
    reasons.shared = 'SharedArrayBuffer is missing (a page must be cross-origin isolated)';
    return false;
  }
  const bytes = probe((f) => f.drop(load('i32.atomic.rmw.add', i32(0), 0, i32(1))), { shared: true, maximum: 1 });
  if (WebAssembly.validate(bytes)) return true;
  reasons.shared = 'this WebAssembly engine has no shared memory';
  return false;
}

let detected: Features | undefined;
let forced: Partial<Pick<Features, 'simd' | 'relaxed' | 'shared'>> = {};

/** The features of this engine, less those switched off by `forceFeatures`. */
export function features(): Features {
  if (detected === undefined) {
    const reasons: Record<string, string> = {};
    const simd = detectSimd(reasons);
    if (!simd) {
      reasons.relaxed = reasons.simd as string;
      reasons.shared = reasons.simd as string;
    }
    detected = { simd, relaxed: simd && detectRelaxed(reasons), shared: simd && detectShared(reasons), reasons };
  }
  const off: Record<string, string> = {};
  for (const [name, value] of Object.entries(forced)) if (value === false) off[name] = 'switched off';
  return {
    simd: detected.simd && forced.simd !== false,
    relaxed: detected.relaxed && forced.simd !== false && forced.relaxed !== false,
    shared: detected.shared && forced.shared !== false,
    reasons: { ...detected.reasons, ...off },
  };
}

/** Switches features off (false) or back on (absent), so that tests can hold every path against the reference. */
export function forceFeatures(features: Partial<Pick<Features, 'simd' | 'relaxed' | 'shared'>>): void {
  forced = features;
}
