/** The binary form of assembled functions: a module that imports one memory, and perhaps functions, and exports functions. */
import { entryOf, type FunctionBuilder, type Node, type ValueType } from './assembler.ts';
import { naturalAlignment } from './opcodes.ts';

/** The memory that a module imports as `env.memory`; sizes in pages of 64 KiB. */
export interface MemoryImport {
  readonly shared: boolean;
  readonly maximum: number;
}

const TYPE_BYTE: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

function unsigned(out: number[], value: number): void {
  let rest = value;
  while (rest > 127) {
    out.push((rest % 128) | 128);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
}

function signed(out: number[], value: number): void {
  let rest = BigInt(value);
  for (;;) {
    const byte = Number(rest & 127n);
    rest >>= 7n;
    if ((rest === 0n && byte < 64) || (rest === -1n && byte >= 64)) {
      out.push(byte);
      return;
    }
    out.push(byte | 128);
  }
}

function opcode(out: number[], code: number): void {
  if (code < 256) {
    out.push(code);
    return;
  }
  out.push(code >> 12);
  unsigned(out, code & 0xfff);
}

const CONTROL: Readonly<Record<string, number>> = { block: 0x02, loop: 0x03, if: 0x04 };
const INDEXED: Readonly<Record<string, number>> = { 'local.get': 0x20, 'local.set': 0x21, br: 0x0c, br_if: 0x0d };
const BARE: Readonly<Record<string, number>> = { drop: 0x1a, select: 0x1b, return: 0x0f };

function encodeNode(out: number[], node: Node, functions: readonly FunctionBuilder[]): void {
  for (const arg of node.args) encodeNode(out, arg, functions);
  const { name, immediates } = node;
  const [first = 0, second = 0] = immediates;
  const at = INDEXED[name];
  if (at !== undefined) {
    out.push(at);
    unsigned(out, first);
  } else if (CONTROL[name] !== undefined) {
    out.push(CONTROL[name], 0x40);
    (node.bodies as readonly Node[][]).forEach((body, i) => {
      if (i === 1) out.push(0x05);
      for (const n of body) encodeNode(out, n, functions);
    });
    out.push(0x0b);
  } else if (BARE[name] !== undefined) out.push(BARE[name]);
  else if (name === 'select_v128') out.push(0x1c, 1, TYPE_BYTE.v128);
  else if (name === 'call') {
    out.push(0x10);
    unsigned(out, functions.indexOf(node.callee as FunctionBuilder));
  } else if (name === 'memory.copy') out.push(0xfc, 10, 0, 0);
  else if (name === 'memory.fill') out.push(0xfc, 11, 0);
  else if (name === 'atomic.fence') out.push(0xfe, 3, 0);
  else if (name.endsWith('.const')) encodeConstant(out, name, immediates);
  else if (name === 'i8x16.shuffle') out.push(0xfd, 0x0d, ...immediates);
  else {
    const { kind, code } = entryOf(name);
    opcode(out, code);
    if (kind === 'lane') out.push(first);
    if (kind === 'memory' || kind === 'memoryLane') {
      out.push(naturalAlignment(name));
      unsigned(out, first);
    }
    if (kind === 'memoryLane') out.push(second);
  }
}

function encodeConstant(out: number[], name: string, immediates: readonly number[]): void {
  const [value = 0] = immediates;
  if (name === 'i32.const' || name === 'i64.const') {
    out.push(name === 'i32.const' ? 0x41 : 0x42);
    signed(out, value);
  } else if (name === 'f32.const') out.push(0x43, ...new Uint8Array(Float32Array.of(value).buffer));
  else if (name === 'f64.const') out.push(0x44, ...new Uint8Array(Float64Array.of(value).buffer));
  else out.push(0xfd, 0x0c, ...immediates);
}

function encodeBody(fn: FunctionBuilder, functions: readonly FunctionBuilder[]): number[] {
  const out: number[] = [];
  const groups: [number, ValueType][] = [];
  for (const { type } of fn.locals) {
    const last = groups.at(-1);
    if (last?.[1] === type) last[0]++;
    else groups.push([1, type]);
  }
  unsigned(out, groups.length);
  for (const [count, type] of groups) {
    unsigned(out, count);
    out.push(TYPE_BYTE[type]);
  }
  for (const node of fn.body) encodeNode(out, node, functions);
  out.push(0x0b);
  return out;
}

function name(text: string): number[] {
  return [text.length, ...[...text].map((c) => c.charCodeAt(0))];
}

/** The bytes of a module that imports `env.memory` and the functions marked so, and exports those marked so. */
export function encodeModule(given: readonly FunctionBuilder[], memory: MemoryImport): Uint8Array<ArrayBuffer> {
  const imports = given.filter((f) => f.imported);
  const own = given.filter((f) => !f.imported);
  // Imported functions have the first indices.
  const functions = [...imports, ...own];
  const out: number[] = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const section = (id: number, items: readonly (readonly number[])[]): void => {
    const bytes: number[] = [];
    unsigned(bytes, items.length);
    for (const item of items) for (const b of item) bytes.push(b);
    out.push(id);
    unsigned(out, bytes.length);
    for (const b of bytes) out.push(b);
  };
  section(
    1,
    functions.map((f) => [
      0x60,
      f.params.length,
      ...f.params.map((p) => TYPE_BYTE[p.type]),
      ...(f.result === undefined ? [0] : [1, TYPE_BYTE[f.result]]),
    ]),
  );
  const limits: number[] = [memory.shared ? 3 : 1, 0];
  unsigned(limits, memory.maximum);
  const index = (i: number): number[] => {
    const out: number[] = [];
    unsigned(out, i);
    return out;
  };
  section(2, [
    [...name('env'), ...name('memory'), 2, ...limits],
    ...imports.map((f, i) => [...name('env'), ...name(f.name), 0, ...index(i)]),
  ]);
  section(
    3,
    own.map((_, i) => index(imports.length + i)),
  );
  section(
    7,
    functions.flatMap((f, i) => (f.exported ? [[...name(f.name), 0, ...index(i)]] : [])),
  );
  section(
    10,
    own.map((f) => {
      const body = encodeBody(f, functions);
      const sized: number[] = [];
      unsigned(sized, body.length);
      for (const b of body) sized.push(b);
      return sized;
    }),
  );
  return Uint8Array.from(out);
}
