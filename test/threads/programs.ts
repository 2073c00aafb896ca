/** Programs by hand, for tests of the threads that run them. */
import {
  type Expr,
  FunctionBuilder,
  i32,
  importedFunction,
  invoke,
  load,
  op,
} from '../../src/kernels/wasm/assembler/assembler.ts';
import { encodeModule } from '../../src/kernels/wasm/assembler/encode.ts';
import { barrierFunction } from '../../src/kernels/wasm/barrier.ts';
import { sharedHeap } from '../../src/kernels/wasm/memory/heap.ts';
import { type Conductor, type ProgramCode, waitForThreads } from '../../src/threads/index.ts';

/** A program with the numbers that its threads share. */
export interface Handmade {
  readonly code: ProgramCode;
  readonly conductor: Conductor;
  /** One number for each thread that there can be. */
  readonly counts: Int32Array;
}

/** How a program made by hand differs from one that counts. */
export interface Options {
  readonly rounds?: number;
  readonly segments?: number;
  /** What a thread does at the end of a segment besides counting. */
  readonly extra?: (f: FunctionBuilder, thread: Expr<'i32'>) => void;
  /** Bytes that stand for the conductor on other threads. */
  readonly theirs?: Uint8Array;
}

const slots = 64;
let kernel: Uint8Array<ArrayBuffer> | undefined;

/** The function `bump(address)`, which adds one to the number there. */
function kernelBytes(): Uint8Array<ArrayBuffer> {
  const f = new FunctionBuilder('bump');
  const at = f.param('i32', 'at');
  f.store('i32.store', at, op('i32.add', load('i32.load', at), i32(1)));
  kernel ??= encodeModule([f], sharedHeap().import);
  return kernel;
}

/**
 * In each round every thread adds one to its own number, and after a barrier looks whether its neighbour has as many:
 * if not, the neighbour's and its own number are spoilt by a million.
 */
function segment(
  number: number,
  bump: FunctionBuilder,
  barrier: FunctionBuilder,
  base: number,
  o: Options,
): FunctionBuilder {
  const f = new FunctionBuilder(`segment_${number}`, { result: 'i32' });
  const [thread, threads, sync] = [f.param('i32', 'thread'), f.param('i32', 'threads'), f.param('i32', 'sync')];
  const own = f.let(op('i32.add', i32(base), op('i32.mul', thread, i32(64))), 'own');
  const next = f.let(op('i32.rem_u', op('i32.add', thread, i32(1)), threads), 'next');
  const theirs = f.let(op('i32.add', i32(base), op('i32.mul', next, i32(64))), 'theirs');
  const meet = (): void => f.if(invoke(barrier, 'i32', threads, sync), () => f.return(i32(1)));
  f.repeat(o.rounds ?? 1, () => {
    f.call(bump, own);
    meet();
    f.if(op('i32.ne', load('i32.load', own), load('i32.load', theirs)), () => {
      f.store('i32.store', own, i32(1_000_000));
    });
    meet();
  });
  o.extra?.(f, thread);
  f.return(i32(0));
  return f;
}

export function handmade(options: Options = {}): Handmade {
  const heap = sharedHeap();
  const { address } = heap.allocate(64 * slots);
  const module = kernelBytes();
  const [wait, bump] = [importedFunction('wait', ['i32', 'i32'], 'i32'), importedFunction('k0', ['i32'])];
  const barrier = barrierFunction(wait);
  const segments = Array.from({ length: options.segments ?? 1 }, (_, i) => segment(i, bump, barrier, address, options));
  const bytes = encodeModule([wait, bump, barrier, ...segments], heap.import);
  const { memory } = heap;
  const kernels = new WebAssembly.Instance(new WebAssembly.Module(module), { env: { memory } }).exports;
  const env = { memory, wait: waitForThreads, k0: kernels.bump as () => void };
  const conductor = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env }).exports as unknown as Conductor;
  const words = new Int32Array(memory.buffer, address, 16 * slots).fill(0);
  return {
    code: {
      heap,
      modules: [module],
      imports: [{ as: 'k0', module: 0, name: 'bump' }],
      conductor: options.theirs ?? bytes,
      segments: segments.length,
    },
    conductor,
    counts: words,
  };
}

/** What each of the first `threads` threads has counted. */
export function countsOf({ counts }: Handmade, threads: number): number[] {
  return Array.from({ length: threads }, (_, i) => counts[16 * i]!);
}
