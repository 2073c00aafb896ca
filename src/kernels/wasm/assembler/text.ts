/** The text form of assembled functions: folded S-expressions of WebAssembly's text format, for reading and for tests. */
import { entryOf, type FunctionBuilder, type Node } from './assembler.ts';
import type { MemoryImport } from './encode.ts';
import { naturalAlignment } from './opcodes.ts';

function hex(word: number): string {
  return `0x${(word >>> 0).toString(16).padStart(8, '0')}`;
}

function float(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  return Object.is(value, -0) ? '-0' : String(value);
}

function immediatesOf(node: Node, labels: readonly string[]): string {
  const { name, immediates } = node;
  const [first = 0, second = 0] = immediates;
  if (name.startsWith('local.')) return ` $${labels[first]}`;
  if (node.callee !== undefined) return ` $${node.callee.name}`;
  if (name === 'br' || name === 'br_if') return ` ${first}`;
  if (name === 'v128.const') return ` i32x4 ${immediates.map(hex).join(' ')}`;
  if (name === 'f32.const' || name === 'f64.const') return ` ${float(first)}`;
  if (name.endsWith('.const') || name === 'i8x16.shuffle') return ` ${immediates.join(' ')}`;
  if (immediates.length === 0) return '';
  const { kind } = entryOf(name);
  if (kind === 'lane') return ` ${first}`;
  const offset = first === 0 ? '' : ` offset=${first}`;
  return kind === 'memoryLane' ? `${offset} align=${2 ** naturalAlignment(name)} ${second}` : offset;
}

function instruction(node: Node, labels: readonly string[], indent: string): string {
  const inner = `${indent}  `;
  const name = node.name === 'select_v128' ? 'select (result v128)' : node.name;
  const args = node.args.map((arg) => instruction(arg, labels, inner));
  if (node.bodies !== undefined) {
    const bodies = node.bodies.map((body) =>
      body.map((n) => `\n${inner}  ${instruction(n, labels, `${inner}  `)}`).join(''),
    );
    if (node.name !== 'if') return `(${name}${(bodies[0] as string).replaceAll(`\n${inner}  `, `\n${inner}`)})`;
    const branches = bodies.map((body, i) => `\n${inner}(${i === 0 ? 'then' : 'else'}${body})`);
    return `(if ${args.join(' ')}${branches.join('')})`;
  }
  const head = `${name}${immediatesOf(node, labels)}`;
  const flat = [head, ...args].join(' ');
  if (flat.length + indent.length < 110 && !flat.includes('\n')) return `(${flat})`;
  return `(${head}${args.map((arg) => `\n${inner}${arg}`).join('')})`;
}

function functionText(f: FunctionBuilder): string {
  const labels = [...f.params, ...f.locals].map((l) => l.label);
  const head = [
    `(func $${f.name}`,
    f.exported ? `(export "${f.name}")` : '',
    ...f.params.map((p) => `(param $${p.label} ${p.type})`),
    f.result === undefined ? '' : `(result ${f.result})`,
  ];
  const locals = f.locals.map((l) => `\n    (local $${l.label} ${l.type})`).join('');
  const body = f.body.map((node) => `\n    ${instruction(node, labels, '    ')}`).join('');
  return `  ${head.filter((part) => part !== '').join(' ')}${locals}${body})`;
}

function importText(f: FunctionBuilder): string {
  const params = f.params.map((p) => ` ${p.type}`).join('');
  const result = f.result === undefined ? '' : ` (result ${f.result})`;
  return `  (import "env" "${f.name}" (func $${f.name} (param${params})${result}))\n`;
}

/** A module's text; a WebAssembly text assembler makes the same bytes of it as `encodeModule`. */
export function moduleText(functions: readonly FunctionBuilder[], memory: MemoryImport): string {
  const limits = `0 ${memory.maximum}${memory.shared ? ' shared' : ''}`;
  const imports = functions.filter((f) => f.imported).map(importText);
  const own = functions.filter((f) => !f.imported).map(functionText);
  return `(module\n  (import "env" "memory" (memory ${limits}))\n${imports.join('')}${own.join('\n')})\n`;
}
