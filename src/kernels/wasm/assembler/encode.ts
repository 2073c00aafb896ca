/** The binary form of assembled functions: a module that imports one memory, and perhaps functions, and exports functions. */
import { type Entry, type FunctionBuilder, listed, type Node, type ValueType } from './assembler.ts';

/** The memory that a module imports as `env.memory`; sizes in pages of 64 KiB. */
export interface MemoryImport {
  readonly shared: boolean;
  readonly maximum: number;
}

const TYPE_BYTE: Readonly<Record<ValueType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

/** LEB128 of a number below 2^32. */
function unsigned(out: number[], value: number): void {
  let rest = value;
  while (rest > 127 || rest < 0) {
    out.push((rest & 127) | 128);
    rest >>>= 7;
  }
  out.push(rest);
}

function signed(out: number[], value: number): void {
  let rest = value;
  while (rest > 63 || rest < -64) {
    out.push((rest & 127) | 128);
    rest >>= 7;
  }
  out.push(rest & 127);
}

function signed64(out: number[], value: number): void {
  let rest = BigInt(value);
  while (rest > 63n || rest < -64n) {
    out.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  out.push(Number(rest & 127n));
}

function word(out: number[], value: number): void {
  out.push(value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24);
}

const CONTROL: Readonly<Record<string, number>> = { block: 0x02, loop: 0x03, if: 0x04 };
const BARE: Readonly<Record<string, readonly number[]>> = {
  drop: [0x1a],
  return: [0x0f],
  select: [0x1b],
  select_v128: [0x1c, 1, TYPE_BYTE.v128],
  'memory.copy': [0xfc, 10, 0, 0],
  'memory.fill': [0xfc, 11, 0],
  'atomic.fence': [0xfe, 3, 0],
};

/** An instruction with an index. */
function encodeIndexed(out: number[], code: number, index: number): void {
  if (index < 128) {
    out.push(code, index);
    return;
  }
  out.push(code);
  unsigned(out, index);
}

/** An instruction that the tables have, behind its operands. */
function encodeListed(out: number[], { code, kind, align }: Entry, immediates: readonly number[]): void {
  const low = code & 0xfff;
  if (code < 256) out.push(code);
  else if (low < 128) out.push(code >> 12, low);
  else out.push(code >> 12, (low & 127) | 128, low >> 7);
  if (kind === 'plain') return;
  if (kind === 'lane') out.push(immediates[0] as number);
  else encodeIndexed(out, align, immediates[0] as number);
  if (kind === 'memoryLane') out.push(immediates[1] as number);
}

/** An instruction of a form of its own, behind its operands. */
function encodeOther(out: number[], node: Node, functions: readonly FunctionBuilder[]): void {
  const { name, immediates } = node;
  const value = immediates[0] as number;
  if (name === 'i32.const') {
    out.push(0x41);
    signed(out, value);
  } else if (name === 'v128.const') {
    out.push(0xfd, 0x0c);
    for (let i = 0; i < 4; i++) word(out, immediates[i] as number);
  } else if (name === 'i8x16.shuffle') out.push(0xfd, 0x0d, ...immediates);
  else if (node.bodies !== undefined) {
    out.push(CONTROL[name] as number, 0x40);
    node.bodies.forEach((body, i) => {
      if (i === 1) out.push(0x05);
      encodeNodes(out, body, functions);
    });
    out.push(0x0b);
  } else if (node.callee !== undefined) {
    encodeIndexed(out, 0x10, functions.indexOf(node.callee));
  } else if (name === 'i64.const') {
    out.push(0x42);
    signed64(out, value);
  } else if (name === 'f32.const') out.push(0x43, ...new Uint8Array(Float32Array.of(value).buffer));
  else if (name === 'f64.const') out.push(0x44, ...new Uint8Array(Float64Array.of(value).buffer));
  else if (name === 'br' || name === 'br_if') encodeIndexed(out, name === 'br' ? 0x0c : 0x0d, value);
  else {
    const bare = BARE[name];
    if (bare === undefined) throw new RangeError(`assembler: no instruction is named ${name}`);
    out.push(...bare);
  }
}

/**
 * Operands first, then the instruction. A network's first program has 26,000 of them, encoded by an engine that has not
 * optimised this yet, so iterators, and looking for a name in many places, count: with them encoding took 20 of the
 * 80 ms from the call to a program that is ready, without them 6 of 61.
 */
function encodeNodes(out: number[], nodes: readonly Node[], functions: readonly FunctionBuilder[]): void {
  for (let i = 0; i < nodes.length; i++) {
    const node = nodes[i] as Node;
    const { name, args } = node;
    if (name === 'local.get') encodeIndexed(out, 0x20, node.immediates[0] as number);
    else {
      if (args.length > 0) encodeNodes(out, args, functions);
      if (name === 'local.set') encodeIndexed(out, 0x21, node.immediates[0] as number);
      else {
        const entry = listed(name);
        if (entry === undefined) encodeOther(out, node, functions);
        else encodeListed(out, entry, node.immediates);
      }
    }
  }
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
  encodeNodes(out, fn.body, functions);
  out.push(0x0b);
  return out;
}

function name(text: string): number[] {
  return [text.length, ...[...text].map((c) => c.charCodeAt(0))];
}

function number(value: number): number[] {
  const out: number[] = [];
  unsigned(out, value);
  return out;
}

/** A section of `length` items, as arrays of bytes that follow each other. */
function section(
  id: number,
  items: readonly (readonly number[])[],
  length: number = items.length,
): (readonly number[])[] {
  const count = number(length);
  return [[id, ...number(lengthOf([count, ...items]))], count, ...items];
}

function lengthOf(parts: readonly (readonly number[])[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

function signature({ params, result }: FunctionBuilder): number[] {
  const types = params.map(({ type }) => TYPE_BYTE[type]);
  return [0x60, types.length, ...types, ...(result === undefined ? [0] : [1, TYPE_BYTE[result]])];
}

/** The bytes of a module that imports `env.memory` and the functions marked so, and exports those marked so. */
export function encodeModule(given: readonly FunctionBuilder[], memory: MemoryImport): Uint8Array<ArrayBuffer> {
  const imports = given.filter((f) => f.imported);
  const own = given.filter((f) => !f.imported);
  // Imported functions have the first indices.
  const functions = [...imports, ...own];
  const env = name('env');
  const parts = [
    [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, functions.map(signature)),
    ...section(2, [
      [...env, ...name('memory'), 2, memory.shared ? 3 : 1, 0, ...number(memory.maximum)],
      ...imports.map((f, i) => [...env, ...name(f.name), 0, ...number(i)]),
    ]),
    ...section(
      3,
      own.map((_, i) => number(imports.length + i)),
    ),
    ...section(
      7,
      functions.flatMap((f, i) => (f.exported ? [[...name(f.name), 0, ...number(i)]] : [])),
    ),
    ...section(
      10,
      own.flatMap((f) => {
        const body = encodeBody(f, functions);
        return [number(body.length), body];
      }),
      own.length,
    ),
  ];
  const bytes = new Uint8Array(lengthOf(parts));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
