/** What a program does, step by step, in numbers: for people who ask where the time goes. */

import { hasVectorForm } from '../kernels/wasm/elementwise/forms.ts';
import { showShape, sizeOf } from '../tensor/shape.ts';
import { elementBytes, type GraphNode, nameOf, type View } from './graph.ts';
import type { Group } from './group.ts';
import type { ProgramMemory } from './memory.ts';
import type { PoolAttrs } from './pool-taps.ts';
import type { Program } from './program.ts';
import { clockTick, measurePeak, measureSteps } from './timing.ts';
import { multiplications } from './work.ts';

/** Options of `explain`. */
export interface ExplainOptions {
  /** Whether to measure each step, on the arguments of the last call; what the program changes is put back. Default false. */
  time?: boolean;
}

/** One step of a program. */
export interface StepReport {
  /** What it does. */
  readonly name: string;
  /** The operations of the traced function that it carries out. */
  readonly operations: readonly string[];
  /** The shape of its last result. */
  readonly shape: readonly number[];
  /** Additions, multiplications and functions of elements. */
  readonly flops: number;
  /** What it reads from and writes to memory, each element once. */
  readonly bytes: number;
  /** How long it takes: the median of several runs; null if not measured. */
  readonly milliseconds: number | null;
  /** Why it runs by the kernel of eager execution; null if it is compiled. */
  readonly eager: string | null;
}

/** All of a program. */
export interface ProgramReport {
  readonly steps: readonly StepReport[];
  /** Bytes of the arena, and the largest sum of buffers that live at one time. */
  readonly arena: number;
  readonly floor: number;
  /** Floating point operations per second that one thread reaches in registers; null if not measured. */
  readonly peak: number | null;
}

/** The numbers of elements that a view reads, each once. */
function distinct({ shape, strides, value }: View): number {
  return Math.min(value.size, sizeOf(shape.filter((_, axis) => strides[axis] !== 0)));
}

function flopsOf(node: GraphNode): number {
  const name = nameOf(node);
  const { shape } = node.target;
  const reads = node.reads.map((view) => view.shape);
  const products = 2 * multiplications(name, reads, shape);
  if (products > 0) return products;
  const windows = name === 'windowSpread' ? reads[0]! : shape;
  if (name.startsWith('window') || name === 'maxPoolIndices' || name === 'maxPoolTaps')
    return sizeOf(windows) * sizeOf((node.attrs as PoolAttrs).geometry.kernel);
  if (movesOnly.has(name) || node.op?.impure) return 0;
  return Math.max(sizeOf(shape), ...node.reads.map((view) => sizeOf(view.shape)));
}

const movesOnly = new Set(['assign', 'clone', 'copy', 'gather', 'pickTaps', 'spreadTaps', 'cat', 'pad', 'embed', 'to']);

function bytesOf(group: Group, program: Program): number {
  const own = new Set(group.nodes.filter((node) => node.op !== null).map((node) => node.target.value));
  const reads = new Map<string, number>();
  for (const { reads: views } of group.nodes) {
    for (const view of views) {
      const key = `${view.value.id} ${view.offset} ${view.shape.join()} ${view.strides.join()}`;
      if (!own.has(view.value)) reads.set(key, distinct(view) * elementBytes(view.value.dtype));
    }
  }
  const writes = group.nodes
    .filter(
      ({ op: operation, target }) => operation === null || group.nodes.length === 1 || program.isNeeded(target.value),
    )
    .map(({ target }) => distinct(target) * elementBytes(target.value.dtype));
  return [...reads.values(), ...writes].reduce((sum, bytes) => sum + bytes, 0);
}

/** Why an operation was left to its eager kernel. */
function whyEager(node: GraphNode, memory: ProgramMemory): string {
  const name = nameOf(node);
  if (!memory.hasKernels) return 'WebAssembly with vectors is not to be had here';
  const dtypes = [node.target, ...node.reads].map((view) => view.value.dtype);
  if (dtypes.includes('float64')) return 'float64 has the reference kernels only';
  if (node.op === null) return 'it overwrites what it reads at other elements';
  if (node.target.value.size === 0) return 'it has nothing to compute';
  if (name.startsWith('maxPool') || name.startsWith('arg')) return 'it has more places than float32 can count';
  if (name === 'matmul') return 'nothing is added up';
  if (hasVectorForm(name)) return 'its shapes cannot be run through as one loop';
  return 'it has no compiled form';
}

/** What there is to say about a program; with `time`, measured now. */
export function reportOf(program: Program, options: ExplainOptions = {}): ProgramReport {
  const tick = options.time ? clockTick() : null;
  const times = tick === null ? null : measureSteps(program, tick);
  const steps = program.groups.map((group, i): StepReport => {
    const step = program.steps[i]!;
    const last = group.nodes.at(-1)!;
    return {
      name: step.name,
      operations: group.nodes.map(nameOf),
      shape: nameOf(last) === 'assign' ? last.reads[0]!.shape : last.target.shape,
      flops: group.nodes.reduce((sum, node) => sum + flopsOf(node), 0),
      bytes: bytesOf(group, program),
      milliseconds: times?.[i] ?? null,
      eager: group.kind === 'single' && step.isEager ? whyEager(group.nodes[0]!, program.memory) : null,
    };
  });
  const { bytes: arena, floor } = program.plan;
  return {
    steps,
    arena,
    floor,
    peak: tick !== null && program.memory.hasKernels ? measurePeak(program.memory, tick) : null,
  };
}

/** A report as a table. */
export function printReport(title: string, { steps, arena, floor, peak }: ProgramReport): string {
  const isTimed = steps.some(({ milliseconds }) => milliseconds !== null);
  const head = ['', 'step', 'shape', 'MFLOP', 'kB', ...(isTimed ? ['µs', 'GFLOP/s', '% of peak', 'GB/s'] : [])];
  const row = (name: string, shape: string, flops: number, bytes: number, time: number | null): string[] => {
    const rates = time === null ? ['', '', '', ''] : ratesOf(flops, bytes, time, peak);
    return [name, shape, (flops / 1e6).toFixed(3), (bytes / 1e3).toFixed(1), ...(isTimed ? rates : [])];
  };
  const rows = steps.map((step, i) => [
    String(i),
    ...row(
      `${step.eager === null ? '' : '* '}${step.name}`,
      showShape(step.shape),
      step.flops,
      step.bytes,
      step.milliseconds,
    ),
  ]);
  const sum = (of: (step: StepReport) => number): number => steps.reduce((total, step) => total + of(step), 0);
  const total = isTimed ? sum(({ milliseconds }) => milliseconds ?? 0) : null;
  rows.push([
    '',
    ...row(
      'total',
      '',
      sum(({ flops }) => flops),
      sum(({ bytes }) => bytes),
      total,
    ),
  ]);
  const operations = sum((step) => step.operations.length);
  const lines = [`${title}: ${operations} operations in ${steps.length} steps`, ...table([head, ...rows])];
  if (peak !== null) lines.push(`peak: ${(peak / 1e9).toFixed(1)} GFLOP/s of one thread in registers, as measured`);
  const share = floor === 0 ? 1 : arena / floor;
  lines.push(`arena: ${(arena / 1e3).toFixed(1)} kB, ${share.toFixed(3)} times the largest sum of live buffers`);
  const left = new Map<string, string[]>();
  for (const [i, { eager, name: step }] of steps.entries()) {
    if (eager !== null) left.set(eager, [...(left.get(eager) ?? []), `${i} ${step}`]);
  }
  if (left.size > 0) lines.push('* not compiled, but run by the kernels of eager execution:');
  for (const [why, names] of left) lines.push(`    ${why}: ${names.join(', ')}`);
  return lines.join('\n');
}

function ratesOf(flops: number, bytes: number, milliseconds: number, peak: number | null): string[] {
  const rate = flops / (milliseconds / 1000);
  const share = peak === null || flops === 0 ? '' : `${((100 * rate) / peak).toFixed(0)} %`;
  return [
    (1000 * milliseconds).toFixed(1),
    flops === 0 ? '' : (rate / 1e9).toFixed(1),
    share,
    (bytes / milliseconds / 1e6).toFixed(1),
  ];
}

/** Columns of equal width; names to the left, numbers to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widest = 72;
  const cut = rows.map((row) => row.map((cell) => (cell.length > widest ? `${cell.slice(0, widest - 1)}…` : cell)));
  const widths = cut[0]!.map((_, column) => Math.max(...cut.map((row) => row[column]!.length)));
  return cut.map((row) =>
    row
      .map((cell, column) =>
        column === 1 || column === 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!),
      )
      .join('  ')
      .trimEnd(),
  );
}
