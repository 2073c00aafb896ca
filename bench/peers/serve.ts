/** The side of the protocol that a library in JavaScript stands on. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Info, Reply, Request, Task, TensorFile, Times } from './protocol.ts';

export interface Prepared {
  run(): unknown;
  /** Results of the last `run` in the order N, C, ...S. */
  outputs(): readonly Float32Array[] | Promise<readonly Float32Array[]>;
  dispose?(): void;
}

export interface Library {
  readonly info: Info;
  prepare(task: Task): Prepared | Promise<Prepared>;
}

export function readFloats({ file }: TensorFile): Float32Array<ArrayBuffer> {
  const bytes = readFileSync(file);
  return new Float32Array(new Uint8Array(bytes).buffer);
}

export function readIntegers({ file }: TensorFile): Int32Array<ArrayBuffer> {
  return new Int32Array(readFloats({ shape: [], file }).buffer);
}

/** Row-major data with its axes in another order. */
export function permuted(data: Float32Array, shape: readonly number[], axes: readonly number[]): Float32Array {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const result = new Float32Array(data.length);
  let next = 0;
  const walk = (depth: number, offset: number): void => {
    const axis = axes[depth];
    if (axis === undefined) {
      result[next++] = data[offset] as number;
      return;
    }
    for (let i = 0; i < (shape[axis] as number); i++) walk(depth + 1, offset + i * (strides[axis] as number));
  };
  walk(0, 0);
  return result;
}

export function unsupported(what: string): never {
  throw new Error(`cannot: ${what}`);
}

async function times(prepared: Prepared, calls: number, warm: number): Promise<Times> {
  for (let i = 0; i < warm; i++) await prepared.run();
  const cpu = process.cpuUsage();
  const wall = performance.now();
  for (let i = 0; i < calls; i++) {
    const pending = prepared.run();
    if (pending instanceof Promise) await pending;
  }
  const elapsed = performance.now() - wall;
  const { user, system } = process.cpuUsage(cpu);
  return { wall: elapsed / calls, cpu: (user + system) / 1000 / calls };
}

/** Answers requests from standard input until it ends. */
export async function serve(open: () => Library | Promise<Library>): Promise<void> {
  let library: Library | undefined;
  let prepared: Prepared | undefined;

  async function answer(request: Request): Promise<Reply> {
    library ??= await open();
    if (request.op === 'info') return { ok: true, info: library.info };
    if (request.op === 'prepare') {
      prepared = await library.prepare(request.task);
      return { ok: true };
    }
    if (request.op === 'drop') {
      prepared?.dispose?.();
      prepared = undefined;
      return { ok: true };
    }
    if (prepared === undefined) throw new Error(`${request.op} came before prepare`);
    if (request.op === 'run') return { ok: true, times: await times(prepared, request.calls, request.warm) };
    const files = (await prepared.outputs()).map((data, i) => {
      const file = `${request.prefix}-${i}`;
      writeFileSync(file, data);
      return file;
    });
    return { ok: true, files };
  }

  for await (const line of createInterface({ input: process.stdin })) {
    let reply: Reply;
    try {
      reply = await answer(JSON.parse(line) as Request);
    } catch (error) {
      reply = { ok: false, error: error instanceof Error ? error.message : String(error) };
    }
    process.stdout.write(`${JSON.stringify(reply)}\n`);
  }
}

/** The version of an installed package, from its own package.json, which its `exports` may hide. */
export function versionOf(name: string): string {
  const file = new URL(`node_modules/${name}/package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
