/**
 * A barrier for threads that share one memory: a counter of those that have arrived, and a generation that the last one
 * advances. The counter is free again before the generation says so, so the same words serve every barrier of a program.
 *
 *   arrived = arrived + 1
 *   last one:  arrived = 0, generation = generation + 1, wake the sleepers
 *   others:    look at generation for a while, then sleep until it moves
 */
import { type Expr, FunctionBuilder, i32, invoke, load, op, plus } from './assembler/assembler.ts';

/** Where a barrier's words lie, in bytes behind its address; each has a cache line of its own. */
export const BARRIER = { arrived: 0, generation: 64, sleepers: 128, spins: 192 } as const;
/** What a barrier takes in memory, in bytes; it begins at a multiple of 64. Zeros are its first state. */
export const BARRIER_BYTES = 256;
/** Multiplications between two looks, which leave the memory to the threads that work: about 10 ns. */
const PAUSE = 8;

/**
 * The function `barrier(threads, sync): i32`, which returns when `threads` threads have called it with the address
 * `sync`: 0, or what `wait` gave if that is not 0.
 *
 * `wait(address, value): i32` is called by those that come early, once they have looked `spins` times (the word in
 * memory): it sleeps until the word at `address` is no longer `value`, and gives 0 then, or another number to give up.
 */
export function barrierFunction(wait: FunctionBuilder): FunctionBuilder {
  const f = new FunctionBuilder('barrier', { result: 'i32' });
  const threads = f.param('i32', 'threads');
  const sync = f.param('i32', 'sync');
  f.if(op('i32.lt_s', threads, i32(2)), () => f.return(i32(0)));
  const word = (at: number): Expr<'i32'> => load('i32.atomic.load', sync, at);
  const generation = f.let(word(BARRIER.generation), 'generation');
  const before = f.let(load('i32.atomic.rmw.add', sync, BARRIER.arrived, i32(1)), 'before');
  f.if(op('i32.eq', op('i32.add', before, i32(1)), threads), () => {
    f.store('i32.atomic.store', sync, i32(0), BARRIER.arrived);
    f.store('i32.atomic.store', sync, op('i32.add', generation, i32(1)), BARRIER.generation);
    // A sleeper counts itself before it looks at the generation for the last time: either it sees the new one, or we see it.
    f.if(word(BARRIER.sleepers), () => f.drop(load('memory.atomic.notify', sync, BARRIER.generation, i32(-1))));
    f.return(i32(0));
  });
  spin(f, sync, generation);
  f.drop(load('i32.atomic.rmw.add', sync, BARRIER.sleepers, i32(1)));
  const result = f.let(invoke(wait, 'i32', plus(sync, BARRIER.generation), generation), 'result');
  f.drop(load('i32.atomic.rmw.sub', sync, BARRIER.sleepers, i32(1)));
  f.return(result);
  return f;
}

/** Returns from `f` if the generation moves within the number of looks that memory says. */
function spin(f: FunctionBuilder, sync: Expr<'i32'>, generation: Expr<'i32'>): void {
  const left = f.let(load('i32.load', sync, BARRIER.spins), 'left');
  const now = f.local('i32', 'now');
  const pause = f.local('i32', 'pause');
  f.loop((again) => {
    f.set(now, load('i32.atomic.load', sync, BARRIER.generation));
    f.if(op('i32.ne', now, generation), () => f.return(i32(0)));
    // A chain that the compiler cannot see through: powers of an odd number are never 0.
    f.set(pause, op('i32.or', now, i32(1)));
    for (let i = 0; i < PAUSE; i++) f.set(pause, op('i32.mul', pause, pause));
    f.set(left, op('i32.sub', left, i32(1)));
    again(op('i32.and', op('i32.gt_s', left, i32(0)), op('i32.ne', pause, i32(0))));
  });
}
