/**
 * What a worker does: it waits for a command in shared memory, walks a program's segments beside the other threads, and
 * waits again. Nothing is sent to it but its first message, and it sends nothing but `ready` and `left`.
 *
 * `source.ts` holds this file with all that it imports as a string; `scripts/worker-source.ts` makes it.
 */
import { BARRIER } from '../kernels/wasm/barrier.ts';
import { CONTROL, type Description, MESSAGE_BYTES, type Start } from './layout.ts';

type WasmFunction = (...args: number[]) => number;
type Exports = Record<string, WasmFunction>;

interface Loaded {
  readonly segments: readonly WasmFunction[];
  readonly barrier: WasmFunction;
}

/** How many programs and modules a worker keeps ready; those used last stay. */
const PROGRAM_LIMIT = 64;
const MODULE_LIMIT = 1024;
/** How often a worker that waits for a command looks between two looks at the clock. */
const LOOKS = 100;
/** How long a sleeper at a barrier waits before it looks whether another thread has failed, in milliseconds. */
const LOOK_EVERY = 100;

/** A value from a map that keeps those used last. */
function recent<T>(map: Map<number, T>, key: number, limit: number, make: () => T): T {
  const value = map.get(key) ?? make();
  map.delete(key);
  map.set(key, value);
  if (map.size > limit) map.delete(map.keys().next().value as number);
  return value;
}

/** Works until it is told to leave; calls `announce` before. */
export function work({ memory, control, thread, threads }: Start, announce: () => void): void {
  const words = new Int32Array(memory.buffer, control, CONTROL.message / 4);
  const read = (at: number): number => Atomics.load(words, at / 4);
  const programs = new Map<number, Loaded>();
  const modules = new Map<number, Exports>();

  // A copy, because engines refuse shared bytes; the buffer is asked for anew, because memory grows.
  const bytes = (address: number, length: number): Uint8Array<ArrayBuffer> =>
    new Uint8Array(new Uint8Array(memory.buffer, address, length));
  const instance = (code: Uint8Array<ArrayBuffer>, more: object): Exports =>
    new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory, ...more } }).exports as Exports;

  const wait = (address: number, value: number): number => {
    const at = (address - control) / 4;
    while (Atomics.load(words, at) === value) {
      if (read(CONTROL.failed) !== 0) return 1;
      Atomics.wait(words, at, value, LOOK_EVERY);
    }
    return 0;
  };

  const loadProgram = (): Loaded => {
    const text = bytes(read(CONTROL.description), read(CONTROL.descriptionBytes));
    const description = JSON.parse(new TextDecoder().decode(text)) as Description;
    const exports = description.modules.map(([id, address, length]) =>
      recent(modules, id, MODULE_LIMIT, () => instance(bytes(address, length), {})),
    );
    const imports = description.imports.map(([as, module, name]) => [as, exports[module]![name]] as const);
    const conductor = instance(bytes(...description.conductor), { wait, ...Object.fromEntries(imports) });
    const segments = Array.from({ length: description.segments }, (_, i) => conductor[`segment_${i}`]!);
    return { segments, barrier: conductor.barrier! };
  };

  const run = (command: number): void => {
    const { segments, barrier } = recent(programs, read(CONTROL.program), PROGRAM_LIMIT, loadProgram);
    const sync = control + CONTROL.sync;
    if (barrier(threads, sync) !== 0) return;
    for (const [i, segment] of segments.entries()) {
      if (segment(thread, threads, sync) !== 0 || barrier(threads, sync) !== 0) return;
      // Between two segments the main thread works alone.
      if (i < segments.length - 1 && (barrier(threads, sync) !== 0 || read(CONTROL.aborted) === command)) return;
    }
  };

  const fail = (error: unknown): void => {
    // The first failure is the one that counts: those after it are its consequences.
    if (Atomics.compareExchange(words, CONTROL.speaker / 4, 0, thread) !== 0) return;
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const message = new TextEncoder().encode(text).subarray(0, MESSAGE_BYTES);
    new Int32Array(memory.buffer, control + CONTROL.message, 1).set([message.length]);
    new Uint8Array(memory.buffer, control + CONTROL.message + 4, message.length).set(message);
    Atomics.compareExchange(words, CONTROL.failed / 4, 0, thread);
    Atomics.notify(words, (CONTROL.sync + BARRIER.generation) / 4);
  };

  const next = (last: number): number => {
    const until = performance.now() + read(CONTROL.alert) / 1000;
    do {
      for (let look = 0; look < LOOKS; look++) {
        const now = read(CONTROL.command);
        if (now !== last) return now;
      }
    } while (performance.now() < until);
    Atomics.add(words, CONTROL.sleeping / 4, 1);
    Atomics.wait(words, CONTROL.command / 4, last);
    Atomics.sub(words, CONTROL.sleeping / 4, 1);
    return read(CONTROL.command);
  };

  Atomics.add(words, CONTROL.ready / 4, 1);
  Atomics.notify(words, CONTROL.ready / 4);
  announce();
  for (let last = 0; ; ) {
    const command = next(last);
    if (command === last) continue;
    last = command;
    if (read(CONTROL.ended) !== 0) return;
    try {
      run(command);
    } catch (error) {
      fail(error);
    }
  }
}

/** What is used here of the global objects of Node and of a page. */
interface Realm {
  readonly process?: { getBuiltinModule?(name: string): { readonly workerData: Start | null } };
  postMessage?(message: 'ready' | 'left'): void;
  addEventListener?(type: 'message', listener: (event: { readonly data: Start }) => void): void;
}

/** Begins with the data that Node gives to a worker, or with the first message in a page. */
export function begin(): void {
  const realm = globalThis as Realm;
  const data = realm.process?.getBuiltinModule?.('worker_threads').workerData;
  if (data) work(data, () => {});
  realm.addEventListener?.('message', ({ data }) => {
    work(data, () => realm.postMessage?.('ready'));
    realm.postMessage?.('left');
  });
}
