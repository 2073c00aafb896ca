/** How long the steps of a program take, and how fast this machine is at best. */

import { FunctionBuilder, f32x4, op } from '../kernels/wasm/assembler/assembler.ts';
import { features } from '../kernels/wasm/features.ts';
import type { ProgramMemory } from './memory.ts';
import type { Program } from './program.ts';

const mostRounds = 15;
const mostMilliseconds = 500;
/** Ticks of the clock that a sample spans: one tick more or less is then 5 % of it. */
const leastTicks = 20;

/**
 * The clock's step in milliseconds: below a microsecond in Node, 0.1 in a page that is not cross-origin isolated, 1 in some
 * browsers. Null where it stands still for some milliseconds, as a test's clock does: nothing can be timed by that.
 */
export function clockTick(): number | null {
  let tick = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const start = performance.now();
    let now = start;
    for (let reads = 0; now === start; reads++) {
      if (reads === 100_000) return null;
      now = performance.now();
    }
    tick = Math.min(tick, now - start);
  }
  return tick;
}

/** Milliseconds of one run, repeated until they make a sample. */
function timeOf(run: () => void, tick: number): number {
  const start = performance.now();
  for (let runs = 1; ; runs++) {
    run();
    const elapsed = performance.now() - start;
    if (elapsed >= leastTicks * tick) return elapsed / runs;
  }
}

/** The median time of each step in milliseconds. Random numbers are drawn from where the last run drew them, so no stream moves. */
export function measureSteps(program: Program, tick: number): (number | null)[] {
  const restore = program.beginRehearsal();
  if (restore === null) return program.steps.map(() => null);
  const samples: number[][] = program.steps.map(() => []);
  const begin = performance.now();
  try {
    for (let round = 0; round < mostRounds && performance.now() - begin < mostMilliseconds; round++) {
      program.loadAgain();
      for (const i of program.steps.keys()) samples[i]!.push(timeOf(() => program.runStep(i), tick));
    }
  } finally {
    restore();
  }
  return samples.map((list) => (list.length === 0 ? null : list.sort((a, b) => a - b)[list.length >> 1]!));
}

/** Multiplications and additions in registers, in as many chains as hide their latency: what no kernel can exceed. */
export function measurePeak(memory: ProgramMemory, tick: number): number {
  const [chains, turns] = [12, 100_000];
  const { relaxed } = features();
  const { run } = memory.module(`peak ${relaxed}`, () => {
    const f = new FunctionBuilder('run');
    const address = f.param('i32', 'out');
    const factor = f.let(f32x4(0.999), 'factor');
    const sums = Array.from({ length: chains }, (_, i) => f.let(f32x4(i), 'sum'));
    f.repeat(turns, () => {
      for (const sum of sums) {
        const product = op('f32x4.mul', sum, factor);
        f.set(sum, relaxed ? op('f32x4.relaxed_madd', sum, factor, factor) : op('f32x4.add', product, factor));
      }
    });
    for (const sum of sums) f.store('v128.store', address, sum);
    return [f];
  }).exports;
  const out = memory.region(16, memory);
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 20; i++)
    best = Math.min(
      best,
      timeOf(() => run!(out.address), tick),
    );
  out.free();
  return (2 * 4 * chains * turns) / (best / 1000);
}
